// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/profile.h"
#include <algorithm>
#include <iterator>

namespace httpsys::sim {

std::optional<ProfileName> profile_named(std::string_view name)
{
  auto found = std::ranges::find(kProfileNames, name);
  if (found == std::end(kProfileNames))
    return std::nullopt;
  return static_cast<ProfileName>(found - kProfileNames);
}

static platform::SimFaults all_faults(Random &random)
{
  platform::SimFaults faults;
  faults.accept_fails = static_cast<uint32_t>(random.below(2000));
  faults.receive_ends = static_cast<uint32_t>(random.below(4000));
  faults.receive_is_short = static_cast<uint32_t>(random.below(65536));
  faults.receive_fails = static_cast<uint32_t>(random.below(300));
  faults.send_fails = static_cast<uint32_t>(random.below(1000));
  faults.send_is_short = static_cast<uint32_t>(random.below(65536));
  faults.call_fails = static_cast<uint32_t>(random.below(4000));
  faults.is_late = static_cast<uint32_t>(random.below(50000));
  faults.memory_fails = static_cast<uint32_t>(random.below(8000));
  return faults;
}

// About half of the faults stay.
static void thin_out(platform::SimFaults &faults, Random &random)
{
  for (uint32_t *fault : {&faults.accept_fails, &faults.receive_ends, &faults.receive_is_short, &faults.receive_fails, &faults.send_fails,
                          &faults.send_is_short, &faults.call_fails, &faults.is_late, &faults.memory_fails})
    if (random.chance(1, 2))
      *fault = 0;
}

static void thin_out(WorkerWeights &weights, Random &random)
{
  for (uint32_t *weight : {&weights.read_body, &weights.send_more, &weights.wait_disconnect, &weights.certificate, &weights.cancel,
                           &weights.cancel_request, &weights.urls, &weights.queues, &weights.nop, &weights.crash})
    *weight = random.chance(1, 2) ? 0 : *weight * (1 + static_cast<uint32_t>(random.below(4)));
  weights.send_more = std::max(weights.send_more, 1u); // or no response that was begun in pieces ever ends
}

// Only what delays: nothing of it may show to a client that keeps to the rules.
static platform::SimFaults delaying(Random &random)
{
  platform::SimFaults faults;
  faults.receive_is_short = static_cast<uint32_t>(random.below(65536));
  faults.send_is_short = static_cast<uint32_t>(random.below(65536));
  faults.receive_ends = static_cast<uint32_t>(random.below(4000));
  faults.is_late = static_cast<uint32_t>(random.below(30000));
  return faults;
}

Profile make_profile(ProfileName name, uint32_t cores, Random &random)
{
  Profile profile;
  profile.cores = 1 + static_cast<uint32_t>(random.below(3));
  profile.has_long_times = random.chance(1, 4);
  profile.has_slow_visitors = random.chance(1, 2);
  profile.has_rude_visitors = random.chance(1, 2);
  switch (name) {
  case ProfileName::Swarm:
    profile.faults = all_faults(random);
    thin_out(profile.faults, random);
    thin_out(profile.weights, random);
    profile.has_tls = random.chance(1, 4);
    break;
  case ProfileName::Hostile: profile.faults = delaying(random); break;
  case ProfileName::Cores:
    profile.cores = 2 + static_cast<uint32_t>(random.below(3));
    profile.workers = 4;
    profile.faults.is_late = static_cast<uint32_t>(random.below(50000));
    profile.weights.cancel = 15;
    profile.weights.queues = 3;
    break;
  case ProfileName::Tls:
    profile.has_tls = true;
    profile.faults = all_faults(random);
    thin_out(profile.faults, random);
    profile.weights.certificate = 15;
    break;
  case ProfileName::Crash:
    profile.workers = 5;
    profile.weights.crash = 12;
    profile.faults = delaying(random);
    break;
  }
  if (cores > 0)
    profile.cores = cores;
  return profile;
}

}
