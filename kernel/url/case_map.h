// SPDX-License-Identifier: GPL-3.0-or-later
// Simple, locale-free case mapping of UTF-16 units for comparing URLs: one unit to one unit (UnicodeData.txt, simple mappings).
// Covered: ASCII, Latin-1, Latin Extended-A, Latin Extended Additional, Greek and Coptic (monotonic), Cyrillic with its supplement,
// Armenian, fullwidth Latin. Everything else, and every letter outside the BMP, compares as it is. Nothing outside ASCII maps into
// ASCII (U+0131 and U+017F stay), so that no look-alike can take the place of an ASCII name.
#pragma once
#include <string>
#include <string_view>

namespace httpsys::url {

char16_t to_upper(char16_t unit);
char16_t to_lower(char16_t unit);
std::u16string to_upper(std::u16string_view text);

constexpr char to_lower_ascii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}
