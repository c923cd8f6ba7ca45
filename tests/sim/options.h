// SPDX-License-Identifier: GPL-3.0-or-later
// The command line of httpsys-sim. Pure.
#pragma once
#include "kernel/base/canary.h"
#include "tests/sim/profile.h"
#include <optional>
#include <span>
#include <string>

namespace httpsys::sim {

// A rule that can be broken, and where that shows soonest.
struct CanaryRow {
  const char *name;
  Canary rule;
  ProfileName profile;
};
std::span<const CanaryRow> canaries();

struct Options {
  std::optional<uint64_t> seed;
  uint64_t seconds = 10;
  uint64_t steps = 3000; // of each seed
  uint32_t cores = 0;    // 0: the seed decides
  std::optional<ProfileName> profile;
  const CanaryRow *canary = nullptr;
  bool lists_canaries = false, helps = false, tells = false;

  ProfileName profile_or_default() const { return profile.value_or(canary ? canary->profile : ProfileName::Swarm); }
};

// Nullopt: usage; why says what is wrong.
std::optional<Options> parse_options(int argc, const char *const *argv, std::string &why);
const char *usage();

}
