// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/log_limiter.h"
#include <algorithm>
#include <utility>

namespace httpsys {

using limits::kLogBurst, limits::kLogLineMilliseconds, limits::kLogNoteMilliseconds;

static constexpr const char *kNames[] = {"httpsysd itself", "TLS that failed",  "client certificates",
                                         "refused requests", "ended connections", "processes of other users"};
static_assert(std::size(kNames) == static_cast<size_t>(LogKind::kCount));

// Of the users' a bucket changes hands only when it is full and has nothing to tell: it is worth no more lines than to the one who had it,
// so that whoever has many uids gets no more of them than there are buckets.
LogLimiter::Bucket &LogLimiter::bucket_of(LogCause cause, uint64_t now)
{
  Bucket &of_kind = m_buckets[static_cast<size_t>(cause.kind)];
  if (!cause.uid)
    return of_kind;
  Bucket *oldest = nullptr;
  for (auto bucket = m_buckets.begin() + kKinds; bucket != m_buckets.end(); bucket++) {
    if (bucket->uid == cause.uid)
      return *bucket;
    if (bucket->full_at <= now && bucket->left_out == 0 && (!oldest || bucket->full_at < oldest->full_at))
      oldest = &*bucket;
  }
  if (!oldest)
    return of_kind;
  oldest->uid = cause.uid;
  return *oldest;
}

bool LogLimiter::admit(LogCause cause, uint64_t now)
{
  if (cause.kind == LogKind::Daemon)
    return true;
  Bucket &bucket = bucket_of(cause, now);
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

std::string LogLimiter::name_of(size_t index) const
{
  return index < kKinds ? kNames[index] : fmt::format("processes of uid {}", *m_buckets[index].uid);
}

std::optional<std::string> LogLimiter::take_note(uint64_t now, bool at_end)
{
  for (size_t index = 0; index < m_buckets.size(); index++) {
    Bucket &bucket = m_buckets[index];
    if (bucket.left_out > 0 && (at_end || bucket.note_due <= now))
      return fmt::format("and {} more like it were not written: lines about {} come faster than {} a second",
                         std::exchange(bucket.left_out, 0), name_of(index), 1000 / kLogLineMilliseconds);
  }
  return std::nullopt;
}

}
