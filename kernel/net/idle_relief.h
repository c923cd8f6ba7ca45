// SPDX-License-Identifier: GPL-3.0-or-later
// Room for who waits to be accepted: while connections have all places that there may be, those that have been idle longest are closed.
// Each core lists its idle ones and publishes since when the first of them is; IdleRelief, on core 0, asks the core whose first one is the
// oldest. One question is on its way at a time, so the messages are bounded; the answer is that all that were asked have gone or stay.
#pragma once
#include "kernel/base/intrusive_list.h"
#include "kernel/ke/core.h"
#include "kernel/limits.h"
#include <atomic>

namespace httpsys::net {

// A connection that nobody would miss. Part of it, on its core.
class IdlePlace : public ListLink<IdlePlace, class IdlePlaceTag> {
public:
  // It is on the list no more. True: it goes, or is found not to be idle after all, and IdleRelief::note_answer() is told when it is known
  // which; false: it isn't idle.
  virtual bool make_room() = 0;
  bool is_listed() const { return is_linked(); }
  platform::Milliseconds idle_since() const { return m_idle_since; }

protected:
  IdlePlace() = default;
  ~IdlePlace() = default;
  // On the current core's list, as the last, or off it. No effect when it is so.
  void list();
  void unlist();

private:
  friend class IdleRelief;
  platform::Milliseconds m_idle_since = 0;
};

class IdleRelief final : ke::Timer {
public:
  // Core 0's. places(): how many there are at the moment.
  explicit IdleRelief(uint64_t (*places)()) : m_places(places) {}
  void start();
  void stop(); // nothing is closed any more

  // All places are taken, and somebody waits; until nobody_waits().
  void somebody_waits();
  void nobody_waits();
  // There was no descriptor for one who waits: one that has been idle for long goes.
  void accept_failed();

  // Any core: a place that said true to make_room() has gone, or stays.
  void note_answer();

private:
  void on_timer() override { look(); }
  void look();
  void ask(ke::CoreId core, uint64_t count, platform::Milliseconds until);

  uint64_t (*m_places)();
  bool m_is_stopped = true;
  bool m_somebody_waits = false;
  uint64_t m_count = 1;
  platform::Milliseconds m_asked_at = 0;
  std::atomic<uint64_t> m_answers_due{0}; // the core's own, and one for each place that it has asked
};

}
