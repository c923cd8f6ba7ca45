// SPDX-License-Identifier: GPL-3.0-or-later
// Profile: how often what happens in a simulation: which faults, what workers and visitors like to do. Swarm testing (Groce 2012): each
// seed leaves about half of the features out, so that one that hides another is missing in some. Pure.
#pragma once
#include "kernel/base/random.h"
#include "kernel/platform/sim/sim_system.h"
#include <optional>
#include <string_view>

namespace httpsys::sim {

enum class ProfileName : uint8_t { Swarm, Hostile, Cores, Tls, Crash };
inline constexpr const char *kProfileNames[] = {"swarm", "hostile", "cores", "tls", "crash"};
std::optional<ProfileName> profile_named(std::string_view name);

// How often what a worker does with requests comes, against one another; taking completions and asking for requests is always as likely.
struct WorkerWeights {
  uint32_t read_body = 12, respond = 20, send_more = 12;
  uint32_t wait_disconnect = 2, certificate = 2, cancel = 3, cancel_request = 1, urls = 1, queues = 1, nop = 1;
  uint32_t crash = 1;
};

struct Profile {
  uint32_t cores = 1;
  uint32_t workers = 3, visitors = 8; // at a time, at most
  bool has_tls = false;
  platform::SimFaults faults;
  // Chances in 100 steps.
  uint32_t core_turns = 60, worker_acts = 22, visitor_acts = 17, time_passes = 1;
  bool has_long_times = false; // half a minute may pass at once
  bool has_slow_visitors = false, has_rude_visitors = false; // who take little; who leave in the middle
  WorkerWeights weights;
};

// cores: 0 leaves it to the seed.
Profile make_profile(ProfileName name, uint32_t cores, Random &random);

}
