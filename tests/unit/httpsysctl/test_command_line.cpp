// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/httpsysctl/command_line.h"
#include <doctest/doctest.h>

using namespace httpsys::ctl;

namespace {

std::optional<CommandLine> parse(std::vector<std::string> words, Failure &failure, const char *environment = nullptr)
{
  words.insert(words.begin(), "httpsysctl");
  std::vector<char *> arguments;
  for (std::string &word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  return parse_command_line(static_cast<int>(words.size()), arguments.data(), environment, failure);
}

}

TEST_CASE("options may stand anywhere between the words")
{
  for (const auto &words : {std::vector<std::string>{"--socket", "/s", "show", "sslcert", "ipport=[::]:1"},
                            std::vector<std::string>{"show", "--socket=/s", "sslcert", "ipport=[::]:1"},
                            std::vector<std::string>{"show", "sslcert", "ipport=[::]:1", "--socket", "/s"},
                            std::vector<std::string>{"--socket", "/s", "--", "show", "sslcert", "ipport=[::]:1"}}) {
    Failure failure;
    auto line = parse(words, failure);
    REQUIRE(line);
    CHECK(line->socket_path == "/s");
    CHECK(line->words == std::vector<std::string>{"show", "sslcert", "ipport=[::]:1"});
    CHECK(!line->text);
  }
}

TEST_CASE("the socket comes from the option, else the environment, else the default")
{
  Failure failure;
  CHECK(parse({"--socket", "/o"}, failure, "/e")->socket_path == "/o");
  CHECK(parse({}, failure, "/e")->socket_path == "/e");
  CHECK(parse({}, failure, "")->socket_path == "/run/httpsys/httpsys.sock");
  CHECK(parse({}, failure)->socket_path == "/run/httpsys/httpsys.sock");
  std::string longest(107, 's');
  CHECK(parse({"--socket", longest}, failure));
  CHECK(!parse({"--socket", longest + "s"}, failure));
  CHECK(failure.exit_code == kExitRefused);
  CHECK(failure.sentence == "the socket path \"" + longest + "s\" has 108 bytes, 1 to 107 are possible");
  CHECK(!parse({"--socket="}, failure));
}

TEST_CASE("help and version are texts for stdout")
{
  Failure failure;
  for (const auto &words : {std::vector<std::string>{"--help"}, std::vector<std::string>{"help"},
                            std::vector<std::string>{"?"}, std::vector<std::string>{"show", "--help"}}) {
    auto line = parse(words, failure);
    REQUIRE(line);
    REQUIRE(line->text);
    for (const char *word : {"import cert", "add|update sslcert", "--socket PATH", "Exit status: 0 done", "Example: "})
      CHECK(line->text->find(word) != std::string::npos);
  }
  CHECK(parse({"--version"}, failure)->text->starts_with("httpsysctl 0."));
}

TEST_CASE("an unknown option is named with the one that may be meant")
{
  struct Row {
    std::vector<std::string> words;
    const char *sentence;
  };
  for (const Row &row : {Row{{"--sokcet=x", "show"}, R"(unknown option "--sokcet" (did you mean "--socket"?))"},
                         Row{{"show", "cert", "-j"}, R"(unknown option "-j": --help lists those that there are)"},
                         Row{{"--socket"}, "--socket needs a value after it"},
                         Row{{"show", "--version=1"}, "--version takes no value"}}) {
    Failure failure;
    CHECK(!parse(row.words, failure));
    CHECK(failure.exit_code == kExitUnknownWord);
    CHECK(failure.sentence == std::string(row.sentence));
  }
}
