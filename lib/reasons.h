// SPDX-License-Identifier: MIT
// Why operations failed, in words, between their completion and the moment when somebody asks for their result (GetOverlappedResult,
// GetQueuedCompletionStatus): the last kKept of the process, by OVERLAPPED. Guarded by the dispatcher lock.
#pragma once
#include "lib/dispatcher.h"
#include "lib/error_text.h"
#include "lib/include/winbase.h"

namespace httpsys::lib {

class Reasons {
public:
  static constexpr unsigned kKept = 64;

  static void keep(const DispatcherGuard &, const OVERLAPPED *overlapped, std::string_view text);
  // Its OVERLAPPED begins another operation.
  static void drop(const DispatcherGuard &, const OVERLAPPED *overlapped);
  // Takes the dispatcher lock. Empty when nothing is kept.
  static ErrorText of(const OVERLAPPED *overlapped);

private:
  static int find(const OVERLAPPED *overlapped);
  // Beside each other, since every operation that begins looks here as long as there is any reason.
  static const OVERLAPPED *s_overlapped[kKept];
  static ErrorText s_texts[kKept];
  static unsigned s_next; // the oldest
  static unsigned s_count;
};

}
