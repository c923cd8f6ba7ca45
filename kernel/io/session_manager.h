// SPDX-License-Identifier: GPL-3.0-or-later
// SessionManager::Impl: see session.h. For io's own files. Lives on core 0.
#pragma once
#include "kernel/io/control_session.h"
#include "kernel/ke/outage.h"
#include <map>
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

  // Shared memory of all channels of a uid; false when it would be too much.
  bool take_channel_bytes(uint32_t uid, uint64_t bytes);
  void give_channel_bytes(uint32_t uid, uint64_t bytes);
  // The core with the fewest channels, in turn where several have.
  ChannelAddress place_channel();
  void channel_left(ke::CoreId core) { m_channels_on_core[core]--; }

  // As messages, so that a session may call them about itself.
  void read_later(SessionId id);
  void forget_later(SessionId id);
  void gather_stats(SessionId id, uint32_t sequence);

private:
  struct User {
    uint32_t sessions = 0;
    uint64_t channel_bytes = 0;
  };
  struct Gathering;
  void on_complete(const platform::IoResult &result) override;
  void on_timer() override;
  void accept();
  void admit(int socket);
  bool has_room_for(uint32_t uid) const;
  void refuse(int socket, const platform::PeerCredentials &peer);
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
  std::map<uint32_t, User> m_users;
  std::vector<uint32_t> m_channels_on_core;
  ke::CoreId m_next_core = 0;
  platform::Milliseconds m_refusal_logged = 0;
  ke::Outage m_outage; // of accept
};

}
