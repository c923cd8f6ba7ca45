// SPDX-License-Identifier: MIT
// The dispatcher lock and who sleeps: one lock of the process guards the state of events, ports, queues' operations and waits, so
// that a wait for all of several objects is atomic. It is held shortly, over no system call but the kick that a
// cancel may need; wake-ups happen after it.
//
// Order of locks: a source's own (reap) first, then the dispatcher lock, then the handle map's and a channel's submission lock.
#pragma once
#include "lib/list.h"
#include <atomic>
#include <cstdint>

namespace httpsys::lib {

// Holds the dispatcher lock; collects whom to wake and wakes them when it lets go.
class DispatcherGuard {
public:
  DispatcherGuard() { lock(); }
  ~DispatcherGuard()
  {
    if (m_is_locked)
      unlock();
  }
  DispatcherGuard(const DispatcherGuard &) = delete;
  DispatcherGuard &operator=(const DispatcherGuard &) = delete;

  void lock();
  void unlock();

private:
  friend class Waiter;
  static constexpr unsigned kWakesAtOnce = 16;
  void wake(std::atomic<uint32_t> &word);

  bool m_is_locked = false;
  bool m_rings = false; // the leader's eventfd
  unsigned m_count = 0;
  // Addresses only: the waiter may have returned before it is woken, and a futex needs no more.
  std::atomic<uint32_t> *m_words[kWakesAtOnce];
};

// One thread's wait. Lives on the waiting thread's stack; whoever fulfils it holds the dispatcher lock and calls satisfy().
class Waiter : public ListLink<Waiter> {
public:
  Waiter() = default;

  bool is_satisfied() const { return m_word.load(std::memory_order_acquire) == kSatisfied; }
  void satisfy(DispatcherGuard &guard);

private:
  friend class Reaper;
  static constexpr uint32_t kWaiting = 0, kNudged = 1, kSatisfied = 2;

  // Makes a sleeping follower look around.
  void nudge(DispatcherGuard &guard);
  void wake(DispatcherGuard &guard);

  std::atomic<uint32_t> m_word{kWaiting};
  bool m_is_following = false; // sleeps on m_word, or is about to
  bool m_is_leading = false;   // sleeps on the bell and the eventfd, if it sleeps
};

}
