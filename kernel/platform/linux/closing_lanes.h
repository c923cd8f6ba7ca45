// SPDX-License-Identifier: GPL-3.0-or-later
// ClosingLanes: threads that close what clients have had a hand in. Whoever drops the last reference to some files is made to wait, for a
// second (SO_LINGER) or without end (a file in an epoll whose lock a client holds). One thread at a time closes for a user, so that a user
// holds up nobody but himself while there are more threads than users who do so. Any thread; the threads outlive it.
#pragma once
#include "kernel/base/result.h"
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace httpsys::platform {

struct Closing {
  int descriptor;
  uint32_t uid;      // whose client has had it
  bool has_messages; // a control socket: they are dropped first
  std::atomic<uint32_t> *is_open; // becomes 0 when it is closed, unless null
};

class ClosingLanes {
public:
  ClosingLanes();
  ClosingLanes(const ClosingLanes &) = delete;
  // What waits is left to the end of the process.
  ~ClosingLanes();

  // Starts so many threads. Before the first close: then none has to be started when threads or memory are short. Yields
  // InsufficientResources and the like.
  Result<void> start(size_t threads);
  void add(const Closing &closing);

private:
  struct Shared; // with the threads
  std::shared_ptr<Shared> m_shared;
};

}
