// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/handshake_turns.h"
#include "kernel/http/settings.h"
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
  if (!m_slice)
    m_slice.emplace(settings().handshake_steps_per_turn);
  return m_slice->take();
}

bool HandshakeTurns::take_new()
{
  bool may_go = take() || !m_new_one_went;
  m_new_one_went = true;
  return may_go;
}

void HandshakeTurns::flush()
{
  m_slice.reset();
  m_new_one_went = false;
}

bool HandshakeTurns::may_go(HandshakeStep &step)
{
  if (step.is_linked())
    return false;
  // Whoever has begun overtakes hellos that wait.
  if (m_begun.is_empty() && (step.is_new() ? m_new.is_empty() && take_new() : take()))
    return true;
  step.m_since = ke::Core::current().now();
  list_of(step).append(step);
  if (!Poller::is_linked())
    ke::Core::current().add_poller(*this);
  return false;
}

void HandshakeTurns::forget(HandshakeStep &step)
{
  if (step.is_linked())
    list_of(step).remove(step);
}

HandshakeStep *HandshakeTurns::next()
{
  if (!m_begun.is_empty() && take())
    return m_begun.take_first();
  return !m_new.is_empty() && take_new() ? next_new() : nullptr;
}

// When more come than can be served, the oldest have no time left for the rest of their handshake, and all would be done for nothing: then
// the newest go first.
HandshakeStep *HandshakeTurns::next_new()
{
  bool is_late = m_new.first()->m_since + settings().handshake / limits::kHelloPatiencePart < ke::Core::current().now();
  HandshakeStep *step = is_late ? m_new.last() : m_new.first();
  m_new.remove(*step);
  return step;
}

bool HandshakeTurns::poll()
{
  bool worked = false;
  while (HandshakeStep *step = next()) {
    worked = true;
    step->take_step();
  }
  if (before_sleep())
    ke::Core::current().remove_poller(*this);
  return worked;
}

}
