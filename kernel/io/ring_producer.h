// SPDX-License-Identifier: GPL-3.0-or-later
// RingProducer: the daemon's side of the completion ring, with the credit for it. Entries are written as they come and
// shown to the client in batches. Owned by the channel, on its core.
#pragma once
#include "kernel/base/canary.h"
#include "kernel/io/admission.h"
#include "kernel/mm/uaccess.h"
#include "uapi/ring.h"
#include <cstring>

namespace httpsys::io {

class RingProducer {
public:
  struct Place {
    uint64_t head_offset = 0, wake_offset = 0; // of the client's words, in its region
    uint8_t *entries = nullptr;                // in the daemon's region
    uint32_t *shared_tail = nullptr;           // in the daemon's region
    uint32_t count = 0;                        // a power of two
    uint32_t first_index = 0;
  };
  RingProducer(mm::UserMemory memory, const Place &place)
      : m_memory(std::move(memory)), m_place(place), m_admission(place.count, place.first_index)
  {
  }

  Admission &admission() { return m_admission; }
  const Admission &admission() const { return m_admission; }
  // Takes note of what the client has reaped. False when its head is not possible: a violation.
  bool refresh_head()
  {
    m_memory.look_anew(m_place.head_offset);
    uint32_t head = m_memory.load_index_seq_cst(m_place.head_offset);
    if (is_broken(Canary::HeadReadAgain) && m_admission.can_reap(head))
      return m_admission.take_head(m_memory.load_index(m_place.head_offset)), true;
    return m_admission.reap(head);
  }
  // Uses up one admitted operation; returns the entry's number.
  uint64_t write(const hsys_cqe &entry)
  {
    uint64_t number = m_admission.complete();
    std::memcpy(m_place.entries + (number & (m_place.count - 1)) * sizeof entry, &entry, sizeof entry);
    return number;
  }
  // Shows the client what was written. True when it asked to be woken: ring the bell.
  bool publish()
  {
    uint32_t old_tail = m_admission.published(), new_tail = m_admission.tail();
    m_admission.publish();
    __atomic_store_n(m_place.shared_tail, new_tail, __ATOMIC_SEQ_CST);
    while (is_broken(Canary::WaitsForClient) && m_memory.load_index(m_place.head_offset) != new_tail)
      m_memory.look_anew(m_place.head_offset);
    m_memory.look_anew(m_place.wake_offset);
    uint32_t wake = m_memory.load_index_seq_cst(m_place.wake_offset);
    return new_tail - wake - 1 < new_tail - old_tail;
  }

private:
  mm::UserMemory m_memory;
  Place m_place;
  Admission m_admission;
};

}
