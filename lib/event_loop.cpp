// SPDX-License-Identifier: MIT
#include "lib/event_loop.h"
#include "lib/include/winerror.h"
#include "lib/reaper.h"
#include <cerrno>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace httpsys::lib {

namespace {

// What a thread takes in by httpsys_dispatch() itself needs no further word.
thread_local bool t_is_dispatching;

bool watch(int epoll, int descriptor)
{
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.fd = descriptor;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &interest) == 0 || errno == EEXIST;
}

}

constinit EventLoop EventLoop::s_instance;

int EventLoop::descriptor()
{
  std::lock_guard lock(m_mutex);
  if (!watch_source())
    return -1;
  if (m_epoll >= 0)
    return m_epoll;
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int epoll = event < 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0 || !watch(epoll, event) || !watch(epoll, m_bell)) {
    if (epoll >= 0)
      close(epoll);
    if (event >= 0)
      close(event);
    return -1;
  }
  m_event.store(event, std::memory_order_release);
  m_epoll = epoll;
  return epoll;
}

// m_mutex is held over the look at the source too: of two threads that see two sources, the one with the newer has the last word.
// False when there is no bell, or it cannot be watched.
bool EventLoop::watch_source()
{
  Ref<CompletionSource> source = Reaper::instance().source();
  int bell = source ? source->bell() : -1;
  if (m_epoll >= 0 && m_bell >= 0 && m_bell != bell)
    epoll_ctl(m_epoll, EPOLL_CTL_DEL, m_bell, nullptr);
  m_bell = bell;
  return bell >= 0 && (m_epoll < 0 || watch(m_epoll, bell));
}

void EventLoop::source_changed()
{
  std::lock_guard lock(m_mutex);
  watch_source();
}

void EventLoop::note_completions()
{
  int event = m_event.load(std::memory_order_acquire);
  if (event < 0 || t_is_dispatching || m_is_noted.exchange(true, std::memory_order_acq_rel))
    return;
  uint64_t one = 1;
  if (write(event, &one, sizeof one) < 0)
    m_is_noted.store(false, std::memory_order_release);
}

uint32_t EventLoop::dispatch()
{
  int event = m_event.load(std::memory_order_acquire);
  uint64_t count;
  if (event >= 0 && read(event, &count, sizeof count) < 0)
    count = 0;
  m_is_noted.store(false, std::memory_order_release);
  t_is_dispatching = true;
  uint32_t code = Reaper::instance().dispatch();
  t_is_dispatching = false;
  if (code != NO_ERROR)
    source_changed(); // told once: a dead session's bell is readable for ever
  return code;
}

void EventLoop::after_fork(bool is_child)
{
  if (is_child) {
    int event = m_event.exchange(-1, std::memory_order_relaxed);
    if (event >= 0)
      close(event);
    if (m_epoll >= 0)
      close(m_epoll);
    m_epoll = m_bell = -1;
  }
  m_mutex.unlock();
}

}
