// SPDX-License-Identifier: MIT
#include "lib/client_session.h"
#include "lib/event_loop.h"
#include "lib/include/winerror.h"
#include "lib/library.h"
#include <new>

namespace httpsys::lib {

Ref<ClientSession> ClientSession::connect(uint32_t &code, ErrorText &why)
{
  Ref<ClientSession> session = Ref<ClientSession>::adopt(new (std::nothrow) ClientSession);
  if (!session) {
    code = ERROR_NOT_ENOUGH_MEMORY;
    why.assign("no memory for a session with httpsysd.");
    return {};
  }
  code = session->m_control.open(ControlConnection::socket_path(), why);
  if (code == NO_ERROR)
    code = session->m_control.open_channel(session->m_memory, why);
  if (code == NO_ERROR && !session->m_channel.initialise()) {
    code = ERROR_NOT_ENOUGH_MEMORY;
    why.assign("no memory for the bookkeeping of a channel to httpsysd.");
  }
  return code == NO_ERROR ? session : Ref<ClientSession>();
}

bool ClientSession::reap(bool rang)
{
  if (!Library::instance().is_own_process())
    return false;
  bool was_dead = is_dead();
  bool has_reaped = m_channel.reap(rang, false);
  run_deferred();
  if (has_reaped || was_dead != is_dead())
    EventLoop::instance().note_completions();
  return has_reaped;
}

bool ClientSession::arm()
{
  return !Library::instance().is_own_process() || m_channel.arm();
}

uint32_t ClientSession::error()
{
  return is_dead() ? ERROR_SERVICE_NOT_ACTIVE : NO_ERROR;
}

bool ClientSession::defer(DeferredWork &work)
{
  std::lock_guard lock(m_deferred_mutex);
  if (work.m_is_deferred)
    return false;
  work.m_is_deferred = true;
  work.m_next = nullptr;
  (m_last_deferred ? m_last_deferred->m_next : m_first_deferred) = &work;
  m_last_deferred = &work;
  return true;
}

void ClientSession::run_deferred()
{
  for (;;) {
    DeferredWork *work;
    {
      std::lock_guard lock(m_deferred_mutex);
      work = m_first_deferred;
      if (!work)
        return;
      m_first_deferred = work->m_next;
      if (!m_first_deferred)
        m_last_deferred = nullptr;
      work->m_is_deferred = false;
    }
    work->run_deferred();
  }
}

void ClientSession::end(std::string_view reason)
{
  m_channel.fail(reason);
  m_control.shut_down();
}

void ClientSession::abandon_in_child()
{
  m_control.close();
  m_memory.close_doorbells();
}

}
