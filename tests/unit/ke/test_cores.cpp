// SPDX-License-Identifier: GPL-3.0-or-later
// Cores as threads over io_uring, as in the daemon.
#include "kernel/ke/core.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/linux/uring_engine.h"
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <doctest/doctest.h>
#include <mutex>
#include <pthread.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

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

TEST_CASE_FIXTURE(Fixture, "tasks run on the core that they are sent to, jobs on the helper")
{
  std::string names[4];
  std::array<Gate, 4> gates;
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
  for (auto &gate : gates)
    REQUIRE(gate.wait());
  CHECK(names[0] == "httpsys-core-0");
  CHECK(names[2] == "httpsys-core-2");
  CHECK(names[3] == "httpsys-helper");
}

TEST_CASE_FIXTURE(Fixture, "the helper leaves most of its processor to a core, whatever it is given to do")
{
  constexpr int kJobs = 20;
  constexpr auto kWork = std::chrono::milliseconds(2);
  using Clock = std::chrono::steady_clock;
  Clock::time_point first, last;
  Gate gate;
  for (int job = 0; job < kJobs; job++) {
    cores.run_on_helper([&, job] {
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
