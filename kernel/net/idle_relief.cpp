// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/net/idle_relief.h"
#include <algorithm>
#include <array>
#include <utility>

namespace httpsys::net {

namespace {

struct alignas(64) CoreList {
  IntrusiveList<IdlePlace, IdlePlaceTag> places; // the core's own
  std::atomic<platform::Milliseconds> first_since{platform::kNever};

  void publish()
  {
    IdlePlace *first = places.first();
    first_since.store(first ? first->idle_since() : platform::kNever, std::memory_order_relaxed);
  }
};
std::array<CoreList, limits::kCores> s_lists;

CoreList &list_here()
{
  return s_lists[ke::Core::current().id()];
}

struct Oldest {
  ke::CoreId core = 0;
  platform::Milliseconds since = platform::kNever;
  platform::Milliseconds elsewhere = platform::kNever; // the oldest of all other cores
};

Oldest find_oldest()
{
  Oldest found;
  for (ke::CoreId core = 0; core < ke::Cores::instance().count(); core++) {
    platform::Milliseconds since = s_lists[core].first_since.load(std::memory_order_relaxed);
    if (since < found.since)
      found = {core, since, found.since};
    else
      found.elsewhere = std::min(found.elsewhere, since);
  }
  return found;
}

}

void IdlePlace::list()
{
  if (is_listed())
    return;
  m_idle_since = ke::Core::current().now();
  CoreList &here = list_here();
  here.places.append(*this);
  if (here.places.first() == this)
    here.publish();
}

void IdlePlace::unlist()
{
  if (!is_listed())
    return;
  CoreList &here = list_here();
  bool was_first = here.places.first() == this;
  here.places.remove(*this);
  if (was_first)
    here.publish();
}

void IdleRelief::start()
{
  m_is_stopped = false;
  m_somebody_waits = false;
  m_count = 1;
  m_asked_at = 0;
  m_answers_due = 0;
}

void IdleRelief::stop()
{
  ke::Core::current().timers().cancel(*this);
  m_is_stopped = true;
  m_somebody_waits = false;
}

void IdleRelief::somebody_waits()
{
  // Otherwise a timer, or an answer that is due, looks.
  if (!m_is_stopped && !std::exchange(m_somebody_waits, true))
    look();
}

void IdleRelief::nobody_waits()
{
  m_somebody_waits = false;
  ke::Core::current().timers().cancel(*this);
}

void IdleRelief::look()
{
  if (!m_somebody_waits || m_answers_due > 0)
    return; // the last answer looks again
  auto &core = ke::Core::current();
  Oldest oldest = find_oldest();
  if (oldest.since > core.now() || core.now() - oldest.since < limits::kIdleLeastMilliseconds) {
    core.timers().set(*this, core.now() + limits::kIdleLeastMilliseconds);
    return;
  }
  bool is_again = core.now() - m_asked_at <= limits::kRoomAgainMilliseconds;
  uint64_t most = std::clamp<uint64_t>(m_places() / limits::kIdleClosedPart, 1, limits::kIdleClosedPerTurn);
  m_count = std::min(is_again ? 2 * m_count : 1, most);
  m_asked_at = core.now();
  platform::Milliseconds until = core.now() - limits::kIdleLeastMilliseconds;
  if (oldest.elsewhere != platform::kNever)
    until = std::min(until, oldest.elsewhere + limits::kIdleOrderMilliseconds);
  ask(oldest.core, m_count, until);
}

void IdleRelief::accept_failed()
{
  platform::Milliseconds now = ke::Core::current().now();
  Oldest oldest = find_oldest();
  if (m_is_stopped || m_answers_due > 0 || oldest.since > now || now - oldest.since < limits::kIdleLongMilliseconds)
    return;
  ask(oldest.core, 1, now - limits::kIdleLongMilliseconds);
}

void IdleRelief::ask(ke::CoreId core, uint64_t count, platform::Milliseconds until)
{
  m_answers_due = 1;
  ke::Cores::instance().post(core, [this, count, until] {
    CoreList &here = list_here();
    // Those that turn out to stay come behind all others, with the time of that.
    for (uint64_t left = count; left > 0; left--) {
      IdlePlace *first = here.places.first();
      if (!first || first->idle_since() > until)
        break;
      first->unlist();
      m_answers_due++;
      if (!first->make_room())
        m_answers_due--; // not the last: the core's own is due
    }
    note_answer();
  });
}

void IdleRelief::note_answer()
{
  if (m_answers_due.fetch_sub(1) == 1)
    ke::Cores::instance().post(0, [this] {
      m_asked_at = ke::Core::current().now(); // answers may take long where much goes on
      look();
    });
}

}
