// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ke/timer_wheel.h"
#include <algorithm>
#include <bit>
#include <functional>

namespace httpsys::ke {

// Rounded up, so that a timer never fires early, and without the overflow that adding would have at kNever.
static uint64_t tick_of_deadline(platform::Milliseconds deadline)
{
  return deadline / TimerWheel::kTickMilliseconds + (deadline % TimerWheel::kTickMilliseconds != 0);
}

TimerWheel::TimerWheel(platform::Milliseconds now) : m_tick(now / kTickMilliseconds), m_earliest(m_tick + 1) {}

TimerWheel::~TimerWheel()
{
  for (auto &level : m_wheel) {
    for (auto &slot : level) {
      while (slot.take_first())
        ;
    }
  }
}

TimerWheel::Place TimerWheel::place_of(uint64_t tick) const
{
  const unsigned differing_bits = static_cast<unsigned>(std::bit_width(tick ^ m_tick));
  const unsigned level = differing_bits == 0 ? 0 : (differing_bits - 1) / kSlotBits;
  return {level, static_cast<unsigned>(tick >> (level * kSlotBits)) % kSlots};
}

void TimerWheel::insert(Timer &timer)
{
  auto [level, slot] = place_of(timer.m_tick);
  m_wheel[level][slot].append(timer);
  m_occupied[level] |= uint64_t{1} << slot;
}

void TimerWheel::remove(Timer &timer)
{
  auto [level, slot] = place_of(timer.m_tick);
  m_wheel[level][slot].remove(timer);
  if (m_wheel[level][slot].is_empty())
    m_occupied[level] &= ~(uint64_t{1} << slot);
}

void TimerWheel::set(Timer &timer, platform::Milliseconds deadline)
{
  cancel(timer);
  timer.m_tick = std::max(tick_of_deadline(deadline), m_earliest);
  insert(timer);
}

void TimerWheel::cancel(Timer &timer)
{
  if (timer.is_set())
    remove(timer);
}

uint64_t TimerWheel::next_tick() const
{
  for (unsigned level = 0; level < kLevels; level++) {
    if (!m_occupied[level])
      continue;
    const unsigned shift = level * kSlotBits;
    const auto slot = static_cast<uint64_t>(std::countr_zero(m_occupied[level]));
    const uint64_t above = level + 1 == kLevels ? 0 : m_tick >> (shift + kSlotBits) << (shift + kSlotBits);
    return above | slot << shift;
  }
  return UINT64_MAX;
}

bool TimerWheel::arrive(uint64_t tick, platform::Slice *slice)
{
  m_tick = tick;
  const auto level = static_cast<unsigned>(std::find_if(m_occupied.begin(), m_occupied.end(), std::identity()) - m_occupied.begin());
  if (level > 0) {
    // The slot that begins here comes down to lower levels, what is due to the lowest.
    const auto slot = static_cast<unsigned>(std::countr_zero(m_occupied[level]));
    m_occupied[level] &= ~(uint64_t{1} << slot);
    while (Timer *timer = m_wheel[level][slot].take_first())
      insert(*timer);
  }
  auto &due = m_wheel[0][tick % kSlots];
  while (Timer *timer = due.first()) {
    if (slice && !slice->take())
      return false;
    remove(*timer);
    timer->on_timer(); // may be gone afterwards
  }
  return true;
}

void TimerWheel::advance(platform::Milliseconds now)
{
  advance_to(now / kTickMilliseconds, nullptr);
}

void TimerWheel::advance(platform::Milliseconds now, platform::Slice &slice)
{
  advance_to(now / kTickMilliseconds, &slice);
}

// Where some are left the wheel stands at their tick, which is the next one.
void TimerWheel::advance_to(uint64_t target, platform::Slice *slice)
{
  if (target < m_tick)
    return;
  m_earliest = target + 1;
  for (uint64_t tick = next_tick(); tick <= target; tick = next_tick()) {
    if (!arrive(tick, slice))
      return;
  }
  m_tick = target;
}

platform::Milliseconds TimerWheel::next_deadline() const
{
  const uint64_t tick = next_tick();
  return tick > platform::kNever / kTickMilliseconds ? platform::kNever : tick * kTickMilliseconds;
}

}
