// SPDX-License-Identifier: GPL-3.0-or-later
// How Tasks come to a core. Inbox: from one other core, without locks. Mailbox: from the helper and from threads that
// are no core, under a lock that is held for moments. Both belong to the receiving core.
#pragma once
#include "kernel/ke/task.h"
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace httpsys::ke {

// A ring with one sender and one receiver. What does not fit waits in a list of the sender's, so sending never fails
// and never waits, and order is kept.
//
// Two handshakes keep wake-ups from being lost. Each side stores its own word and then loads the other's, all
// sequentially consistent, so that one of them sees the other:   tail (send, flush_spill) and the receiver's "sleeping"
// word (Core::deliver, Core::sleep): the sender wakes a sleeping receiver;   head (drain) and m_sender_waits
// (wait_for_space): the receiver wakes a sender that sleeps with a spill.
class Inbox {
public:
  static constexpr uint32_t kSlots = 256;

  // Sender. True when the receiver can see the task now; false: it was spilled.
  bool send(Task task);
  bool has_spill() const { return !m_spill.empty(); }
  // Moves what fits into the ring; true when it moved anything.
  bool flush_spill();
  // Asks to be woken when there is room; false when there is already.
  bool wait_for_space();

  // Receiver.
  bool is_empty() const { return m_tail.load(std::memory_order_seq_cst) == m_head.load(std::memory_order_relaxed); }
  // Runs the tasks that are there now; returns how many. wake_sender: it sleeps and waits for room.
  uint32_t drain(bool &wake_sender);

private:
  bool is_full();
  // Each side's words on lines of their own (two, for the neighbour-line prefetcher). Indices run free over 32 bits.
  alignas(128) std::atomic<uint32_t> m_tail{0};
  uint32_t m_head_seen = 0; // sender's copy
  std::deque<Task> m_spill; // sender's
  alignas(128) std::atomic<uint32_t> m_head{0};
  alignas(128) std::atomic<bool> m_sender_waits{false};
  alignas(128) std::array<Task, kSlots> m_slots;
};

class Mailbox {
public:
  // Any thread. after(): called under the lock when the task is in, so that the receiver cannot end meanwhile. A closed
  // mailbox destroys the task and returns false.
  template <typename After>
  bool send(Task task, After after)
  {
    std::lock_guard lock(m_mutex); // goes before the parameter task: a refused one is destroyed outside
    if (m_closed)
      return false;
    m_tasks.push_back(std::move(task));
    m_has_mail.store(true, std::memory_order_seq_cst);
    after();
    return true;
  }
  // As send without a task: for what else the receiver is to be woken for.
  template <typename Action>
  void while_open(Action action)
  {
    std::lock_guard lock(m_mutex);
    if (!m_closed)
      action();
  }

  // Receiver.
  bool is_empty() const { return !m_has_mail.load(std::memory_order_seq_cst); }
  // Runs the tasks that are there now; returns how many. Does not wait for the lock: then they are run next time.
  size_t drain();
  // Refuses everything from then on. Returns the tasks that did not run.
  std::vector<Task> close()
  {
    std::lock_guard lock(m_mutex);
    m_closed = true;
    return std::exchange(m_tasks, {});
  }

private:
  std::mutex m_mutex;
  std::vector<Task> m_tasks;
  std::atomic<bool> m_has_mail{false};
  bool m_closed = false;
};

}
