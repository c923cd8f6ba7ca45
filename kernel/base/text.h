// SPDX-License-Identifier: GPL-3.0-or-later
// Words from outside: compared, shown and corrected. Pure functions of bytes for messages to people; any thread. Not for hot paths.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace httpsys {

// ASCII letters only: tags, words and host names (RFC 6066 3) need no more.
std::string lower_ascii(std::string_view text);
bool equal_ignoring_case(std::string_view left, std::string_view right);

// One character of UTF-8. is_valid false: the first byte belongs to none (over-long forms, surrogates and more than U+10FFFF count so).
struct Utf8Character {
  char32_t code = 0;
  uint8_t bytes = 1;
  bool is_valid = false;
};
// text must not be empty.
Utf8Character first_character(std::string_view text);
// Whether a person would not see the character: control, format and blank characters other than the space.
bool is_invisible(char32_t code);

// The text with nothing in it that stays unseen, turns the direction of what is around it, breaks the line or commands a terminal:
// invisible characters become \u200e or \U000e0001, broken UTF-8 \xff. Of what is visible it is the same text.
std::string visible(std::string_view text);

// visible() in double quotes, ready for a sentence, so that the ends can be seen: '"' and '\' get a '\'.
// Longer than limits::kMaxQuotedText bytes: its beginning and "...".
std::string quoted(std::string_view text);

// The name that a process chose for itself, for "pid 7 (NAME, uid 8)" in a line of the log: '?' for what is not printable ASCII, and for
// parentheses and commas, with which it could pass for another user's.
std::string harmless_name(std::string name);

// The candidate with the fewest insertions, deletions, replacements and swaps of neighbours, letter case aside; the
// first of equals. "" without candidates.
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> candidates);
// The same, but "" when more than a third of the word would be a slip: nobody meant what is so far off.
std::string_view close_word(std::string_view word, std::span<const std::string_view> candidates);
// What a command says to an option that it does not have.
std::string unknown_option_text(std::string_view option, std::span<const std::string_view> known);

// "a", "a and b", "a, b and c": with another word in place of "and" on wish.
std::string joined(std::span<const std::string_view> words, std::string_view last_joint = " and ");

}
