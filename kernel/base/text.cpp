// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/text.h"
#include "kernel/limits.h"
#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace httpsys {

namespace {

char lower(char letter)
{
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + ('a' - 'A')) : letter;
}

struct Range {
  char32_t first, last;
};

// Unicode 15: categories Cc, Cf, Zs, Zl, Zp (the space excepted) and the default-ignorable characters, which fonts draw as nothing.
constexpr Range kInvisible[] = {
  {0x0, 0x1f}, {0x7f, 0xa0}, {0xad, 0xad}, {0x34f, 0x34f}, {0x600, 0x605}, {0x61c, 0x61c}, {0x6dd, 0x6dd}, {0x70f, 0x70f}, {0x890, 0x891},
  {0x8e2, 0x8e2}, {0x115f, 0x1160}, {0x1680, 0x1680}, {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x2000, 0x200f}, {0x2028, 0x202f},
  {0x205f, 0x206f}, {0x3000, 0x3000}, {0x3164, 0x3164}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb},
  {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

size_t edit_distance(std::string_view left, std::string_view right)
{
  std::vector<size_t> before(right.size() + 1), above(right.size() + 1), row(right.size() + 1);
  for (size_t column = 0; column <= right.size(); column++)
    above[column] = column;
  for (size_t line = 1; line <= left.size(); line++) {
    row[0] = line;
    for (size_t column = 1; column <= right.size(); column++) {
      char one = lower(left[line - 1]), other = lower(right[column - 1]);
      row[column] = std::min({above[column] + 1, row[column - 1] + 1, above[column - 1] + (one == other ? 0 : 1)});
      if (line > 1 && column > 1 && one == lower(right[column - 2]) && lower(left[line - 2]) == other)
        row[column] = std::min(row[column], before[column - 2] + 1);
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[right.size()];
}

std::string_view nearest_within(std::string_view word, std::span<const std::string_view> candidates, size_t most)
{
  word = word.substr(0, limits::kMaxQuotedText);
  std::string_view nearest;
  size_t least = SIZE_MAX;
  for (std::string_view candidate : candidates) {
    size_t distance = edit_distance(word, candidate);
    if (distance < least && distance <= most) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}

std::string lower_ascii(std::string_view text)
{
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

bool equal_ignoring_case(std::string_view left, std::string_view right)
{
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char one, char other) { return lower(one) == lower(other); });
}

// RFC 3629 4
Utf8Character first_character(std::string_view text)
{
  auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80)
    return {lead, 1, true};
  uint8_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes)
    return {};
  char32_t code = lead & (0x7fu >> bytes);
  for (size_t index = 1; index < bytes; index++) {
    auto byte = static_cast<uint8_t>(text[index]);
    if ((byte & 0xc0) != 0x80)
      return {};
    code = code << 6 | (byte & 0x3fu);
  }
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
    return {};
  return {code, bytes, true};
}

bool is_invisible(char32_t code)
{
  if (code >= 0x20 && code < 0x7f) // nearly all that is asked for
    return false;
  return std::any_of(std::begin(kInvisible), std::end(kInvisible),
                     [code](const Range &range) { return code >= range.first && code <= range.last; });
}

// The first character of text, of which there is one, as a person may see it.
static void append_visible(const Utf8Character &character, std::string_view text, std::string &result)
{
  auto code = static_cast<uint32_t>(character.code);
  if (!character.is_valid)
    result += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[0]));
  else if (is_invisible(character.code))
    result += code > 0xffff ? fmt::format("\\U{:08x}", code) : fmt::format("\\u{:04x}", code);
  else
    result += text.substr(0, character.bytes);
}

std::string visible(std::string_view text)
{
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    Utf8Character character = first_character(text);
    append_visible(character, text, result);
    text.remove_prefix(character.bytes);
  }
  return result;
}

std::string quoted(std::string_view text)
{
  std::string result = "\"";
  std::string_view rest = text;
  while (!rest.empty()) {
    if (text.size() - rest.size() >= limits::kMaxQuotedText)
      return result + "...\"";
    Utf8Character character = first_character(rest);
    if (character.code == '"' || character.code == '\\')
      result += '\\';
    append_visible(character, rest, result);
    rest.remove_prefix(character.bytes);
  }
  return result + '"';
}

std::string harmless_name(std::string name)
{
  std::ranges::replace_if(name, [](char c) { return c < 0x20 || c >= 0x7f || c == '(' || c == ')' || c == ','; }, '?');
  return name;
}

std::string_view nearest_word(std::string_view word, std::span<const std::string_view> candidates)
{
  return nearest_within(word, candidates, SIZE_MAX);
}

std::string_view close_word(std::string_view word, std::span<const std::string_view> candidates)
{
  return nearest_within(word, candidates, word.size() / 3);
}

std::string unknown_option_text(std::string_view option, std::span<const std::string_view> known)
{
  std::string_view meant = close_word(option, known);
  if (meant.empty())
    return fmt::format("unknown option {}: --help lists those that there are", quoted(option));
  return fmt::format("unknown option {} (did you mean \"{}\"?)", quoted(option), meant);
}

std::string joined(std::span<const std::string_view> words, std::string_view last_joint)
{
  std::string result;
  for (size_t index = 0; index < words.size(); index++) {
    if (index > 0)
      result += index + 1 == words.size() ? last_joint : ", ";
    result += words[index];
  }
  return result;
}

}
