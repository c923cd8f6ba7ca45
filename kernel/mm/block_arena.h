// SPDX-License-Identifier: GPL-3.0-or-later
// BlockArena: buddy allocator over a channel's receive arena together with the table of what is on loan. Its metadata
// is private memory: nothing in it comes from the client but block numbers, which give_back() checks. Owned by the
// channel's core.
#pragma once
#include "kernel/base/result.h"
#include <cstdint>
#include <vector>

namespace httpsys::mm {

class BlockArena {
public:
  // bytes: multiple of HSYS_BLOCK_MAX.
  explicit BlockArena(uint64_t bytes);

  struct Block {
    uint32_t number = 0; // of its first granule (HSYS_BLOCK_MIN bytes)
    uint32_t offset = 0; // in the arena, bytes
    uint32_t size = 0;   // bytes
  };
  // Smallest block of at least `bytes`; InsufficientResources when none is free, InvalidParameter over HSYS_BLOCK_MAX.
  Result<Block> lend(uint32_t bytes);
  // InvalidParameter when number is not on loan: a protocol violation.
  Result<void> give_back(uint32_t number);
  bool is_on_loan(uint32_t number) const;
  uint32_t loans() const { return m_loans; }
  uint64_t free_bytes() const { return m_free_bytes; }
  // For the simulator: what is lent and what is free make up the arena, and are as many as is counted.
  bool is_sound() const;

private:
  static constexpr uint8_t kFree = 0x40, kLent = 0x80; // state of a first granule, with the order in the low bits; 0 inside a block
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kOrders = 8; // HSYS_BLOCK_MIN << 0 to << 7
  struct Links {
    uint32_t previous, next;
  };
  void push_free(uint32_t number, uint32_t order);
  void unlink_free(uint32_t number, uint32_t order);
  std::vector<uint8_t> m_state; // by granule
  std::vector<Links> m_links;   // by granule; of the free list that its block is in
  uint32_t m_first_free[kOrders];
  uint32_t m_loans = 0;
  uint64_t m_free_bytes = 0;
};

}
