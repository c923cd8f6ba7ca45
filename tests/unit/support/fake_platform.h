// SPDX-License-Identifier: GPL-3.0-or-later
// A platform without an operating system: sockets are byte queues, the clock is moved by hand, and an operation completes
// when the engine of its core is run and what it waits for is there. One thread. It stands in for everything but shared
// memory, and ends the test when a rule of platform.h is broken: a descriptor closed while an operation is on it, an
// operation that outlives its engine, a descriptor that is left over.
#pragma once
#include "kernel/platform/platform.h"
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <string>

namespace httpsys::test {

// The client's end of a connection, and what the daemon has done with its own.
struct FakeSocket {
  Endpoint local, remote; // the daemon's view
  std::string to_daemon;  // not received yet
  std::string from_daemon;
  uint64_t room = UINT64_MAX; // bytes that the client takes yet
  bool fin_sent = false;      // by the client, behind to_daemon
  bool reset_sent = false;
  bool fin_received = false;
  bool reset_received = false;
  bool is_closed = false; // by the daemon

  void send(std::string_view bytes) { to_daemon += bytes; }
  // What has come since the last call.
  std::string take() { return std::exchange(from_daemon, {}); }
};

class FakeSystem final : public platform::System {
public:
  ~FakeSystem();

  platform::Milliseconds time = 1'000'000;
  // Another program's.
  std::vector<Endpoint> busy;
  bool has_ipv6 = true;
  // What accepts fail with, when it is not Success.
  NtStatus accept_failure = NtStatus::Success;

  // Connects; null when nobody listens there. The connection is accepted when core 0 runs.
  std::shared_ptr<FakeSocket> connect(const Endpoint &to, const Endpoint &from);
  bool listens(const Endpoint &endpoint) const;
  // Connections that nobody has accepted.
  size_t backlog() const;
  // The next completion of a poll on it.
  void signal(int event);
  uint64_t rings(int bell) const { return m_descriptors.at(bell).signals; }
  size_t descriptor_count() const { return m_descriptors.size(); }

  platform::Milliseconds now() override { return time; }
  int64_t wall_clock_seconds() override { return 1'700'000'000 + static_cast<int64_t>(time / 1000); }
  void fill_random(std::span<uint8_t> bytes) override;
  Result<int> listen_tcp(const Endpoint &endpoint) override;
  Result<Endpoint> local_endpoint(int socket) override;
  Result<Endpoint> remote_endpoint(int socket) override;
  void close(int descriptor) override;
  void shutdown_send(int socket) override;
  void set_reset_on_close(int socket) override;
  Result<int> listen_control(const std::string &, std::string &) override { return NtStatus::NotSupported; }
  Result<platform::PeerCredentials> peer_credentials(int) override { return NtStatus::NotSupported; }
  Result<int> peer_process(int) override { return NtStatus::NotSupported; }
  Result<platform::ControlPacket> receive_control(int, size_t) override { return NtStatus::NotSupported; }
  void shut_control(int) override {}
  void close_control(int socket) override { close(socket); }
  size_t closing_controls() override { return 0; }
  NtStatus send_control(int, std::span<const uint8_t>, std::span<const int>) override { return NtStatus::NotSupported; }
  Result<int> create_event() override;
  Result<std::pair<int, int>> create_bell() override;
  void ring_bell(int write_end) override;

private:
  friend class FakeEngine;
  struct Descriptor {
    std::optional<Endpoint> listens;
    std::list<int> backlog;             // of a listener
    std::shared_ptr<FakeSocket> socket; // of a connection
    bool resets = false;
    uint64_t signals = 0; // of an event or a bell
    int operations = 0;   // in flight
  };
  int add(Descriptor descriptor);
  std::map<int, Descriptor> m_descriptors;
  int m_next = 100;
  std::mt19937_64 m_random{4711};
};

class FakeEngine final : public platform::IoEngine {
public:
  explicit FakeEngine(FakeSystem &system) : m_system(system) {}
  ~FakeEngine();

  bool holds_sends = false; // they stay in flight

  void accept_multishot(int listener, platform::IoOperation &operation) override { start(Kind::Accept, listener, operation); }
  void accept_one(int listener, platform::IoOperation &operation) override { start(Kind::AcceptOne, listener, operation); }
  void receive_multishot(int socket, platform::IoOperation &operation) override { start(Kind::Receive, socket, operation); }
  void send(int socket, std::span<const uint8_t> bytes, platform::IoOperation &operation) override;
  void poll_multishot(int descriptor, platform::IoOperation &operation) override { start(Kind::Poll, descriptor, operation); }
  void cancel(platform::IoOperation &operation) override;
  uint32_t run_once(platform::Milliseconds deadline) override;
  void wake() override {}

private:
  enum class Kind { Accept, AcceptOne, Receive, Send, Poll };
  struct Flight {
    uint64_t number;
    Kind kind;
    int descriptor;
    platform::IoOperation *operation;
    std::span<const uint8_t> bytes; // of a send, what is left of them
    uint32_t sent = 0;
    bool is_cancelled = false;
    std::list<int> accepted = {}; // by a multishot accept, not told of yet
  };
  Flight &start(Kind kind, int descriptor, platform::IoOperation &operation);
  Flight *find(uint64_t number);
  bool complete_one(uint64_t number);
  bool complete(Flight &flight, platform::IoResult result);
  bool complete_receive(Flight &flight, FakeSocket &socket);
  bool complete_send(Flight &flight, FakeSocket &socket);
  FakeSystem &m_system;
  std::list<Flight> m_flights;
  uint64_t m_last = 0;
};

}
