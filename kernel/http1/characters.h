// SPDX-License-Identifier: GPL-3.0-or-later
// Character classes of HTTP/1.1 (RFC 9110 5.6, RFC 9112). Tables and pure functions, for any core.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace httpsys::http1 {

constexpr std::array<bool, 256> make_token_characters()
{
  std::array<bool, 256> table{};
  for (unsigned c = '0'; c <= '9'; c++)
    table[c] = true;
  for (unsigned c = 'a'; c <= 'z'; c++)
    table[c] = table[c - 32] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~"))
    table[static_cast<uint8_t>(c)] = true;
  return table;
}

inline constexpr std::array<bool, 256> kTokenCharacters = make_token_characters();

// RFC 9110 5.6.2: tchar.
constexpr bool is_token_character(char c) { return kTokenCharacters[static_cast<uint8_t>(c)]; }

constexpr bool is_token(std::string_view text)
{
  for (char c : text)
    if (!is_token_character(c))
      return false;
  return !text.empty();
}

// RFC 9110 5.5: HTAB, SP, VCHAR and obs-text.
constexpr bool is_field_character(char c)
{
  auto byte = static_cast<uint8_t>(c);
  return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

// Whether a field value holds nothing but field characters. Eight bytes at a time, since all values of all requests pass here.
inline bool is_field_value(std::string_view value)
{
  constexpr uint64_t kOnes = 0x0101010101010101u, kHighBits = 0x8080808080808080u;
  size_t position = 0;
  for (; position + 8 <= value.size(); position += 8) {
    uint64_t word;
    std::memcpy(&word, value.data() + position, 8);
    uint64_t deleted = word ^ (kOnes * 0x7f);
    uint64_t suspicious = ((word - kOnes * 0x20) & ~word) | ((deleted - kOnes) & ~deleted);
    if ((suspicious & kHighBits) == 0)
      continue;
    for (size_t index = position; index < position + 8; index++)
      if (!is_field_character(value[index]))
        return false;
  }
  for (; position < value.size(); position++)
    if (!is_field_character(value[position]))
      return false;
  return true;
}

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Without the blanks around it (RFC 9110 5.6.3: OWS).
constexpr std::string_view trim(std::string_view text)
{
  while (!text.empty() && is_blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back()))
    text.remove_suffix(1);
  return text;
}

// Takes the next element of a comma-separated list off the text, trimmed; it may be empty (RFC 9110 5.6.1.2).
constexpr std::string_view take_list_element(std::string_view &list)
{
  size_t comma = list.find(',');
  std::string_view element = list.substr(0, comma);
  list = comma == list.npos ? std::string_view() : list.substr(comma + 1);
  return trim(element);
}

// Decimal digits only; false when empty, not decimal or above 2^64 - 1 (RFC 9110 8.6).
constexpr bool parse_decimal(std::string_view text, uint64_t &value)
{
  if (text.empty())
    return false;
  value = 0;
  for (char c : text) {
    if (c < '0' || c > '9' || __builtin_mul_overflow(value, uint64_t{10}, &value) ||
        __builtin_add_overflow(value, static_cast<uint64_t>(c - '0'), &value))
      return false;
  }
  return true;
}

}
