// SPDX-License-Identifier: GPL-3.0-or-later
// Host names in the form that DNS and browsers use: every label that is not ASCII becomes an A-label ("bücher" is "xn--bcher-kva").
// Encoding only (RFC 3492); labels are lowered by case_map.h, other IDNA mappings (RFC 5895) are the caller's. Pure functions.
#pragma once
#include <string>
#include <string_view>

namespace httpsys::url {

// Appends the name, lower-cased, with A-labels. False for ill-formed UTF-16 and for a label of more than 63 bytes.
bool append_ascii_name(std::u16string_view name, std::string &out);

}
