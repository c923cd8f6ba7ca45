// SPDX-License-Identifier: MIT
#include "lib/reaper.h"
#include "lib/handle_map.h"
#include "lib/include/winerror.h"
#include "lib/overlapped.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace httpsys::lib {

constinit Reaper Reaper::s_instance;

Reaper &Reaper::instance()
{
  return s_instance;
}

void Reaper::watch_forks()
{
  static const int handlers = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  static_cast<void>(handlers);
}

void Reaper::set_source(Ref<CompletionSource> source)
{
  watch_forks();
  // The old source's last reference must not go under the lock: its end completes operations.
  DispatcherGuard guard;
  CompletionSource *old = std::exchange(m_source, source.leak());
  if (m_leader)
    m_leader->nudge(guard);
  guard.unlock();
  if (old)
    old->unref();
}

Ref<CompletionSource> Reaper::source()
{
  DispatcherGuard guard;
  return Ref<CompletionSource>(m_source);
}

void Reaper::poll()
{
  if (Ref<CompletionSource> current = source())
    current->reap(false);
}

uint32_t Reaper::dispatch()
{
  Ref<CompletionSource> current = source();
  if (!current)
    return ERROR_DLL_INIT_FAILED;
  do {
    current->reap(true);
  } while (!current->arm());
  return current->error();
}

bool Reaper::wait(DispatcherGuard &guard, Waiter &self, const Deadline &deadline)
{
  m_waiting.fetch_add(1, std::memory_order_relaxed);
  while (!self.is_satisfied() && !deadline.has_passed()) {
    if (m_leader)
      follow(guard, self, deadline);
    else
      lead(guard, self, deadline);
  }
  // Also for a follower that was to take over and has no need to wait any more. The one that slept last has the warmest cache.
  if (!m_leader && !m_followers.is_empty())
    m_followers.last()->nudge(guard);
  m_waiting.fetch_sub(1, std::memory_order_relaxed);
  return self.is_satisfied();
}

void Reaper::lead(DispatcherGuard &guard, Waiter &self, const Deadline &deadline)
{
  m_leader = &self;
  self.m_is_leading = true;
  bool rang = false;
  while (!self.is_satisfied() && !deadline.has_passed()) {
    self.m_word.store(Waiter::kWaiting, std::memory_order_relaxed);
    Ref<CompletionSource> source(m_source);
    guard.unlock();
    bool may_sleep = true;
    int bell = -1;
    if (source) {
      source->reap(rang);
      // Only who is going to sleep needs the bell; but who emptied it must leave it armed, for an event loop that polls it too.
      if (rang || !self.is_satisfied())
        may_sleep = source->arm();
      while (rang && !may_sleep) {
        source->reap(true);
        may_sleep = source->arm();
      }
      bell = source->bell();
      rang = false;
    }
    guard.lock();
    if (may_sleep && self.m_word.load(std::memory_order_relaxed) == Waiter::kWaiting) {
      m_leader_sleeps = true;
      guard.unlock();
      rang = sleep(bell, deadline);
      guard.lock();
      m_leader_sleeps = false;
    }
    if (source.get() != m_source) {
      rang = false;
      guard.unlock();
      source = {};
      guard.lock();
    }
  }
  self.m_is_leading = false;
  m_leader = nullptr;
}

void Reaper::follow(DispatcherGuard &guard, Waiter &self, const Deadline &deadline)
{
  self.m_word.store(Waiter::kWaiting, std::memory_order_relaxed);
  self.m_is_following = true;
  m_followers.append(self);
  guard.unlock();
  syscall(SYS_futex, &self.m_word, FUTEX_WAIT_BITSET_PRIVATE, Waiter::kWaiting, deadline.moment(), nullptr, FUTEX_BITSET_MATCH_ANY);
  guard.lock();
  m_followers.remove(self);
  self.m_is_following = false;
}

void Reaper::ring()
{
  int descriptor = m_ring.load(std::memory_order_acquire);
  uint64_t one = 1;
  // Full (2^64 - 2 rings that nobody took) is as good as rung.
  if (descriptor >= 0 && write(descriptor, &one, sizeof one) < 0)
    return;
}

bool Reaper::sleep(int bell, const Deadline &deadline)
{
  // Only the leader comes here, so one thread at a time.
  int ring = m_ring.load(std::memory_order_relaxed);
  if (ring < 0) {
    ring = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ring >= 0) {
      m_ring.store(ring, std::memory_order_release);
      return false; // who was to ring may have found none: look around once more
    }
  }
  pollfd descriptors[2] = {{bell, POLLIN, 0}, {ring, POLLIN, 0}};
  timespec left = deadline.remaining(ring >= 0 ? Deadline::kInfinite - 1 : kLookMilliseconds);
  bool is_endless = deadline.is_never() && ring >= 0;
  if (ppoll(descriptors, 2, is_endless ? nullptr : &left, nullptr) <= 0)
    return false;
  uint64_t count;
  if (descriptors[1].revents != 0 && read(ring, &count, sizeof count) < 0)
    count = 0;
  return descriptors[0].revents != 0;
}

void Reaper::before_fork()
{
  s_instance.m_mutex.lock();
  HandleMap::instance().before_fork();
}

void Reaper::after_fork_in_parent()
{
  HandleMap::instance().after_fork(false);
  s_instance.m_mutex.unlock();
}

// The child has one thread, no session and no handles: what waits, is pending or open belongs to the parent. Its eventfd is the
// parent's too, so it must not be touched. Nothing is freed: that would need what the other threads held at the fork.
void Reaper::after_fork_in_child()
{
  HandleMap::instance().after_fork(true);
  PendingOperation::forget_all();
  s_instance.m_source = nullptr;
  s_instance.m_leader = nullptr;
  s_instance.m_leader_sleeps = false;
  s_instance.m_followers.forget();
  s_instance.m_waiting.store(0, std::memory_order_relaxed);
  int ring = s_instance.m_ring.exchange(-1, std::memory_order_relaxed);
  if (ring >= 0)
    close(ring);
  s_instance.m_mutex.unlock();
}

}
