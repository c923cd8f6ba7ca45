// SPDX-License-Identifier: GPL-3.0-or-later
// LogWriter: the thread that writes log lines to a descriptor. Whoever reads them may be slow or have stopped (a full pipe, a terminal with
// Ctrl-S): then lines wait up to a limit and the rest is counted and left out, and nobody else in the daemon waits. What clients cause
// is bounded before it waits here, each kind and user on its own. Any thread.
#pragma once
#include "kernel/base/log.h"
#include <memory>
#include <string>

namespace httpsys::platform {

class LogWriter {
public:
  // The descriptor stays the caller's.
  explicit LogWriter(int descriptor);
  LogWriter(const LogWriter &) = delete;
  // stop(), without patience.
  ~LogWriter();

  // Never waits. What its cause has no room for (LogLimiter) is left out.
  void write(LogCause cause, std::string line);
  // Writes what waits; lines that come later are dropped. After that many milliseconds the thread is left to itself with what it has not
  // got rid of.
  void stop(unsigned patience);

private:
  struct Shared; // with the thread, which may outlive us
  std::shared_ptr<Shared> m_shared;
};

}
