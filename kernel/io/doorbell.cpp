// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/doorbell.h"

namespace httpsys::io {

Doorbell::~Doorbell()
{
  VERIFY(!is_in_flight() && !is_set());
  platform::system().close_shared(m_kick, m_uid);
  platform::system().close_elsewhere(m_bell, m_uid);
}

void Doorbell::start()
{
  // A new channel is armed at its first entry.
  note_armed();
  ke::Core::current().io().poll_multishot(m_kick, *this);
}

// A client may have its bell watched in a million places, each of which a ring wakes.
bool Doorbell::ring()
{
  if (m_is_too_slow)
    return true;
  const auto now = ke::Core::current().now();
  m_is_too_slow = m_slow_rings->note(now, platform::system().ring_bell(m_bell, m_slow_rings->are_watched(now)));
  return !m_is_too_slow;
}

void Doorbell::stop()
{
  m_is_stopped = true;
  ke::Core::current().timers().cancel(*this);
  if (is_in_flight())
    ke::Core::current().io().cancel(*this);
}

void Doorbell::on_complete(const platform::IoResult &result)
{
  if (m_is_stopped) {
    if (!result.more)
      m_listener.on_doorbell_idle();
    return;
  }
  if (result.status == NtStatus::Success && !m_budget.note_kick(ke::Core::current().now()) && m_penalty_until == 0) {
    begin_penalty();
    if (result.more)
      ke::Core::current().io().cancel(*this);
  }
  if (!result.more && m_penalty_until == 0) {
    // The kernel ends a multishot poll when its completion ring is full. A poll that fails must not make the loop spin.
    if (result.status == NtStatus::Success)
      ke::Core::current().io().poll_multishot(m_kick, *this);
    else
      begin_penalty();
  }
  m_listener.on_kick();
}

void Doorbell::begin_penalty()
{
  m_penalty_until = ke::Core::current().now() + limits::kKickPenaltyMilliseconds;
  ke::Core::current().timers().set(*this, ke::Core::current().now() + limits::kKickVisitMilliseconds);
}

void Doorbell::on_timer()
{
  if (ke::Core::current().now() >= m_penalty_until && !is_in_flight()) {
    m_penalty_until = 0;
    ke::Core::current().io().poll_multishot(m_kick, *this);
  } else {
    ke::Core::current().timers().set(*this, ke::Core::current().now() + limits::kKickVisitMilliseconds);
  }
  m_listener.on_kick();
}

}
