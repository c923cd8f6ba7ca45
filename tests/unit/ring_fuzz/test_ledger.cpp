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
    CHECK(!find_leak(before, now));
    now.*number = 8;
    auto leak = find_leak(before, now);
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
  CHECK(!find_leak(before, now));
}

TEST_CASE("memory is a leak when it grows with every part of an attack, by more than some slack")
{
  struct {
    std::vector<uint64_t> mebibytes;
    bool is_in_doubt, is_leak;
  } rows[] = {{{7}, true, false},
              {{7, 7}, false, false},
              {{500, 504}, false, false},
              {{7, 200}, true, false},
              {{7, 200, 190}, false, false},
              {{7, 200, 260}, true, false},
              {{7, 200, 260, 260}, false, false},
              {{7, 50, 100, 200}, false, true},
              {{700, 725, 750, 775}, false, true},
              {{7, 50, 50, 100, 200}, true, false},
              {{7, 50, 50, 100, 200, 300}, false, true}};
  for (const auto &row : rows) {
    CAPTURE(row.mebibytes.size());
    CAPTURE(row.mebibytes.back());
    MemoryGrowth growth(1);
    for (uint64_t value : row.mebibytes)
      growth.add(value << 20);
    CHECK(growth.is_in_doubt() == row.is_in_doubt);
    CHECK(growth.leak().has_value() == row.is_leak);
  }
}

TEST_CASE("a daemon with more cores warms up for longer")
{
  for (uint32_t cores : {1u, 64u}) {
    MemoryGrowth growth(cores);
    for (uint64_t part : {1u, 2u, 3u, 4u})
      growth.add(part * 60 << 20);
    CHECK(growth.leak().has_value() == (cores == 1));
    growth = MemoryGrowth(cores);
    for (uint64_t part : {1u, 2u, 3u, 4u})
      growth.add(part * 300 << 20); // a sanitizer gives more slack
    CHECK(growth.leak());
  }
}

TEST_CASE("a leak of memory is told with all that it grew from")
{
  MemoryGrowth growth(2);
  for (uint64_t value : {100u, 200u, 300u, 400u})
    growth.add(uint64_t{value} << 20);
  REQUIRE(growth.leak());
  CHECK(std::string(growth.leak()->kind) == "leaked");
  CHECK(growth.leak()->text ==
        "102400, 204800, 307200, 409600 KiB of memory 2 s after all sessions have ended, each time after as long an attack");
}
