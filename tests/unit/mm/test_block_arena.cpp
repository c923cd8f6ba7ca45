// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/mm/block_arena.h"
#include "uapi/abi.h"
#include <doctest/doctest.h>
#include <map>
#include <random>

using namespace httpsys;
using namespace httpsys::mm;

TEST_CASE("the smallest block that holds the bytes is lent")
{
  struct Row {
    uint32_t bytes, size;
  };
  static constexpr Row rows[] = {{0, 2048},    {1, 2048},      {2048, 2048},    {2049, 4096},     {4096, 4096},
                                 {4097, 8192}, {65536, 65536}, {65537, 131072}, {131073, 262144}, {262144, 262144}};
  for (auto [bytes, size] : rows) {
    CAPTURE(bytes);
    BlockArena arena(HSYS_BLOCK_MAX);
    auto block = arena.lend(bytes);
    REQUIRE(block);
    CHECK(block->size == size);
    CHECK(block->offset == block->number * HSYS_BLOCK_MIN);
    CHECK(arena.free_bytes() == HSYS_BLOCK_MAX - size);
  }
  BlockArena arena(HSYS_BLOCK_MAX);
  CHECK(arena.lend(HSYS_BLOCK_MAX + 1).error() == NtStatus::InvalidParameter);
}

TEST_CASE("a number that is not on loan is refused")
{
  BlockArena arena(2 * HSYS_BLOCK_MAX);
  auto block = arena.lend(4096);
  REQUIRE(block);
  for (uint32_t number : {block->number + 1, block->number + 2, 128u, 255u, 256u, 0x80000000u, UINT32_MAX}) {
    CAPTURE(number);
    CHECK_FALSE(arena.is_on_loan(number));
    CHECK(arena.give_back(number).error() == NtStatus::InvalidParameter);
  }
  CHECK(arena.loans() == 1);
  CHECK(arena.give_back(block->number));
  CHECK(arena.give_back(block->number).error() == NtStatus::InvalidParameter);
  CHECK(arena.loans() == 0);
}

TEST_CASE("a full arena refuses, and the largest block is back when all is back")
{
  BlockArena arena(HSYS_ARENA_BYTES_MIN);
  std::vector<uint32_t> numbers;
  for (;;) {
    auto block = arena.lend(1);
    if (block.is_error()) {
      CHECK(block.error() == NtStatus::InsufficientResources);
      break;
    }
    numbers.push_back(block->number);
  }
  CHECK(numbers.size() == HSYS_ARENA_BYTES_MIN / HSYS_BLOCK_MIN);
  CHECK(arena.free_bytes() == 0);
  // Every second one: half of the bytes are free, but nothing coalesces.
  for (size_t i = 0; i < numbers.size(); i++) {
    if (numbers[i] % 2 == 0)
      CHECK(arena.give_back(numbers[i]));
  }
  CHECK(arena.free_bytes() == HSYS_ARENA_BYTES_MIN / 2);
  CHECK(arena.lend(HSYS_BLOCK_MIN + 1).error() == NtStatus::InsufficientResources);
  for (uint32_t number : numbers) {
    if (number % 2 == 1)
      CHECK(arena.give_back(number));
  }
  for (uint32_t i = 0; i < HSYS_ARENA_BYTES_MIN / HSYS_BLOCK_MAX; i++)
    CHECK(arena.lend(HSYS_BLOCK_MAX));
}

// Which bytes are on loan, kept the slow way.
struct Model {
  std::map<uint32_t, uint32_t> lent; // offset, size

  bool is_free(uint32_t offset, uint32_t size) const
  {
    auto after = lent.lower_bound(offset);
    if (after != lent.end() && after->first < offset + size)
      return false;
    return after == lent.begin() || std::prev(after)->first + std::prev(after)->second <= offset;
  }
  bool has_room(uint32_t size, uint64_t arena) const
  {
    for (uint64_t at = 0; at < arena; at += size) {
      if (is_free(static_cast<uint32_t>(at), size))
        return true;
    }
    return false;
  }
};

TEST_CASE("random lending never overlaps, fails only without room, and coalesces fully")
{
  for (uint32_t seed = 1; seed <= 20; seed++) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const uint64_t bytes = HSYS_BLOCK_MAX * (1 + seed % 5);
    BlockArena arena(bytes);
    Model model;
    for (int step = 0; step < 3000; step++) {
      const bool fill = random() % 100 < (step / 500 % 2 ? 40u : 65u);
      if (fill || model.lent.empty()) {
        uint32_t wanted = 1 + static_cast<uint32_t>(random() % (1u << (11 + random() % 8)));
        auto block = arena.lend(wanted);
        uint32_t size = HSYS_BLOCK_MIN;
        while (size < wanted)
          size *= 2;
        REQUIRE(static_cast<bool>(block) == model.has_room(size, bytes));
        if (!block)
          continue;
        REQUIRE(block->size == size);
        REQUIRE(block->offset % size == 0);
        REQUIRE(block->offset + size <= bytes);
        REQUIRE(model.is_free(block->offset, size));
        model.lent[block->offset] = size;
      } else {
        auto victim = std::next(model.lent.begin(), static_cast<long>(random() % model.lent.size()));
        REQUIRE(arena.give_back(victim->first / HSYS_BLOCK_MIN));
        model.lent.erase(victim);
      }
      uint64_t on_loan = 0;
      for (auto &[offset, size] : model.lent)
        on_loan += size;
      REQUIRE(arena.free_bytes() == bytes - on_loan);
      REQUIRE(arena.loans() == model.lent.size());
    }
    for (auto &[offset, size] : model.lent)
      REQUIRE(arena.give_back(offset / HSYS_BLOCK_MIN));
    for (uint64_t at = 0; at < bytes; at += HSYS_BLOCK_MAX)
      REQUIRE(arena.lend(HSYS_BLOCK_MAX));
  }
}
