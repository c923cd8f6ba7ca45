// SPDX-License-Identifier: GPL-3.0-or-later
// ControlCloser: closes what clients have had a hand in, and never on the thread that asks for it. Control sockets, in which clients can
// leave descriptors on kernels before Linux 6.16, and files that a client has, too, are closed last by another process (closing_process.h),
// or by threads of this one where there is none, for each user by himself. Any thread; lives as long as its System.
#pragma once
#include "kernel/platform/linux/closing_lanes.h"
#include "kernel/platform/linux/closing_process.h"
#include "kernel/platform/platform.h"
#include <mutex>
#include <unordered_map>
#include <vector>

namespace httpsys::platform {

class ControlCloser {
public:
  ControlCloser() = default;
  ControlCloser(const ControlCloser &) = delete;

  // Starts threads that close, unless they run. InsufficientResources and the like.
  Result<void> start();
  // Instead of it, while this process has no other thread: the other process, and a thread for what no client has.
  Result<void> start_process(std::string &reason);
  // Before a client gets this file, too. InsufficientResources when no more can be kept.
  Result<void> share(int descriptor);
  void close_shared(int descriptor, uint32_t uid) { close(descriptor, uid, false); }
  // Takes a control socket over, whose connection has been shut down.
  void close_control(int socket, uint32_t uid) { close(socket, uid, true); }
  // A descriptor whose file no client has.
  void close_own(int descriptor);
  // Descriptors that have not been closed yet, and have not been held up.
  size_t waiting();
  // Those of users whose closes have taken too long, by user.
  std::vector<HeldCloses> held();

private:
  struct Open {
    uint32_t slot; // that says when it is closed
    uint32_t uid;
    Milliseconds since;
  };
  Result<void> make_slots();
  void close(int descriptor, uint32_t uid, bool has_messages);
  std::optional<uint64_t> keep(int descriptor);
  uint32_t note_open(uint32_t uid);
  void forget_closed();

  ClosingLanes m_lanes;
  ClosingProcess m_process;
  std::mutex m_mutex; // of the following, and of messages to the process
  std::atomic<uint32_t> *m_slots = nullptr; // shared with threads and the process, which may outlive us: never unmapped
  std::vector<uint32_t> m_free_slots;
  std::vector<Open> m_open;
  std::unordered_map<int, uint64_t> m_kept; // by descriptor
  uint64_t m_last_number = 0;
  uint64_t m_kept_most = 0;
};

}
