// SPDX-License-Identifier: GPL-3.0-or-later
// Isolated: runs with a simulated daemon in a child process, so that a daemon that dies or hangs is a finding with its steps, and not the
// end of the harness.
#pragma once
#include "tools/fuzz/finding.h"
#include "tools/fuzz/reproducer.h"
#include <functional>

namespace httpsys::fuzz {

inline constexpr uint64_t kStepsOfSeed = 1000;

struct Outcome {
  Counts counts;
  uint64_t seeds = 0;
  bool has_finding = false;
  std::string kind, text;
  Reproducer reproducer; // of the finding
  std::vector<Reproducer> others; // what was done to the same daemon at the same time
  std::string hindrance; // why it could not be gone on with; empty: it could

  void take(const Finding &finding);
  // At the end of seeds that have found nothing.
  void demand_some_of_all();
};

// So many seeds a run goes on beyond its end, as long as the daemon has not done some of all that is counted.
inline constexpr uint64_t kMoreSeeds = 100;

// How the daemon of a seed is run when nobody says otherwise.
uint32_t cores_of(uint64_t seed);

// Seeds one after the other, from `first` on, until the time is over or so many steps are done, 0: no such end; then up to
// kMoreSeeds.
Outcome run_seeds(uint64_t first, uint64_t seconds, uint64_t steps);
Outcome run_reproducer(const Reproducer &reproducer);
// The shortest that it finds with a finding of the same kind. progress: told how many steps are left.
Reproducer minimise(Reproducer reproducer, const std::string &kind, const std::function<void(size_t)> &progress);

}
