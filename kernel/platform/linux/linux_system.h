// SPDX-License-Identifier: GPL-3.0-or-later
// The System on Linux. Any core may call it; lives as long as the process. Making it switches SIGPIPE
// off: a bell's reader may be gone.
#pragma once
#include "kernel/platform/linux/control_closer.h"
#include "kernel/platform/platform.h"

namespace httpsys::platform {

// What now() says, for those that serve as an engine without a System.
Milliseconds monotonic_milliseconds();

class LinuxSystem : public System {
public:
  LinuxSystem();
  // What closes: one of these is to be called before anything is to be closed so.
  Result<void> start_closer() { return m_closer.start(); }
  Result<void> start_closing_process(std::string &reason) { return m_closer.start_process(reason); }
  Milliseconds now() override;
  int64_t wall_clock_seconds() override;
  void fill_random(std::span<uint8_t> bytes) override;
  Result<int> listen_tcp(const Endpoint &endpoint, std::span<const int> beside = {}) override;
  Result<Endpoint> local_endpoint(int socket) override;
  Result<Endpoint> remote_endpoint(int socket) override;
  void close(int descriptor) override;
  void shutdown_send(int socket) override;
  bool has_unreceived(int socket) override;
  void set_reset_on_close(int socket) override;
  Result<int> listen_control(const std::string &path, std::string &reason) override;
  Result<PeerCredentials> peer_credentials(int socket) override;
  Result<int> peer_process(int socket) override;
  Result<ControlPacket> receive_control(int socket, size_t maximum) override;
  void shut_control(int socket) override;
  void close_control(int socket, uint32_t uid) override;
  Result<void> share(int descriptor, uint32_t uid) override { return m_closer.share(descriptor, uid); }
  void close_shared(int descriptor, uint32_t uid) override { m_closer.close_shared(descriptor, uid); }
  void close_elsewhere(int descriptor, uint32_t uid) override { m_closer.close_own(descriptor, uid); }
  size_t closing_controls() override { return m_closer.waiting(); }
  std::vector<HeldCloses> held_closes() override { return m_closer.held(); }
  NtStatus send_control(int socket, std::span<const uint8_t> bytes, std::span<const int> descriptors) override;
  Result<int> create_event() override;
  Result<std::pair<int, int>> create_bell() override;
  uint64_t ring_bell(int write_end, bool counts_own_time) override;

private:
  ControlCloser m_closer;
};

// Name under which listen_control binds, in the same folder: ".NAME.new", with a hash for a long NAME.
// S.lock keeps two daemons from using it at once.
std::string temporary_socket_name(const std::string &path);

}
