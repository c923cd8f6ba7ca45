// SPDX-License-Identifier: GPL-3.0-or-later
// SessionManager::Impl: see session.h. For io's own files. Lives on core 0.
#pragma once
#include "kernel/io/control_session.h"
#include "kernel/io/held_closes.h"
#include "kernel/ke/outage.h"
#include <unordered_map>

namespace httpsys::io {

struct SessionManager::Impl final : platform::IoOperation, ke::Timer {
  Impl(int listener, const Settings &settings);
  ~Impl();

  // The session of that id while it has not ended for good. Messages that were sent to one that has gone find nothing.
  static ControlSession *find(SessionId id);
  static void parts_made(std::unique_ptr<ChannelParts> parts);
  static void channel_born(std::unique_ptr<ChannelParts> parts);
  static void memory_released(SessionId id);

  const Settings &settings() const { return m_settings; }
  WelcomeFacts facts_for(SessionId id) const;
  void start();
  void drain();
  void stop(std::function<void()> done);
  size_t session_count() const { return m_sessions.size(); }
  const char *unsound() const;

  // Shared memory and operations of a channel; why not, when a quota forbids it.
  std::optional<std::string> take_channel(const se::Client &client, const ChannelCost &cost);
  void give_channel(const se::Client &client, const ChannelCost &cost);
  WaitingOutput waiting_output_of(const se::Client &client) { return m_waiting_outputs.of(client); }
  // The core with the fewest channels, in turn where several have.
  ChannelAddress place_channel();
  void channel_left(ke::CoreId core) { m_channels_on_core[core]--; }

  // As messages, so that a session may call them about itself.
  void read_later(SessionId id);
  void forget_later(SessionId id);
  void gather_stats(SessionId id, uint32_t sequence);

private:
  struct Gathering;
  void on_complete(const platform::IoResult &result) override;
  void on_timer() override;
  void accept();
  void admit(int socket);
  void refuse(int socket, const platform::PeerCredentials &peer, const std::string &why);
  void forget(SessionId id);
  void finish_if_stopped();
  static void gather_here(std::unique_ptr<Gathering> gathering);

  Settings m_settings;
  int m_listener;
  bool m_is_draining = false;
  bool m_is_stopping = false;
  std::function<void()> m_stopped;
  SessionId m_last_session = 0;
  uint32_t m_last_channel = 0;
  std::unordered_map<SessionId, std::unique_ptr<ControlSession>> m_sessions;
  se::Quota m_session_quota{se::kSessions}, m_channel_bytes{se::kChannelBytes}, m_operations{se::kOperations};
  WaitingOutputs m_waiting_outputs;
  std::vector<uint32_t> m_channels_on_core;
  ke::CoreId m_next_core = 0;
  ke::Outage m_outage; // of accept
  HeldClosesWatch m_held_closes;
};

}
