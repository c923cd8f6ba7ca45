// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/rest.h"
#include "kernel/limits.h"
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <optional>

namespace httpsys::platform {

using Clock = std::chrono::steady_clock;

static thread_local std::optional<std::chrono::nanoseconds> s_used; // at the end of the last rest; of threads that have such a job

static std::mutex s_mutex; // of the following
static std::condition_variable s_changed;
static bool s_are_on = true;
static Clock::time_point s_share_until; // by when a third of one processor would have done what all have done

static std::chrono::nanoseconds used()
{
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

RestingJob::RestingJob()
{
  s_used = used();
}

RestingJob::~RestingJob()
{
  rest();
  s_used.reset();
}

void rest()
{
  if (!s_used)
    return;
  const auto since = std::max(used(), *s_used) - *s_used;
  {
    std::unique_lock lock(s_mutex);
    if (!s_are_on)
      return;
    const auto until = s_share_until = std::max(s_share_until, Clock::now() - since) + (1 + limits::kHelperRests) * since;
    s_changed.wait_until(lock, until, [] { return !s_are_on; });
  }
  s_used = used();
}

void set_rests(bool on)
{
  {
    std::lock_guard lock(s_mutex);
    s_are_on = on;
  }
  s_changed.notify_all();
}

}
