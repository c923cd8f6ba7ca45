// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/log_limiter.h"
#include "kernel/limits.h"
#include <algorithm>
#include <utility>

namespace httpsys {

using limits::kLogBurst, limits::kLogLineMilliseconds, limits::kLogNoteMilliseconds;

static constexpr const char *kNames[] = {"httpsysd itself", "TLS that failed",  "client certificates",
                                         "refused requests", "ended connections", "processes"};
static_assert(std::size(kNames) == static_cast<size_t>(LogKind::kCount));

bool LogLimiter::admit(LogKind kind, uint64_t now)
{
  if (kind == LogKind::Daemon)
    return true;
  Bucket &bucket = m_buckets[static_cast<size_t>(kind)];
  uint64_t full_at = std::max(bucket.full_at, now) + kLogLineMilliseconds;
  if (full_at <= now + kLogBurst * kLogLineMilliseconds) {
    bucket.full_at = full_at;
    return true;
  }
  if (bucket.left_out++ == 0)
    bucket.note_due = now + kLogNoteMilliseconds;
  return false;
}

std::optional<uint64_t> LogLimiter::note_due() const
{
  std::optional<uint64_t> first;
  for (const Bucket &bucket : m_buckets)
    if (bucket.left_out > 0)
      first = std::min(first.value_or(bucket.note_due), bucket.note_due);
  return first;
}

std::optional<std::string> LogLimiter::take_note(uint64_t now, bool at_end)
{
  for (size_t kind = 0; kind < m_buckets.size(); kind++) {
    Bucket &bucket = m_buckets[kind];
    if (bucket.left_out > 0 && (at_end || bucket.note_due <= now))
      return fmt::format("and {} more like it were not written: lines about {} come faster than {} a second",
                         std::exchange(bucket.left_out, 0), kNames[kind], 1000 / kLogLineMilliseconds);
  }
  return std::nullopt;
}

}
