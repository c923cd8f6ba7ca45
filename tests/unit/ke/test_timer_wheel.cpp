// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ke/timer_wheel.h"
#include <algorithm>
#include <deque>
#include <doctest/doctest.h>
#include <functional>
#include <map>
#include <random>
#include <vector>

using namespace httpsys;
using namespace httpsys::ke;
using platform::kNever;
using platform::Milliseconds;

namespace {

constexpr Milliseconds kTick = TimerWheel::kTickMilliseconds;

struct Probe final : Timer {
  std::function<void()> fired;
  int count = 0;

private:
  void on_timer() override
  {
    CHECK_FALSE(is_set());
    count++;
    if (fired)
      fired();
  }
};

// Goes from one next_deadline() to the next, as an idle core does, until the timer has fired; returns when that was.
Milliseconds run_until_fired(TimerWheel &wheel, Probe &timer)
{
  const int before = timer.count;
  for (int steps = 0; steps < 64; steps++) {
    const Milliseconds next = wheel.next_deadline();
    REQUIRE(next != kNever);
    wheel.advance(next);
    if (timer.count != before)
      return next;
  }
  FAIL("too many wake-ups for one timer");
  return 0;
}

}

TEST_CASE("a timer fires once, never early and at most a tick late, however far away it is")
{
  static constexpr Milliseconds starts[] = {0, 1, 7, 8, 511, 512, 123'456'789, 8ull << 30, (8ull << 30) - 1, 8ull << 36};
  for (Milliseconds start : starts) {
    for (unsigned bits = 0; bits < 50; bits++) {
      for (int around = -9; around <= 9; around++) {
        const Milliseconds delay = (Milliseconds{1} << bits) + static_cast<Milliseconds>(around);
        if (static_cast<int64_t>(delay) < 0)
          continue;
        CAPTURE(start);
        CAPTURE(delay);
        TimerWheel wheel(start);
        Probe timer;
        wheel.set(timer, start + delay);
        const Milliseconds at = run_until_fired(wheel, timer);
        REQUIRE(at >= start + delay);
        REQUIRE(at <= start + delay + kTick);
        REQUIRE(timer.count == 1);
        REQUIRE(wheel.next_deadline() == kNever);
      }
    }
  }
}

TEST_CASE("a deadline that has passed fires at the next tick, kNever never")
{
  TimerWheel wheel(1'000'000);
  Probe past, never;
  wheel.set(past, 5);
  wheel.set(never, kNever);
  CHECK(wheel.next_deadline() <= 1'000'000 + kTick);
  wheel.advance(wheel.next_deadline());
  CHECK(past.count == 1);
  wheel.advance(1'000'000ull * 1'000'000);
  CHECK(never.count == 0);
  CHECK(never.is_set());
  wheel.cancel(never);
  CHECK(wheel.next_deadline() == kNever);
}

TEST_CASE("setting again moves a timer, cancelling stops it, cancelling nothing is nothing")
{
  TimerWheel wheel(0);
  Probe timer;
  wheel.cancel(timer);
  wheel.set(timer, 100);
  wheel.set(timer, 100'000);
  wheel.advance(99'999);
  CHECK(timer.count == 0);
  wheel.set(timer, 100'050);
  wheel.advance(100'100);
  CHECK(timer.count == 1);
  wheel.set(timer, 200'000);
  wheel.cancel(timer);
  wheel.cancel(timer);
  wheel.advance(300'000);
  CHECK(timer.count == 1);
}

TEST_CASE("handlers may cancel and set any timer")
{
  TimerWheel wheel(0);
  std::deque<Probe> timers(4);
  // All due at one tick: the first to fire cancels the second and moves the third.
  for (auto &timer : timers)
    wheel.set(timer, 1000);
  timers[0].fired = [&] {
    wheel.cancel(timers[1]);
    wheel.set(timers[2], 2000);
    wheel.set(timers[0], 1); // long past: in the next call, else this were endless
  };
  wheel.advance(1500);
  CHECK(timers[0].count == 1);
  CHECK(timers[1].count == 0);
  CHECK(timers[2].count == 0);
  CHECK(timers[3].count == 1);
  timers[0].fired = nullptr;
  wheel.advance(1500 + kTick);
  CHECK(timers[0].count == 2);
  wheel.advance(2008);
  CHECK(timers[2].count == 1);
  CHECK(wheel.next_deadline() == kNever);
}

TEST_CASE("an owner may end its timer's life in the handler")
{
  struct Mortal final : Timer {
    explicit Mortal(int &alive) : m_alive(alive) { m_alive++; }
    ~Mortal() { m_alive--; }
    void on_timer() override { delete this; }
    int &m_alive;
  };
  TimerWheel wheel(0);
  int alive = 0;
  for (Milliseconds deadline : {100, 100, 10'000})
    wheel.set(*new Mortal(alive), deadline);
  wheel.advance(20'000);
  CHECK(alive == 0);
}

TEST_CASE("a wheel that ends forgets its timers")
{
  Probe near, far;
  {
    TimerWheel wheel(0);
    wheel.set(near, 10);
    wheel.set(far, 1'000'000);
  }
  CHECK_FALSE(near.is_set());
  CHECK_FALSE(far.is_set());
}

TEST_CASE("random operations against a list that is searched")
{
  for (uint32_t seed = 1; seed <= 30; seed++) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    Milliseconds now = random() % 10'000'000'000;
    TimerWheel wheel(now);
    std::deque<Probe> timers(200);
    struct Entry {
      Milliseconds deadline, set_at; // set_at: the wheel's time
    };
    std::map<size_t, Entry> model; // what is set
    Milliseconds advanced = now;   // the wheel's last call
    auto pick_deadline = [&] { return now + random() % (1ull << random() % 36); };
    auto on_fired = [&](size_t i) {
      auto found = model.find(i);
      REQUIRE(found != model.end());
      REQUIRE(found->second.deadline <= now);
      model.erase(found);
      const size_t other = random() % timers.size();
      switch (random() % 4) {
      case 0:
        wheel.cancel(timers[other]);
        model.erase(other);
        break;
      case 1:
        model[other] = {pick_deadline(), now};
        wheel.set(timers[other], model[other].deadline);
        break;
      default:
        break;
      }
    };
    for (size_t i = 0; i < timers.size(); i++)
      timers[i].fired = [&on_fired, i] { on_fired(i); };
    for (int step = 0; step < 4000; step++) {
      const size_t i = random() % timers.size();
      switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        model[i] = {pick_deadline(), advanced};
        wheel.set(timers[i], model[i].deadline);
        break;
      case 3:
        wheel.cancel(timers[i]);
        model.erase(i);
        break;
      default: {
        const Milliseconds next = wheel.next_deadline();
        // To the next deadline, just before it, past it, or a little way.
        const uint64_t how = random() % 4;
        if (next != kNever && how < 2)
          now = std::max(now, next - (how == 1 ? 1 : 0));
        else if (next != kNever && how == 2)
          now = std::max(now, next + random() % 100'000);
        else
          now += random() % 64;
        wheel.advance(now);
        advanced = now;
      }
      }
      Milliseconds first = kNever;
      for (auto &[index, entry] : model) {
        REQUIRE(timers[index].is_set());
        // At most one tick late, counted from the deadline or, where that had passed, from when it was set.
        const Milliseconds latest = std::max(entry.deadline, entry.set_at) + kTick;
        REQUIRE(advanced < latest);
        first = std::min(first, latest);
      }
      REQUIRE(static_cast<size_t>(std::count_if(timers.begin(), timers.end(), [](auto &timer) { return timer.is_set(); })) == model.size());
      REQUIRE((wheel.next_deadline() == kNever) == model.empty());
      if (!model.empty())
        REQUIRE(wheel.next_deadline() <= first);
    }
    for (auto &timer : timers)
      wheel.cancel(timer);
  }
}

TEST_CASE("so many timers as a slice takes fire, and the next call goes on where it stopped")
{
  for (Milliseconds start : {Milliseconds{0}, Milliseconds{64 * kTick - 1}}) {
    static Milliseconds s_time;
    s_time = 0;
    TimerWheel wheel(start);
    std::deque<Probe> timers(10);
    std::vector<size_t> order;
    for (size_t i = 0; i < timers.size(); i++) {
      timers[i].fired = [&order, i] { order.push_back(i); };
      wheel.set(timers[i], start + (i < 6 ? 3 : 4) * kTick);
    }
    Probe late;
    timers[2].fired = [&] {
      order.push_back(2);
      wheel.cancel(timers[3]);
      wheel.set(late, 0);
    };
    auto advance = [&](Milliseconds now, uint32_t most) {
      platform::Slice slice(most, 1, [] { return s_time; });
      wheel.advance(now, slice);
    };
    Milliseconds now = start + 5 * kTick;
    advance(now, 4); // 0, 1, 2 and 4, for 3 is cancelled
    CHECK(order == std::vector<size_t>{0, 1, 2, 4});
    CHECK(late.count == 0);
    CHECK(wheel.next_deadline() <= now);
    advance(now, 1);
    CHECK(order.back() == 5);
    Probe meanwhile;
    wheel.set(meanwhile, 0);
    advance(now + kTick, 3);
    CHECK(order.size() == 8);
    CHECK(meanwhile.count == 0);
    CHECK(late.count == 0);
    advance(now + kTick, UINT32_MAX);
    CHECK(order == std::vector<size_t>{0, 1, 2, 4, 5, 6, 7, 8, 9});
    CHECK(late.count == 1);
    CHECK(meanwhile.count == 1);
    CHECK(wheel.next_deadline() == kNever);
  }
}

TEST_CASE("a slice ends with its steps or its time, and has one step in any case")
{
  static Milliseconds s_time;
  s_time = 1000;
  platform::Slice by_steps(3, 1, [] { return s_time; });
  for (bool may : {true, true, true, false, false})
    CHECK(by_steps.take() == may);
  s_time = 1000;
  platform::Slice by_time(100, 4, [] { return s_time; });
  for (int step = 0; step < 8; step++)
    CHECK(by_time.take());
  s_time += limits::kSliceMilliseconds;
  CHECK_FALSE(by_time.take()); // the clock is read before every fourth
  s_time = 0;
  CHECK_FALSE(by_time.take());
  platform::Slice slow(100, 1, [] { return s_time += limits::kSliceMilliseconds; });
  CHECK(slow.take());
  CHECK_FALSE(slow.take());
}
