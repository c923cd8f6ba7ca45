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

bool HandshakeTurns::Line::take()
{
  if (!slice)
    slice.emplace(settings().handshake_steps_per_turn);
  return slice->take();
}

void HandshakeTurns::flush()
{
  m_begun.slice.reset();
  m_new.slice.reset();
}

bool HandshakeTurns::may_go(HandshakeStep &step)
{
  if (step.is_linked())
    return false;
  ke::Core::current().request_flush(*this);
  Line &line = line_of(step);
  if (line.waiting.is_empty() && line.take())
    return true;
  step.m_since = ke::Core::current().now();
  line.waiting.append(step);
  if (!Poller::is_linked())
    ke::Core::current().add_poller(*this);
  return false;
}

void HandshakeTurns::forget(HandshakeStep &step)
{
  if (step.is_linked())
    line_of(step).waiting.remove(step);
}

HandshakeStep *HandshakeTurns::next()
{
  if (!m_begun.waiting.is_empty() && m_begun.take())
    return m_begun.waiting.take_first();
  return !m_new.waiting.is_empty() && m_new.take() ? next_new() : nullptr;
}

// When more come than can be served, the oldest have no time left for the rest of their handshake, and all would be done for nothing: then
// the newest go first.
HandshakeStep *HandshakeTurns::next_new()
{
  auto &waiting = m_new.waiting;
  bool is_late = waiting.first()->m_since + settings().handshake / limits::kHelloPatiencePart < ke::Core::current().now();
  HandshakeStep *step = is_late ? waiting.last() : waiting.first();
  waiting.remove(*step);
  return step;
}

bool HandshakeTurns::poll()
{
  bool worked = false;
  ke::Core::current().request_flush(*this);
  while (HandshakeStep *step = next()) {
    worked = true;
    step->take_step();
  }
  if (before_sleep())
    ke::Core::current().remove_poller(*this);
  return worked;
}

}
