// SPDX-License-Identifier: GPL-3.0-or-later
// HandshakeTurns: the steps of a core's TLS handshakes, and of questions for certificates, some in each turn of its loop. One takes up to
// some milliseconds, and thousands of clients can begin at once: meanwhile rings, control sockets and connections that are secured go on.
// One for each core, for ever.
#pragma once
#include "kernel/ke/core.h"
#include "kernel/platform/slice.h"

namespace httpsys::http {

// What has a step to do. Forgotten before its end.
class HandshakeStep : public ListLink<HandshakeStep> {
public:
  // Its turn has come.
  virtual void take_step() = 0;

protected:
  HandshakeStep() = default;
  ~HandshakeStep() = default;
};

class HandshakeTurns final : ke::Poller, ke::Flushable {
public:
  static HandshakeTurns &here(); // of the current core

  // Whether the step may be taken now; otherwise it waits, behind those that came before, for take_step().
  bool may_go(HandshakeStep &step);
  void forget(HandshakeStep &step); // no effect when it does not wait

private:
  bool poll() override;
  bool before_sleep() override { return m_waiting.is_empty(); }
  void flush() override { m_slice = new_slice(); } // the turn is over
  bool take();
  static platform::Slice new_slice() { return platform::Slice(limits::kHandshakeStepsPerTurn); }

  IntrusiveList<HandshakeStep> m_waiting;
  platform::Slice m_slice = new_slice(); // of this turn
};

}
