// SPDX-License-Identifier: GPL-3.0-or-later
// The command line of httpsysd. A pure function of the words and the environment; used once, at the start.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace httpsys::main {

struct Options {
  std::string config_path = "/etc/httpsys/httpsys.toml";
  bool config_is_named = false; // by --config: then the file must exist
  std::string socket_path = "/run/httpsys/httpsys.sock";
  std::string state_folder = "/var/lib/httpsys";
  uint32_t cores = 0; // 0: one for each CPU that the process may use
  std::optional<std::string> user; // what uid 0 becomes
  bool check_config = false;
  bool check_sandbox = false;
};

struct ParsedOptions {
  std::optional<Options> options; // nothing: print the texts and exit
  int exit_code = 0;              // 0 after --help and --version, 1 for a value that cannot be, 2 for an unknown word
  std::string out, error;         // for stdout as it stands; one sentence for stderr
};

// argv as main() gets it, not changed but perhaps reordered. socket_environment: HTTPSYS_SOCKET or null; an option
// weighs more.
ParsedOptions parse_options(int argc, char **argv, const char *socket_environment);

}
