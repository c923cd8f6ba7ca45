// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/control_closer.h"
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/errno_map.h"
#include "kernel/platform/platform.h"
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <ctime>
#include <deque>
#include <mutex>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace httpsys::platform {

// Interrupts what the thread does for a socket, again and again while it is set: a signal ends the waits that a close can be
// made to do, and the kernel goes on with such a file by itself. Without it (no timers left for this user) they last as long as
// the client wants.
class Interrupter {
public:
  Interrupter()
  {
    struct sigaction action{};
    action.sa_handler = [](int) {}; // no SA_RESTART
    sigaction(SIGRTMIN, &action, nullptr);
    sigset_t set;
    sigfillset(&set); // signals to the process are others' business
    sigdelset(&set, SIGRTMIN);
    pthread_sigmask(SIG_SETMASK, &set, nullptr);
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGRTMIN;
    event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
    m_exists = timer_create(CLOCK_MONOTONIC, &event, &m_timer) == 0;
    if (!m_exists)
      log("closing control sockets may take long: no timer ({})", std::strerror(errno));
  }
  ~Interrupter()
  {
    if (m_exists)
      timer_delete(m_timer);
  }
  void set(bool on)
  {
    const timespec period{0, on ? long{limits::kControlCloseMilliseconds} * 1'000'000 : 0};
    const itimerspec times{period, period};
    if (m_exists)
      timer_settime(m_timer, 0, &times, nullptr);
  }

private:
  timer_t m_timer{};
  bool m_exists = false;
};

struct ControlCloser::Shared {
  bool has_thread = false; // set before others know of it
  mutable std::mutex mutex; // of the following
  std::condition_variable changed;
  std::deque<Entry> entries; // the first is being closed
  bool stops = false;

  void run();
};

// Closing with messages unread would make the client's next receive fail with ECONNRESET before it sees ours.
static void drop_messages(int socket)
{
  // From now on a packet comes with its sender's credentials, which an empty one has too and the end has not.
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  for (uint32_t count = 0; count < limits::kControlMessagesUnread; count++) {
    alignas(cmsghdr) char credentials[CMSG_SPACE(sizeof(ucred))]; // no room for descriptors
    msghdr message{};
    message.msg_control = credentials;
    message.msg_controllen = sizeof credentials;
    if (recvmsg(socket, &message, MSG_DONTWAIT) < 0) {
      if (errno == EINTR || errno == ECONNRESET) // this one once, before what is unread
        continue;
      return;
    }
    if (message.msg_controllen == 0)
      return;
  }
}

void ControlCloser::Shared::run()
{
  name_thread("httpsys-closer");
  Interrupter interrupter;
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [this] { return stops || !entries.empty(); });
    if (stops)
      return;
    const Entry entry = entries.front();
    lock.unlock();
    interrupter.set(true);
    if (entry.has_messages)
      drop_messages(entry.descriptor);
    ::close(entry.descriptor);
    interrupter.set(false);
    lock.lock();
    entries.pop_front();
  }
}

ControlCloser::ControlCloser() : m_shared(std::make_shared<Shared>()) {}

ControlCloser::~ControlCloser()
{
  std::lock_guard lock(m_shared->mutex);
  m_shared->stops = true;
  m_shared->changed.notify_all();
}

Result<void> ControlCloser::start()
{
  if (m_shared->has_thread)
    return {};
  auto owned = std::make_unique<std::shared_ptr<Shared>>(m_shared);
  auto run = [](void *argument) -> void * {
    std::unique_ptr<std::shared_ptr<Shared>>(static_cast<std::shared_ptr<Shared> *>(argument))->get()->run();
    return nullptr;
  };
  pthread_t thread;
  if (int error = pthread_create(&thread, nullptr, run, owned.get()); error != 0)
    return status_from_errno(error);
  static_cast<void>(owned.release()); // the thread's
  pthread_detach(thread);
  m_shared->has_thread = true;
  return {};
}

void ControlCloser::add(Entry entry)
{
  VERIFY(m_shared->has_thread);
  std::lock_guard lock(m_shared->mutex);
  m_shared->entries.push_back(entry);
  m_shared->changed.notify_all();
}

size_t ControlCloser::waiting() const
{
  std::lock_guard lock(m_shared->mutex);
  return m_shared->entries.size();
}

}
