// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/handshake_turns.h"
#include "kernel/io/per_core.h"

namespace httpsys::http {

static io::PerCore<HandshakeTurns> s_turns;

HandshakeTurns &HandshakeTurns::here()
{
  return s_turns.here();
}

bool HandshakeTurns::take()
{
  ke::Core::current().request_flush(*this);
  return m_slice.take();
}

bool HandshakeTurns::may_go(HandshakeStep &step)
{
  if (step.is_linked())
    return false;
  if (m_waiting.is_empty() && take())
    return true;
  m_waiting.append(step);
  if (!Poller::is_linked())
    ke::Core::current().add_poller(*this);
  return false;
}

void HandshakeTurns::forget(HandshakeStep &step)
{
  if (step.is_linked())
    m_waiting.remove(step);
}

bool HandshakeTurns::poll()
{
  bool worked = false;
  while (!m_waiting.is_empty() && take()) {
    worked = true;
    m_waiting.take_first()->take_step();
  }
  if (m_waiting.is_empty())
    ke::Core::current().remove_poller(*this);
  return worked;
}

}
