// SPDX-License-Identifier: GPL-3.0-or-later
// IMF-fixdate (RFC 9110 5.6.7), by hand since strftime depends on the locale. Pure function; callers keep the text for a second.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace httpsys::http1 {

struct HttpDate {
  std::array<char, 29> text; // "Sun, 06 Nov 1994 08:49:37 GMT"

  std::string_view view() const { return {text.data(), text.size()}; }
};

// unix_seconds outside the years 1970 to 9999 are moved to the nearest end.
HttpDate format_date(int64_t unix_seconds);

}
