// SPDX-License-Identifier: GPL-3.0-or-later
// ReturnWork: what one session, or all queues of a core that have gone, have to give back, end, refuse and forget; thousands of requests
// perhaps. All such works of a core have one part of its turn together (kRequestsReturnedPerTurn), and each an equal one of that. On the
// core of whoever has it.
#pragma once
#include <cstdint>

namespace httpsys::queue {

class ReturnWork {
public:
  ReturnWork() = default;
  ReturnWork(const ReturnWork &) = delete;
  ReturnWork &operator=(const ReturnWork &) = delete;
  ~ReturnWork() { end(); }
  // Counted among those that have a part of each turn; no effect when it is so already.
  void begin();
  void end();
  // Before a step; whether this turn may take it: as many as any other work's, and one at least, whatever the others have taken.
  bool take();

private:
  bool m_is_counted = false;
  uint64_t m_turn = 0; // of the steps that were taken last
  uint32_t m_left = 0; // in that turn
};

}
