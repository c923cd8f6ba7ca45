// SPDX-License-Identifier: MIT
// BodyEnds: the requests of a queue whose body is known to have ended, so that the next read is ERROR_HANDLE_EOF at once, without asking
// the daemon. A direct-mapped table: a request that loses its place to another one costs its reader a round trip and no more. Any thread.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace httpsys::lib {

class BodyEnds {
public:
  BodyEnds() : m_ids(static_cast<std::atomic<uint64_t> *>(calloc(kEntries, sizeof(uint64_t)))) {}
  ~BodyEnds() { free(m_ids); }
  BodyEnds(const BodyEnds &) = delete;
  BodyEnds &operator=(const BodyEnds &) = delete;

  void note(uint64_t request_id)
  {
    if (m_ids)
      entry(request_id).store(request_id, std::memory_order_relaxed);
  }
  bool has(uint64_t request_id) const { return m_ids && request_id && entry(request_id).load(std::memory_order_relaxed) == request_id; }
  // Its last send begins: from here on the daemon answers for the id.
  void forget(uint64_t request_id)
  {
    if (m_ids)
      entry(request_id).compare_exchange_strong(request_id, 0, std::memory_order_relaxed);
  }

private:
  static constexpr uint32_t kEntries = 16384; // 128 KiB of pages that are not there until they are written
  // Ids are slots, small numbers, below a generation and a core's number.
  std::atomic<uint64_t> &entry(uint64_t id) const { return m_ids[(id ^ id >> 20) % kEntries]; }

  static_assert(sizeof(std::atomic<uint64_t>) == sizeof(uint64_t));
  std::atomic<uint64_t> *m_ids;
};

}
