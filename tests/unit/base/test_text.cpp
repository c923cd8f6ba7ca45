// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/text.h"
#include "kernel/base/log.h"
#include <algorithm>
#include <array>
#include <doctest/doctest.h>

using namespace httpsys;
using namespace std::string_literals;

TEST_CASE("a process cannot choose a name with which it passes for another user's")
{
  CHECK(harmless_name("shopd 2.0 [a/b]") == "shopd 2.0 [a/b]");
  CHECK(harmless_name("x, uid 0) is cut off") == "x? uid 0? is cut off");
  CHECK(harmless_name("(\n\x1b[2J\x9b\xc3\xa4\x7f") == "???[2J????");
}

TEST_CASE("letter case is ASCII's")
{
  CHECK(lower_ascii("CertHash=\xc3\x84") == "certhash=\xc3\x84");
  CHECK(equal_ignoring_case("SSLCert", "sslcert"));
  CHECK(!equal_ignoring_case("sslcert", "sslcer"));
  CHECK(!equal_ignoring_case("sslcert", "sslcertx"));
}

TEST_CASE("values are shown so that nothing in them stays unseen")
{
  struct Row {
    const char *text, *shown;
  };
  for (const Row &row : {Row{"", R"("")"}, Row{"plain text", R"("plain text")"},
                         Row{"\xe2\x80\x8e"
                             "5d48",
                             R"("\u200e5d48")"},
                         Row{"a\nb\x7f", R"("a\u000ab\u007f")"}, Row{"M\xc3\xbcller", "\"M\xc3\xbcller\""},
                         Row{"\xff\xc0\x80", R"("\xff\xc0\x80")"}, Row{"\xed\xa0\x80", R"("\xed\xa0\x80")"},
                         Row{"\xf3\xa0\x80\x81", R"("\U000e0001")"}, Row{"\xc2\xa0", R"("\u00a0")"},
                         Row{"say \"x\\\"", R"("say \"x\\\"")"}, Row{"\xe2\x80", R"("\xe2\x80")"},
                         Row{"\xf4\x90\x80\x80", R"("\xf4\x90\x80\x80")"}})
    CHECK(quoted(row.text) == row.shown);
  CHECK(visible("") == "");
  CHECK(visible("say \"x\\\" M\xc3\xbcller") == "say \"x\\\" M\xc3\xbcller");
  CHECK(visible(std::string(300, 'x')) == std::string(300, 'x'));
  CHECK(quoted(std::string(200, 'x')) == '"' + std::string(200, 'x') + '"');
  CHECK(quoted(std::string(201, 'x')) == '"' + std::string(200, 'x') + "...\"");
}

TEST_CASE("whatever a line of the log holds, it is one line, and nothing in it acts on who reads it")
{
  CHECK(format_log_line("ready: \"M\xc3\xbcller\\\"") == "httpsysd: ready: \"M\xc3\xbcller\\\"\n");
  CHECK(format_log_line("a\nhttpsysd: b\r\0c"s) == "httpsysd: a\\u000ahttpsysd: b\\u000d\\u0000c\n");
  CHECK(format_log_line("\x1b[2J\xc2\x9b\x9b") == "httpsysd: \\u001b[2J\\u009b\\x9b\n");
  CHECK(format_log_line("\u202egnp.exe\u2028\u200b\U000e0041") == "httpsysd: \\u202egnp.exe\\u2028\\u200b\\U000e0041\n");
  // Quoting is not undone, and not done twice.
  CHECK(format_log_line(quoted("\u202e\"\x1b")) == "httpsysd: \"\\u202e\\\"\\u001b\"\n");
  for (int byte = 0; byte < 256; byte++) {
    std::string line = format_log_line(std::string(3, static_cast<char>(byte)));
    CHECK(std::ranges::all_of(line.substr(0, line.size() - 1), [](char c) { return c >= 0x20 && c < 0x7f; }));
  }
}

TEST_CASE("the nearest word is the one with the fewest slips")
{
  constexpr std::array<std::string_view, 4> verbs = {"add", "delete", "show", "update"};
  struct Row {
    const char *word, *nearest;
  };
  for (const Row &row : {Row{"shwo", "show"}, Row{"SHOW", "show"}, Row{"ad", "add"}, Row{"dlete", "delete"},
                         Row{"updaet", "update"}, Row{"", "add"}, Row{"qqqqqqqqqqqqqqqqq", "add"}})
    CHECK(nearest_word(row.word, verbs) == row.nearest);
  CHECK(nearest_word("x", {}).empty());
  // A swap of neighbours is one slip, so that it wins over two replacements.
  constexpr std::array<std::string_view, 2> swaps = {"abxy", "abdc"};
  CHECK(nearest_word("abcd", swaps) == "abdc");
  CHECK(nearest_word(std::string(1000000, 'x'), verbs) == "add");
}

TEST_CASE("a close word has at most a slip in three letters")
{
  constexpr std::array<std::string_view, 3> options = {"--cores", "--config", "--help"};
  CHECK(close_word("--croes", options) == "--cores");
  CHECK(close_word("--cofnigs", options) == "--config");
  for (const char *word : {"--nonsense", "-x", "-h", "", "add"})
    CHECK(close_word(word, options).empty());
  CHECK(close_word("x", {}).empty());
}

TEST_CASE("lists of words read like a sentence")
{
  constexpr std::array<std::string_view, 3> words = {"a", "b", "c"};
  CHECK(joined(words) == "a, b and c");
  CHECK(joined(std::span(words).first(2), " or ") == "a or b");
  CHECK(joined(std::span(words).first(1)) == "a");
  CHECK(joined({}).empty());
}
