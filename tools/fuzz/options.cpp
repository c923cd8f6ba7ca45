// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/options.h"
#include <charconv>
#include <fmt/format.h>
#include <getopt.h>
#include <string_view>

namespace httpsys::fuzz {

namespace {

constexpr int kExitUsage = 2;

constexpr const char kHelp[] =
    R"(httpsys-ring-fuzz - a hostile client of httpsysd's ring

Usage: httpsys-ring-fuzz [OPTION]...

Breaks every rule of the ring and the control socket, beside a client that keeps to them, and reports a daemon that dies, hangs, leaks,
mixes two clients' bytes, or answers an operation twice or never. Without --attach the daemon runs inside this program, on a simulated
system that a seed decides.

  --seconds N        how long (default: 10, unless --steps is given)
  --steps N          how many steps in all
  --seed S           begin with this seed (default: a random one, printed)
  --attach SOCKET    attack the running httpsysd behind this control socket
  --replay FILE      run the steps of a reproducer file
  --minimise FILE    leave out of a reproducer file what it does not need; written to FILE.min, or as --report says
  --report FILE      where a finding's steps go (default: ring-fuzz-SEED.steps in this folder)
  --version          print the version, and exit
  --help             print this, and exit

Exit status: 0 nothing found, 1 a finding, 2 usage, 3 the daemon cannot be reached, or its limits or
the system do not give this program what it needs.
)";

enum Code { kSeconds = 256, kSteps, kSeed, kReplay, kMinimise, kAttach, kReport, kVersion, kHelpOption };

constexpr option kOptions[] = {
    {"seconds", required_argument, nullptr, kSeconds}, {"steps", required_argument, nullptr, kSteps},
    {"seed", required_argument, nullptr, kSeed},       {"replay", required_argument, nullptr, kReplay},
    {"minimise", required_argument, nullptr, kMinimise}, {"attach", required_argument, nullptr, kAttach},
    {"report", required_argument, nullptr, kReport},   {"version", no_argument, nullptr, kVersion},
    {"help", no_argument, nullptr, kHelpOption},       {nullptr, 0, nullptr, 0},
};

constexpr uint64_t kMostSeconds = 10ull * 366 * 24 * 3600; // more would not fit a clock

bool read_number(std::string_view text, uint64_t least, std::optional<uint64_t> &place, uint64_t most = UINT64_MAX)
{
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most)
    return false;
  place = number;
  return true;
}

bool take(int code, const char *value, Options &options)
{
  switch (code) {
  case kSeconds: return read_number(value, 1, options.seconds, kMostSeconds);
  case kSteps: return read_number(value, 1, options.steps);
  case kSeed: return read_number(value, 0, options.seed);
  case kReplay: options.replay = value; break;
  case kMinimise: options.minimise = value; break;
  case kAttach: options.attach = value; break;
  default: options.report = value; break;
  }
  return *value != 0;
}

Parsed refuse(std::string sentence)
{
  return {std::nullopt, kExitUsage, "", std::move(sentence)};
}

// What cannot go together; empty when it can.
std::string conflict(const Options &options)
{
  if (options.seconds && options.steps)
    return "--seconds and --steps exclude each other";
  bool reads_file = !options.replay.empty() || !options.minimise.empty();
  if (!options.replay.empty() && !options.minimise.empty())
    return "--replay and --minimise exclude each other";
  if (reads_file && (options.seconds || options.steps || options.seed))
    return "a reproducer file says by itself what is run: no --seconds, --steps or --seed with it";
  if (!options.minimise.empty() && !options.attach.empty())
    return "--minimise needs a daemon that can be started again and again: it does not go with --attach";
  return "";
}

}

Parsed parse_options(int argc, char **argv)
{
  Options options;
  optind = 0;
  opterr = 0;
  while (true) {
    int index = 0;
    int code = getopt_long(argc, argv, "+:", kOptions, &index);
    if (code == -1)
      break;
    if (code == kHelpOption)
      return {std::nullopt, 0, kHelp, ""};
    if (code == kVersion)
      return {std::nullopt, 0, "httpsys-ring-fuzz " HTTPSYS_VERSION "\n", ""};
    if (code == '?' || code == ':')
      return refuse(fmt::format("\"{}\" is no option, or its value is missing; --help lists them", argv[optind - 1]));
    if (!take(code, optarg, options))
      return refuse(fmt::format("\"{}\" cannot be the value of --{}", optarg, kOptions[index].name));
  }
  if (optind < argc)
    return refuse(fmt::format("\"{}\" is no option", argv[optind]));
  if (std::string why = conflict(options); !why.empty())
    return refuse(why);
  return {options, 0, "", ""};
}

}
