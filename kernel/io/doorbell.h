// SPDX-License-Identifier: GPL-3.0-or-later
// Doorbell: the two descriptors by which daemon and client wake each other. The kick (an eventfd, never read) is
// watched by a multishot poll; a client that kicks more often than it was asked to loses that poll for a while and is
// visited by a timer. The bell is an end of a socket pair. Owned by the channel, on its core.
#pragma once
#include "kernel/io/slow_rings.h"
#include "kernel/ke/core.h"
#include "kernel/limits.h"
#include <algorithm>

namespace httpsys::io {

// Each time that the channel arms a wake word the client may kick once. Kicks beyond that are counted by the second.
class KickBudget {
public:
  void note_armed() { m_asked = std::min(m_asked + 1, limits::kAskedKicks); }
  // False when it was one too many.
  bool note_kick(platform::Milliseconds now)
  {
    if (m_asked > 0) {
      m_asked--;
      return true;
    }
    if (now - m_second_began >= 1000) {
      m_second_began = now;
      m_unasked = 0;
    }
    return ++m_unasked <= limits::kUnaskedKicksPerSecond;
  }

private:
  uint32_t m_asked = 0;
  uint32_t m_unasked = 0;
  platform::Milliseconds m_second_began = 0;
};

class Doorbell final : platform::IoOperation, ke::Timer {
public:
  class Listener {
  public:
    // The client kicked, or may have: look at the rings.
    virtual void on_kick() = 0;
    // After stop(): nothing is in flight any more.
    virtual void on_doorbell_idle() = 0;

  protected:
    ~Listener() = default;
  };

  // Takes over both descriptors; uid: of the client, which has the kick, too.
  Doorbell(Listener &listener, int kick, int bell, uint32_t uid)
    : m_listener(listener), m_kick(kick), m_bell(bell), m_uid(uid), m_slow_rings(SlowRings::of(uid))
  {
  }
  Doorbell(const Doorbell &) = delete;
  ~Doorbell();

  void start();
  void note_armed() { m_budget.note_armed(); }
  // False when the client has made that too slow, which is not said again.
  bool ring();
  void stop();
  bool is_idle() const { return m_is_stopped && !is_in_flight(); }

private:
  void on_complete(const platform::IoResult &result) override;
  void on_timer() override;
  void begin_penalty();
  Listener &m_listener;
  int m_kick, m_bell;
  uint32_t m_uid;
  KickBudget m_budget;
  std::shared_ptr<SlowRings> m_slow_rings;
  platform::Milliseconds m_penalty_until = 0;
  bool m_is_too_slow = false, m_is_stopped = false;
};

}
