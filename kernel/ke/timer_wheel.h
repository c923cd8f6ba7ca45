// SPDX-License-Identifier: GPL-3.0-or-later
// Hierarchical timing wheel of one core. A Timer is embedded in its owner and costs nothing while it is not set; it
// never fires early, and at most kTickMilliseconds late.
#pragma once
#include "kernel/base/intrusive_list.h"
#include "kernel/platform/platform.h"
#include <array>

namespace httpsys::ke {

class Timer : public ListLink<Timer> {
public:
  bool is_set() const { return is_linked(); }

protected:
  Timer() = default;
  ~Timer() = default; // the owner cancels it first

private:
  friend class TimerWheel;
  virtual void on_timer() = 0;
  platform::Milliseconds m_deadline = 0;
};

class TimerWheel {
public:
  static constexpr platform::Milliseconds kTickMilliseconds = 8;

  explicit TimerWheel(platform::Milliseconds now);
  ~TimerWheel();
  // (Re)sets the timer to fire at deadline.
  void set(Timer &timer, platform::Milliseconds deadline);
  void cancel(Timer &timer);
  // Fires all that is due. Handlers may set and cancel any timer.
  void advance(platform::Milliseconds now);
  // When advance should be called next; kNever without timers.
  platform::Milliseconds next_deadline() const;

private:
  static constexpr unsigned kSlotBits = 6, kSlots = 1u << kSlotBits, kLevels = 5;
  IntrusiveList<Timer> &slot_for(platform::Milliseconds deadline);
  void cascade(unsigned level);
  std::array<std::array<IntrusiveList<Timer>, kSlots>, kLevels> m_wheel;
  std::array<uint64_t, kLevels> m_occupied{}; // bit per slot: may have timers
  uint64_t m_tick;
  size_t m_count = 0;
};

}
