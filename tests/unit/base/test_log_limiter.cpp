// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/log_limiter.h"
#include "kernel/limits.h"
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::limits;

namespace {

constexpr uint64_t kStart = 5'000'000;

uint64_t admitted(LogLimiter &limiter, LogKind kind, uint64_t lines, uint64_t now)
{
  uint64_t count = 0;
  for (uint64_t i = 0; i < lines; i++)
    count += limiter.admit(kind, now);
  return count;
}

}

TEST_CASE("a burst of lines is written, then so many a second")
{
  LogLimiter limiter;
  CHECK(admitted(limiter, LogKind::Tls, 10'000, kStart) == kLogBurst);
  CHECK(admitted(limiter, LogKind::Tls, 10, kStart + kLogLineMilliseconds - 1) == 0);
  CHECK(admitted(limiter, LogKind::Tls, 10, kStart + kLogLineMilliseconds) == 1);
  uint64_t count = 0;
  for (uint64_t now = kStart + kLogLineMilliseconds + 1; now <= kStart + kLogLineMilliseconds + 10'000; now++)
    count += admitted(limiter, LogKind::Tls, 5, now);
  CHECK(count == 10'000 / kLogLineMilliseconds);
  // Full again, and no fuller than full.
  CHECK(admitted(limiter, LogKind::Tls, 10'000, kStart + 100'000'000) == kLogBurst);
}

TEST_CASE("kinds do not take each other's lines, and the daemon's own have no bound")
{
  LogLimiter limiter;
  for (auto kind : {LogKind::Tls, LogKind::Certificate, LogKind::Request, LogKind::Connection, LogKind::Process})
    CHECK(admitted(limiter, kind, 10'000, kStart) == kLogBurst);
  CHECK(admitted(limiter, LogKind::Daemon, 10'000, kStart) == 10'000);
}

TEST_CASE("what was left out is told once a second, and at the end")
{
  LogLimiter limiter;
  CHECK_FALSE(limiter.note_due());
  admitted(limiter, LogKind::Tls, kLogBurst, kStart);
  CHECK_FALSE(limiter.note_due());
  admitted(limiter, LogKind::Tls, 5, kStart + 10);
  admitted(limiter, LogKind::Request, kLogBurst + 7, kStart + 20);
  admitted(limiter, LogKind::Tls, 1, kStart + 30);
  CHECK(limiter.note_due() == kStart + 10 + kLogNoteMilliseconds);
  CHECK_FALSE(limiter.take_note(kStart + 9 + kLogNoteMilliseconds));
  CHECK(limiter.take_note(kStart + 10 + kLogNoteMilliseconds) ==
        "and 6 more like it were not written: lines about TLS that failed come faster than 10 a second");
  CHECK_FALSE(limiter.take_note(kStart + 10 + kLogNoteMilliseconds));
  CHECK(limiter.note_due() == kStart + 20 + kLogNoteMilliseconds);
  CHECK(limiter.take_note(kStart + 21, true) ==
        "and 7 more like it were not written: lines about refused requests come faster than 10 a second");
  CHECK_FALSE(limiter.note_due());
  CHECK_FALSE(limiter.take_note(kStart + 100'000, true));
}
