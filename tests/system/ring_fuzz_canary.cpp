// SPDX-License-Identifier: GPL-3.0-or-later
// httpsys-ring-fuzz (its main.cpp is compiled into this once more) with the rule broken that HTTPSYS_CANARY names, so that a test sees it
// find something. Never installed. Without the variable nothing is broken.
#include "kernel/base/canary.h"
#include "tests/sim/options.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace httpsys {

// Before main(): every daemon that it starts is a child's, which has this from it.
[[maybe_unused]] static const bool g_is_chosen = [] {
  const char *name = std::getenv("HTTPSYS_CANARY");
  if (!name)
    return false;
  for (const sim::CanaryRow &row : sim::canaries()) {
    if (std::strcmp(row.name, name) != 0)
      continue;
    g_canary = row.rule;
    return true;
  }
  std::fprintf(stderr, "ring_fuzz_canary: there is no canary \"%s\"\n", name);
  std::_Exit(2);
}();

}
