// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/ledger.h"
#include <doctest/doctest.h>

using namespace httpsys::fuzz;

static constexpr uint64_t hsys_control_stats::*kCounted[] = {
    &hsys_control_stats::sessions,         &hsys_control_stats::channels,           &hsys_control_stats::irps_pending,
    &hsys_control_stats::blocks_lent,      &hsys_control_stats::handles,            &hsys_control_stats::connections,
    &hsys_control_stats::requests_queued,  &hsys_control_stats::requests_delivered, &hsys_control_stats::request_queues,
    &hsys_control_stats::url_groups,       &hsys_control_stats::urls,               &hsys_control_stats::descriptors};

TEST_CASE("one more of anything that is counted is a leak")
{
  for (auto number : kCounted) {
    hsys_control_stats before{}, now{};
    before.*number = 7;
    now.*number = 7;
    CHECK(!find_leak(before, now, 2));
    now.*number = 8;
    auto leak = find_leak(before, now, 2);
    REQUIRE(leak);
    CHECK(std::string(leak->kind) == "leaked");
    CHECK(leak->text.starts_with("8 "));
    CHECK(leak->text.ends_with(", 7 before"));
  }
}

TEST_CASE("totals grow")
{
  hsys_control_stats before{}, now{};
  now.irps_total = now.connections_total = now.requests_total = 1000;
  CHECK(!find_leak(before, now, 1));
}

TEST_CASE("memory has some slack, by the number of cores")
{
  hsys_control_stats before{}, now{};
  before.resident_bytes = 8u << 20;
  now.resident_bytes = 20u << 20;
  CHECK(!find_leak(before, now, 1));
  now.resident_bytes = 200u << 20;
  CHECK(find_leak(before, now, 2));
  CHECK(!find_leak(before, now, 64));
}
