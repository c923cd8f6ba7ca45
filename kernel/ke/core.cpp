// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ke/core.h"
#include "kernel/ke/inbox.h"
#include "kernel/limits.h"
#include <algorithm>

namespace httpsys::ke {

static thread_local Core *t_current;

Core::Scope::Scope(Core &core) : m_before(std::exchange(t_current, &core)) {}

Core::Scope::Scope(std::nullptr_t) : m_before(std::exchange(t_current, nullptr)) {}

Core::Scope::~Scope()
{
  t_current = m_before;
}

Core *Core::current_or_null()
{
  return t_current;
}

Core &Core::current()
{
  VERIFY(t_current);
  return *t_current;
}

Core::Core(CoreId id, uint32_t senders, std::unique_ptr<platform::IoEngine> engine)
  : m_id(id), m_engine(std::move(engine)), m_now(platform::system().now()), m_timers(m_now), m_network_timers(m_now),
    m_mailbox(std::make_unique<Mailbox>())
{
  VERIFY(id < senders);
  for (uint32_t sender = 0; sender < senders; sender++)
    m_inboxes.push_back(std::make_unique<Inbox>());
}

Core::~Core()
{
  close();
  while (m_pollers.take_first())
    ;
  while (m_flushes.take_first())
    ;
}

void Core::close()
{
  Scope scope(*this);
  // What is destroyed now may send tasks. Other cores may be closing at the same time, so these go the way of the mailboxes, which refuse
  // what is too late.
  m_closing = true;
  m_mailbox->close().clear();
  m_inboxes.clear();
  m_engine.reset();
}

platform::Milliseconds Core::now() const
{
  if (m_now_is_old) {
    m_now = platform::system().now();
    m_now_is_old = false;
  }
  return m_now;
}

void Core::add_poller(Poller &poller)
{
  m_pollers.append(poller);
  m_pollers_worked = true; // it is polled before the core sleeps
}

void Core::remove_poller(Poller &poller)
{
  if (m_next_poller == &poller)
    m_next_poller = m_pollers.next(poller);
  m_pollers.remove(poller);
}

void Core::request_flush(Flushable &flushable)
{
  if (!static_cast<ListLink<Flushable, FlushTag> &>(flushable).is_linked())
    m_flushes.append(flushable);
}

void Core::cancel_flush(Flushable &flushable)
{
  if (static_cast<ListLink<Flushable, FlushTag> &>(flushable).is_linked())
    m_flushes.remove(flushable);
}

void Core::deliver(CoreId sender, Task task)
{
  if (!m_inboxes[sender]->send(std::move(task))) {
    current().m_may_have_spill = true;
    return;
  }
  // With sleep(): the tail is stored before "sleeping" is loaded here, the other way round there.
  if (sender != m_id && m_sleeping.load(std::memory_order_seq_cst))
    m_engine->wake();
}

void Core::deliver_from_outside(Task task)
{
  // With sleep(): the mailbox is filled before "sleeping" is loaded here, the other way round there.
  m_mailbox->send(std::move(task), [this] {
    if (m_sleeping.load(std::memory_order_seq_cst))
      m_engine->wake();
  });
}

void Core::request_stop()
{
  m_stop.store(true, std::memory_order_seq_cst);
  m_mailbox->while_open([this] { m_engine->wake(); });
}

bool Core::has_mail() const
{
  for (auto &inbox : m_inboxes) {
    if (!inbox->is_empty())
      return true;
  }
  return !m_mailbox->is_empty();
}

bool Core::drain_inboxes()
{
  bool worked = false;
  for (CoreId sender = 0; sender < m_inboxes.size(); sender++) {
    bool wake_sender = false;
    worked |= m_inboxes[sender]->drain(wake_sender) > 0;
    if (wake_sender)
      m_peers[sender]->m_engine->wake();
  }
  worked |= m_mailbox->drain() > 0;
  return worked;
}

// Returns whether the core may sleep as far as its spills are concerned.
bool Core::flush_spills(bool before_sleep)
{
  if (!m_may_have_spill)
    return true;
  bool may_sleep = true;
  m_may_have_spill = false;
  for (Core *peer : m_peers) {
    Inbox &inbox = *peer->m_inboxes[m_id];
    if (inbox.flush_spill() && peer != this && peer->m_sleeping.load(std::memory_order_seq_cst)) // as in deliver()
      peer->m_engine->wake();
    if (!inbox.has_spill())
      continue;
    m_may_have_spill = true;
    if (before_sleep && !inbox.wait_for_space())
      may_sleep = false;
  }
  return may_sleep;
}

bool Core::run_pollers()
{
  bool worked = false;
  // What is added from inside a poll comes behind the mark: for the next turn, also when it was polled in this one.
  struct Mark final : Poller {
    bool poll() override { return false; }
    bool before_sleep() override { return true; }
  } mark;
  m_pollers.append(mark);
  for (Poller *poller = m_pollers.first(); poller != &mark; poller = m_next_poller) {
    m_next_poller = m_pollers.next(*poller);
    worked |= poller->poll(); // may remove itself or others
  }
  m_next_poller = nullptr;
  m_pollers.remove(mark);
  return worked;
}

bool Core::run_timers()
{
  bool due = false;
  for (TimerWheel *wheel : {&m_network_timers, &m_timers}) {
    due |= wheel->next_deadline() <= now();
    platform::Slice slice(limits::kTimersPerTurn);
    wheel->advance(now(), slice);
  }
  return due;
}

bool Core::run_flushes()
{
  if (m_flushes.is_empty())
    return false;
  // What is requested from inside a flush comes behind the mark: for the next turn.
  struct Mark final : Flushable {
    void flush() override {}
  } mark;
  m_flushes.append(mark);
  for (Flushable *flushable = m_flushes.take_first(); flushable != &mark; flushable = m_flushes.take_first())
    flushable->flush();
  return true;
}

// Handlers run inside the engine, after its wait: whoever asks first for the time reads it anew.
uint32_t Core::run_engine(platform::Milliseconds deadline)
{
  m_now_is_old = true;
  return m_engine->run_once(deadline);
}

// Everything but messages is done, and whoever has to wake us knows that.
bool Core::prepare_sleep()
{
  if (m_engine->has_left() || m_pollers_worked || !m_flushes.is_empty() || m_stop.load(std::memory_order_relaxed) || !flush_spills(true))
    return false;
  bool armed = true;
  for (Poller *poller = m_pollers.first(); poller && armed; poller = m_next_poller) {
    m_next_poller = m_pollers.next(*poller);
    armed = poller->before_sleep(); // may remove itself or others
  }
  m_next_poller = nullptr;
  return armed;
}

uint32_t Core::sleep()
{
  if (!prepare_sleep())
    return run_engine(0);
  // With deliver(), deliver_from_outside(), request_stop() and flush_spills(): "sleeping" is stored before tails and
  // mailbox are loaded here, the other way round there. Who sees us sleeping calls wake(), which also ends a wait that
  // has not begun.
  m_sleeping.store(true, std::memory_order_seq_cst);
  const uint32_t completions = run_engine(has_mail() ? 0 : std::min(m_timers.next_deadline(), m_network_timers.next_deadline()));
  m_sleeping.store(false, std::memory_order_relaxed);
  return completions;
}

bool Core::turn(bool may_sleep)
{
  Scope scope(*this);
  const uint32_t completions = may_sleep ? sleep() : run_engine(0);
  bool worked = drain_inboxes();
  m_pollers_worked = false;
  if (run_pollers())
    m_pollers_worked = true; // add_poller() may have said so already
  worked |= run_timers();
  worked |= run_flushes();
  flush_spills(false);
  return worked || m_pollers_worked || completions > 0;
}

void Core::run()
{
  Scope scope(*this);
  while (!m_stop.load(std::memory_order_seq_cst))
    turn(true);
  // A turn that did something may have left something: a task its flush, a cancelled operation its end.
  // What an operation's end waits for may be among what the engine has left.
  bool worked = true;
  uint32_t rounds = 0;
  const platform::Milliseconds deadline = platform::system().now() + limits::kStopMilliseconds;
  while (m_engine->has_left() ? platform::system().now() < deadline : (worked || has_mail()) && rounds++ < limits::kStopRounds)
    worked = turn(false);
}

}
