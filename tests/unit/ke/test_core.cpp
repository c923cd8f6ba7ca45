// SPDX-License-Identifier: GPL-3.0-or-later
// The loop of one core, stepped over an engine that records what it is asked for.
#include "kernel/ke/core.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/linux_system.h"
#include "tests/unit/spin.h"
#include <doctest/doctest.h>
#include <deque>
#include <functional>
#include <string>
#include <thread>

using namespace httpsys;
using namespace httpsys::ke;
using platform::kNever;
using platform::Milliseconds;

namespace {

struct FakeSystem : platform::LinuxSystem {
  Milliseconds time = 1'000'000;
  int reads = 0;
  Milliseconds now() override
  {
    reads++;
    return time;
  }
};

struct FakeEngine final : platform::IoEngine {
  std::vector<Milliseconds> deadlines;
  std::atomic<int> wakes{0};
  std::function<uint32_t(Milliseconds)> inside;
  void accept_multishot(int, platform::IoOperation &) override {}
  void accept_one(int, platform::IoOperation &) override {}
  void receive_one(int, platform::IoOperation &) override {}
  void receive_multishot(int, platform::IoOperation &) override {}
  void send(int, std::span<const uint8_t>, platform::IoOperation &) override {}
  void poll_multishot(int, platform::IoOperation &) override {}
  void poll_one(int, platform::IoOperation &) override {}
  void cancel(platform::IoOperation &) override {}
  bool is_left = false;
  bool has_left() const override { return is_left; }
  uint32_t run_once(Milliseconds deadline) override
  {
    deadlines.push_back(deadline);
    return inside ? inside(deadline) : 0;
  }
  void wake() override { wakes++; }
};

struct Fixture {
  FakeSystem os;
  std::vector<FakeEngine *> engines;
  std::unique_ptr<Cores> cores;
  std::string log;

  explicit Fixture(uint32_t count = 1)
  {
    platform::set_system(os);
    std::vector<std::unique_ptr<platform::IoEngine>> made;
    for (uint32_t i = 0; i < count; i++) {
      engines.push_back(new FakeEngine);
      made.emplace_back(engines.back());
    }
    cores = std::make_unique<Cores>(count);
    cores->start_stepped(std::move(made));
  }
  Core &core(CoreId id = 0) { return cores->core(id); }
  FakeEngine &engine(CoreId id = 0) { return *engines[id]; }
  // One turn that may sleep; returns the deadline with which it did.
  Milliseconds sleep_turn(CoreId id = 0)
  {
    core(id).turn(true);
    return engine(id).deadlines.back();
  }
  void settle()
  {
    for (int i = 0; i < 10; i++)
      core().turn(true);
  }
};
struct TwoCores : Fixture {
  TwoCores() : Fixture(2) {}
};

struct TestPoller final : Poller {
  std::function<bool()> on_poll = [] { return false; }, on_sleep = [] { return true; };
  int polls = 0, sleeps = 0;
  bool poll() override
  {
    polls++;
    return on_poll();
  }
  bool before_sleep() override
  {
    sleeps++;
    return on_sleep();
  }
};

struct TestTimer final : Timer {
  std::function<void()> fired = [] {};
  void on_timer() override { fired(); }
};

struct TestFlush final : Flushable {
  std::function<void()> flushed = [] {};
  void flush() override { flushed(); }
};

}

TEST_CASE_FIXTURE(Fixture, "a turn goes from completions over messages, pollers and timers to flushes")
{
  TestPoller poller;
  TestTimer timer;
  TestFlush flush;
  engine().inside = [&](Milliseconds) {
    log += "completion ";
    return 1u;
  };
  poller.on_poll = [&] {
    log += "poll ";
    return false;
  };
  timer.fired = [&] { log += "timer "; };
  flush.flushed = [&] { log += "flush "; };
  core().add_poller(poller);
  core().timers().set(timer, os.time);
  core().request_flush(flush);
  core().request_flush(flush);
  cores->post(0, [&] { log += "task "; });
  os.time += 8;
  CHECK(core().turn(false));
  CHECK(log == "completion task poll timer flush ");
  core().remove_poller(poller);
}

TEST_CASE_FIXTURE(Fixture, "an idle core sleeps until the next timer, or for ever")
{
  settle();
  CHECK(sleep_turn() == kNever);
  CHECK_FALSE(core().turn(true));
  TestTimer timer;
  core().timers().set(timer, os.time + 100);
  const Milliseconds deadline = sleep_turn();
  CHECK(deadline >= os.time + 100 - 64 * 8); // a far timer may be looked at on the way
  CHECK(deadline <= os.time + 108);
  core().turn(false);
  CHECK(engine().deadlines.back() == 0);
  core().timers().cancel(timer);
}

TEST_CASE_FIXTURE(Fixture, "a core whose engine has completions left, or whose timers are not through, does not sleep")
{
  settle();
  TestPoller poller;
  core().add_poller(poller);
  settle();
  CHECK(sleep_turn() == kNever);
  engine().is_left = true;
  const int sleeps = poller.sleeps;
  CHECK(sleep_turn() == 0);
  CHECK(poller.sleeps == sleeps);
  engine().is_left = false;
  CHECK(sleep_turn() == kNever);
  core().remove_poller(poller);
  std::deque<TestTimer> timers(limits::kTimersPerTurn + 1);
  uint32_t fired = 0;
  for (TestTimer &timer : timers) {
    timer.fired = [&] { fired++; };
    core().timers().set(timer, os.time + 8);
  }
  os.time += 100;
  core().turn(true);
  CHECK(fired == limits::kTimersPerTurn);
  CHECK(sleep_turn() <= os.time);
  CHECK(fired == limits::kTimersPerTurn + 1);
  CHECK(sleep_turn() == kNever);
}

TEST_CASE_FIXTURE(Fixture, "timers of connections, however many are due, hold up no others, and others none of theirs")
{
  for (bool floods_network : {true, false}) {
    settle();
    TimerWheel &flooded = floods_network ? core().network_timers() : core().timers();
    TimerWheel &other = floods_network ? core().timers() : core().network_timers();
    std::deque<TestTimer> timers(2 * limits::kTimersPerTurn);
    uint32_t fired = 0;
    for (TestTimer &timer : timers) {
      timer.fired = [&] { fired++; };
      flooded.set(timer, os.time + 8);
    }
    TestTimer one;
    bool has_fired = false;
    one.fired = [&] { has_fired = true; };
    other.set(one, os.time + 50);
    CHECK(sleep_turn() <= os.time + 16);
    os.time += 100;
    core().turn(true);
    CHECK(has_fired);
    CHECK(fired == limits::kTimersPerTurn);
    settle();
    CHECK(fired == 2 * limits::kTimersPerTurn);
    CHECK(sleep_turn() == kNever);
  }
}

TEST_CASE_FIXTURE(Fixture, "a core that ends goes on while its engine has completions left, but not for ever")
{
  uint32_t turns = 0;
  engine().inside = [&](Milliseconds) {
    turns++;
    engine().is_left = turns < 3 * limits::kStopRounds;
    return 1u;
  };
  core().request_stop();
  const auto chain = [&](auto &&self) -> void { cores->post(0, [&] { self(self); }); };
  chain(chain); // a task that sends the next, again and again
  core().run();
  CHECK(turns >= 3 * limits::kStopRounds);
  CHECK(turns <= 4 * limits::kStopRounds + 1);
  engine().inside = [&](Milliseconds) {
    os.time++;
    engine().is_left = true;
    return 0u;
  };
  const Milliseconds begin = os.time;
  core().run();
  CHECK(os.time - begin <= limits::kStopMilliseconds);
}

TEST_CASE_FIXTURE(Fixture, "handlers see the time after the wait, and all of a turn see the same")
{
  settle();
  Milliseconds seen = 0;
  engine().inside = [&](Milliseconds) {
    os.time += 60'000; // a long sleep
    seen = core().now();
    return 1u;
  };
  os.reads = 0;
  core().turn(true);
  CHECK(seen == os.time);
  CHECK(core().now() == os.time);
  CHECK(os.reads == 1);
}

TEST_CASE_FIXTURE(Fixture, "pollers keep the core awake while they work, and arm before it sleeps")
{
  TestPoller first, second;
  int work = 3;
  first.on_poll = [&] { return work-- > 0; };
  core().add_poller(first);
  core().add_poller(second);
  CHECK(sleep_turn() == 0); // new pollers are polled before any sleep
  CHECK(first.sleeps == 0);
  CHECK(sleep_turn() == 0);
  CHECK(sleep_turn() == 0);
  CHECK(sleep_turn() == 0); // the turn before had worked
  CHECK(first.sleeps + second.sleeps == 0);
  CHECK(sleep_turn() == kNever);
  CHECK(first.sleeps == 1);
  CHECK(second.sleeps == 1);
  // Something came while it armed.
  second.on_sleep = [] { return false; };
  CHECK(sleep_turn() == 0);
  CHECK(first.polls == second.polls);
  core().remove_poller(first);
  core().remove_poller(second);
}

TEST_CASE_FIXTURE(Fixture, "pollers may come and go while they are polled or armed")
{
  TestPoller pollers[4];
  for (auto &each : pollers)
    core().add_poller(each);
  pollers[0].on_poll = [&] {
    core().remove_poller(pollers[0]); // itself, and the next
    core().remove_poller(pollers[1]);
    return false;
  };
  core().turn(false);
  CHECK(pollers[1].polls == 0);
  CHECK(pollers[2].polls == 1);
  CHECK(pollers[3].polls == 1);
  pollers[2].on_sleep = [&] {
    core().remove_poller(pollers[2]);
    core().remove_poller(pollers[3]);
    return true;
  };
  CHECK(sleep_turn() == kNever);
  CHECK(pollers[3].sleeps == 0);
  TestPoller late;
  TestTimer timer;
  timer.fired = [&] { core().add_poller(late); };
  core().timers().set(timer, os.time);
  os.time += 8;
  core().turn(false);
  CHECK(late.polls == 0);
  CHECK(sleep_turn() == 0); // polled once before the core may sleep
  CHECK(late.polls == 1);
  core().remove_poller(late);
}

TEST_CASE_FIXTURE(Fixture, "pollers that put themselves behind each other are polled once a turn, and again before any sleep")
{
  TestPoller pollers[2];
  for (auto &each : pollers) {
    core().add_poller(each);
    each.on_poll = [&] {
      REQUIRE(each.polls < 10);
      core().remove_poller(each);
      core().add_poller(each);
      return false;
    };
  }
  for (uint32_t turn = 1; turn <= 3; turn++) {
    CHECK(sleep_turn() == 0);
    for (auto &each : pollers)
      CHECK(each.polls == turn);
  }
  for (auto &each : pollers)
    core().remove_poller(each);
}

TEST_CASE_FIXTURE(Fixture, "a flush asked for inside a flush comes in the next turn, before any sleep")
{
  settle();
  TestFlush flush, cancelled;
  int count = 0;
  flush.flushed = [&] {
    if (++count < 3)
      core().request_flush(flush);
    core().cancel_flush(cancelled);
  };
  cancelled.flushed = [&] { FAIL("it was cancelled"); };
  core().request_flush(flush);
  core().request_flush(cancelled);
  CHECK(sleep_turn() == 0);
  CHECK(count == 1);
  CHECK(sleep_turn() == 0);
  CHECK(sleep_turn() == 0);
  CHECK(count == 3);
  CHECK(sleep_turn() == kNever);
  core().cancel_flush(flush);
}

TEST_CASE_FIXTURE(TwoCores, "run_on runs at once on the current core and sends to others")
{
  CHECK(Core::current_or_null() == nullptr);
  cores->run_on(0, [&] {
    log += "a";
    CHECK(&Core::current() == &core(0));
    cores->run_on(0, [&] { log += "b"; });
    cores->post(0, [&] { log += "c"; });
    cores->run_on(1, [&] {
      log += "d";
      CHECK(Core::current().id() == 1);
      cores->run_on(0, [&] { log += "e"; });
    });
    log += ".";
  });
  CHECK(log == "");
  CHECK(core(0).turn(false));
  CHECK(log == "ab.");
  CHECK(core(1).turn(false));
  CHECK(log == "ab.d");
  CHECK(core(0).turn(false));
  CHECK(log == "ab.dce");
  CHECK(Core::current_or_null() == nullptr);
  {
    Core::Scope scope(core(1));
    cores->run_on(1, [&] { log = "at once"; });
  }
  CHECK(log == "at once");
}

TEST_CASE_FIXTURE(TwoCores, "only a sleeping core is woken, and one that has mail does not sleep")
{
  for (int i = 0; i < 3; i++)
    core(0).turn(true);
  {
    Core::Scope scope(core(1));
    cores->post(0, [] {});
    CHECK(engine(0).wakes == 0);
    CHECK(sleep_turn(0) == 0); // mail
    engine(0).inside = [&](Milliseconds deadline) {
      CHECK(deadline == kNever);
      Core::Scope other(core(1));
      cores->post(0, [&] { log += "x"; });
      return 0u;
    };
    CHECK(sleep_turn(0) == kNever);
    CHECK(engine(0).wakes == 1);
    CHECK(log == "x");
  }
  engine(0).inside = [&](Milliseconds) {
    Core::Scope outside(core(0));
    cores->post(0, [] {}); // to itself: no need
    return 0u;
  };
  sleep_turn(0);
  CHECK(engine(0).wakes == 1);
}

TEST_CASE_FIXTURE(TwoCores, "a thousand tasks to a busy core arrive in order, though its inbox is smaller")
{
  int next = 0;
  auto settle_sender = [&] { return sleep_turn(1); };
  settle_sender();
  {
    Core::Scope scope(core(1));
    for (int i = 0; i < 1000; i++) {
      cores->post(0, [&next, i] {
        CHECK(next == i);
        next++;
      });
    }
  }
  CHECK(settle_sender() == kNever); // it waits for room instead of turning in circles
  CHECK(engine(1).wakes == 0);
  core(0).turn(false);
  CHECK(next == 256);
  CHECK(engine(1).wakes == 1);
  for (int i = 0; i < 8; i++) {
    core(1).turn(true);
    core(0).turn(false);
  }
  CHECK(next == 1000);
  CHECK(settle_sender() == kNever);
  CHECK_FALSE(core(0).turn(false));
}

TEST_CASE_FIXTURE(TwoCores, "stepped helper jobs run at once, and their results are messages")
{
  cores->post(0, [&] {
    cores->run_on_helper([&] {
      log += "job ";
      CHECK(Core::current_or_null() == nullptr);
      cores->run_on(0, [&] { log += "result "; });
    });
    log += "asked ";
  });
  core(0).turn(false);
  CHECK(log == "job asked ");
  core(0).turn(false);
  CHECK(log == "job asked result ");
}

TEST_CASE_FIXTURE(TwoCores, "a core that falls asleep while a task is sent to it is woken")
{
  constexpr uint32_t kRounds = 100'000;
  for (int i = 0; i < 3; i++)
    core(0).turn(true);
  std::atomic<uint32_t> began{0}, sent{0};
  uint32_t round = 0, lost = 0, runs = 0, slept = 0;
  std::thread sender([&] {
    Core::Scope scope(core(1));
    for (uint32_t i = 1; i <= kRounds; i++) {
      spin_until([&] { return began.load() == i; });
      spin(i % 97);
      cores->post(0, [&] { runs++; });
      sent.store(i);
    }
  });
  // The engine's wait: when the task is on its way, somebody must have called wake().
  engine(0).inside = [&](Milliseconds deadline) {
    spin_until([&] { return sent.load() == round; });
    slept += deadline != 0;
    lost += deadline != 0 && engine(0).wakes == 0;
    return 0u;
  };
  for (round = 1; round <= kRounds; round++) {
    engine(0).wakes = 0;
    began.store(round);
    spin(round % 1009); // the sender hears of it late
    core(0).turn(true);
  }
  sender.join();
  CHECK(runs == kRounds);
  CHECK(slept > 0);
  CHECK(lost == 0);
}

TEST_CASE("tasks that never run are destroyed, also those that the destroyed ones send")
{
  auto alive = std::make_shared<int>(0);
  struct Sender {
    std::shared_ptr<int> alive;
    CoreId to;
    Sender(std::shared_ptr<int> a, CoreId t) : alive(std::move(a)), to(t) {}
    Sender(Sender &&other) noexcept = default;
    ~Sender()
    {
      if (alive)
        Cores::instance().post(to, [kept = alive] { FAIL("it ran"); });
    }
  };
  {
    TwoCores fixture;
    for (CoreId to : {0u, 1u}) {
      fixture.cores->post(to, [sender = Sender(alive, 1 - to)] { FAIL("it ran"); });
      Core::Scope scope(fixture.core(1 - to));
      for (int i = 0; i < 300; i++)
        fixture.cores->post(to, [sender = Sender(alive, to)] { FAIL("it ran"); });
    }
    CHECK(alive.use_count() > 600);
  }
  CHECK(alive.use_count() == 1);
}
