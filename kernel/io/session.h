// SPDX-License-Identifier: GPL-3.0-or-later
// Session: one client process, that is, one connection of the control socket. All sessions live on core 0; a session's
// channel may live on another core. It ends with the socket.
#pragma once
#include "kernel/io/dispatch.h"
#include "uapi/control.h"

namespace httpsys::io {

// Listens on the control socket (a descriptor of System::listen_control) on core 0: HELLO, CHANNEL_OPEN, ADMIN, STATS, death.
class SessionManager {
public:
  struct Settings {
    uint64_t epoch = 0;
    uint32_t daemon_uid = 0;
    uint32_t daemon_pid = 0;
    void (*fill_stats)(hsys_control_stats &stats) = nullptr; // adds the numbers of the layers above
  };
  // On core 0.
  static SessionManager &instance();
  void start(int listener, const Settings &settings);
  // GOODBYE to all, state = draining; new sessions are refused.
  void drain();
  // Ends every session; `done` runs on core 0 when the last channel has gone.
  void stop(std::function<void()> done);
  uint32_t session_count() const;
  // "pid 4242 (shopd, uid 1000)" for texts; "an ended session" when it has gone.
  std::string describe(SessionId session) const;

private:
  SessionManager() = default;
  struct Impl;
  std::unique_ptr<Impl> m_impl;
};

}
