// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/net/descriptor_budget.h"
#include "kernel/limits.h"
#include <algorithm>

namespace httpsys::net {

std::optional<uint64_t> descriptors_for_connections(uint64_t limit, uint64_t open)
{
  uint64_t kept = std::clamp(limit / limits::kDescriptorsKeptPart, limits::kDescriptorsKeptLeast, limits::kDescriptorsKeptMost);
  if (open > limit || limit - open < kept + limits::kDescriptorsForConnections)
    return std::nullopt;
  return limit - open - kept;
}

}
