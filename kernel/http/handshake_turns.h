// SPDX-License-Identifier: GPL-3.0-or-later
// HandshakeTurns: the steps of a core's TLS handshakes, and of questions for certificates, some in each turn of its loop. One takes up to
// some milliseconds, and thousands of clients can begin at once: meanwhile rings, control sockets and connections that are secured go on.
// What has begun goes first, new hellos have the rest of the turn's time and one of them goes in any case: a handshake that was begun and
// never ends is work for nothing. One for each core, for ever.
#pragma once
#include "kernel/ke/core.h"
#include "kernel/platform/slice.h"
#include <optional>

namespace httpsys::http {

// What has a step to do. Forgotten before its end.
class HandshakeStep : public ListLink<HandshakeStep> {
public:
  // Its turn has come.
  virtual void take_step() = 0;
  // Nothing has been done for this client yet. Stays as it is while the step waits.
  virtual bool is_new() const = 0;

protected:
  HandshakeStep() = default;
  ~HandshakeStep() = default;

private:
  friend class HandshakeTurns;
  platform::Milliseconds m_since = 0; // it waits
};

class HandshakeTurns final : ke::Poller, ke::Flushable {
public:
  static HandshakeTurns &here(); // of the current core

  // Whether the step may be taken now; otherwise it waits, behind those that came before, for take_step().
  bool may_go(HandshakeStep &step);
  void forget(HandshakeStep &step); // no effect when it does not wait

private:
  using Steps = IntrusiveList<HandshakeStep>;
  bool poll() override;
  bool before_sleep() override { return m_begun.is_empty() && m_new.is_empty(); }
  void flush() override; // the turn is over
  Steps &list_of(const HandshakeStep &step) { return step.is_new() ? m_new : m_begun; }
  bool take();
  bool take_new();
  HandshakeStep *next();
  HandshakeStep *next_new();

  Steps m_begun, m_new;
  std::optional<platform::Slice> m_slice; // of this turn
  bool m_new_one_went = false; // in this turn
};

}
