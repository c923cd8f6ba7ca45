// SPDX-License-Identifier: GPL-3.0-or-later
// The command line of httpsysctl: options and netsh's words in any order. A pure function of the arguments and the
// environment.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace httpsys::ctl {

// design.md 6; documented in httpsysctl(8).
enum ExitCode : int { kExitDone = 0, kExitRefused = 1, kExitUnknownWord = 2, kExitNoDaemon = 3, kExitNotPermitted = 4 };

// Why the program ends without having done what it was asked.
struct Failure {
  int exit_code = kExitRefused;
  std::string sentence;
};

struct CommandLine {
  std::string socket_path = "/run/httpsys/httpsys.sock";
  std::vector<std::string> words;
  std::optional<std::string> text; // of --help or --version: print it and end well
};

// argv as main() gets it. socket_environment: HTTPSYS_SOCKET or null. nullopt: `failure` says why.
std::optional<CommandLine> parse_command_line(int argc, char **argv, const char *socket_environment, Failure &failure);

}
