// SPDX-License-Identifier: MIT
#include "lib/library.h"
#include "lib/event_loop.h"
#include "lib/include/http.h"
#include "lib/reaper.h"
#include <pthread.h>

namespace httpsys::lib {

constinit Library Library::s_instance;

uint32_t Library::initialise(uint32_t flags, ErrorText &why)
{
  std::lock_guard connecting(m_connect_mutex);
  if (!m_guard.is_marked()) {
    forget_parent();
    if (!m_guard.mark()) {
      why.assign("no memory for a page that tells a child of fork() from its parent.");
      return ERROR_NOT_ENOUGH_MEMORY;
    }
  }
  Ref<ClientSession> session = session_of_open_objects();
  if (session)
    session->channel().look();
  if (!session || session->is_dead()) {
    uint32_t code = NO_ERROR;
    session = ClientSession::connect(code, why);
    if (!session)
      return code;
    Reaper::instance().set_source(Ref<CompletionSource>(session.get()));
    EventLoop::instance().source_changed();
    register_fork_handlers();
  }
  std::lock_guard lock(m_mutex);
  if (session.get() != m_session) {
    session->ref();
    if (ClientSession *old = std::exchange(m_session, session.get()))
      old->unref(); // dead: nothing of it is outstanding
    m_open_objects = 0;
  }
  m_server_count += (flags & HTTP_INITIALIZE_SERVER) != 0;
  m_config_count += (flags & HTTP_INITIALIZE_CONFIG) != 0;
  return NO_ERROR;
}

bool Library::terminate(uint32_t flags)
{
  {
    std::lock_guard lock(m_mutex);
    bool has_server = !(flags & HTTP_INITIALIZE_SERVER) || m_server_count, has_config = !(flags & HTTP_INITIALIZE_CONFIG) || m_config_count;
    if (!m_guard.is_marked() || !has_server || !has_config)
      return false;
    m_server_count -= (flags & HTTP_INITIALIZE_SERVER) != 0;
    m_config_count -= (flags & HTTP_INITIALIZE_CONFIG) != 0;
  }
  end_if_unused();
  return true;
}

// m_mutex is held.
bool Library::is_unused() const
{
  return m_session && !m_server_count && !m_config_count && (!m_open_objects || m_session->is_dead());
}

// What other threads wait for at this moment will not come any more. Nobody connects meanwhile, and so the source that the reaper
// loses is the session's own.
void Library::end_if_unused()
{
  std::lock_guard connecting(m_connect_mutex);
  Ref<ClientSession> session;
  {
    std::lock_guard lock(m_mutex);
    if (!is_unused())
      return;
    m_open_objects = 0;
    session = Ref<ClientSession>::adopt(std::exchange(m_session, nullptr));
  }
  session->end("HttpTerminate ended the session with httpsysd.");
  Reaper::instance().set_source({});
  EventLoop::instance().source_changed();
}

Ref<ClientSession> Library::session()
{
  if (!m_guard.is_marked())
    return {};
  std::lock_guard lock(m_mutex);
  return Ref<ClientSession>(m_server_count ? m_session : nullptr);
}

Ref<ClientSession> Library::session_of_open_objects()
{
  if (!m_guard.is_marked())
    return {};
  std::lock_guard lock(m_mutex);
  return Ref<ClientSession>(m_session);
}

void Library::object_opened(ClientSession &session)
{
  std::lock_guard lock(m_mutex);
  if (&session == m_session)
    m_open_objects++;
}

void Library::object_closed(ClientSession &session)
{
  {
    std::lock_guard lock(m_mutex);
    if (&session != m_session)
      return;
    m_open_objects -= m_open_objects != 0;
    if (!is_unused())
      return;
  }
  end_if_unused();
}

// After the reaper's, which set_source() registers: the last ones registered run first before a fork, and our locks come before its.
void Library::register_fork_handlers()
{
  if (!m_has_fork_handlers)
    m_has_fork_handlers = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
}

// What the parent had is not ours: its mappings are not here, and its descriptors are copies that would keep its session alive.
void Library::forget_parent()
{
  std::lock_guard lock(m_mutex);
  if (ClientSession *parents = std::exchange(m_session, nullptr))
    parents->abandon_in_child();
  m_server_count = m_config_count = m_open_objects = 0;
}

void Library::before_fork()
{
  s_instance.m_connect_mutex.lock();
  s_instance.m_mutex.lock();
  EventLoop::instance().before_fork();
}

void Library::after_fork_in_parent()
{
  EventLoop::instance().after_fork(false);
  s_instance.m_mutex.unlock();
  s_instance.m_connect_mutex.unlock();
}

void Library::after_fork_in_child()
{
  EventLoop::instance().after_fork(true);
  s_instance.m_mutex.unlock();
  s_instance.forget_parent();
  s_instance.m_connect_mutex.unlock();
}

}
