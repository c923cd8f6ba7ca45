// SPDX-License-Identifier: GPL-3.0-or-later
// Opaque ids (HTTP_OPAQUE_ID): bits 63..32 generation | 31..28 type | 27..20 owner core | 19..0 slot. Generations start
// from a random value per run and are bumped when a slot is freed, so that a stale id, or one from before a restart,
// finds nothing. Type 0 does not exist, so 0 is never an id. One table per type and core, used on that core only.
#pragma once
#include "kernel/base/verify.h"
#include <cstdint>
#include <vector>

namespace httpsys::ob {

enum class IdType : uint32_t { ServerSession = 1, UrlGroup = 2, RequestQueue = 3, Connection = 6, Request = 8 };

constexpr IdType id_type(uint64_t id) { return static_cast<IdType>(id >> 28 & 0xf); }
constexpr uint32_t id_core(uint64_t id) { return static_cast<uint32_t>(id >> 20 & 0xff); }

template <typename T>
class IdTable {
public:
  static constexpr uint32_t kMaximumSlots = 1u << 20;

  // core: below 256.
  IdTable(IdType type, uint32_t core, uint32_t first_generation) : m_type(type), m_core(core), m_generation(first_generation | 1)
  {
    VERIFY(core <= 0xff);
  }

  // 0 when the table is full. The table does not own the object.
  uint64_t add(T &object)
  {
    uint32_t slot;
    if (!m_free.empty()) {
      slot = m_free.back();
      m_free.pop_back();
    } else if (m_slots.size() < kMaximumSlots) {
      slot = static_cast<uint32_t>(m_slots.size());
      m_slots.push_back({m_generation, nullptr});
    } else {
      return 0;
    }
    m_slots[slot].object = &object;
    m_count++;
    return static_cast<uint64_t>(m_slots[slot].generation) << 32 | static_cast<uint64_t>(m_type) << 28 |
           static_cast<uint64_t>(m_core) << 20 | slot;
  }
  // nullptr for everything that is not a live id of this table.
  T *find(uint64_t id) const
  {
    uint32_t slot = static_cast<uint32_t>(id & 0xfffff);
    if (id_type(id) != m_type || id_core(id) != m_core || slot >= m_slots.size() || m_slots[slot].generation != id >> 32)
      return nullptr;
    return m_slots[slot].object;
  }
  void remove(uint64_t id)
  {
    VERIFY(find(id));
    uint32_t slot = static_cast<uint32_t>(id & 0xfffff);
    m_slots[slot].object = nullptr;
    m_slots[slot].generation++;
    m_free.push_back(slot);
    m_count--;
  }
  uint32_t count() const { return m_count; }
  // Calls visit(T &) for every object; visit must not add or remove.
  template <typename Visit>
  void for_each(Visit visit)
  {
    for (auto &slot : m_slots)
      if (slot.object)
        visit(*slot.object);
  }

private:
  struct Slot {
    uint32_t generation;
    T *object;
  };
  IdType m_type;
  uint32_t m_core;
  uint32_t m_generation;
  uint32_t m_count = 0;
  std::vector<Slot> m_slots;
  std::vector<uint32_t> m_free;
};

}
