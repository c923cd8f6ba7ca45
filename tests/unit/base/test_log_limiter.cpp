// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/log_limiter.h"
#include "kernel/limits.h"
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::limits;

namespace {

constexpr uint64_t kStart = 5'000'000;

uint64_t admitted(LogLimiter &limiter, LogCause cause, uint64_t lines, uint64_t now)
{
  uint64_t count = 0;
  for (uint64_t i = 0; i < lines; i++)
    count += limiter.admit(cause, now);
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

TEST_CASE("a user's processes do not take the lines of another's")
{
  LogLimiter limiter;
  CHECK(admitted(limiter, LogCause::process(1000), 10'000, kStart) == kLogBurst);
  CHECK(admitted(limiter, LogCause::process(1001), 3, kStart) == 3);
  CHECK(admitted(limiter, LogCause::process(0), 10'000, kStart) == kLogBurst);
  CHECK(admitted(limiter, LogCause::process(1001), 9'997, kStart) == kLogBurst - 3);
  // Those of nobody who is known are of no user.
  CHECK(admitted(limiter, LogKind::Process, 10'000, kStart) == kLogBurst);
  CHECK(limiter.take_note(kStart, true) ==
        "and 9900 more like it were not written: lines about processes of other users come faster than 10 a second");
  for (uint32_t uid : {1000u, 1001u, 0u})
    CHECK(limiter.take_note(kStart, true) ==
          fmt::format("and 9900 more like it were not written: lines about processes of uid {} come faster than 10 a second", uid));
  CHECK_FALSE(limiter.take_note(kStart, true));
}

TEST_CASE("users who find no bucket for themselves share one, until one is full again and has told what it left out")
{
  LogLimiter limiter;
  constexpr uint32_t kFirst = 100'000;
  for (uint32_t uid = kFirst; uid < kFirst + kLogUsers; uid++)
    CHECK(admitted(limiter, LogCause::process(uid), kLogBurst + 1, kStart) == kLogBurst);
  for (uint32_t uid = 1000; uid < 1000 + kLogBurst; uid++)
    CHECK(admitted(limiter, LogCause::process(uid), 1, kStart) == 1);
  CHECK(admitted(limiter, LogCause::process(2000), 10, kStart) == 0);
  const uint64_t full = kStart + kLogBurst * kLogLineMilliseconds;
  // What the first bucket has to tell is its own user's.
  CHECK(admitted(limiter, LogCause::process(kFirst + 1), kLogBurst + 10, full) == kLogBurst);
  CHECK(admitted(limiter, LogCause::process(2000), kLogBurst + 10, full) == kLogBurst);
  CHECK(admitted(limiter, LogCause::process(2001), 10, full) == 0);
  for (uint32_t note = 0; note < kLogUsers + 1; note++)
    CHECK(limiter.take_note(full));
  CHECK_FALSE(limiter.take_note(full));
  CHECK(admitted(limiter, LogCause::process(2001), 10'000, full) == kLogBurst);
  CHECK(limiter.take_note(full, true) ==
        "and 9900 more like it were not written: lines about processes of uid 2001 come faster than 10 a second");
  // Not taken from who has used it up.
  CHECK(admitted(limiter, LogCause::process(kFirst + 1), 10, full) == 0);
}

TEST_CASE("of users who change all the time there are as many lines as buckets allow")
{
  LogLimiter limiter;
  uint64_t count = 0;
  uint32_t uid = 0;
  constexpr uint64_t kTime = 60'000;
  for (uint64_t now = kStart; now < kStart + kTime; now++) {
    for (int i = 0; i < 50; i++)
      count += limiter.admit(LogCause::process(uid++), now);
    while (limiter.take_note(now)) {
    }
  }
  CHECK(count <= (kLogUsers + 1) * (kLogBurst + kTime / kLogLineMilliseconds));
  CHECK(count > kLogUsers * kTime / kLogLineMilliseconds);
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
