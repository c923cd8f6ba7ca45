// SPDX-License-Identifier: MIT
// SendArena: who has which bytes of the channel's send arena (parameter blocks, body extents). Only the library allocates
// there; the daemon believes nothing of it. The bookkeeping is private memory beside the arena: boundary tags for joining
// neighbours and one list of free runs per power of two. Any thread. Lives as long as its channel.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>

namespace httpsys::lib {

// Bytes of the arena that one allocation has; a length of 0 is "none". The length is what was asked for, not the granules taken.
struct ArenaExtent {
  uint32_t offset = 0;
  uint32_t length = 0;
};

class SendArena {
public:
  static constexpr uint32_t kGranule = 256; // bytes; a usual response head takes two

  // bytes: size of the arena; a rest below a granule is not used. False without memory for the bookkeeping.
  bool initialise(uint64_t bytes);

  // At least 1 byte. None when no run is long enough, or none of the few of like length that are tried.
  ArenaExtent allocate(uint32_t bytes);
  // As much as there is in one piece, from minimum to maximum bytes, so that `kept` bytes stay free. None when there is less than minimum.
  ArenaExtent allocate_up_to(uint32_t minimum, uint32_t maximum, uint64_t kept = 0);
  void release(ArenaExtent extent);

  uint64_t free_bytes() const;
  uint64_t total_bytes() const { return static_cast<uint64_t>(m_granules) * kGranule; }

private:
  static constexpr uint32_t kNone = 0xffffffffu;
  static constexpr uint32_t kBins = 32;
  static constexpr uint32_t kProbes = 8; // runs of the bin below that are tried for a fit

  struct Tag {
    uint32_t length = 0; // of the run, in granules, at its first and last granule; 0 inside
    bool is_free = false;
    uint32_t next = kNone, previous = kNone; // list of free runs, at the first granule
  };

  static uint32_t bin_of(uint32_t granules);
  static uint32_t granules_for(uint32_t bytes) { return bytes / kGranule + (bytes % kGranule != 0); }
  void mark(uint32_t first, uint32_t length, bool is_free);
  void link(uint32_t first);
  void unlink(uint32_t first);
  uint32_t find(uint32_t granules) const;
  uint32_t longest() const;
  void take(uint32_t first, uint32_t granules);

  mutable std::mutex m_mutex;
  std::unique_ptr<Tag[]> m_tags;
  uint32_t m_granules = 0;
  uint32_t m_free_granules = 0;
  uint32_t m_bins[kBins];
};

}
