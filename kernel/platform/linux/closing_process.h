// SPDX-License-Identifier: GPL-3.0-or-later
// ClosingProcess: a child of the daemon that has all that clients share with the daemon, too, and closes it last. A last close can be
// made to wait where no signal ends it, SIGKILL neither: that must hold up neither the daemon nor its end. It is told by messages, in
// order: to keep a descriptor, which it answers, and to close it, which comes when the daemon has closed its own. It ends after the daemon.
// Any thread that may wait.
#pragma once
#include "kernel/base/result.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/closing_lanes.h"
#include <mutex>
#include <optional>
#include <pthread.h>
#include <string>

namespace httpsys::platform {

// What both processes have. All zero at first.
struct ClosingMemory {
  struct Lane {
    LaneCount daemons, childs;
  };
  pthread_mutex_t alive; // locked while the child's first thread lives: what it has open lasts as long as a close that waits
  std::atomic<bool> ends_in_order;
  Lane lanes[limits::kClosingLanes];
};

class ClosingProcess {
public:
  ClosingProcess() = default;
  ClosingProcess(const ClosingProcess &) = delete;
  ~ClosingProcess();

  // Before the process has another thread. The memory is never unmapped.
  Result<void> start(ClosingMemory &memory, std::string &reason);
  // False for ever when the child has gone, which the log says, once. Never waits.
  bool runs();
  // By which number it keeps the file; nothing when it does not. Waits for its answer, for a second or so.
  std::optional<uint64_t> keep(int descriptor);
  // After the daemon's own descriptor was closed. Waits while the child does not read.
  void close(uint64_t number, uint32_t lane, bool has_messages);
  // The daemon's end is one in order.
  void say_goodbye();

private:
  struct Message;
  bool send(const Message &message, const int *descriptor, uint32_t tries);
  bool answers(uint64_t number) const;
  void note_gone();

  ClosingMemory *m_memory = nullptr;
  int m_socket = -1;
  std::atomic<bool> m_is_gone = true;
  std::mutex m_exchange; // a message and its answer
  uint64_t m_last_number = 0;
  friend class Keeper;
};

}
