// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/url/utf.h"
#include <cstring>

namespace httpsys::url {

static bool is_continuation(uint8_t byte) { return (byte & 0xc0) == 0x80; }

CodePoint decode_utf8(std::string_view text)
{
  auto byte = [&](size_t index) { return static_cast<uint8_t>(text[index]); };
  if (text.empty())
    return {};
  uint8_t first = byte(0);
  if (first < 0x80)
    return {first, 1};
  uint8_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length == 0 || text.size() < length)
    return {};
  char32_t value = first & (0xffu >> (length + 1));
  for (size_t index = 1; index < length; index++) {
    if (!is_continuation(byte(index)))
      return {};
    value = value << 6 | (byte(index) & 0x3fu);
  }
  static constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < smallest[length] || value > 0x10ffff || is_surrogate(value))
    return {};
  return {value, length};
}

CodePoint decode_utf16(std::u16string_view text)
{
  if (text.empty() || is_low_surrogate(text[0]))
    return {};
  if (!is_high_surrogate(text[0]))
    return {text[0], 1};
  if (text.size() < 2 || !is_low_surrogate(text[1]))
    return {};
  return {0x10000 + (static_cast<char32_t>(text[0] - 0xd800) << 10) + static_cast<char32_t>(text[1] - 0xdc00), 2};
}

size_t encode_utf16(char32_t value, char16_t *out)
{
  if (value < 0x10000) {
    out[0] = static_cast<char16_t>(value);
    return 1;
  }
  out[0] = static_cast<char16_t>(0xd800 + ((value - 0x10000) >> 10));
  out[1] = static_cast<char16_t>(0xdc00 + ((value - 0x10000) & 0x3ff));
  return 2;
}

size_t encode_utf8(char32_t value, char *out)
{
  if (value < 0x80) {
    out[0] = static_cast<char>(value);
    return 1;
  }
  size_t length = value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
  for (size_t index = length - 1; index > 0; index--, value >>= 6)
    out[index] = static_cast<char>(0x80 | (value & 0x3f));
  out[0] = static_cast<char>((0xf00u >> length & 0xf0u) | value);
  return length;
}

bool is_utf8(std::string_view text)
{
  while (!text.empty()) {
    uint64_t word = 0;
    if (text.size() >= sizeof word) {
      std::memcpy(&word, text.data(), sizeof word);
      if ((word & 0x8080808080808080u) == 0) {
        text.remove_prefix(sizeof word);
        continue;
      }
    }
    CodePoint point = decode_utf8(text);
    if (point.length == 0)
      return false;
    text.remove_prefix(point.length);
  }
  return true;
}

bool append_utf16(std::string_view utf8, std::u16string &out)
{
  // No code point has more units in UTF-16 than in UTF-8.
  size_t length = out.size();
  out.resize(length + utf8.size());
  bool is_valid = true;
  while (!utf8.empty()) {
    CodePoint point = decode_utf8(utf8);
    is_valid = point.length != 0;
    if (!is_valid)
      break;
    length += encode_utf16(point.value, out.data() + length);
    utf8.remove_prefix(point.length);
  }
  out.resize(length);
  return is_valid;
}

bool append_utf8(std::u16string_view utf16, std::string &out)
{
  while (!utf16.empty()) {
    CodePoint point = decode_utf16(utf16);
    if (point.length == 0)
      return false;
    char bytes[4];
    out.append(bytes, encode_utf8(point.value, bytes));
    utf16.remove_prefix(point.length);
  }
  return true;
}

// Controls, the zero-width and bidirectional format characters that come along when a text is copied from a window, the BOM.
static bool is_invisible(char32_t value)
{
  return value < 0x20 || (value >= 0x7f && value <= 0xa0) || value == 0xad || (value >= 0x200b && value <= 0x200f) ||
    (value >= 0x2028 && value <= 0x202e) || (value >= 0x2060 && value <= 0x206f) || value == 0xfeff;
}

std::string quoted(std::u16string_view text)
{
  constexpr size_t kMaxUnits = 200;
  std::string out = "\"";
  for (size_t position = 0; position < text.size();) {
    if (position >= kMaxUnits) {
      out += "...";
      break;
    }
    CodePoint point = decode_utf16(text.substr(position));
    if (point.length == 0 || is_invisible(point.value)) {
      static constexpr char digits[] = "0123456789abcdef";
      char16_t unit = text[position++];
      out += "\\u";
      for (unsigned shift = 16; shift > 0; shift -= 4)
        out += digits[unit >> (shift - 4) & 0xf];
      continue;
    }
    char bytes[4];
    out.append(bytes, encode_utf8(point.value, bytes));
    position += point.length;
  }
  return out + '"';
}

}
