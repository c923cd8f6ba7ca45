// SPDX-License-Identifier: GPL-3.0-or-later
// RingConsumer: the daemon's side of a ring that the client fills: submissions and returned blocks. Head and last seen
// tail are private; the tail is checked whenever it is read. Owned by the channel, on its core.
#pragma once
#include "kernel/base/canary.h"
#include "kernel/mm/uaccess.h"
#include "uapi/ring_inline.h"

namespace httpsys::io {

struct RingPlace {
  uint64_t tail_offset = 0;    // of the client's tail, in its region
  uint64_t entries_offset = 0; // in the client's region
  uint32_t entries = 0;        // a power of two
  uint32_t entry_bytes = 0;
  uint32_t first_index = 0;
};

class RingConsumer {
public:
  RingConsumer(mm::UserMemory memory, const RingPlace &place, uint32_t *shared_head, uint32_t *shared_wake)
      : m_memory(std::move(memory)), m_place(place), m_shared_head(shared_head), m_shared_wake(shared_wake), m_head(place.first_index),
        m_published_head(place.first_index), m_tail(place.first_index)
  {
  }

  // Looks for new entries. False when the tail is not possible: a violation.
  bool refresh()
  {
    m_memory.look_anew(m_place.tail_offset);
    return accept(m_memory.load_index(m_place.tail_offset));
  }
  uint32_t available() const { return m_tail - m_head; }
  // Copies the oldest entry, entry_bytes of it, without consuming it.
  void copy_first(std::span<uint8_t> entry) const
  {
    uint64_t position = m_head & (m_place.entries - 1);
    MUST(m_memory.copy_in(m_place.entries_offset + position * m_place.entry_bytes, entry));
  }
  void advance() { m_head++; }
  // Tells the client what has been consumed. True when it waits for space that there is now: ring the bell.
  // space_wake_offset: of its wake word.
  bool publish_head(uint64_t space_wake_offset)
  {
    uint32_t old = std::exchange(m_published_head, m_head);
    __atomic_store_n(m_shared_head, m_head, __ATOMIC_SEQ_CST);
    m_memory.look_anew(space_wake_offset);
    uint32_t wake = m_memory.load_index_seq_cst(space_wake_offset);
    return m_head - wake - 1 < m_head - old;
  }
  void publish_head() { hsys_store_release(m_shared_head, m_published_head = m_head); }
  // Asks for a kick at the next entry. False when one has come already.
  bool arm()
  {
    m_is_armed = true;
    __atomic_store_n(m_shared_wake, m_tail, __ATOMIC_SEQ_CST);
    m_memory.look_anew(m_place.tail_offset);
    if (m_memory.load_index_seq_cst(m_place.tail_offset) == m_tail)
      return true;
    disarm();
    return false;
  }
  void disarm()
  {
    if (std::exchange(m_is_armed, false))
      hsys_disarm(m_shared_wake, m_tail);
  }
  bool is_armed() const { return m_is_armed; }

private:
  bool accept(uint32_t tail)
  {
    if (!hsys_tail_is_sane(tail, m_head, m_place.entries) && !is_broken(Canary::TailNotChecked))
      return false;
    m_tail = is_broken(Canary::TailReadAgain) ? m_memory.load_index(m_place.tail_offset) : tail;
    return true;
  }
  mm::UserMemory m_memory;
  RingPlace m_place;
  uint32_t *m_shared_head, *m_shared_wake; // in the daemon's region
  uint32_t m_head;
  uint32_t m_published_head;
  uint32_t m_tail; // last seen
  bool m_is_armed = false;
};

}
