// SPDX-License-Identifier: GPL-3.0-or-later
// LogLimiter: how many lines of each kind go to the log when somebody causes them without end. Each kind has a bucket of its own, so that
// none hides another; what finds it empty is counted, and one line tells the number. No clock of its own: times are given, in milliseconds,
// and do not go backwards. Belongs to who writes the log, and is guarded by that.
#pragma once
#include "kernel/base/log.h"
#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace httpsys {

class LogLimiter {
public:
  // Whether a line of the kind may be written now. One that may not is counted.
  bool admit(LogKind kind, uint64_t now);
  // When the next number is to be told; nullopt: none is.
  std::optional<uint64_t> note_due() const;
  // A line that tells how many of a kind were not written, once for each that is due. at_end: due or not.
  std::optional<std::string> take_note(uint64_t now, bool at_end = false);

private:
  struct Bucket {
    uint64_t full_at = 0; // when it will have filled up again
    uint64_t left_out = 0;
    uint64_t note_due = 0; // while left_out is not 0
  };
  std::array<Bucket, static_cast<size_t>(LogKind::kCount)> m_buckets;
};

}
