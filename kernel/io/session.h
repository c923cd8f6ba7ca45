// SPDX-License-Identifier: GPL-3.0-or-later
// Session: one client process, that is, one connection of the control socket. All sessions live on core 0; a session's
// channel may live on another core. It ends with the socket.
#pragma once
#include "kernel/io/dispatch.h"
#include "uapi/control.h"

namespace httpsys::io {

// Listens on the control socket (a descriptor of System::listen_control) on core 0: HELLO, CHANNEL_OPEN, ADMIN, STATS,
// death.
class SessionManager {
public:
  struct Settings {
    uint64_t epoch = 0;
    uint32_t daemon_uid = 0;
    uint32_t daemon_pid = 0;
    // Fills in the numbers of the layers above, for each STATS message, on core 0.
    void (*fill_stats)(hsys_control_stats &stats) = nullptr;
    size_t controls_closing = limits::kControlsClosing; // while so many sockets wait for their close nobody is accepted
    uint32_t first_index = 0; // of every ring; tests let indices wrap early
  };
  // On core 0, as everything here.
  static SessionManager &instance();
  // Takes the listener over.
  void start(int listener, const Settings &settings);
  // GOODBYE to all, state = draining, pending receives are cancelled; new sessions are refused.
  void drain();
  // Ends every session; `done` runs on core 0 when the last channel has gone.
  void stop(std::function<void()> done);
  uint32_t session_count() const;
  // For the simulator: what clients are charged with that they do not have, or have for nothing; null: nothing.
  const char *unsound() const;
  // "pid 4242 (shopd, uid 1000)" for texts; "an ended session" when it has gone.
  std::string describe(SessionId session) const;

  struct Impl; // session_manager.h, for io itself

private:
  SessionManager() = default;
  std::unique_ptr<Impl> m_impl;
};

}
