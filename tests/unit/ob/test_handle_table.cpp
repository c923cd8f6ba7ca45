// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ob/handle_table.h"
#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <random>
#include <set>

using namespace httpsys;
using ob::HandleTable;
using ob::HandleTarget;

static HandleTarget queue(uint64_t id)
{
  HandleTarget target;
  target.queue = id;
  return target;
}

TEST_CASE("a handle names its target until it is closed")
{
  HandleTable table(8, 77);
  uint64_t handle = table.add(queue(5)).value();
  CHECK(handle != 0);
  CHECK(handle <= UINT32_MAX);
  CHECK((*table.find(handle))->queue == 5);
  CHECK(table.remove(handle)->queue == 5);
  CHECK(table.find(handle).error() == NtStatus::InvalidHandle);
  CHECK(table.remove(handle).error() == NtStatus::InvalidHandle);
  CHECK(table.count() == 0);
}

TEST_CASE("a slot's next handle differs from its last")
{
  HandleTable table(8, 0xffff); // the generation wraps
  uint64_t first = table.add(queue(1)).value();
  (void)table.remove(first);
  uint64_t second = table.add(queue(2)).value();
  CHECK(second != 0);
  CHECK(first != second);
  CHECK(table.find(first).is_error());
  CHECK((*table.find(second))->queue == 2);
}

TEST_CASE("values that are no handles")
{
  HandleTable table(8, 1);
  uint64_t handle = table.add(queue(1)).value();
  for (uint64_t wrong : {uint64_t{0}, handle + 1, handle - 1, handle | uint64_t{1} << 32, handle ^ uint64_t{1} << 16, UINT64_MAX,
                         uint64_t{0xffff}, uint64_t{1} << 63}) {
    CAPTURE(wrong);
    CHECK(table.find(wrong).error() == NtStatus::InvalidHandle);
    CHECK(table.remove(wrong).error() == NtStatus::InvalidHandle);
  }
  CHECK(table.count() == 1);
}

TEST_CASE("a session has a limited number of handles")
{
  HandleTable table(3, 1);
  uint64_t handles[3];
  for (auto &handle : handles)
    handle = table.add(queue(1)).value();
  CHECK(table.add(queue(1)).error() == NtStatus::InsufficientResources);
  (void)table.remove(handles[1]);
  CHECK_FALSE(table.add(queue(1)).is_error());
}

TEST_CASE("handles against a model")
{
  HandleTable table(50, 0xfff0);
  std::map<uint64_t, uint64_t> model;
  std::set<uint64_t> closed;
  std::mt19937_64 random(1);
  for (uint64_t step = 1; step < 20000; step++) {
    if (random() % 2 == 0) {
      auto handle = table.add(queue(step % 7));
      REQUIRE(handle.is_error() == (model.size() == 50));
      if (!handle.is_error()) {
        REQUIRE(model.emplace(*handle, step % 7).second);
        closed.erase(*handle);
      }
    } else if (!model.empty()) {
      auto victim = std::next(model.begin(), static_cast<long>(random() % model.size()));
      REQUIRE(table.remove(victim->first)->queue == victim->second);
      closed.insert(victim->first);
      model.erase(victim);
    }
    REQUIRE(table.count() == model.size());
    uint64_t some = random() % 7;
    REQUIRE(table.has_queue(some) == std::ranges::any_of(model, [&](auto &one) { return one.second == some; }));
    if (!closed.empty()) {
      auto stale = std::next(closed.begin(), static_cast<long>(random() % closed.size()));
      REQUIRE(table.find(*stale).is_error());
    }
  }
  size_t visited = 0;
  table.for_each([&](uint64_t handle, HandleTarget &target) {
    visited++;
    CHECK(model.at(handle) == target.queue);
  });
  CHECK(visited == model.size());
}
