// SPDX-License-Identifier: GPL-3.0-or-later
// Hierarchical timing wheel of one core. A Timer is embedded in its owner and costs nothing while it is not set; it
// never fires early, and at most kTickMilliseconds late.
#pragma once
#include "kernel/base/intrusive_list.h"
#include "kernel/platform/slice.h"
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
  uint64_t m_tick = 0; // the first one at which it may fire
};

class TimerWheel {
public:
  static constexpr platform::Milliseconds kTickMilliseconds = 8;

  explicit TimerWheel(platform::Milliseconds now);
  ~TimerWheel();
  // (Re)sets the timer to fire at deadline; one that has passed counts as now. kNever is a deadline like others.
  void set(Timer &timer, platform::Milliseconds deadline);
  void cancel(Timer &timer); // no effect when it is not set
  // Fires all that is due, in the order of their ticks. Handlers may set and cancel any timer, and end the life of
  // their own; what they set does not fire in the same call.
  void advance(platform::Milliseconds now);
  // So much of it: the next call goes on.
  void advance(platform::Milliseconds now, platform::Slice &slice);
  // When advance should be called next; kNever without timers. For far timers it is earlier than the first of them.
  platform::Milliseconds next_deadline() const;

private:
  // A timer lies on the level of the highest six bits in which its tick differs from the present one, in the slot that
  // those bits name. So all slots in use lie ahead on their level, lower levels come first, and a timer's place follows
  // from its tick alone until its slot is reached. Eleven levels hold every tick that there can be.
  static constexpr unsigned kSlotBits = 6, kSlots = 1u << kSlotBits, kLevels = 11;
  struct Place {
    unsigned level, slot;
  };
  Place place_of(uint64_t tick) const;
  void insert(Timer &timer);
  void remove(Timer &timer);
  uint64_t next_tick() const; // at which there is something to do; UINT64_MAX without timers
  bool arrive(uint64_t tick, platform::Slice *slice); // at next_tick(); false: some that are due are left
  void advance_to(uint64_t target, platform::Slice *slice);
  std::array<std::array<IntrusiveList<Timer>, kSlots>, kLevels> m_wheel;
  std::array<uint64_t, kLevels> m_occupied{}; // bit per slot: it has timers
  uint64_t m_tick;                            // what was due until then has fired
  uint64_t m_earliest;                        // of ticks that can be set
};

}
