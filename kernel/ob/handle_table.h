// SPDX-License-Identifier: GPL-3.0-or-later
// Handles of one session: 32-bit values (generation and index), never 0, with a target and rights. Lives with the session's channel, on its
// core. Type is checked before rights: a wrong or stale value is InvalidHandle.
#pragma once
#include "kernel/base/result.h"
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace httpsys::ob {

enum HandleRight : uint32_t {
  kRightReceive = 1,   // receive requests, read bodies, send, cancel, certificates
  kRightConfigure = 2, // bind groups, properties, shut down for all
};

struct HandleTarget {
  uint64_t queue = 0; // id of the request queue
  uint32_t home_core = 0;
  uint32_t rights = 0;
  bool version_1 = false;
  bool shut_down = false; // HttpShutdownRequestQueue by this session: no further receives
};

class HandleTable {
public:
  // maximum: handles at a time, below 65536. A table whose generations start elsewhere does not know another's handles.
  explicit HandleTable(uint32_t maximum, uint32_t first_generation);
  // InsufficientResources when the session has `maximum` handles.
  Result<uint64_t> add(const HandleTarget &target);
  // The pointer is valid until the next add() or remove(). InvalidHandle.
  Result<HandleTarget *> find(uint64_t handle);
  // InvalidHandle.
  Result<HandleTarget> remove(uint64_t handle);
  uint32_t count() const { return m_count; }
  // Whether any handle is for that queue; however many there are.
  bool has_queue(uint64_t queue) const { return m_queues.contains(queue); }
  template <typename Visit>
  void for_each(Visit visit) // visit(uint64_t handle, HandleTarget &)
  {
    for (uint32_t index = 0; index < m_slots.size(); index++)
      if (m_slots[index].used)
        visit(value(index), m_slots[index].target);
  }

private:
  struct Slot {
    uint16_t generation;
    bool used;
    HandleTarget target;
  };
  uint64_t value(uint32_t index) const { return static_cast<uint64_t>(m_slots[index].generation) << 16 | (index + 1); }
  Slot *slot(uint64_t handle);
  uint32_t m_maximum, m_count = 0;
  uint16_t m_first_generation;
  std::vector<Slot> m_slots;
  std::vector<uint32_t> m_free;
  std::unordered_map<uint64_t, uint32_t> m_queues; // how many handles each has
};

}
