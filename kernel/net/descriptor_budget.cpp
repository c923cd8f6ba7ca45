// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/net/descriptor_budget.h"
#include "kernel/limits.h"
#include "kernel/se/quota.h"
#include <algorithm>

namespace httpsys::net {

// How many there are for users when administrators have theirs beside them.
static uint64_t without_reserve(uint64_t all)
{
  return all - std::max((all + limits::kReservePart) / (limits::kReservePart + 1), limits::kReserveLeast);
}

std::optional<DescriptorBudget> descriptor_budget(uint64_t limit, uint64_t open)
{
  uint64_t kept = std::clamp(limit / limits::kDescriptorsKeptPart, limits::kDescriptorsKeptLeast, limits::kDescriptorsKeptMost);
  if (open > limit || limit - open < kept + limits::kDescriptorsForConnections)
    return std::nullopt;
  uint64_t spare = std::clamp(kept / limits::kDescriptorsSparePart, limits::kDescriptorsSpareLeast, limits::kDescriptorsSpareMost);
  DescriptorBudget budget{};
  budget.connections = limit - open - kept;
  // Four listening sockets, each counts twice: see ListenerSet.
  uint64_t of_ports = budget.connections - budget.connections / limits::kPortsPart;
  budget.ports = std::min<uint64_t>(without_reserve(of_ports / 8), limits::kPorts);
  budget.sessions = std::min<uint64_t>(without_reserve((kept - spare) / limits::kDescriptorsPerSession), limits::kSessions);
  static_assert(limits::kControlsClosing == limits::kDescriptorsSpareMost / 2);
  budget.closing = spare / 2;
  return budget;
}

}
