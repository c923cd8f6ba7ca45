// SPDX-License-Identifier: GPL-3.0-or-later
// ReturnWork: what one session, or all queues of a core that have gone, have to give back, end, refuse and forget; thousands of requests
// perhaps. All such works of a core have one part of its turn together (kRequestsReturnedPerTurn), and each an equal one of that. On the
// core of whoever has that to do.
#pragma once
#include "kernel/ke/core.h"

namespace httpsys::queue {

class ReturnWork : protected ke::Poller {
protected:
  ReturnWork() = default;
  ~ReturnWork();
  // Takes steps at once and in the turns that follow, until none is left; no effect when it has begun already.
  void run();
  // Counted among those that have a part of each turn: for run(), or for whoever takes the steps himself until he calls end().
  void begin();
  void end(); // no more steps; no effect when it has not begun
  // Before a step; whether this turn may take it: as many as any other work's, and one at least, whatever the others have taken.
  bool take();

private:
  // Steps as long as take() allows them; whether some are left.
  virtual bool return_some() = 0;
  bool poll() final;
  bool before_sleep() final { return false; } // it polls only while steps are left
  bool m_has_begun = false;
  uint64_t m_turn = 0; // of the steps that were taken last
  uint32_t m_left = 0; // in that turn
};

}
