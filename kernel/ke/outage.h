// SPDX-License-Identifier: GPL-3.0-or-later
// Outage: something that does not work for a while, tried again and again, so that the log has one line when that begins and one when it
// has come to an end. Part of whom it happens to, on its core.
#pragma once
#include "kernel/ke/core.h"
#include "kernel/limits.h"
#include <functional>

namespace httpsys::ke {

class Outage final : Timer {
public:
  // ended(milliseconds) runs when it has worked for limits::kOutageQuietMilliseconds; the milliseconds are those in which it did not.
  explicit Outage(std::function<void(platform::Milliseconds)> ended) : m_ended(std::move(ended)) {}

  // It does not work now. Returns whether that begins an outage; else it goes on.
  bool fails()
  {
    auto &core = Core::current();
    core.timers().cancel(*this);
    if (std::exchange(m_lasts, true))
      return false;
    m_since = core.now();
    return true;
  }
  // It is tried again, or works as far as is known. No effect without an outage.
  void works_again()
  {
    if (!m_lasts)
      return;
    auto &core = Core::current();
    m_until = core.now();
    core.timers().set(*this, m_until + limits::kOutageQuietMilliseconds);
  }
  // Nothing is told any more. Before its owner's end.
  void stop()
  {
    Core::current().timers().cancel(*this);
    m_lasts = false;
  }

private:
  void on_timer() override
  {
    m_lasts = false;
    m_ended(m_until - m_since);
  }
  std::function<void(platform::Milliseconds)> m_ended;
  bool m_lasts = false;
  platform::Milliseconds m_since = 0, m_until = 0;
};

}
