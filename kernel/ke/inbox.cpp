// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ke/inbox.h"

namespace httpsys::ke {

static_assert(sizeof(Task) == 64);

bool Inbox::is_full()
{
  const uint32_t tail = m_tail.load(std::memory_order_relaxed);
  if (tail - m_head_seen < kSlots)
    return false;
  m_head_seen = m_head.load(std::memory_order_acquire); // with drain(): the slot is empty
  return tail - m_head_seen == kSlots;
}

bool Inbox::send(Task task)
{
  if (!m_spill.empty() || is_full()) {
    m_spill.push_back(std::move(task));
    return false;
  }
  const uint32_t tail = m_tail.load(std::memory_order_relaxed);
  m_slots[tail % kSlots] = std::move(task);
  m_tail.store(tail + 1, std::memory_order_seq_cst);
  return true;
}

bool Inbox::flush_spill()
{
  uint32_t tail = m_tail.load(std::memory_order_relaxed);
  const uint32_t before = tail;
  while (!m_spill.empty() && (tail - m_head_seen < kSlots || !is_full())) {
    m_slots[tail % kSlots] = std::move(m_spill.front());
    m_spill.pop_front();
    m_tail.store(++tail, std::memory_order_seq_cst);
  }
  return tail != before;
}

bool Inbox::wait_for_space()
{
  m_sender_waits.store(true, std::memory_order_seq_cst);
  m_head_seen = m_head.load(std::memory_order_seq_cst);
  return m_tail.load(std::memory_order_relaxed) - m_head_seen == kSlots;
}

uint32_t Inbox::drain(bool &wake_sender)
{
  const uint32_t tail = m_tail.load(std::memory_order_acquire);
  uint32_t head = m_head.load(std::memory_order_relaxed);
  const uint32_t count = tail - head;
  while (head != tail) {
    Task task = std::move(m_slots[head % kSlots]);
    m_head.store(++head, std::memory_order_release);
    task.run();
  }
  wake_sender = false;
  if (count > 0) {
    m_head.store(head, std::memory_order_seq_cst);
    wake_sender = m_sender_waits.load(std::memory_order_seq_cst) && m_sender_waits.exchange(false, std::memory_order_relaxed);
  }
  return count;
}

size_t Mailbox::drain()
{
  if (!m_has_mail.load(std::memory_order_relaxed))
    return 0;
  std::vector<Task> tasks;
  {
    std::unique_lock lock(m_mutex, std::try_to_lock);
    if (!lock)
      return 0;
    tasks.swap(m_tasks);
    m_has_mail.store(false, std::memory_order_relaxed);
  }
  for (Task &task : tasks)
    task.run();
  return tasks.size();
}

}
