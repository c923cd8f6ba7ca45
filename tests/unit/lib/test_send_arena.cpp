// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/send_arena.h"
#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <random>
#include <thread>
#include <vector>

using namespace httpsys::lib;

TEST_CASE("an empty arena gives all of itself and gets it back")
{
  SendArena arena;
  REQUIRE(arena.initialise(0x100000));
  CHECK(arena.total_bytes() == 0x100000);
  ArenaExtent all = arena.allocate(0x100000);
  CHECK(all.offset == 0);
  CHECK(all.length == 0x100000);
  CHECK(arena.free_bytes() == 0);
  CHECK(arena.allocate(1).length == 0);
  arena.release(all);
  CHECK(arena.allocate(0x100000).length == 0x100000);
}

TEST_CASE("nothing is given for no bytes, for too many, and for a range upside down")
{
  SendArena arena;
  REQUIRE(arena.initialise(0x10000));
  CHECK(arena.allocate(0).length == 0);
  CHECK(arena.allocate(0x10001).length == 0);
  CHECK(arena.allocate(0xffffffffu).length == 0);
  CHECK(arena.allocate_up_to(0, 100).length == 0);
  CHECK(arena.allocate_up_to(200, 100).length == 0);
  CHECK(arena.free_bytes() == 0x10000);
}

TEST_CASE("an arena without a whole granule is refused")
{
  SendArena arena;
  CHECK_FALSE(arena.initialise(SendArena::kGranule - 1));
}

TEST_CASE("neighbours are joined in either order")
{
  for (bool is_reversed : {false, true}) {
    SendArena arena;
    REQUIRE(arena.initialise(4 * SendArena::kGranule));
    std::vector<ArenaExtent> extents;
    for (int i = 0; i < 4; i++)
      extents.push_back(arena.allocate(1));
    CHECK(arena.allocate(1).length == 0);
    if (is_reversed)
      std::reverse(extents.begin(), extents.end());
    for (ArenaExtent extent : extents)
      arena.release(extent);
    CHECK(arena.allocate(4 * SendArena::kGranule).length == 4 * SendArena::kGranule);
  }
}

TEST_CASE("allocate_up_to takes what is there in one piece")
{
  SendArena arena;
  REQUIRE(arena.initialise(64 * SendArena::kGranule));
  ArenaExtent first = arena.allocate(40 * SendArena::kGranule);
  ArenaExtent rest = arena.allocate_up_to(SendArena::kGranule, 0x100000);
  CHECK(rest.length == 24 * SendArena::kGranule);
  CHECK(arena.allocate_up_to(1, 2).length == 0);
  arena.release(first);
  CHECK(arena.allocate_up_to(41 * SendArena::kGranule, 0x100000).length == 0);
  CHECK(arena.allocate_up_to(300, 300).length == 300);
}

TEST_CASE("allocate_up_to leaves free what is to be kept")
{
  SendArena arena;
  REQUIRE(arena.initialise(64 * SendArena::kGranule));
  CHECK(arena.allocate_up_to(1, 0x100000, 65 * SendArena::kGranule).length == 0);
  CHECK(arena.allocate_up_to(1, 0x100000, 64 * SendArena::kGranule).length == 0);
  CHECK(arena.allocate_up_to(50 * SendArena::kGranule, 0x100000, 16 * SendArena::kGranule).length == 0);
  CHECK(arena.allocate_up_to(1, 0x100000, 16 * SendArena::kGranule).length == 48 * SendArena::kGranule);
  CHECK(arena.free_bytes() == 16 * SendArena::kGranule);
  CHECK(arena.allocate_up_to(1, 0x100000, 16 * SendArena::kGranule).length == 0);
  CHECK(arena.allocate_up_to(1, 0x100000, 15 * SendArena::kGranule + 1).length == 0);
  CHECK(arena.allocate_up_to(1, 1, 15 * SendArena::kGranule).length == 1);
}

TEST_CASE("random use never overlaps and loses nothing")
{
  SendArena arena;
  REQUIRE(arena.initialise(0x80000));
  std::mt19937 random(20240611);
  std::map<uint32_t, uint32_t> live; // offset: end in whole granules
  uint64_t used = 0;
  for (int step = 0; step < 200000; step++) {
    if (live.empty() || random() % 5 < 3) {
      uint32_t bytes = 1 + static_cast<uint32_t>(random() % (random() % 4 ? 2000 : 40000));
      ArenaExtent extent = random() % 2 ? arena.allocate(bytes) : arena.allocate_up_to(std::min(bytes, 256u), bytes);
      if (!extent.length)
        continue;
      uint32_t end = extent.offset + (extent.length + SendArena::kGranule - 1) / SendArena::kGranule * SendArena::kGranule;
      auto after = live.upper_bound(extent.offset);
      REQUIRE((after == live.end() || after->first >= end));
      REQUIRE((after == live.begin() || std::prev(after)->second <= extent.offset));
      REQUIRE(end <= 0x80000);
      live[extent.offset] = end;
      used += end - extent.offset;
    } else {
      auto victim = std::next(live.begin(), static_cast<ptrdiff_t>(random() % live.size()));
      used -= victim->second - victim->first;
      arena.release({victim->first, victim->second - victim->first});
      live.erase(victim);
    }
    REQUIRE(arena.free_bytes() == 0x80000 - used);
  }
  for (auto [offset, end] : live)
    arena.release({offset, end - offset});
  CHECK(arena.allocate(0x80000).length == 0x80000);
}

TEST_CASE("many threads allocate and release")
{
  SendArena arena;
  REQUIRE(arena.initialise(0x100000));
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; seed++) {
    threads.emplace_back([&arena, seed] {
      std::mt19937 random(seed);
      for (int i = 0; i < 20000; i++) {
        ArenaExtent one = arena.allocate(1 + static_cast<uint32_t>(random() % 3000));
        ArenaExtent two = arena.allocate_up_to(1, 1 + static_cast<uint32_t>(random() % 70000));
        arena.release(one);
        arena.release(two);
      }
    });
  }
  for (std::thread &thread : threads)
    thread.join();
  CHECK(arena.free_bytes() == 0x100000);
  CHECK(arena.allocate(0x100000).length == 0x100000);
}
