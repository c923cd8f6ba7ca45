// SPDX-License-Identifier: GPL-3.0-or-later
// uaccess: every touch of client-writable memory (trust rules T1 to T4). What copy_in and load_index return is the
// daemon's own and is never read again from the region. The simulator's hostile client lives behind after_load_hook.
// Any core.
#pragma once
#include "kernel/mm/shared_region.h"
#include <optional>

namespace httpsys::mm {

class UserMemory {
public:
  UserMemory() = default;
  explicit UserMemory(RefPtr<SharedRegion> region); // a region with Writer::Client

  // Whether the client has sealed it, so that no page of it can go away. Nothing is loaded before that, and before the
  // region has been pinned: then no touch has to wait.
  bool is_sealed() const { return m_region->is_sealed_by_client(); }
  // Acquire load of a shared word; offset is the daemon's own number, 4-aligned and inside the region.
  uint32_t load_index(uint64_t offset) const;
  // Sequentially consistent load, for tails and wake words in the sleep protocol (ring_inline.h).
  uint32_t load_index_seq_cst(uint64_t offset) const;
  // Before a load of a shared word that the protocol has read again and again: what it said at the last look does not count any more. For
  // the daemon nothing; the simulator takes a second load without it for a double fetch.
  void look_anew(uint64_t offset) const;
  // Copies [offset, offset + bytes.size()) out; InvalidParameter when it does not lie in the region.
  Result<void> copy_in(uint64_t offset, std::span<uint8_t> bytes) const;
  // For opaque body bytes only, read once by code for which any value is acceptable. All offsets count from the region's start; nullopt
  // when [offset, offset + length) does not lie inside [area, area + area_size), or that not in the region.
  std::optional<std::span<const uint8_t>> body_span(uint64_t area, uint64_t area_size, uint64_t offset, uint64_t length) const;
  const RefPtr<SharedRegion> &region() const { return m_region; }

  // Told of every read: where in the region, and how many bytes. The simulator's build alone has it.
  static void (*after_load_hook)(SharedRegion &region, uint64_t offset, uint64_t bytes);
  static void (*look_anew_hook)(SharedRegion &region, uint64_t offset); // as that

private:
  RefPtr<SharedRegion> m_region;
};

}
