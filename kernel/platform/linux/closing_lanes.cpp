// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/closing_lanes.h"
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/errno_map.h"
#include "kernel/platform/linux/linux_system.h"
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <ctime>
#include <deque>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unordered_map>

namespace httpsys::platform {

// Interrupts what the thread does for a descriptor, again and again while it is set: a signal ends some of the waits that a close can be
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

static thread_local Interrupter *s_interrupter = nullptr; // of a thread that closes

struct ClosingLanes::Shared {
  struct Lane {
    std::deque<Closing> closings;
    bool is_busy = false; // a thread closes one that is no longer among them
  };
  size_t threads = 0; // set before others know of them, as is the next
  std::function<void(const Closing &)> close;
  std::mutex mutex; // of the following
  std::condition_variable changed;
  std::unordered_map<uint32_t, Lane> lanes; // while there is something to do
  std::deque<uint32_t> ready;               // those that wait for a thread
  bool stops = false;

  void run();
  void finish(uint32_t number);
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

void close_here(const Closing &closing)
{
  const Milliseconds began = monotonic_milliseconds();
  closing.count->since.store(began, std::memory_order_relaxed);
  s_interrupter->set(true);
  if (closing.has_messages)
    drop_messages(closing.descriptor);
  ::close(closing.descriptor);
  s_interrupter->set(false);
  closing.count->spent.fetch_add(monotonic_milliseconds() - began, std::memory_order_relaxed);
  closing.count->since.store(0, std::memory_order_relaxed);
}

void ClosingLanes::Shared::run()
{
  name_thread("httpsys-closer");
  Interrupter interrupter;
  s_interrupter = &interrupter;
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [this] { return stops || !ready.empty(); });
    if (stops)
      return;
    Lane &lane = lanes[ready.front()];
    ready.pop_front();
    lane.is_busy = true;
    const Closing closing = lane.closings.front();
    lane.closings.pop_front();
    lock.unlock();
    close(closing);
    if (closing.count->count.fetch_sub(1, std::memory_order_release) == 1)
      closing.count->spent.store(0, std::memory_order_relaxed);
    lock.lock();
    finish(closing.lane);
  }
}

// Behind all others, so that these have their turn.
void ClosingLanes::Shared::finish(uint32_t number)
{
  auto lane = lanes.find(number);
  lane->second.is_busy = false;
  if (lane->second.closings.empty())
    lanes.erase(lane);
  else
    ready.push_back(number);
}

ClosingLanes::ClosingLanes() : m_shared(std::make_shared<Shared>()) {}

ClosingLanes::~ClosingLanes()
{
  std::lock_guard lock(m_shared->mutex);
  m_shared->stops = true;
  m_shared->changed.notify_all();
}

static int start_thread(size_t stack_bytes, void *(*run)(void *), void *argument)
{
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  int error = pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_t thread;
  if (error == 0)
    error = pthread_create(&thread, &attributes, run, argument);
  pthread_attr_destroy(&attributes);
  return error;
}

Result<void> ClosingLanes::start(size_t threads, size_t stack_bytes, std::function<void(const Closing &)> close)
{
  auto run = [](void *argument) -> void * {
    std::unique_ptr<std::shared_ptr<Shared>>(static_cast<std::shared_ptr<Shared> *>(argument))->get()->run();
    return nullptr;
  };
  if (m_shared->threads == 0)
    m_shared->close = std::move(close);
  for (; m_shared->threads < threads; m_shared->threads++) {
    auto owned = std::make_unique<std::shared_ptr<Shared>>(m_shared);
    if (int error = start_thread(stack_bytes, run, owned.get()); error != 0)
      return status_from_errno(error);
    static_cast<void>(owned.release()); // the thread's
  }
  return {};
}

void ClosingLanes::add(const Closing &closing)
{
  VERIFY(m_shared->threads > 0);
  std::lock_guard lock(m_shared->mutex);
  auto &lane = m_shared->lanes[closing.lane];
  lane.closings.push_back(closing);
  if (lane.is_busy || lane.closings.size() > 1)
    return;
  m_shared->ready.push_back(closing.lane);
  m_shared->changed.notify_one();
}

}
