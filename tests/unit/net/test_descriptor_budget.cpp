// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/net/descriptor_budget.h"
#include "kernel/limits.h"
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::net;

static_assert(limits::kDescriptorsKeptMost >= 6 * (limits::kSessions + limits::kSessionsReserved));

TEST_CASE("a part of the descriptors is kept, within bounds")
{
  struct Case {
    uint64_t limit, open;
    std::optional<uint64_t> left;
  };
  const Case cases[] = {
    {0, 0, std::nullopt},
    {20, 40, std::nullopt}, // lowered since
    {191, 0, std::nullopt},
    {192, 0, 64},
    {192, 1, std::nullopt},
    {256, 64, 64},
    {256, 65, std::nullopt},
    {512, 0, 384},
    {516, 0, 387},
    {1024, 24, 744},
    {4 * 6304, 0, 3 * 6304},
    {4 * 6304 + 4, 0, 3 * 6304 + 4},
    {524288, 100, 524288 - 100 - 6304},
    {UINT64_MAX, 100, UINT64_MAX - 100 - 6304},
  };
  for (const Case &each : cases) {
    CAPTURE(each.limit);
    CAPTURE(each.open);
    CHECK(descriptors_for_connections(each.limit, each.open) == each.left);
  }
}
