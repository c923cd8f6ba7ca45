// SPDX-License-Identifier: MIT
// Reaper: how threads wait in a library that has no thread of its own (design.md 2). Of the threads that wait, one is the leader: it
// takes in completions and sleeps on the source's bell and on an eventfd, by which other threads of the process reach it. The others
// follow: each sleeps on its own futex until its wait is satisfied. A leader that stops waiting, by time-out too, hands over.
// One for the process, never destroyed.
#pragma once
#include "lib/completion_source.h"
#include "lib/deadline.h"
#include "lib/dispatcher.h"
#include <mutex>

namespace httpsys::lib {

class Reaper {
public:
  // A leader that gets no eventfd (EMFILE) looks around so often.
  static constexpr uint32_t kLookMilliseconds = 10;

  static Reaper &instance();

  // Before the first handle and the first source: whatever a child of fork() inherits, it inherits it unlocked.
  static void watch_forks();

  // Replaces the source (null: none) and drops the reference to the old one.
  void set_source(Ref<CompletionSource> source);
  Ref<CompletionSource> source();

  // Takes in what has completed, without blocking. Every call of the library begins with it.
  void poll();

  // For event loops: takes in what has completed and arms the bell. The source's error; ERROR_DLL_INIT_FAILED without a source.
  uint32_t dispatch();

  // Waits until the waiter is satisfied; false when the deadline has passed before. The guard is held at the call and at the
  // return, not in between.
  bool wait(DispatcherGuard &guard, Waiter &self, const Deadline &deadline);

  // How many threads wait now, the leader included; for tests.
  uint32_t waiting() const { return m_waiting.load(std::memory_order_relaxed); }

private:
  friend class DispatcherGuard;
  friend class Waiter;
  constexpr Reaper() = default;

  std::mutex &mutex() { return m_mutex; }
  bool leader_sleeps() const { return m_leader_sleeps; }
  void ring();
  void lead(DispatcherGuard &guard, Waiter &self, const Deadline &deadline);
  void follow(DispatcherGuard &guard, Waiter &self, const Deadline &deadline);
  // Sleeps until bell, eventfd or deadline; true when it was the bell.
  bool sleep(int bell, const Deadline &deadline);
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();

  std::mutex m_mutex; // the dispatcher lock; guards the members below
  CompletionSource *m_source = nullptr; // one reference
  Waiter *m_leader = nullptr;
  bool m_leader_sleeps = false;
  List<Waiter> m_followers;

  std::atomic<int> m_ring{-1}; // eventfd
  std::atomic<uint32_t> m_waiting{0};
  static Reaper s_instance;
};

}
