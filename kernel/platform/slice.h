// SPDX-License-Identifier: GPL-3.0-or-later
// Slice: how much of a work that others can make long is done in one turn of a core: so many steps, or so much time. On the stack of that
// turn, or kept until its end.
#pragma once
#include "kernel/limits.h"
#include "kernel/platform/platform.h"

namespace httpsys::platform {

class Slice {
public:
  using Clock = Milliseconds (*)();

  // most: steps. The clock is read before every steps_per_look of them.
  explicit Slice(uint32_t most, uint32_t steps_per_look = 1, Clock clock = [] { return system().now(); })
    : m_most(most), m_steps_per_look(steps_per_look), m_clock(clock)
  {
  }

  // Before a step; whether this turn may take it. The first may always be taken, so that the work comes to an end.
  bool take()
  {
    if (m_is_over)
      return false;
    if (m_taken == 0)
      m_begun = m_clock();
    else
      m_is_over = m_taken == m_most || (m_taken % m_steps_per_look == 0 && m_clock() - m_begun >= limits::kSliceMilliseconds);
    m_taken += !m_is_over;
    return !m_is_over;
  }

private:
  uint32_t m_most, m_steps_per_look;
  Clock m_clock;
  uint32_t m_taken = 0;
  bool m_is_over = false;
  Milliseconds m_begun = 0;
};

}
