// SPDX-License-Identifier: GPL-3.0-or-later
// UTF-8 and UTF-16, strict in both directions (Unicode 15, 3.9): no overlong forms, no surrogates in UTF-8, none unpaired in UTF-16,
// nothing above U+10FFFF. Pure functions of their arguments, for any core.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace httpsys::url {

struct CodePoint {
  char32_t value = 0;
  uint8_t length = 0; // code units that it took; 0: the text does not begin with a well-formed code point
};

constexpr bool is_high_surrogate(char16_t unit) { return (unit & 0xfc00) == 0xd800; }
constexpr bool is_low_surrogate(char16_t unit) { return (unit & 0xfc00) == 0xdc00; }
constexpr bool is_surrogate(char32_t value) { return value >= 0xd800 && value <= 0xdfff; }

// The first code point of the text.
CodePoint decode_utf8(std::string_view text);
CodePoint decode_utf16(std::u16string_view text);

// Writes one code point (no surrogate, at most U+10FFFF) and returns the number of units written: 1 or 2, and 1 to 4.
size_t encode_utf16(char32_t value, char16_t *out);
size_t encode_utf8(char32_t value, char *out);

bool is_utf8(std::string_view text);

// Append the text in the other encoding. False for ill-formed text; out then holds what came before the bad place.
bool append_utf16(std::string_view utf8, std::u16string &out);
bool append_utf8(std::u16string_view utf16, std::string &out);

// base/text.h's quoted() for UTF-16; an unpaired surrogate shows as U+FFFD.
std::string quoted(std::u16string_view text);

}
