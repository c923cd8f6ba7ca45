// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/options.h"
#include <doctest/doctest.h>
#include <vector>

using namespace httpsys::main;

namespace {

ParsedOptions parse(std::vector<std::string> words, const char *environment = nullptr)
{
  words.insert(words.begin(), "httpsysd");
  std::vector<char *> arguments;
  for (std::string &word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  return parse_options(static_cast<int>(words.size()), arguments.data(), environment);
}

}

TEST_CASE("without options everything has its default")
{
  ParsedOptions parsed = parse({});
  REQUIRE(parsed.options);
  CHECK(parsed.options->config_path == "/etc/httpsys/httpsys.toml");
  CHECK(!parsed.options->config_is_named);
  CHECK(parsed.options->socket_path == "/run/httpsys/httpsys.sock");
  CHECK(parsed.options->state_folder == "/var/lib/httpsys");
  CHECK(parsed.options->cores == 0);
  CHECK(!parsed.options->user);
  CHECK(!parsed.options->check_config);
  CHECK(!parsed.options->check_sandbox);
  CHECK(parsed.exit_code == 0);
}

TEST_CASE("each option sets its value, in both spellings")
{
  for (const auto &words :
       {std::vector<std::string>{"--config", "c", "--socket", "s", "--state-dir", "d", "--cores", "2",
                                 "--user", "u", "--check-config", "--check-sandbox"},
        std::vector<std::string>{"--check-sandbox", "--check-config", "--user=u", "--cores=2", "--state-dir=d",
                                 "--socket=s", "--config=c"}}) {
    ParsedOptions parsed = parse(words);
    REQUIRE(parsed.options);
    CHECK(parsed.options->config_path == "c");
    CHECK(parsed.options->config_is_named);
    CHECK(parsed.options->socket_path == "s");
    CHECK(parsed.options->state_folder == "d");
    CHECK(parsed.options->cores == 2);
    CHECK(parsed.options->user == "u");
    CHECK(parsed.options->check_config);
    CHECK(parsed.options->check_sandbox);
  }
}

TEST_CASE("the option weighs more than the environment, the environment more than the default")
{
  CHECK(parse({}, "/tmp/e.sock").options->socket_path == "/tmp/e.sock");
  CHECK(parse({"--socket", "/tmp/o.sock"}, "/tmp/e.sock").options->socket_path == "/tmp/o.sock");
  CHECK(parse({}, "").options->socket_path == "/run/httpsys/httpsys.sock");
}

TEST_CASE("help and version go to stdout and end well")
{
  ParsedOptions help = parse({"--help"});
  CHECK(!help.options);
  CHECK(help.exit_code == 0);
  CHECK(help.error.empty());
  for (const char *option :
       {"--config FILE", "--socket PATH", "--state-dir DIR", "--user NAME", "--cores N", "--check-config",
        "--check-sandbox", "--version", "--help",
        "/etc/httpsys/httpsys.toml", "/run/httpsys/httpsys.sock", "/var/lib/httpsys", "Example: "})
    CHECK(help.out.find(option) != help.out.npos);
  ParsedOptions version = parse({"--version"});
  CHECK(version.exit_code == 0);
  CHECK(version.out.starts_with("httpsysd 0."));
  CHECK(version.out.find("\nwolfSSL 5.") != version.out.npos);
  CHECK(version.out.find("liburing 2.") != version.out.npos);
}

TEST_CASE("what is no option is named, with the one that may be meant")
{
  struct Row {
    std::vector<std::string> words;
    std::string error;
  };
  for (const Row &row :
       {Row{{"--sokcet", "x"}, R"(unknown option "--sokcet" (did you mean "--socket"?))"},
        Row{{"--core=2"}, ""}, // getopt_long's abbreviation
        Row{{"--statedir=x"}, R"(unknown option "--statedir" (did you mean "--state-dir"?))"},
        Row{{"-x"}, R"(unknown option "-x": --help lists those that there are)"},
        Row{{"--nonsense"}, R"(unknown option "--nonsense": --help lists those that there are)"},
        Row{{"--cores", "2", "-hv"}, R"(unknown option "-hv": --help lists those that there are)"},
        Row{{"--help=1"}, "--help takes no value"}, Row{{"--socket"}, "--socket needs a value after it"},
        Row{{"--cores", "1", "--config"}, "--config needs a value after it"},
        Row{{"start"}, R"(unknown word "start": httpsysd takes options only, --help lists them)"},
        Row{{"--cores", "1", "x\n", "--help"},
            R"(unknown word "x\u000a": httpsysd takes options only, --help lists them)"},
        Row{{"--", "x"}, R"(unknown word "x": httpsysd takes options only, --help lists them)"}}) {
    ParsedOptions parsed = parse(row.words);
    INFO(row.words[0]);
    CHECK(parsed.error == row.error);
    CHECK(parsed.exit_code == (row.error.empty() ? 0 : 2));
    CHECK(parsed.options.has_value() == row.error.empty());
    CHECK(parsed.out.empty());
  }
}

TEST_CASE("values that cannot be are refused by name")
{
  for (const char *cores : {"0", "257", "-1", "+1", "1x", "x", " 1", "99999999999"}) {
    ParsedOptions parsed = parse({"--cores", cores});
    CHECK(!parsed.options);
    CHECK(parsed.exit_code == 1);
    CHECK(parsed.error == "--cores cannot be \"" + std::string(cores) + "\": write a number from 1 to 256");
  }
  CHECK(parse({"--cores", "256"}).options->cores == 256);
  CHECK(parse({"--socket", ""}).error == "--socket needs a value that is not empty");
  CHECK(parse({"--state-dir="}).exit_code == 1);
  CHECK(parse({"--user="}).error == "--user needs a value that is not empty");

  std::string longest = "/" + std::string(106, 's');
  CHECK(parse({"--socket", longest}).options->socket_path == longest);
  for (const ParsedOptions &parsed : {parse({"--socket", longest + "s"}), parse({}, (longest + "s").c_str())}) {
    CHECK(!parsed.options);
    CHECK(parsed.exit_code == 1);
    CHECK(parsed.error == "the socket path \"" + longest +
                              "s\" has 108 bytes, 107 at most are possible: choose a shorter one with"
                              " --socket");
  }
}
