// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/rest.h"
#include "kernel/limits.h"
#include <cstdint>
#include <ctime>
#include <optional>

namespace httpsys::platform {

static constexpr uint64_t kNanoseconds = 1'000'000'000;

static thread_local std::optional<uint64_t> s_used; // nanoseconds, at the end of the last rest; of threads that rest

static uint64_t used()
{
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * kNanoseconds + static_cast<uint64_t>(time.tv_nsec);
}

void begin_to_rest()
{
  s_used = used();
}

void rest()
{
  if (!s_used)
    return;
  const uint64_t nanoseconds = limits::kHelperRests * (used() - *s_used);
  timespec left{static_cast<time_t>(nanoseconds / kNanoseconds), static_cast<long>(nanoseconds % kNanoseconds)};
  while (nanosleep(&left, &left) != 0) {
  }
  s_used = used();
}

}
