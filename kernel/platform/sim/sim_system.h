// SPDX-License-Identifier: GPL-3.0-or-later
// A platform without an operating system: sockets are byte queues, the clock is moved by hand, and an operation completes when the
// engine of its core is run and what it waits for is there. One thread. It stands in for all but shared memory, and files, which have
// sim_files.h. It ends the process when a rule of platform.h is broken: a descriptor closed while an operation is on it, a descriptor that
// is left over. With faults it fails as a system under pressure does, decided by its seed alone.
#pragma once
#include "kernel/base/random.h"
#include "kernel/platform/sim/sim_objects.h"
#include <list>
#include <map>
#include <optional>

namespace httpsys::platform {

// Each a chance in 65536 for every call or completion that it concerns.
struct SimFaults {
  uint32_t accept_fails = 0;    // TooManyOpenedFiles; the connection stays in the backlog
  uint32_t receive_ends = 0;    // InsufficientResources: out of provided buffers
  uint32_t receive_is_short = 0; // 1 to 32 bytes
  uint32_t receive_fails = 0;   // IoDeviceError (EIO)
  uint32_t send_fails = 0;      // InsufficientResources (ENOBUFS), what has gone out stays out
  uint32_t send_is_short = 0;   // goes on later
  uint32_t call_fails = 0;      // listen_tcp, create_event, create_bell: TooManyOpenedFiles
  uint32_t memory_fails = 0;    // of a channel: NoMemory (ENOSPC), by SharedRegion's hook
  uint32_t is_late = 0;         // a completion that could come does not yet
};

class SimSystem final : public System {
public:
  explicit SimSystem(uint64_t seed = 4711) : random(seed) {}
  ~SimSystem();

  Milliseconds time = 1'000'000;
  // Another program's.
  std::vector<Endpoint> busy;
  bool has_ipv6 = true;
  // What accepts fail with, when it is not Success.
  NtStatus accept_failure = NtStatus::Success;
  SimFaults faults;
  bool shuffles = false; // completions of an engine come in any order, else by age
  // Completions of receives, sends and accepts are left for later turns, as it decides, a stream of its own.
  std::optional<Random> keeps_back;
  // Told of every completion before its handler: for a trace.
  std::function<void(char kind, int descriptor, const IoResult &result)> on_completion;
  Random random;

  bool strikes(uint32_t SimFaults::*fault);

  // Connects; null when nobody listens there. The connection is accepted when core 0 runs.
  std::shared_ptr<SimSocket> connect(const Endpoint &to, const Endpoint &from);
  bool listens(const Endpoint &endpoint) const;
  // Connections that nobody has accepted.
  size_t backlog() const;
  // Null when nobody listens for control connections.
  std::shared_ptr<SimControl> connect_control(const PeerCredentials &peer);
  // The next completion of a poll on it.
  void signal(int event);
  size_t descriptor_count() const { return m_descriptors.size(); }

  Milliseconds now() override { return time; }
  int64_t wall_clock_seconds() override { return 1'700'000'000 + static_cast<int64_t>(time / 1000); }
  void fill_random(std::span<uint8_t> bytes) override;
  Result<int> listen_tcp(const Endpoint &endpoint, std::span<const int> beside = {}) override;
  Result<Endpoint> local_endpoint(int socket) override;
  Result<Endpoint> remote_endpoint(int socket) override;
  void close(int descriptor) override;
  void shutdown_send(int socket) override;
  bool has_unreceived(int socket) override { return !m_descriptors.at(socket).socket->to_daemon.empty(); }
  void set_reset_on_close(int socket) override;
  Result<int> listen_control(const std::string &path, std::string &reason) override;
  Result<PeerCredentials> peer_credentials(int socket) override;
  Result<int> peer_process(int socket) override;
  Result<ControlPacket> receive_control(int socket, size_t maximum) override;
  void shut_control(int socket) override;
  void close_control(int socket, uint32_t uid) override;
  Result<void> share(int, uint32_t) override { return {}; }
  void close_shared(int descriptor, uint32_t) override { close(descriptor); }
  void close_elsewhere(int descriptor, uint32_t) override { close(descriptor); }
  size_t closing_controls() override { return 0; }
  std::vector<HeldCloses> held_closes() override { return {}; }
  NtStatus send_control(int socket, std::span<const uint8_t> bytes, std::span<const int> descriptors) override;
  Result<int> create_event() override;
  Result<std::pair<int, int>> create_bell() override;
  uint64_t ring_bell(int write_end, bool counts_own_time) override;

private:
  friend class SimEngine;
  struct Descriptor {
    std::optional<Endpoint> listens;
    bool listens_for_control = false;
    std::list<int> backlog;              // of a listener
    std::shared_ptr<SimSocket> socket;   // of a connection
    std::shared_ptr<SimControl> control; // of a control connection
    std::shared_ptr<SimEvent> event;     // of an event, a bell or a process
    bool resets = false;
    bool is_served = false; // somebody has asked whose connection it is
    int accepted_by = -1;   // the listener
    int operations = 0; // in flight
  };
  void accept(int descriptor, int listener, bool listener_goes);
  void listener_goes(int listener);
  int add(Descriptor descriptor);
  SimControl &control(int socket) { return *m_descriptors.at(socket).control; }
  std::map<int, Descriptor> m_descriptors;
  std::map<int, std::vector<std::shared_ptr<SimSocket>>> m_closed_unserved; // by the listener that accepted them
  int m_next = 100'000; // never a number that the process has, so that descriptors of memory are told apart
};

}
