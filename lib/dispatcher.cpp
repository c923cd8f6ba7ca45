// SPDX-License-Identifier: MIT
#include "lib/dispatcher.h"
#include "lib/reaper.h"
#include <climits>
#include <linux/futex.h>
#include <mutex>
#include <sys/syscall.h>
#include <unistd.h>

namespace httpsys::lib {

namespace {

void futex_wake(std::atomic<uint32_t> *word)
{
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}

void DispatcherGuard::lock()
{
  Reaper::instance().mutex().lock();
  m_is_locked = true;
}

void DispatcherGuard::unlock()
{
  m_is_locked = false;
  Reaper &reaper = Reaper::instance();
  bool rings = std::exchange(m_rings, false);
  reaper.mutex().unlock();
  if (rings)
    reaper.ring();
  for (unsigned i = 0; i < m_count; i++)
    futex_wake(m_words[i]);
  m_count = 0;
}

void DispatcherGuard::wake(std::atomic<uint32_t> &word)
{
  if (m_count == kWakesAtOnce)
    futex_wake(&word);
  else
    m_words[m_count++] = &word;
}

void Waiter::satisfy(DispatcherGuard &guard)
{
  m_word.store(kSatisfied, std::memory_order_release);
  wake(guard);
}

void Waiter::nudge(DispatcherGuard &guard)
{
  if (m_word.load(std::memory_order_relaxed) != kWaiting)
    return;
  m_word.store(kNudged, std::memory_order_release);
  wake(guard);
}

// Neither following nor leading: not asleep yet, and will look before it is.
void Waiter::wake(DispatcherGuard &guard)
{
  if (m_is_following)
    guard.wake(m_word);
  else if (m_is_leading && Reaper::instance().leader_sleeps())
    guard.m_rings = true;
}

}
