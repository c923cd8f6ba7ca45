// SPDX-License-Identifier: MIT
// Library: whether the process is initialised, and its session with httpsysd. HttpInitialize connects when there is no session, or a
// dead one; the last HttpTerminate ends the session, unless queues or server sessions are still open: then their last close does. A
// child of fork() starts from nothing. One for the process, never destroyed; any thread.
#pragma once
#include "lib/client_session.h"
#include "lib/process_guard.h"

namespace httpsys::lib {

class Library {
public:
  static Library &instance() { return s_instance; }

  // flags: HTTP_INITIALIZE_..., checked. NO_ERROR, or why there is no session (control_connection.h).
  uint32_t initialise(uint32_t flags, ErrorText &why);
  // False when one of the flags is not initialised; then nothing has changed.
  bool terminate(uint32_t flags);

  // For a call that needs HTTP_INITIALIZE_SERVER; null when the process is not initialised. May be dead.
  Ref<ClientSession> session();
  // For a call that closes something, which HttpTerminate does not prevent.
  Ref<ClientSession> session_of_open_objects();

  // False in a child of fork(), whichever way it was made: the parent's rings are not mapped in it.
  bool is_own_process() const { return m_guard.is_marked(); }

  // A queue or a server session of the session was opened or closed.
  void object_opened(ClientSession &session);
  void object_closed(ClientSession &session);

private:
  constexpr Library() = default;
  bool is_unused() const;
  void end_if_unused();
  void register_fork_handlers();
  void forget_parent();
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();

  ProcessGuard m_guard;
  std::mutex m_connect_mutex; // held while a session is made or ended; before m_mutex
  std::mutex m_mutex;         // guards the members below
  ClientSession *m_session = nullptr; // one reference
  uint32_t m_server_count = 0, m_config_count = 0;
  uint32_t m_open_objects = 0; // of m_session
  bool m_has_fork_handlers = false;
  static Library s_instance;
};

}
