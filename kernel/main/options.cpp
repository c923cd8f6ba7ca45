// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/options.h"
#include "kernel/base/text.h"
#include "kernel/limits.h"
#include <charconv>
#include <fmt/format.h>
#include <getopt.h>
#include <vector>

namespace httpsys::main {

namespace {

constexpr const char kHelp[] =
    R"(httpsysd - the HTTP.sys driver as a daemon

Usage: httpsysd [OPTION]...

  --config FILE      configuration, TOML (default: /etc/httpsys/httpsys.toml, built-in values if that is missing)
  --socket PATH      control socket, at most 107 bytes (default: $HTTPSYS_SOCKET, else /run/httpsys/httpsys.sock)
  --state-dir DIR    certificates and bindings, made if missing (default: /var/lib/httpsys)
  --user NAME        who it becomes when uid 0 starts it (default: httpsys if there is such a user, else it stays uid 0)
  --cores N          threads that serve connections, 1 to 256 (default: one for each CPU that it may use)
  --check-config     read the configuration, print every value and where it came from, and exit 0 or 1
  --check-sandbox    say which rights it would give up, try from inside what is forbidden, and exit 0 or 1
  --version          print version and build, and exit
  --help             print this, and exit

It stays in the foreground and logs to stderr. SIGTERM, SIGINT and SIGHUP end it when the requests in progress
are answered; a changed configuration is read by the next start.

Example: httpsysd --socket /tmp/h.sock --state-dir /tmp/h.state --cores 1
)";

enum OptionCode { kConfig = 256, kSocket, kStateFolder, kUser, kCores, kCheckConfig, kCheckSandbox, kVersion, kHelpOption };

constexpr option kOptions[] = {
    {"config", required_argument, nullptr, kConfig},
    {"socket", required_argument, nullptr, kSocket},
    {"state-dir", required_argument, nullptr, kStateFolder},
    {"user", required_argument, nullptr, kUser},
    {"cores", required_argument, nullptr, kCores},
    {"check-config", no_argument, nullptr, kCheckConfig},
    {"check-sandbox", no_argument, nullptr, kCheckSandbox},
    {"version", no_argument, nullptr, kVersion},
    {"help", no_argument, nullptr, kHelpOption},
    {nullptr, 0, nullptr, 0},
};

ParsedOptions refuse(int exit_code, std::string sentence)
{
  return {std::nullopt, exit_code, "", std::move(sentence)};
}

// word: what getopt_long stumbled over, a long option with or without "=value" or a cluster of short ones.
ParsedOptions unknown_option(std::string_view word)
{
  std::string_view name = word.substr(0, word.find('='));
  std::vector<std::string> written;
  for (const option *known = kOptions; known->name; known++)
    written.push_back(std::string("--") + known->name);
  for (const std::string &known : written)
    if (name == known)
      return refuse(2, fmt::format("{} takes no value", name));
  std::vector<std::string_view> candidates(written.begin(), written.end());
  return refuse(2, unknown_option_text(name, candidates));
}

bool read_cores(std::string_view text, uint32_t &cores)
{
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cores);
  return error == std::errc() && end == text.data() + text.size() && cores >= 1 && cores <= limits::kCores;
}

// Whether the value can be; else the sentence.
bool take_value(int code, const char *value, Options &options, std::string &sentence)
{
  static constexpr const char *names[] = {"--config", "--socket", "--state-dir", "--user", "--cores"};
  if (*value == 0) {
    sentence = fmt::format("{} needs a value that is not empty", names[code - kConfig]);
    return false;
  }
  switch (code) {
  case kConfig:
    options.config_path = value;
    options.config_is_named = true;
    return true;
  case kSocket: options.socket_path = value; return true;
  case kStateFolder: options.state_folder = value; return true;
  case kUser: options.user = value; return true;
  default:
    if (read_cores(value, options.cores))
      return true;
    sentence = fmt::format("--cores cannot be {}: write a number from 1 to {}", quoted(value), limits::kCores);
    return false;
  }
}

}

ParsedOptions parse_options(int argc, char **argv, const char *socket_environment)
{
  Options options;
  if (socket_environment && *socket_environment)
    options.socket_path = socket_environment;
  optind = 0; // glibc: start anew, whoever called it before
  opterr = 0;
  while (true) {
    int before = optind == 0 ? 1 : optind;
    int code = getopt_long(argc, argv, "+:", kOptions, nullptr);
    if (code == -1)
      break;
    std::string sentence;
    switch (code) {
    case kHelpOption: return {std::nullopt, 0, kHelp, ""};
    case kVersion: return {std::nullopt, 0, fmt::format("httpsysd {}\n{}\n", HTTPSYS_VERSION, HTTPSYS_BUILD_FACTS), ""};
    case kCheckConfig: options.check_config = true; break;
    case kCheckSandbox: options.check_sandbox = true; break;
    case ':': return refuse(2, fmt::format("{} needs a value after it", argv[before]));
    case '?': return unknown_option(argv[before]);
    default:
      if (!take_value(code, optarg, options, sentence))
        return refuse(1, sentence);
    }
  }
  if (optind < argc)
    return refuse(2,
                  fmt::format("unknown word {}: httpsysd takes options only, --help lists them", quoted(argv[optind])));
  if (options.socket_path.size() > limits::kSocketPathMax)
    return refuse(
        1, fmt::format("the socket path {} has {} bytes, {} at most are possible: choose a shorter one with --socket",
                       quoted(options.socket_path), options.socket_path.size(), limits::kSocketPathMax));
  return {std::move(options), 0, "", ""};
}

}
