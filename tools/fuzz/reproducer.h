// SPDX-License-Identifier: GPL-3.0-or-later
// Reproducer: what has to be known to run something again: the seed of the simulated daemon, its cores, the steps. As text it is
//   daemon seed=7 cores=2
// and a line for each step.
#pragma once
#include "tools/fuzz/step.h"

namespace httpsys::fuzz {

inline constexpr size_t kMostSteps = 100'000; // of one seed or reproducer

struct Reproducer {
  uint64_t seed = 0;
  uint32_t cores = 1;
  Program program;
};

std::string to_text(const Reproducer &reproducer);
// why: a sentence when it is none.
std::optional<Reproducer> parse_reproducer(std::string_view text, std::string &why);
bool read_reproducer(const std::string &path, Reproducer &reproducer, std::string &why);
// comment: lines about the finding, each without "#".
bool write_reproducer(const std::string &path, const Reproducer &reproducer, const std::string &comment);

}
