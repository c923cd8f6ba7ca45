// SPDX-License-Identifier: GPL-3.0-or-later
// Admission: completion credit. An operation is admitted only when a slot of the completion ring is reserved for it, so
// that completions never run over and never need memory. Counts alone, no memory of the client's; one per channel, on
// its core. Counts are 64 bits wide, of which the shared indices are the low 32: the client may leave an IRP slot alone
// for longer than an index takes to come round.
#pragma once
#include "kernel/base/verify.h"
#include "uapi/abi.h"
#include <cstdint>

namespace httpsys::io {

class Admission {
public:
  Admission(uint32_t cq_entries, uint32_t first_index)
      : m_entries(cq_entries), m_tail(first_index), m_published(first_index), m_head(first_index)
  {
  }

  // The last HSYS_CQ_RESERVE slots are for operations with HSYS_OP_RESERVE.
  bool has_credit(bool may_use_reserve) const
  {
    return m_in_flight + (m_tail - m_head) < m_entries - (may_use_reserve ? 0 : HSYS_CQ_RESERVE);
  }
  void admit()
  {
    VERIFY(m_in_flight + (m_tail - m_head) < m_entries);
    m_in_flight++;
  }
  // The number of the operation's completion entry; its low half is the index.
  uint64_t complete()
  {
    VERIFY(m_in_flight > 0);
    m_in_flight--;
    return m_tail++;
  }
  // The operation ends without an entry: its channel is ending.
  void drop()
  {
    VERIFY(m_in_flight > 0);
    m_in_flight--;
  }
  void publish() { m_published = m_tail; }
  // What the client says that it has reaped; false when it moved back or passed what was published: a violation.
  bool reap(uint32_t head)
  {
    if (!can_reap(head))
      return false;
    take_head(head);
    return true;
  }
  // The halves of reap().
  bool can_reap(uint32_t head) const { return head - static_cast<uint32_t>(m_head) <= m_published - m_head; }
  void take_head(uint32_t head) { m_head += head - static_cast<uint32_t>(m_head); }
  bool is_reaped(uint64_t number) const { return number < m_head; }

  uint32_t in_flight() const { return m_in_flight; }
  uint32_t head() const { return static_cast<uint32_t>(m_head); }
  uint32_t tail() const { return static_cast<uint32_t>(m_tail); }
  uint32_t published() const { return static_cast<uint32_t>(m_published); }

private:
  uint32_t m_entries;
  uint32_t m_in_flight = 0;
  uint64_t m_tail;      // entries below it are written
  uint64_t m_published; // entries below it are visible to the client
  uint64_t m_head;      // entries below it are reaped
};

}
