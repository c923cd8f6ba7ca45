// SPDX-License-Identifier: GPL-3.0-or-later
// The command line of httpsys-ring-fuzz.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace httpsys::fuzz {

struct Options {
  std::optional<uint64_t> seconds, steps, seed; // neither seconds nor steps: 10 seconds
  std::string replay, minimise, attach, report; // empty: not given
};

// What main() has to do instead of running: print and return.
struct Parsed {
  std::optional<Options> options;
  int exit_code = 0;
  std::string out, error;
};

Parsed parse_options(int argc, char **argv);

}
