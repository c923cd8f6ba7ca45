// SPDX-License-Identifier: GPL-3.0-or-later
// HandshakeTurns: the steps of a core's TLS handshakes, and of questions for certificates, some in each turn of its loop. One takes up to
// some milliseconds, and thousands of clients can begin at once: meanwhile rings, control sockets and connections that are secured go on.
// What has begun waits for no hello, for a handshake that was begun and never ends is work for nothing; new hellos have a part of the turn
// of their own. One for each core, for ever.
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
  struct Line {
    bool take();
    IntrusiveList<HandshakeStep> waiting;
    std::optional<platform::Slice> slice; // of this turn
  };

  bool poll() override;
  bool before_sleep() override { return m_begun.waiting.is_empty() && m_new.waiting.is_empty(); }
  void flush() override; // the turn is over
  Line &line_of(const HandshakeStep &step) { return step.is_new() ? m_new : m_begun; }
  HandshakeStep *next();
  HandshakeStep *next_new();

  Line m_begun, m_new;
};

}
