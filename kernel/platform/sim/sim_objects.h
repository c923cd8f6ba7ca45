// SPDX-License-Identifier: GPL-3.0-or-later
// What the simulated platform's descriptors stand for, seen from the other end: a network peer's socket, a client process' control
// socket, events. Shared by the daemon's descriptor and whoever plays the peer; one thread.
#pragma once
#include "kernel/platform/platform.h"
#include <deque>
#include <functional>
#include <memory>
#include <utility>

namespace httpsys::platform {

// The peer's end of a connection, and what the daemon has done with its own.
struct SimSocket {
  Endpoint local, remote; // the daemon's view
  std::string to_daemon;  // not received yet
  std::string from_daemon;
  uint64_t room = UINT64_MAX; // bytes that the peer takes yet
  bool fin_sent = false;      // by the peer, behind to_daemon
  bool reset_sent = false;
  bool fin_received = false;
  bool reset_received = false;
  bool is_accepted = false; // by a listener that stays, at least until somebody serves it
  bool is_closed = false; // by the daemon
  bool is_struck = false; // by a fault after which no connection goes on

  void send(std::string_view bytes) { to_daemon += bytes; }
  // What has come since the last call.
  std::string take() { return std::exchange(from_daemon, {}); }
};

// An eventfd, a bell, a pidfd: it counts.
struct SimEvent {
  uint64_t signals = 0; // since a poll has seen them
};

// A client process' end of a connection to the control socket.
struct SimControl {
  struct Packet {
    std::vector<uint8_t> bytes;
    bool has_descriptors = false;
  };
  PeerCredentials peer;
  std::deque<Packet> to_daemon;
  std::deque<std::vector<uint8_t>> from_daemon;
  // Descriptors that come with a message, when it is sent: those of memory, which the client has to map at once, and events.
  std::function<void(std::span<const int> memory, std::span<const std::shared_ptr<SimEvent>> events)> take_descriptors;
  std::shared_ptr<SimEvent> process = std::make_shared<SimEvent>(); // ends when it is signalled
  std::shared_ptr<SimEvent> arrivals = std::make_shared<SimEvent>();
  size_t room = 64;        // messages that wait for the client at most
  bool has_ended = false;  // the client has closed its end
  bool is_shut = false;    // by the daemon: nothing is taken or sent any more
  bool is_closed = false;  // by the daemon

  void send(std::vector<uint8_t> bytes, bool has_descriptors = false)
  {
    if (has_ended || is_shut)
      return;
    to_daemon.push_back({std::move(bytes), has_descriptors});
    arrivals->signals++;
  }
  void end()
  {
    has_ended = true;
    arrivals->signals++;
  }
};

}
