// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/rest.h"
#include "kernel/limits.h"
#include "kernel/platform/shared_memory.h"
#include <ctime>
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <thread>

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
    begin_to_rest();
    for (int piece = 0; piece < 20; piece++) {
      work(1);
      rest();
    }
  });
  CHECK(times.used >= 20);
  CHECK(times.passed >= 20 * (1 + limits::kHelperRests));
}

TEST_CASE("no thread rests that has not begun to")
{
  rusage before{}, after{};
  std::thread([&] {
    work(5);
    getrusage(RUSAGE_THREAD, &before);
    rest();
    getrusage(RUSAGE_THREAD, &after);
  }).join();
  CHECK(after.ru_nvcsw == before.ru_nvcsw);
}

TEST_CASE("memory of channels is made and looked for with rests between its pieces")
{
  constexpr uint64_t kBytes = 16 * limits::kMappedPieceBytes;
  SharedMemory memory;
  const Times made = times_of([&] {
    begin_to_rest();
    auto result = create_shared_memory("httpsys-test", kBytes, SharedWriter::Client, {});
    if (!result.is_error())
      memory = *result;
  });
  REQUIRE(memory.base);
  const Times pinned = times_of([&] {
    begin_to_rest();
    CHECK_FALSE(pin_shared_memory(memory).is_error());
  });
  // What comes behind the last piece is left to the thread's own next rest.
  CHECK(made.passed > 2 * made.used);
  CHECK(pinned.passed > 2 * pinned.used);
  release_shared_memory(memory);
}
