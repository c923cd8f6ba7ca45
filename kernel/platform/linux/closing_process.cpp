// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/closing_process.h"
#include "kernel/base/log.h"
#include "kernel/platform/linux/errno_map.h"
#include "kernel/platform/linux/seccomp.h"
#include "kernel/platform/platform.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include <unordered_map>

namespace httpsys::platform {

static_assert(std::atomic<uint32_t>::is_always_lock_free && std::atomic<uint64_t>::is_always_lock_free); // two processes use them

static constexpr uint32_t kNoLane = UINT32_MAX; // it is not counted
static constexpr uint32_t kKeepTries = 3;
static constexpr useconds_t kTryAgainMicroseconds = 1000;

struct ClosingProcess::Message {
  uint64_t number;
  uint32_t keeps; // with the descriptor; otherwise it is to be closed
  uint32_t lane;
  uint32_t has_messages;
};

namespace {

struct Answer {
  uint64_t number;
  uint32_t is_kept;
};

// The first thing that it says.
struct Ready {
  char without_filter[128]; // why its system calls are not limited; empty when they are
};

// errno when it fails.
template <typename Message> bool send_message(int socket, const Message &message, const int *descriptor)
{
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec vector{const_cast<Message *>(&message), sizeof message};
  msghdr packet{};
  packet.msg_iov = &vector;
  packet.msg_iovlen = 1;
  if (descriptor) {
    packet.msg_control = control;
    packet.msg_controllen = sizeof control;
    cmsghdr *head = CMSG_FIRSTHDR(&packet);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(head), descriptor, sizeof(int));
  }
  ssize_t sent;
  do
    sent = sendmsg(socket, &packet, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(sizeof message);
}

}

// The child's.
class Keeper {
public:
  Keeper(int socket, pid_t daemon, ClosingMemory &memory) : m_socket(socket), m_daemon(daemon), m_memory(memory) {}

  [[noreturn]] void run()
  {
    if (!leave_files() || pthread_mutex_lock(&m_memory.alive) != 0 || m_lanes.start(limits::kClosers, kCloserStack).is_error())
      _exit(1);
    name_thread("httpsys-closer");
    setsid(); // signals to the daemon's group are the daemon's
    if (!send_message(m_socket, limit_calls(), nullptr))
      _exit(1);
    ClosingProcess::Message message;
    int descriptor = -1;
    while (receive(message, descriptor)) {
      if (message.keeps)
        keep(message.number, descriptor);
      else
        end(message);
    }
    outlive_daemon();
  }

private:
  // The daemon's lock, its socket, what its starter waits for the end of: nothing of that may last as long as a close. Where messages go
  // there is no file of a client's later.
  bool leave_files()
  {
    m_socket = fcntl(m_socket, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int daemon = static_cast<int>(syscall(SYS_pidfd_open, m_daemon, 0));
    if (m_socket < 0 || daemon < 0)
      return false;
    for (int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
      if (dup2(daemon, standard) < 0)
        return false;
    const auto socket = static_cast<unsigned>(m_socket);
    if (socket > STDERR_FILENO + 1)
      syscall(SYS_close_range, STDERR_FILENO + 1, socket - 1, 0u);
    syscall(SYS_close_range, socket + 1, ~0u, 0u);
    return true;
  }

  // It works without, as the daemon does, which logs it.
  static Ready limit_calls()
  {
    Ready ready{};
#ifndef HTTPSYS_SANITIZED // such a daemon says for itself that it leaves this out
    std::string reason;
    if (limit_system_calls(reason).is_error())
      std::memcpy(ready.without_filter, reason.data(), std::min(reason.size(), sizeof ready.without_filter - 1));
#endif
    return ready;
  }

  // False at the end.
  bool receive(ClosingProcess::Message &message, int &descriptor) const
  {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec vector{&message, sizeof message};
    msghdr packet{};
    packet.msg_iov = &vector;
    packet.msg_iovlen = 1;
    packet.msg_control = control;
    packet.msg_controllen = sizeof control;
    ssize_t got;
    do
      got = recvmsg(m_socket, &packet, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
      _exit(1); // which the daemon sees
    descriptor = -1;
    if (const cmsghdr *head = CMSG_FIRSTHDR(&packet); head && head->cmsg_type == SCM_RIGHTS)
      std::memcpy(&descriptor, CMSG_DATA(head), sizeof descriptor);
    return got == static_cast<ssize_t>(sizeof message);
  }

  // There is no descriptor when this process has as many as it may have.
  void keep(uint64_t number, int descriptor)
  {
    if (descriptor >= 0)
      m_kept[number] = descriptor;
    send_message(m_socket, Answer{number, descriptor >= 0}, nullptr);
  }

  void end(const ClosingProcess::Message &message)
  {
    auto kept = m_kept.extract(message.number);
    LaneCount &count = message.lane == kNoLane ? m_uncounted : m_memory.lanes[message.lane].childs;
    if (kept)
      m_lanes.add({.descriptor = kept.mapped(), .lane = message.lane, .has_messages = message.has_messages != 0, .count = &count});
    else
      count.count.fetch_sub(1, std::memory_order_release);
  }

  // Its closes are not to be the last ones. Whoever makes ours wait keeps nobody waiting.
  [[noreturn]] void outlive_daemon() const
  {
    pollfd ended{STDERR_FILENO, POLLIN, 0};
    while (poll(&ended, 1, -1) < 0 && errno == EINTR)
      ;
    usleep((m_memory.ends_in_order ? limits::kClosingProcessStaysMilliseconds : limits::kClosingProcessStaysLongMilliseconds) * 1000);
    _exit(0);
  }

  int m_socket;
  pid_t m_daemon;
  ClosingMemory &m_memory;
  ClosingLanes m_lanes;
  LaneCount m_uncounted{};
  std::unordered_map<uint64_t, int> m_kept;
};

static bool make_mutex(pthread_mutex_t &mutex)
{
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  const bool is_made = pthread_mutex_init(&mutex, &attributes) == 0;
  pthread_mutexattr_destroy(&attributes);
  return is_made;
}

static void set_times_and_room(int socket)
{
  const int room = 4 << 20; // what the kernel makes of it
  setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  const timeval longest{limits::kClosingProcessSeconds, 0};
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
}

ClosingProcess::~ClosingProcess()
{
  if (m_socket >= 0)
    ::close(m_socket);
}

Result<void> ClosingProcess::start(ClosingMemory &memory, std::string &reason)
{
  int ends[2];
  if (!make_mutex(memory.alive) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    reason = std::strerror(errno);
    return status_from_errno(errno);
  }
  const pid_t daemon = getpid();
  const pid_t child = fork();
  if (child == 0)
    Keeper(ends[1], daemon, memory).run();
  const int error = errno;
  ::close(ends[1]);
  Ready ready;
  if (child > 0 && read(ends[0], &ready, sizeof ready) == sizeof ready) {
    if (ready.without_filter[0])
      log("sandbox: seccomp of httpsys-closer: off: {}", ready.without_filter);
    set_times_and_room(ends[0]);
    m_memory = &memory;
    m_socket = ends[0];
    m_is_gone = false;
    return {};
  }
  reason = child < 0 ? std::strerror(error) : "its threads cannot be started";
  ::close(ends[0]);
  return child < 0 ? status_from_errno(error) : NtStatus::InsufficientResources;
}

bool ClosingProcess::runs()
{
  if (m_is_gone)
    return false;
  if (pthread_mutex_trylock(&m_memory->alive) == EBUSY)
    return true;
  note_gone();
  return false;
}

void ClosingProcess::note_gone()
{
  if (!m_is_gone.exchange(true))
    log("the process that closes what clients share with this one is gone: from now on a client can hold up this process's end");
}

bool ClosingProcess::send(const Message &message, const int *descriptor, uint32_t tries)
{
  for (; tries > 0 && runs(); tries--) {
    if (send_message(m_socket, message, descriptor))
      return true;
    if (errno == EPIPE || errno == ECONNRESET || errno == ECONNREFUSED)
      note_gone();
    else
      usleep(kTryAgainMicroseconds); // it has not read for a second, or the kernel is short of something
  }
  return false;
}

// Whether it says that it keeps it.
bool ClosingProcess::answers(uint64_t number) const
{
  Answer answer{};
  ssize_t got;
  do
    got = read(m_socket, &answer, sizeof answer); // the daemon may not call recv()
  while ((got < 0 && errno == EINTR) || (got == sizeof answer && answer.number < number)); // too late for who has asked
  return got == sizeof answer && answer.is_kept;
}

std::optional<uint64_t> ClosingProcess::keep(int descriptor)
{
  std::lock_guard lock(m_exchange);
  const uint64_t number = ++m_last_number;
  if (!send({number, 1, kNoLane, 0}, &descriptor, kKeepTries))
    return std::nullopt;
  if (answers(number))
    return number;
  send({number, 0, kNoLane, 0}, nullptr, 1); // in case that it does after all
  return std::nullopt;
}

void ClosingProcess::close(uint64_t number, uint32_t lane, bool has_messages)
{
  m_memory->lanes[lane].childs.count.fetch_add(1, std::memory_order_relaxed);
  send({number, 0, lane, has_messages}, nullptr, UINT32_MAX);
}

void ClosingProcess::say_goodbye()
{
  if (!m_memory)
    return;
  m_memory->ends_in_order = true;
  m_is_gone = true;
  shutdown(m_socket, SHUT_RDWR);
}

}
