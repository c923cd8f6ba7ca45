// SPDX-License-Identifier: GPL-3.0-or-later
// TallyReport: once a minute a line of the log with what has been counted in it, when it is worth one. On core 0, as long as the
// daemon serves; its last line comes when no core runs any more.
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
    m_told = tallies();
    wait();
  }
  // Before its core's end.
  void stop() { Core::current().timers().cancel(*this); }
  // What there is since the last line. On core 0, or when no core runs.
  void tell()
  {
    Tallies now = tallies(), changes;
    for (size_t i = 0; i < now.size(); i++)
      changes[i] = now[i] - m_told[i];
    m_told = now;
    if (std::string text = describe_tallies(changes); !text.empty())
      log("counted in the last minute: {}", text);
  }

private:
  void on_timer() override
  {
    tell();
    wait();
  }
  void wait() { Core::current().timers().set(*this, Core::current().now() + limits::kTallyMilliseconds); }

  Tallies m_told{};
};

}
