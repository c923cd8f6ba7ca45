// SPDX-License-Identifier: MIT
#include "lib/deadline.h"
#include <algorithm>

namespace httpsys::lib {

namespace {

constexpr int64_t kNanoseconds = 1000000000, kPerMillisecond = 1000000;

int64_t now()
{
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<int64_t>(time.tv_sec) * kNanoseconds + time.tv_nsec;
}

timespec of_nanoseconds(int64_t value)
{
  timespec time{};
  time.tv_sec = static_cast<time_t>(value / kNanoseconds);
  time.tv_nsec = static_cast<long>(value % kNanoseconds);
  return time;
}

int64_t nanoseconds_of(const timespec &time)
{
  return static_cast<int64_t>(time.tv_sec) * kNanoseconds + time.tv_nsec;
}

}

Deadline Deadline::after(uint32_t milliseconds)
{
  Deadline deadline;
  if (milliseconds == kInfinite) {
    deadline.m_kind = Kind::Never;
  } else if (milliseconds != 0) {
    deadline.m_kind = Kind::Later;
    deadline.m_moment = of_nanoseconds(now() + static_cast<int64_t>(milliseconds) * kPerMillisecond);
  }
  return deadline;
}

bool Deadline::has_passed() const
{
  return m_kind == Kind::Now || (m_kind == Kind::Later && now() >= nanoseconds_of(m_moment));
}

timespec Deadline::remaining(uint32_t limit) const
{
  int64_t most = static_cast<int64_t>(limit) * kPerMillisecond;
  if (m_kind == Kind::Now)
    return {};
  return of_nanoseconds(is_never() ? most : std::clamp<int64_t>(nanoseconds_of(m_moment) - now(), 0, most));
}

}
