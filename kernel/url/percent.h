// SPDX-License-Identifier: GPL-3.0-or-later
// Percent escapes of RFC 3986 2.1, and HTTP.sys' %uNNNN. Pure functions of their arguments, for any core.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace httpsys::url {

// Value of a hexadecimal digit, -1 for anything else.
constexpr int hex_value(char32_t c)
{
  if (c >= '0' && c <= '9')
    return static_cast<int>(c - '0');
  if (c >= 'a' && c <= 'f')
    return static_cast<int>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F')
    return static_cast<int>(c - 'A') + 10;
  return -1;
}

struct Escape {
  char16_t value = 0;      // an octet of %XX, a UTF-16 unit of %uNNNN
  bool is_unicode = false; // %uNNNN
  uint8_t length = 0;      // characters of the escape: 3 or 6
};

// The escape at the start of the text, which begins with '%'; nothing when it is malformed or cut off. Either character width.
template <typename Char>
constexpr std::optional<Escape> parse_escape(std::basic_string_view<Char> text)
{
  bool is_unicode = text.size() > 1 && (text[1] == 'u' || text[1] == 'U');
  size_t begin = is_unicode ? 2 : 1;
  size_t digits = is_unicode ? 4 : 2;
  if (text.size() < begin + digits)
    return std::nullopt;
  unsigned value = 0;
  for (size_t index = begin; index < begin + digits; index++) {
    int digit = hex_value(static_cast<std::make_unsigned_t<Char>>(text[index]));
    if (digit < 0)
      return std::nullopt;
    value = value << 4 | static_cast<unsigned>(digit);
  }
  return Escape{static_cast<char16_t>(value), is_unicode, static_cast<uint8_t>(begin + digits)};
}

}
