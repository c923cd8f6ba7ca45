// SPDX-License-Identifier: GPL-3.0-or-later
// TallyReport: once a minute a line of the log with what has been counted in it, when it is worth one; and once an hour one with what was
// in none of these lines, so that what goes on slowly is told, too. On core 0, as long as the daemon serves; its last line comes when no
// core runs any more.
#pragma once
#include "kernel/base/log.h"
#include "kernel/ke/core.h"
#include "kernel/ke/tally.h"
#include "kernel/limits.h"

namespace httpsys::ke {

class TallyReport final : Timer {
public:
  void start()
  {
    m_seen = tallies();
    m_untold = {};
    m_times = 0;
    wait();
  }
  // Before its core's end.
  void stop() { Core::current().timers().cancel(*this); }
  // What there is since the last line. On core 0, or when no core runs.
  void tell()
  {
    Tallies now = tallies(), changes;
    for (size_t i = 0; i < now.size(); i++)
      changes[i] = now[i] - m_seen[i];
    m_seen = now;
    if (std::string text = describe_tallies(changes, limits::kOrdinaryTallies); !text.empty())
      log("counted in the last minute: {}", text);
    else
      for (size_t i = 0; i < changes.size(); i++)
        m_untold[i] += changes[i];
    if (++m_times < limits::kTalliesSummed)
      return;
    if (std::string text = describe_tallies(m_untold, limits::kOrdinaryTalliesSummed); !text.empty())
      log("counted in the last hour and not told yet: {}", text);
    m_untold = {};
    m_times = 0;
  }

private:
  void on_timer() override
  {
    tell();
    wait();
  }
  void wait() { Core::current().timers().set(*this, Core::current().now() + limits::kTallyMilliseconds); }

  Tallies m_seen{};
  Tallies m_untold{}; // since the last line of an hour
  uint32_t m_times = 0;
};

}
