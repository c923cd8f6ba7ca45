// SPDX-License-Identifier: MIT
// RequestQueue: a HANDLE to a request queue: the daemon's handle and the session that it belongs to. Lives while the handle is open or
// an operation on it is in flight.
#pragma once
#include "lib/body_ends.h"
#include "lib/client_session.h"
#include "lib/overlapped.h"

namespace httpsys::lib {

class RequestQueue final : public QueueObject {
public:
  // server_session, url_group: those of a version 1 queue, which end with it; 0 for a version 2 queue. Null without memory.
  static Ref<RequestQueue> create(Ref<ClientSession> session, uint64_t daemon_handle, uint64_t server_session, uint64_t url_group);

  ClientSession &session() { return *m_session; }
  uint64_t daemon_handle() const { return m_daemon_handle; }
  bool is_version_1() const { return m_url_group != 0; }
  uint64_t url_group() const { return m_url_group; }
  BodyEnds &body_ends() { return m_body_ends; }
  // Then requests that come are shown to nobody: the daemon gives those that it has not seen received to other workers.
  bool is_closing() const { return m_is_closing.load(std::memory_order_seq_cst); }

  // Ends what the daemon has of a queue.
  static void close_at_daemon(ClientSession &session, uint64_t daemon_handle, uint64_t server_session);

  // ^HandleObject
  void close() override;

private:
  // The reaper may have another session by now, or none.
  void settle_cancelled() override { m_session->reap(false); }
  RequestQueue(Ref<ClientSession> session, uint64_t daemon_handle, uint64_t server_session, uint64_t url_group) :
    m_session(std::move(session)), m_daemon_handle(daemon_handle), m_server_session(server_session), m_url_group(url_group)
  {
  }
  ~RequestQueue() override = default;

  Ref<ClientSession> m_session;
  const uint64_t m_daemon_handle, m_server_session, m_url_group;
  BodyEnds m_body_ends;
  std::atomic<bool> m_is_closing{false};
};

}
