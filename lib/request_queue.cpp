// SPDX-License-Identifier: MIT
#include "lib/request_queue.h"
#include "lib/library.h"
#include "lib/sync_operation.h"
#include <new>

namespace httpsys::lib {

Ref<RequestQueue> RequestQueue::create(Ref<ClientSession> session, uint64_t daemon_handle, uint64_t server_session, uint64_t url_group)
{
  return Ref<RequestQueue>::adopt(new (std::nothrow) RequestQueue(std::move(session), daemon_handle, server_session, url_group));
}

// What the daemon knows ends by CLOSE_HANDLE; what has not reached it has to be cancelled here.
void RequestQueue::close()
{
  if (!Library::instance().is_own_process())
    return;
  m_is_closing.store(true, std::memory_order_seq_cst);
  cancel(nullptr, Whose::AllThreads);
  close_at_daemon(*m_session, m_daemon_handle, m_server_session);
  Library::instance().object_closed(*m_session);
}

void RequestQueue::close_at_daemon(ClientSession &session, uint64_t daemon_handle, uint64_t server_session)
{
  if (server_session) {
    SyncOperation end_session(HSYS_OP_CLOSE_SERVER_SESSION, 0, server_session);
    end_session.run(session);
  }
  SyncOperation close_handle(HSYS_OP_CLOSE_HANDLE, daemon_handle, 0);
  close_handle.run(session);
}

}
