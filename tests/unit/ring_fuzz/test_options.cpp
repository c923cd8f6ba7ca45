// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/options.h"
#include <doctest/doctest.h>
#include <initializer_list>
#include <string>
#include <vector>

using namespace httpsys::fuzz;

static Parsed parse(std::initializer_list<const char *> words)
{
  std::vector<std::string> copies{"httpsys-ring-fuzz"};
  copies.insert(copies.end(), words.begin(), words.end());
  std::vector<char *> argv;
  for (std::string &word : copies)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  return parse_options(static_cast<int>(copies.size()), argv.data());
}

TEST_CASE("what the command line says")
{
  auto parsed = parse({"--seconds", "3", "--seed", "0", "--attach", "/s", "--report=r"});
  REQUIRE(parsed.options);
  CHECK(parsed.options->seconds == 3);
  CHECK(parsed.options->seed == 0);
  CHECK(parsed.options->attach == "/s");
  CHECK(parsed.options->report == "r");
  CHECK(!parsed.options->steps);
  CHECK(parse({"--steps", "18446744073709551615"}).options->steps == UINT64_MAX);
  CHECK(parse({}).options);
}

TEST_CASE("--help and --version")
{
  CHECK(parse({"--help"}).out.find("--minimise FILE") != std::string::npos);
  CHECK(parse({"--help"}).exit_code == 0);
  CHECK(parse({"--version"}).out.starts_with("httpsys-ring-fuzz "));
}

TEST_CASE("usage is exit status 2 and a sentence")
{
  using Words = std::initializer_list<const char *>;
  for (Words words : {Words{"--seconds"}, Words{"--seconds", "0"}, Words{"--seconds", "x"}, Words{"--seconds", "-1"}, Words{"--steps", ""},
                      Words{"--seed", "18446744073709551616"}, Words{"--unheard"}, Words{"word"}, Words{"--help=x"}, Words{"--attach", ""},
                      Words{"--seconds", "1", "--steps", "1"}, Words{"--replay", "a", "--minimise", "b"},
                      Words{"--replay", "a", "--seed", "1"}, Words{"--minimise", "a", "--attach", "s"}}) {
    auto parsed = parse(words);
    CHECK(!parsed.options);
    CHECK(parsed.exit_code == 2);
    CHECK(!parsed.error.empty());
  }
}
