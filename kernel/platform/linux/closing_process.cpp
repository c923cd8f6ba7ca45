// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/closing_process.h"
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/closing_lanes.h"
#include "kernel/platform/linux/errno_map.h"
#include "kernel/platform/linux/seccomp.h"
#include "kernel/platform/platform.h"
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include <unordered_map>

namespace httpsys::platform {

namespace {

struct Message {
  uint64_t number;
  uint32_t keeps; // with the descriptor; otherwise it is to be closed
  uint32_t uid;
  uint32_t has_messages;
  uint32_t slot;
};

bool send_message(int socket, const Message &message, const int *descriptor)
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

// The child's.
class Keeper {
public:
  Keeper(int socket, pid_t daemon, std::atomic<uint32_t> *slots) : m_socket(socket), m_daemon(daemon), m_slots(slots) {}

  [[noreturn]] void run()
  {
    // The daemon's lock, its socket, what its starter waits for the end of: nothing of that may last as long as a close.
    const auto socket = static_cast<unsigned>(m_socket);
    if (socket > 0)
      syscall(SYS_close_range, 0u, socket - 1, 0u);
    syscall(SYS_close_range, socket + 1, ~0u, 0u);
    name_thread("httpsys-closer");
    setsid(); // signals to the daemon's group are the daemon's
    const int daemon = static_cast<int>(syscall(SYS_pidfd_open, m_daemon, 0));
    ClosingLanes lanes;
    if (lanes.start(limits::kClosers).is_error())
      _exit(1);
#ifndef HTTPSYS_SANITIZED
    std::string reason;
    (void)limit_system_calls(reason); // where there is none the daemon says so for itself
#endif
    if (write(m_socket, "", 1) != 1)
      _exit(1);
    Message message;
    int descriptor = -1;
    while (receive(message, descriptor)) {
      if (message.keeps)
        m_kept[message.number] = descriptor;
      else
        end(lanes, message);
    }
    // The daemon ends. Not before it: its closes are not to be the last ones. Whoever makes ours wait keeps nobody waiting.
    pollfd ended{daemon, POLLIN, 0};
    while (daemon >= 0 && poll(&ended, 1, -1) < 0 && errno == EINTR)
      ;
    usleep(limits::kClosingProcessStaysMilliseconds * 1000);
    _exit(0);
  }

private:
  // False at the end.
  bool receive(Message &message, int &descriptor) const
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
    descriptor = -1;
    if (const cmsghdr *head = CMSG_FIRSTHDR(&packet); head && head->cmsg_type == SCM_RIGHTS)
      std::memcpy(&descriptor, CMSG_DATA(head), sizeof descriptor);
    return got == static_cast<ssize_t>(sizeof message);
  }

  void end(ClosingLanes &lanes, const Message &message)
  {
    std::atomic<uint32_t> *is_open = message.slot == ClosingProcess::kNoSlot ? nullptr : m_slots + message.slot;
    auto kept = m_kept.extract(message.number);
    if (kept && kept.mapped() >= 0)
      lanes.add({kept.mapped(), message.uid, message.has_messages != 0, is_open});
    else if (is_open)
      is_open->store(0, std::memory_order_release);
  }

  int m_socket;
  pid_t m_daemon;
  std::atomic<uint32_t> *m_slots;
  std::unordered_map<uint64_t, int> m_kept;
};

}

ClosingProcess::~ClosingProcess()
{
  if (m_socket >= 0)
    ::close(m_socket);
}

Result<void> ClosingProcess::start(std::atomic<uint32_t> *slots, std::string &reason)
{
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    reason = std::strerror(errno);
    return status_from_errno(errno);
  }
  const int room = 4 << 20; // what the kernel makes of it
  setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  const timeval longest{limits::kClosingProcessSeconds, 0};
  setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
  const pid_t daemon = getpid();
  const pid_t child = fork();
  if (child == 0)
    Keeper(ends[1], daemon, slots).run();
  const int error = errno;
  ::close(ends[1]);
  char ready;
  if (child > 0 && read(ends[0], &ready, 1) == 1) {
    m_socket = ends[0];
    return {};
  }
  reason = child < 0 ? std::strerror(error) : "its threads cannot be started";
  ::close(ends[0]);
  return child < 0 ? status_from_errno(error) : NtStatus::InsufficientResources;
}

bool ClosingProcess::keep(uint64_t number, int descriptor)
{
  if (m_socket < 0)
    return false;
  if (send_message(m_socket, {number, 1, 0, 0, kNoSlot}, &descriptor))
    return true;
  if (errno == ETOOMANYREFS)
    return false;
  log("the process that closes what clients share with this one is gone ({}): from now on a client can hold up this process's end",
      std::strerror(errno));
  ::close(std::exchange(m_socket, -1));
  return false;
}

bool ClosingProcess::close(uint64_t number, uint32_t uid, bool has_messages, uint32_t slot)
{
  return m_socket >= 0 && send_message(m_socket, {number, 0, uid, has_messages, slot}, nullptr);
}

}
