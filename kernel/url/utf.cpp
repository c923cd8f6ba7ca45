// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/url/utf.h"
#include "kernel/base/text.h"
#include <cstring>

namespace httpsys::url {

CodePoint decode_utf8(std::string_view text)
{
  if (text.empty())
    return {};
  Utf8Character character = first_character(text);
  if (!character.is_valid)
    return {};
  return {character.code, character.bytes};
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

std::string quoted(std::u16string_view text)
{
  std::string utf8;
  while (!append_utf8(text, utf8)) {
    // append_utf8() stopped at an unpaired surrogate.
    size_t taken = 0;
    while (decode_utf16(text.substr(taken)).length != 0)
      taken += decode_utf16(text.substr(taken)).length;
    utf8 += "\uFFFD";
    text.remove_prefix(taken + 1);
  }
  return httpsys::quoted(std::string_view(utf8));
}

}
