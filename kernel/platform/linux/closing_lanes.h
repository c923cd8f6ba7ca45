// SPDX-License-Identifier: GPL-3.0-or-later
// ClosingLanes: threads that close what clients have had a hand in. Whoever drops the last reference to some files is made to wait, for a
// second (SO_LINGER) or without end (a file in an epoll whose lock a client holds). One thread at a time closes for a lane, so that a lane
// holds up nothing but itself while there are more threads than lanes that do so. Any thread; the threads outlive it.
#pragma once
#include "kernel/base/result.h"
#include "kernel/limits.h"
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace httpsys::platform {

#ifdef HTTPSYS_SANITIZED
inline constexpr size_t kCloserStack = 16 * limits::kCloserStackBytes;
#else
inline constexpr size_t kCloserStack = limits::kCloserStackBytes;
#endif

// What waits in a lane. Whoever adds to it counts up, also from another process.
struct LaneCount {
  std::atomic<uint32_t> count;
  std::atomic<uint64_t> since; // when the close began that goes on; 0: none does
  std::atomic<uint64_t> spent; // milliseconds in closes since the lane was empty
};

struct Closing {
  int descriptor;
  uint32_t lane;
  bool has_messages = false;  // a control socket: they are dropped first
  bool can_wait = false;      // for its client, though nobody else keeps it yet
  uint64_t number = 0;        // by which another process keeps it; 0: none does
  LaneCount *count = nullptr; // is counted down when it is closed
};

// On this thread.
void close_here(const Closing &closing);

class ClosingLanes {
public:
  ClosingLanes();
  ClosingLanes(const ClosingLanes &) = delete;
  // What waits is left to the end of the process.
  ~ClosingLanes();

  // Starts so many threads, which close so. Before the first close: then none has to be started when threads or memory are short. Yields
  // InsufficientResources and the like.
  Result<void> start(size_t threads, size_t stack_bytes, std::function<void(const Closing &)> close = close_here);
  // It has been counted.
  void add(const Closing &closing);

private:
  struct Shared; // with the threads
  std::shared_ptr<Shared> m_shared;
};

}
