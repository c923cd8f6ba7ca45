// SPDX-License-Identifier: GPL-3.0-or-later
// LogLimiter: how many lines of each kind go to the log when somebody causes them without end. Each kind has a bucket of its own, and of
// lines about processes each user has one, so that none hides another's; what finds it empty is counted, and one line tells the number.
// No clock of its own: times are given, in milliseconds, and do not go backwards. Belongs to who writes the log, and is guarded by that.
#pragma once
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace httpsys {

class LogLimiter {
public:
  // Whether a line of this cause may be written now. One that may not is counted.
  bool admit(LogCause cause, uint64_t now);
  // When the next number is to be told; nullopt: none is.
  std::optional<uint64_t> note_due() const;
  // A line that tells how many of a bucket were not written, once for each that is due. at_end: due or not.
  std::optional<std::string> take_note(uint64_t now, bool at_end = false);

private:
  struct Bucket {
    uint64_t full_at = 0; // when it will have filled up again
    uint64_t left_out = 0;
    uint64_t note_due = 0;       // while left_out is not 0
    std::optional<uint32_t> uid; // of a user's: its last one's
  };
  static constexpr size_t kKinds = static_cast<size_t>(LogKind::kCount);
  // Of kinds, that of processes for users who find none for themselves; then of users.
  std::array<Bucket, kKinds + limits::kLogUsers> m_buckets;

  Bucket &bucket_of(LogCause cause, uint64_t now);
  std::string name_of(size_t index) const;
};

}
