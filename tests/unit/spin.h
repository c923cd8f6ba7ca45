// SPDX-License-Identifier: GPL-3.0-or-later
// For tests that want two threads to meet in a window of nanoseconds.
#pragma once
#include <cstdint>
#include <thread>

// A short delay that nothing optimises away.
inline void spin(uint32_t rounds)
{
  for (; rounds > 0; rounds--)
    asm volatile("" : : : "memory");
}

// Waits for the other thread without sleeping, as long as that is on a processor.
template <typename Condition>
void spin_until(Condition condition)
{
  for (uint32_t rounds = 0; !condition(); rounds++) {
    if (rounds > 500)
      std::this_thread::yield();
  }
}
