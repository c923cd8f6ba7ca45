// SPDX-License-Identifier: GPL-3.0-or-later
// ControlCloser: closes what clients have had a hand in, and never on the thread that asks for it. Each user has a lane for each kind, in
// which a thread closes one after the other. What a client can make wait is closed last by another process (closing_process.h), so that
// the thread does not wait; without that process it does, and holds up that lane. Control sockets are such things where clients can leave
// descriptors in them (before Linux 6.16). Any thread; lives as long as its System.
#pragma once
#include "kernel/platform/linux/closing_lanes.h"
#include "kernel/platform/linux/closing_process.h"
#include "kernel/platform/platform.h"
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace httpsys::platform {

class ControlCloser {
public:
  ControlCloser() = default;
  ControlCloser(const ControlCloser &) = delete;
  ~ControlCloser();

  // Starts threads that close, unless they run. InsufficientResources and the like.
  Result<void> start();
  // Instead of it, while this process has no other thread: with the other process.
  Result<void> start_process(std::string &reason);
  // Whether closing a control socket can be made to wait. It can unless told otherwise.
  void set_controls_can_wait(bool can_wait) { m_controls_can_wait = can_wait; }
  // Before a client gets this file, too. InsufficientResources when no more can be kept for this user. It alone may wait, for a second.
  Result<void> share(int descriptor, uint32_t uid);
  void close_shared(int descriptor, uint32_t uid) { close(descriptor, uid, Kind::Shared); }
  // Takes a control socket over, whose connection has been shut down.
  void close_control(int socket, uint32_t uid) { close(socket, uid, Kind::Control); }
  // A descriptor whose file no client has.
  void close_own(int descriptor, uint32_t uid) { close(descriptor, uid, Kind::Own); }
  // Descriptors that have not been closed yet, without those of lanes that are held up; of control sockets kClosesHeldPerUser of each such
  // lane are left out at most, since anybody can have more of them.
  size_t waiting();
  // Those of users whose closes take too long, by user.
  std::vector<HeldCloses> held();

private:
  enum class Kind : uint8_t { Shared, Control, Own };
  using LaneKey = std::pair<uint32_t, Kind>; // of a user
  struct Kept {
    uint64_t number;
    uint32_t uid;
  };
  Result<void> make_memory();
  void close(int descriptor, uint32_t uid, Kind kind);
  uint32_t lane_of(LaneKey key);
  void forget_empty_lanes();
  size_t count(uint32_t lane);
  bool is_held(uint32_t lane, Milliseconds now);
  bool can_keep(uint32_t uid);
  uint64_t take_kept(int descriptor);

  ClosingLanes m_lanes;
  std::shared_ptr<ClosingProcess> m_process = std::make_shared<ClosingProcess>(); // the threads have it, too
  std::atomic<bool> m_controls_can_wait = true;
  uint64_t m_kept_most = 0;
  std::mutex m_mutex; // of the following; whoever has it does not wait
  ClosingMemory *m_memory = nullptr; // threads and the process may outlive us: never unmapped
  std::map<LaneKey, uint32_t> m_used_lanes;
  std::vector<uint32_t> m_free_lanes;
  std::unordered_map<int, Kept> m_kept; // by descriptor
  std::unordered_map<uint32_t, uint64_t> m_kept_of_user; // how many of these
};

}
