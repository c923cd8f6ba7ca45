// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/net/descriptor_budget.h"
#include "kernel/limits.h"
#include "kernel/se/quota.h"
#include <algorithm>
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::net;

TEST_CASE("a part of the descriptors is kept, within bounds, and sessions have most of it")
{
  struct Case {
    uint64_t limit, open;
    std::optional<uint64_t> left;
    uint64_t sessions = 0, closing = 0;
  };
  const Case cases[] = {
    {0, 0, std::nullopt},
    {20, 40, std::nullopt}, // lowered since
    {299, 0, std::nullopt},
    {300, 0, 128, 12, 21},
    {300, 1, std::nullopt},
    {364, 64, 192 - 64, 12, 21},
    {364, 65, std::nullopt},
    {688, 0, 516, 12, 21},
    {692, 0, 519, 12, 21},
    {1024, 24, 744, 20, 32},
    {20000, 0, 15000, 576, 160},
    {4 * 8640 - 4, 0, 3 * 8640 - 3, 1023, 160},
    {4 * 8640, 0, 3 * 8640, 1024, 160},
    {4 * 8640 + 4, 0, 3 * 8640 + 4, 1024, 160},
    {524288, 100, 524288 - 100 - 8640, 1024, 160},
    {UINT64_MAX, 100, UINT64_MAX - 100 - 8640, 1024, limits::kControlsClosing},
  };
  for (const Case &each : cases) {
    CAPTURE(each.limit);
    CAPTURE(each.open);
    auto budget = descriptor_budget(each.limit, each.open);
    REQUIRE(budget.has_value() == each.left.has_value());
    if (!budget)
      continue;
    CHECK(budget->connections == *each.left);
    CHECK(budget->sessions == each.sessions);
    CHECK(budget->closing == each.closing);
  }
}

TEST_CASE("whatever the limit is, sessions and ports of users and administrators fit their part")
{
  auto with_reserve = [](uint64_t of_users) { return of_users + std::max(of_users / limits::kReservePart, limits::kReserveLeast); };
  for (uint64_t limit = 300; limit < 40000; limit++) {
    auto budget = descriptor_budget(limit, 0);
    REQUIRE(budget);
    CAPTURE(limit);
    // Each session has one more while its channel is made.
    uint64_t kept = limit - budget->connections, sessions = with_reserve(budget->sessions);
    REQUIRE(sessions * limits::kDescriptorsPerSession + budget->closing < kept);
    REQUIRE(budget->sessions >= 12);
    REQUIRE(budget->ports >= 8);
    // Four sockets, which count twice.
    REQUIRE(budget->connections - 8 * with_reserve(budget->ports) >= budget->connections / limits::kPortsPart);
  }
}
