// SPDX-License-Identifier: GPL-3.0-or-later
// ClosingProcess: a child of the daemon that has all that clients share with the daemon, too, and closes it last. A last close can be
// made to wait where no signal ends it, SIGKILL neither: that must hold up neither the daemon nor its end. It is told by messages, in
// order: to keep a descriptor, and to close it, which comes when the daemon has closed its own. It ends after the daemon.
#pragma once
#include "kernel/base/result.h"
#include <atomic>
#include <cstdint>
#include <string>

namespace httpsys::platform {

class ClosingProcess {
public:
  ClosingProcess() = default;
  ClosingProcess(const ClosingProcess &) = delete;
  ~ClosingProcess();

  // Before the process has another thread. slots: what is_open points into, memory that the child shares.
  Result<void> start(std::atomic<uint32_t> *slots, std::string &reason);
  bool runs() const { return m_socket >= 0; }
  // False when the child has gone, which the log says, once.
  bool keep(uint64_t number, int descriptor);
  // After the daemon's own descriptor was closed. slot: kNoSlot or an index, which becomes 0.
  bool close(uint64_t number, uint32_t uid, bool has_messages, uint32_t slot);

  static constexpr uint32_t kNoSlot = UINT32_MAX;

private:
  int m_socket = -1;
};

}
