// SPDX-License-Identifier: GPL-3.0-or-later
// Cores as threads over io_uring, as in the daemon.
#include "kernel/ke/core.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/linux/uring_engine.h"
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <mutex>
#include <pthread.h>
#include <string>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace httpsys;
using namespace httpsys::ke;

namespace {

Result<std::unique_ptr<platform::IoEngine>> make_engine(CoreId)
{
  std::string reason;
  // Small, because the kernel gives an ended ring's locked memory back late, and only root has more than RLIMIT_MEMLOCK.
  return platform::make_uring_engine(
    {.submission_entries = 16, .completion_entries = 64, .receive_buffers = 8, .receive_buffer_bytes = 4096}, reason);
}

// Opened once, from any thread.
class Gate {
public:
  void open()
  {
    std::lock_guard lock(m_mutex);
    m_open = true;
    m_changed.notify_all();
  }
  bool wait()
  {
    std::unique_lock lock(m_mutex);
    return m_changed.wait_for(lock, std::chrono::seconds(60), [this] { return m_open; });
  }

private:
  std::mutex m_mutex;
  std::condition_variable m_changed;
  bool m_open = false;
};

std::string thread_name()
{
  char name[32] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  return name;
}

void use_processor(std::chrono::nanoseconds time)
{
  auto used = [] {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  };
  const auto until = used() + time;
  while (used() < until) {
  }
}

// All memory helpers in jobs until they are released, of users from 0 on, so that what they are given meanwhile begins together.
class HeldHelpers {
public:
  explicit HeldHelpers(Cores &cores, uint32_t count = limits::kMemoryHelpers)
  {
    for (uint32_t user = 0; user < count; user++) {
      cores.run_on_memory_helper(user, [this, user] {
        m_held[user].open();
        CHECK(m_released[user].wait());
        m_ended[user].open();
      });
      m_count++;
      REQUIRE(m_held[user].wait());
    }
  }
  ~HeldHelpers()
  {
    for (uint32_t user = 0; user < m_count; user++) {
      release(user);
      CHECK(m_ended[user].wait());
    }
  }
  void release(uint32_t user) { m_released[user].open(); }

private:
  uint32_t m_count = 0;
  std::array<Gate, limits::kMemoryHelpers> m_held, m_released, m_ended;
};

struct Fixture {
  platform::LinuxSystem os;
  Cores cores{3};
  Fixture()
  {
    platform::set_system(os);
    REQUIRE(cores.start(make_engine));
  }
};

}

TEST_CASE_FIXTURE(Fixture, "tasks run on the core that they are sent to, jobs on the helpers")
{
  std::string names[5];
  std::array<Gate, 5> gates;
  for (CoreId id = 0; id < 3; id++) {
    cores.run_on(id, [&, id] {
      CHECK(Core::current().id() == id);
      names[id] = thread_name();
      gates[id].open();
    });
  }
  cores.run_on_helper([&] {
    CHECK(Core::current_or_null() == nullptr);
    names[3] = thread_name();
    cores.run_on(2, [&] { gates[3].open(); });
  });
  cores.run_on_memory_helper(1000, [&] {
    names[4] = thread_name();
    gates[4].open();
  });
  for (auto &gate : gates)
    REQUIRE(gate.wait());
  CHECK(names[0] == "httpsys-core-0");
  CHECK(names[2] == "httpsys-core-2");
  CHECK(names[3] == "httpsys-helper");
  CHECK(names[4] == "httpsys-memory");
}

TEST_CASE_FIXTURE(Fixture, "a memory helper leaves most of its processor to a core, whatever it is given to do")
{
  constexpr int kJobs = 20;
  constexpr auto kWork = std::chrono::milliseconds(2);
  using Clock = std::chrono::steady_clock;
  Clock::time_point first, last;
  Gate gate;
  for (int job = 0; job < kJobs; job++) {
    cores.run_on_memory_helper(1000, [&, job] {
      last = Clock::now();
      first = job == 0 ? last : first;
      use_processor(kWork);
      if (job == kJobs - 1)
        gate.open();
    });
  }
  REQUIRE(gate.wait());
  CHECK(last - first >= (kJobs - 1) * (1 + limits::kHelperRests) * kWork);
}

TEST_CASE_FIXTURE(Fixture, "whoever gives the memory helpers much to do makes another one wait for one of his jobs")
{
  std::vector<std::string> done; // of the one that is released
  Gate runs, goes_on, gate;
  HeldHelpers held(cores);
  cores.run_on_memory_helper(0, [&] {
    runs.open();
    CHECK(goes_on.wait());
  });
  auto give = [&](uint32_t user, int from, int to) {
    for (int job = from; job < to; job++)
      cores.run_on_memory_helper(user, [&, user, job] {
        done.push_back(fmt::format("{}.{}", user, job));
        if (user == 0 && job == 6)
          gate.open();
      });
  };
  give(0, 0, 5);
  held.release(0);
  REQUIRE(runs.wait()); // the job before these
  give(1001, 0, 2);
  give(1002, 0, 1);
  give(0, 5, 7);
  goes_on.open();
  REQUIRE(gate.wait());
  const std::vector<std::string> expected = {"1001.0", "1002.0", "0.0", "1001.1", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6"};
  CHECK(done == expected);
}

TEST_CASE_FIXTURE(Fixture, "users whose jobs last hold up only themselves while there is another thread, and never the daemon")
{
  std::atomic<uint32_t> too_early{0};
  Gate others, own;
  HeldHelpers held(cores, limits::kMemoryHelpers - 1);
  for (uint32_t user = 0; user < limits::kMemoryHelpers - 1; user++)
    cores.run_on_memory_helper(user, [&] { too_early++; });
  for (uint32_t user = 1000; user < 1010; user++)
    cores.run_on_memory_helper(user, [&, user] {
      if (user == 1009)
        others.open();
    });
  CHECK(others.wait());
  CHECK(too_early == 0);
  Gate last_held, last_released;
  cores.run_on_memory_helper(1000, [&] {
    last_held.open();
    CHECK(last_released.wait());
  });
  REQUIRE(last_held.wait());
  cores.run_on_helper([&] { own.open(); });
  CHECK(own.wait());
  CHECK(too_early == 0);
  last_released.open();
  for (uint32_t user = 0; user < limits::kMemoryHelpers - 1; user++)
    held.release(user);
  cores.stop_and_join();
  CHECK(too_early == limits::kMemoryHelpers - 1);
}

TEST_CASE_FIXTURE(Fixture, "the daemon's own helper does not rest")
{
  using Clock = std::chrono::steady_clock;
  constexpr auto kWork = std::chrono::milliseconds(30);
  Clock::duration shortest = Clock::duration::max(); // of some, since the machine may take the processor away at any time
  for (int attempt = 0; attempt < 5; attempt++) {
    Clock::time_point ended;
    Gate gate;
    cores.run_on_helper([&] {
      use_processor(kWork);
      ended = Clock::now();
    });
    cores.run_on_helper([&] {
      shortest = std::min(shortest, Clock::now() - ended);
      gate.open();
    });
    REQUIRE(gate.wait());
  }
  CHECK(shortest < kWork); // else twice as long
}

TEST_CASE_FIXTURE(Fixture, "no message between sleeping cores is lost")
{
  // A ball goes round; each core falls asleep between its turns. A lost wake-up would stop it.
  constexpr int kRounds = 30'000;
  struct Ball {
    Cores &cores;
    Gate gate;
    int left = kRounds;
    void hit(CoreId at)
    {
      if (left-- == 0)
        return gate.open();
      const CoreId next = (at + 1) % 3;
      cores.run_on(next, [this, next] { hit(next); });
    }
  };
  Ball ball{cores, {}};
  cores.run_on(0, [&] { ball.hit(0); });
  CHECK(ball.gate.wait());
}

TEST_CASE_FIXTURE(Fixture, "floods in all directions arrive complete and in order")
{
  constexpr int kEach = 50'000;
  struct Counter {
    int next[3] = {};
    bool in_order = true;
    int left = 3 * kEach;
  };
  std::array<Counter, 3> counters;
  std::array<Gate, 3> gates;
  for (CoreId from = 0; from < 3; from++) {
    cores.run_on(from, [&, from] {
      for (int i = 0; i < kEach; i++) {
        for (CoreId to = 0; to < 3; to++) {
          cores.post(to, [&counter = counters[to], &gate = gates[to], from, i] {
            counter.in_order &= counter.next[from]++ == i;
            if (--counter.left == 0)
              gate.open();
          });
        }
      }
    });
  }
  for (auto &gate : gates)
    REQUIRE(gate.wait());
  for (auto &counter : counters)
    CHECK(counter.in_order);
}

TEST_CASE_FIXTURE(Fixture, "timers wake a sleeping core")
{
  struct Alarm final : Timer {
    Gate gate;
    void on_timer() override { gate.open(); }
  };
  Alarm alarm;
  const auto begin = std::chrono::steady_clock::now();
  cores.run_on(1, [&] { Core::current().timers().set(alarm, Core::current().now() + 50); });
  CHECK(alarm.gate.wait());
  CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(48)); // now() is cut to milliseconds
}

TEST_CASE("stopping runs what was sent before, in every core, and all jobs")
{
  platform::LinuxSystem os;
  platform::set_system(os);
  for (int round = 0; round < 20; round++) {
    std::atomic<int> runs{0};
    auto alive = std::make_shared<int>(0);
    {
      Cores cores(2);
      REQUIRE(cores.start(make_engine));
      for (int i = 0; i < 100; i++) {
        for (CoreId id : {0u, 1u})
          cores.post(id, [&runs, alive] { runs++; });
        cores.run_on_helper([&runs, alive] { runs++; });
      }
      cores.stop_and_join();
      CHECK(runs == 300);
      cores.post(0, [&runs, alive] { runs++; });
      cores.run_on_helper([&runs, alive] { runs++; });
      CHECK(alive.use_count() == 1);
    }
    CHECK(runs == 300);
  }
}

TEST_CASE("an operation that the last task cancels ends before its core does")
{
  platform::LinuxSystem os;
  platform::set_system(os);
  struct Poll final : platform::IoOperation {
    int ends = 0;
    void on_complete(const platform::IoResult &result) override { ends += !result.more; }
  };
  int event = eventfd(0, EFD_CLOEXEC);
  for (int round = 0; round < 200; round++) {
    Poll poll;
    {
      Cores cores(1);
      REQUIRE(cores.start(make_engine));
      Gate begun;
      cores.post(0, [&] {
        Core::current().io().poll_multishot(event, poll);
        begun.open();
      });
      REQUIRE(begun.wait());
      cores.post(0, [&] { Core::current().io().cancel(poll); });
      cores.stop_and_join();
    }
    CHECK(poll.ends == 1);
    if (poll.ends != 1)
      break; // it is not to be used again
  }
  ::close(event);
}

TEST_CASE("cores that talk all the time can be stopped")
{
  platform::LinuxSystem os;
  platform::set_system(os);
  struct Chatter {
    static void say(CoreId at)
    {
      const CoreId next = 1 - at;
      Cores::instance().run_on(next, [next] { say(next); });
    }
  };
  Cores cores(2);
  REQUIRE(cores.start(make_engine));
  for (int i = 0; i < 10; i++)
    cores.run_on(0, [] { Chatter::say(0); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  cores.stop_and_join();
  CHECK(true);
}

TEST_CASE("a core that gets no engine keeps the others from starting")
{
  platform::LinuxSystem os;
  platform::set_system(os);
  Cores cores(3);
  auto started = cores.start([](CoreId id) -> Result<std::unique_ptr<platform::IoEngine>> {
    if (id == 1)
      return NtStatus::NotSupported;
    return make_engine(id);
  });
  CHECK(started.error() == NtStatus::NotSupported);
}
