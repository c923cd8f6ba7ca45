// SPDX-License-Identifier: GPL-3.0-or-later
// ControlSession: one connection of the control socket and what belongs to it: the process's credentials, taken once
// when it connected, and its channel. On core 0; ends with the socket, or when the client breaks the protocol, and goes
// when its channel has gone.
#pragma once
#include "kernel/io/channel_impl.h"
#include "kernel/io/control_protocol.h"
#include "kernel/io/session.h"
#include <fmt/format.h>

namespace httpsys::io {

// Regions and descriptors of a channel, made on a memory helper.
struct ChannelParts {
  SessionId session = 0;
  uint32_t sequence = 0; // of CHANNEL_OPEN
  NtStatus status = NtStatus::Success;
  hsys_geometry geometry{};
  uint32_t first_index = 0;
  RefPtr<mm::SharedRegion> ktou, utok;
  uint32_t uid = 0; // of the client
  int kick = -1, bell_read = -1, bell_write = -1;
  IsInVain is_in_vain;

  ChannelParts() = default;
  ChannelParts(const ChannelParts &) = delete;
  ~ChannelParts(); // closes what nobody has taken over; not with memory, which is released on a memory helper
  void make();
};

// What a channel takes of its client's quotas.
struct ChannelCost {
  uint64_t bytes = 0;      // of shared memory, and of the daemon's copies of parameters
  uint64_t operations = 0; // that may be in progress: entries of the completion ring
};

class ControlSession final : platform::IoOperation, ke::Timer {
public:
  ControlSession(SessionManager::Impl &manager, SessionId id, int socket, platform::PeerCredentials peer);
  ControlSession(const ControlSession &) = delete;
  ~ControlSession();

  SessionId id() const { return m_id; }
  se::Client client() const { return se::client_of(m_peer.uid, m_peer.pid, m_id); }
  bool was_welcomed() const { return m_was_welcomed; }
  const std::optional<ChannelCost> &channel_cost() const { return m_channel_cost; } // what it has taken
  std::string describe() const;

  void start();
  // What read_later() has asked for.
  void read_now();
  void drain();
  // The client broke the protocol.
  void revoke(hsys_revocation reason);
  // No effect when it has ended.
  void end();
  void parts_made(std::unique_ptr<ChannelParts> parts);
  // The channel lives on its core.
  void channel_born(std::unique_ptr<ChannelParts> parts);
  void channel_gone();
  void memory_released();
  void admin_answered(uint32_t sequence, uint32_t win32_code, uint32_t exit_code, const std::string &text);
  // Ends the session when the client does not take it.
  void send(const ControlBytes &bytes, std::span<const int> descriptors = {});

private:
  // Reads what is there, a bounded number of messages.
  void read_messages();
  void read_later();
  // The process itself: a child of it may keep the socket open.
  class ProcessWatch final : public platform::IoOperation {
  public:
    explicit ProcessWatch(ControlSession &session) : m_session(session) {}
    void start(int process);
    void stop();

  private:
    void on_complete(const platform::IoResult &result) override;
    ControlSession &m_session;
    int m_process = -1;
  };
  enum class ChannelState { None, Making, Born, Releasing, Gone };
  // A line of the log, behind what describe() says.
  template <typename... Arguments>
  void tell(fmt::format_string<Arguments...> what, Arguments &&...arguments) const;
  void on_complete(const platform::IoResult &result) override;
  void on_timer() override;
  void handle(const platform::ControlPacket &packet);
  void greet(uint32_t sequence, const HelloRequest &hello);
  void open_channel(uint32_t sequence, const ChannelOpenRequest &open);
  void tell_stats(uint32_t sequence);
  void administer(uint32_t sequence, const AdminRequest &admin, std::span<const uint8_t> packet);
  void break_protocol(const char *how);
  void release_memory();
  void give_channel();
  void finish_if_empty();

  SessionManager::Impl &m_manager;
  SessionId m_id;
  int m_socket; // -1: closed
  platform::PeerCredentials m_peer;
  ProcessWatch m_process{*this};
  ChannelState m_channel_state = ChannelState::None;
  ChannelAddress m_channel;
  std::optional<ChannelCost> m_channel_cost; // while it is taken
  std::shared_ptr<std::atomic<bool>> m_is_in_vain = std::make_shared<std::atomic<bool>>(false);
  // Kept until the channel has gone, so that the last references are never a core's: unmapping takes long.
  RefPtr<mm::SharedRegion> m_ktou, m_utok;
  bool m_was_welcomed = false;
  bool m_admin_is_running = false; // nothing is read meanwhile
  bool m_reads_later = false;      // nor until then
  bool m_is_draining = false;
  bool m_has_ended = false;
  bool m_is_finished = false;
};

}
