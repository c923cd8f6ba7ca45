// SPDX-License-Identifier: GPL-3.0-or-later
// SlowRings: what rings of a user's bells that were slow took of a core, so much of a second. A fast one says nothing: that of a full bell
// takes no time, and its client decides when it is full. From a slow one on they are measured by what they take of the core alone, for a
// second; only what is measured so counts, since what delays the core otherwise is not the client's fault. One for each user and core,
// while the user has a channel there.
#pragma once
#include "kernel/limits.h"
#include "kernel/platform/platform.h"
#include <memory>

namespace httpsys::io {

class SlowRings {
public:
  static std::shared_ptr<SlowRings> of(uint32_t uid); // of this core

  bool are_watched(platform::Milliseconds now) const { return now < m_watched_until; }
  // True: with this one they have taken too much.
  bool note(platform::Milliseconds now, uint64_t nanoseconds);

private:
  uint64_t m_nanoseconds = 0;
  platform::Milliseconds m_last = 0, m_watched_until = 0;
};

}
