// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/mm/block_arena.h"
#include "uapi/abi.h"
#include <algorithm>
#include <bit>

namespace httpsys::mm {

static_assert(std::has_single_bit(HSYS_BLOCK_MIN) && std::has_single_bit(HSYS_BLOCK_MAX));

static uint32_t order_for(uint32_t bytes)
{
  uint32_t granules = std::max(1u, (bytes + HSYS_BLOCK_MIN - 1) / HSYS_BLOCK_MIN);
  return static_cast<uint32_t>(std::bit_width(granules - 1));
}

BlockArena::BlockArena(uint64_t bytes)
{
  static_assert(HSYS_BLOCK_MIN << (kOrders - 1) == HSYS_BLOCK_MAX);
  VERIFY(bytes > 0 && bytes % HSYS_BLOCK_MAX == 0 && bytes <= HSYS_ARENA_BYTES_MAX);
  auto granules = static_cast<uint32_t>(bytes / HSYS_BLOCK_MIN);
  m_state.resize(granules);
  m_links.resize(granules);
  std::fill(std::begin(m_first_free), std::end(m_first_free), kNone);
  // Backwards, so that the lowest blocks are lent first.
  for (uint32_t number = granules; number > 0;) {
    number -= 1u << (kOrders - 1);
    push_free(number, kOrders - 1);
  }
  m_free_bytes = bytes;
}

Result<BlockArena::Block> BlockArena::lend(uint32_t bytes)
{
  if (bytes > HSYS_BLOCK_MAX)
    return NtStatus::InvalidParameter;
  const uint32_t order = order_for(bytes);
  uint32_t from = order;
  while (from < kOrders && m_first_free[from] == kNone)
    from++;
  if (from == kOrders)
    return NtStatus::InsufficientResources;
  const uint32_t number = m_first_free[from];
  unlink_free(number, from);
  while (from > order) {
    from--;
    push_free(number + (1u << from), from);
  }
  m_state[number] = static_cast<uint8_t>(kLent | order);
  m_loans++;
  const uint32_t size = HSYS_BLOCK_MIN << order;
  m_free_bytes -= size;
  return Block{number, number * HSYS_BLOCK_MIN, size};
}

Result<void> BlockArena::give_back(uint32_t number)
{
  if (!is_on_loan(number))
    return NtStatus::InvalidParameter;
  auto order = static_cast<uint32_t>(m_state[number] & ~kLent);
  m_free_bytes += HSYS_BLOCK_MIN << order;
  m_loans--;
  m_state[number] = 0;
  // The arena is a whole number of largest blocks, so every buddy below that order exists.
  for (; order < kOrders - 1; order++) {
    const uint32_t buddy = number ^ (1u << order);
    if (m_state[buddy] != (kFree | order))
      break;
    unlink_free(buddy, order);
    number = std::min(number, buddy);
  }
  push_free(number, order);
  return {};
}

bool BlockArena::is_on_loan(uint32_t number) const
{
  return number < m_state.size() && (m_state[number] & kLent);
}

bool BlockArena::is_sound() const
{
  uint32_t loans = 0, free_blocks = 0, listed = 0;
  uint64_t free_bytes = 0;
  for (uint32_t number = 0; number < m_state.size();) {
    const uint8_t state = m_state[number];
    const uint32_t order = state & ~(kFree | kLent);
    if (order >= kOrders || (state != (kFree | order) && state != (kLent | order)) || number % (1u << order) != 0)
      return false;
    loans += state & kLent ? 1 : 0;
    free_blocks += state & kFree ? 1 : 0;
    free_bytes += state & kFree ? HSYS_BLOCK_MIN << order : 0;
    number += 1u << order;
  }
  for (uint32_t order = 0; order < kOrders; order++)
    for (uint32_t number = m_first_free[order]; number != kNone && listed <= free_blocks; number = m_links[number].next, listed++)
      if (m_state[number] != (kFree | order))
        return false;
  return loans == m_loans && free_bytes == m_free_bytes && listed == free_blocks;
}

void BlockArena::push_free(uint32_t number, uint32_t order)
{
  const uint32_t next = m_first_free[order];
  m_links[number] = {kNone, next};
  if (next != kNone)
    m_links[next].previous = number;
  m_first_free[order] = number;
  m_state[number] = static_cast<uint8_t>(kFree | order);
}

void BlockArena::unlink_free(uint32_t number, uint32_t order)
{
  const Links links = m_links[number];
  if (links.previous == kNone)
    m_first_free[order] = links.next;
  else
    m_links[links.previous].next = links.next;
  if (links.next != kNone)
    m_links[links.next].previous = links.previous;
  m_state[number] = 0;
}

}
