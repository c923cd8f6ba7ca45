// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/rest.h"
#include "kernel/limits.h"
#include "kernel/platform/shared_memory.h"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <doctest/doctest.h>
#include <optional>
#include <sys/resource.h>
#include <thread>
#include <vector>

using namespace httpsys;
using namespace httpsys::platform;

namespace {

double milliseconds(clockid_t clock)
{
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

// Of a processor, of this thread's.
void work(double time)
{
  const double until = milliseconds(CLOCK_THREAD_CPUTIME_ID) + time;
  while (milliseconds(CLOCK_THREAD_CPUTIME_ID) < until) {
  }
}

struct Times {
  double used, passed;
};

template <typename F>
Times times_of(F function)
{
  Times begun{}, ended{};
  std::thread([&] {
    begun = {milliseconds(CLOCK_THREAD_CPUTIME_ID), milliseconds(CLOCK_MONOTONIC)};
    function();
    ended = {milliseconds(CLOCK_THREAD_CPUTIME_ID), milliseconds(CLOCK_MONOTONIC)};
  }).join();
  return {ended.used - begun.used, ended.passed - begun.passed};
}

}

TEST_CASE("a thread that rests leaves two thirds of a processor to others")
{
  const Times times = times_of([] {
    const RestingJob job;
    for (int piece = 0; piece < 20; piece++) {
      work(1);
      rest();
    }
  });
  CHECK(times.used >= 20);
  CHECK(times.passed >= 20 * (1 + limits::kHelperRests));
}

TEST_CASE("threads that rest leave as much to others all together; who waits for something counts for nothing")
{
  constexpr int kThreads = 3;
  auto work_and_rest = [] {
    const RestingJob job;
    for (int piece = 0; piece < 20; piece++) {
      work(1);
      rest();
    }
  };
  const RestingJob waits;
  const double begun = milliseconds(CLOCK_MONOTONIC);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++)
    threads.emplace_back(work_and_rest);
  for (auto &thread : threads)
    thread.join();
  CHECK(milliseconds(CLOCK_MONOTONIC) - begun >= kThreads * 20 * (1 + limits::kHelperRests));
  double shortest = 1e9;
  for (int attempt = 0; attempt < 5; attempt++)
    shortest = std::min(shortest, times_of(work_and_rest).passed);
  CHECK(shortest < 2 * 20 * (1 + limits::kHelperRests));
}

TEST_CASE("a thread rests at the end of its job")
{
  const Times times = times_of([] {
    const RestingJob job;
    work(20);
  });
  CHECK(times.used >= 20);
  CHECK(times.passed >= 20 * (1 + limits::kHelperRests));
}

TEST_CASE("no thread rests that has no such job, or when the daemon ends")
{
  for (bool has_job : {false, true}) {
    CAPTURE(has_job);
    set_rests(!has_job);
    double shortest = 1e9; // of some, since the machine may take any one's processor away
    for (int attempt = 0; attempt < 5; attempt++) {
      std::thread([&] {
        std::optional<RestingJob> job;
        if (has_job)
          job.emplace();
        work(30);
        const double begun = milliseconds(CLOCK_MONOTONIC);
        rest();
        shortest = std::min(shortest, milliseconds(CLOCK_MONOTONIC) - begun);
      }).join();
    }
    set_rests(true);
    CHECK(shortest < 30); // else 60
  }
}

TEST_CASE("a rest that goes on ends when the daemon does")
{
  double shortest = 1e9;
  for (int attempt = 0; attempt < 5 && shortest >= 100; attempt++) {
    std::atomic<double> worked{0};
    std::thread rests([&] {
      const RestingJob job;
      work(100);
      worked = milliseconds(CLOCK_MONOTONIC);
    });
    while (worked == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(20)); // it rests, if the machine lets it
    set_rests(false);
    rests.join();
    shortest = std::min(shortest, milliseconds(CLOCK_MONOTONIC) - worked);
    set_rests(true);
  }
  CHECK(shortest < 100); // else 200
}

// Each rest is one switch, and so is each of the pauses that whoever does not rest makes, too; but one that the kernel ends before the
// thread sleeps is none.
TEST_CASE("memory of channels is made, looked for and freed with rests between its pieces")
{
  constexpr uint64_t kPieces = 16, kBytes = kPieces * limits::kMappedPieceBytes;
  constexpr uint64_t kWithPauses = kPieces - 1, kWithRests = kWithPauses + kPieces / 2;
  auto switches_of = [](auto function) {
    rusage before{}, after{};
    std::thread([&] {
      const RestingJob job;
      getrusage(RUSAGE_THREAD, &before);
      function();
      getrusage(RUSAGE_THREAD, &after);
    }).join();
    return static_cast<uint64_t>(after.ru_nvcsw - before.ru_nvcsw);
  };
  SharedMemory memory;
  CHECK(switches_of([&] {
    auto made = create_shared_memory("httpsys-test", kBytes, SharedWriter::Client, {});
    if (!made.is_error())
      memory = *made;
  }) > 2 * kWithRests); // to take them, and to map them
  REQUIRE(memory.base);
  CHECK(switches_of([&] { CHECK_FALSE(pin_shared_memory(memory, SharedWriter::Client).is_error()); }) > kWithRests);
  CHECK(switches_of([&] { release_shared_memory(memory); }) > kWithRests);
}
