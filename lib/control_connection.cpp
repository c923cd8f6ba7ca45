// SPDX-License-Identifier: MIT
#include "lib/control_connection.h"
#include "uapi/status.h"
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace httpsys::lib {

namespace {

constexpr const char *kDefaultPath = "/run/httpsys/httpsys.sock";

constexpr uint32_t kNoError = 0, kTooManyOpenFiles = 4, kAccessDenied = 5, kNotEnoughMemory = 8, kInvalidParameter = 87,
                   kServiceNotActive = 1062, kRevisionMismatch = 1306;
constexpr uint32_t kRefusedAccess = static_cast<uint32_t>(HSYS_STATUS_ACCESS_DENIED),
                   kRefusedDescriptors = static_cast<uint32_t>(HSYS_STATUS_TOO_MANY_OPENED_FILES),
                   kRefusedRevision = static_cast<uint32_t>(HSYS_STATUS_REVISION_MISMATCH);

int64_t now_milliseconds()
{
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

// What stands in the way of connect(), in words.
const char *explain(int error)
{
  switch (error) {
  case ENOENT:
    return "no such file";
  case ECONNREFUSED:
    return "nobody listens on it";
  case ENOTSOCK:
    return "not a socket";
  case EPROTOTYPE:
    return "a socket of another type";
  case EAGAIN:
    return "its backlog is full";
  default:
    return strerror(error);
  }
}

}

const char *ControlConnection::socket_path()
{
  const char *path = secure_getenv("HTTPSYS_SOCKET"); // who starts a program with more rights does not choose its daemon
  return path && *path ? path : kDefaultPath;
}

uint32_t ControlConnection::open(const char *path, ErrorText &why)
{
  uint32_t code = connect_to(path, why);
  if (code == kNoError)
    code = check_server(path, why);
  if (code == kNoError)
    code = say_hello(why);
  if (code != kNoError)
    close();
  return code;
}

uint32_t ControlConnection::connect_to(const char *path, ErrorText &why)
{
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  size_t length = strlen(path);
  if (length >= sizeof address.sun_path) {
    why.format("the socket path \"%s\" has %zu bytes; a socket's path may have %zu. Set HTTPSYS_SOCKET to a shorter one.", path, length,
      sizeof address.sun_path - 1);
    return kInvalidParameter;
  }
  memcpy(address.sun_path, path, length);
  m_socket = Descriptor(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!m_socket) {
    why.format("cannot make a socket to reach httpsysd: %s.", strerror(errno));
    return kServiceNotActive;
  }
  int64_t deadline = now_milliseconds() + kConnectMilliseconds;
  while (connect(m_socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0) {
    int error = errno;
    if (error == EINTR || (error == EAGAIN && now_milliseconds() < deadline)) {
      timespec pause{0, 10'000'000}; // a unix socket with a full backlog cannot be polled
      nanosleep(&pause, nullptr);
      continue;
    }
    if (error == EACCES || error == EPERM) {
      why.format("uid %u may not connect to httpsysd at %s: the socket is for its group. Add the user to the group that owns it "
                 "(ls -l %s).", getuid(), path, path);
      return kAccessDenied;
    }
    why.format("cannot reach httpsysd at %s: %s. Is httpsysd.service running? HTTPSYS_SOCKET overrides the path.", path, explain(error));
    return kServiceNotActive;
  }
  return kNoError;
}

// Whoever can make a file at the path could play the daemon: believe uid 0 and the one who owns the socket.
uint32_t ControlConnection::check_server(const char *path, ErrorText &why)
{
  ucred peer{};
  socklen_t size = sizeof peer;
  struct stat status;
  if (getsockopt(m_socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || stat(path, &status) != 0) {
    why.format("cannot tell who serves %s: %s.", path, strerror(errno));
    return kServiceNotActive;
  }
  if (peer.uid != 0 && peer.uid != status.st_uid) {
    why.format("the program behind %s runs as uid %u, but the socket belongs to uid %u: it is not trusted to be httpsysd.", path,
      peer.uid, status.st_uid);
    return kAccessDenied;
  }
  return kNoError;
}

uint32_t ControlConnection::say_hello(ErrorText &why)
{
  hsys_control_hello hello{};
  hello.head.type = HSYS_CONTROL_HELLO;
  hello.abi_major = HSYS_ABI_MAJOR;
  hello.minor_max = HSYS_ABI_MINOR;
  hello.want = HSYS_FEATURES;
  strncpy(hello.program, program_invocation_short_name, sizeof hello.program - 1);
  uint32_t bytes = 0;
  switch (ask(&hello, sizeof hello, &m_welcome, sizeof m_welcome, bytes, nullptr, 0, kAnswerMilliseconds)) {
  case Answer::Came:
    break;
  case Answer::TooLate:
    why.format("httpsysd at %s accepted the connection but did not answer within %d ms. Is it stopped, or another program?", socket_path(),
      kAnswerMilliseconds);
    return kServiceNotActive;
  case Answer::ConnectionEnded:
    why.format("httpsysd at %s closed the connection without an answer: it is ending, or serves as many processes as it allows; "
               "its log says which.", socket_path());
    return kServiceNotActive;
  case Answer::NoDescriptors: // it has to send none
  case Answer::Malformed:
    why.format("the answer from %s is not httpsysd's.", socket_path());
    return kRevisionMismatch;
  }
  if (bytes >= sizeof(hsys_control) && m_welcome.head.status == kRefusedRevision) {
    why.format("libhttpapi speaks ring %u.%u, httpsysd %u.%u: update the older of the two.", HSYS_ABI_MAJOR, HSYS_ABI_MINOR,
      bytes == sizeof m_welcome ? m_welcome.abi_major : 0, bytes == sizeof m_welcome ? m_welcome.abi_minor : 0);
    return kRevisionMismatch;
  }
  if (bytes >= sizeof(hsys_control) && m_welcome.head.status != HSYS_STATUS_SUCCESS) {
    bool is_denied = m_welcome.head.status == kRefusedAccess;
    why.format("httpsysd at %s refused this process (status 0x%08x).", socket_path(), m_welcome.head.status);
    return is_denied ? kAccessDenied : kServiceNotActive;
  }
  if (bytes != sizeof m_welcome || m_welcome.head.type != HSYS_CONTROL_WELCOME || m_welcome.abi_major != HSYS_ABI_MAJOR) {
    why.format("the answer from %s is not httpsysd's.", socket_path());
    return kRevisionMismatch;
  }
  return kNoError;
}

uint32_t ControlConnection::open_channel(ChannelMemory &memory, ErrorText &why)
{
  hsys_control_channel_open request{};
  request.head.type = HSYS_CONTROL_CHANNEL_OPEN;
  hsys_control_channel_opened opened{};
  Descriptor descriptors[4];
  uint32_t bytes = 0;
  switch (ask(&request, sizeof request, &opened, sizeof opened, bytes, descriptors, 4, kChannelMilliseconds)) {
  case Answer::Came:
    break;
  case Answer::TooLate:
    why.format("httpsysd did not give this process a channel within %d ms: it is overloaded.", kChannelMilliseconds);
    return kServiceNotActive;
  case Answer::ConnectionEnded:
    why.assign("httpsysd did not give this process a channel: it ended.");
    return kServiceNotActive;
  case Answer::NoDescriptors:
    why.assign("this process has no room for the descriptors of a channel: it has as many open as it may have (ulimit -n).");
    return kServiceNotActive;
  case Answer::Malformed:
    why.assign("the channel that httpsysd sent is not what the ring ABI says: update libhttpapi or httpsysd.");
    return kRevisionMismatch;
  }
  if (bytes >= sizeof(hsys_control) && opened.head.status == kRefusedDescriptors) {
    why.assign("httpsysd has no descriptors left for a channel (its RLIMIT_NOFILE).");
    return kTooManyOpenFiles;
  }
  if (bytes >= sizeof(hsys_control) && opened.head.status != HSYS_STATUS_SUCCESS) {
    why.format("httpsysd refused this process a channel (status 0x%08x): memory is short, or this user or process has as much of it as "
               "[clients] in httpsys.toml allows; the log of httpsysd says which.", opened.head.status);
    return opened.head.status == kRefusedAccess ? kAccessDenied : kNotEnoughMemory;
  }
  if (bytes != sizeof opened || opened.head.type != HSYS_CONTROL_CHANNEL_OPENED || !descriptors[3]) {
    why.assign("the channel that httpsysd sent is not what the ring ABI says: update libhttpapi or httpsysd.");
    return kRevisionMismatch;
  }
  return memory.map(descriptors, m_welcome, opened, why) ? kNoError : kServiceNotActive;
}

void ControlConnection::shut_down()
{
  shutdown(m_socket.get(), SHUT_RDWR);
}

bool ControlConnection::send_message(void *message, uint32_t bytes)
{
  hsys_control *head = static_cast<hsys_control *>(message);
  head->magic = HSYS_CONTROL_MAGIC;
  head->size = bytes;
  head->sequence = ++m_sequence;
  return send(m_socket.get(), message, bytes, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes);
}

ControlConnection::Answer ControlConnection::ask(void *request, uint32_t request_bytes, void *message, uint32_t capacity,
  uint32_t &bytes, Descriptor *descriptors, uint32_t wanted, int milliseconds)
{
  if (!send_message(request, request_bytes))
    return Answer::ConnectionEnded;
  return receive_message(message, capacity, bytes, descriptors, wanted, milliseconds);
}

ControlConnection::Answer ControlConnection::receive_message(void *message, uint32_t capacity, uint32_t &bytes, Descriptor *descriptors,
  uint32_t wanted, int milliseconds)
{
  int64_t deadline = now_milliseconds() + milliseconds;
  for (;;) {
    pollfd entry{m_socket.get(), POLLIN, 0};
    int64_t left = deadline - now_milliseconds();
    if (left <= 0)
      return Answer::TooLate;
    if (poll(&entry, 1, static_cast<int>(left)) <= 0)
      continue;
    alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))];
    iovec data{message, capacity};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t count = recvmsg(m_socket.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
      continue;
    if (count <= 0)
      return Answer::ConnectionEnded;
    uint32_t found = 0;
    for (cmsghdr *part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
        continue;
      for (size_t i = 0; i < (part->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
        int number;
        memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof number);
        Descriptor received(number); // more than were asked for are closed again
        if (found < wanted)
          descriptors[found++] = std::move(received);
      }
    }
    const hsys_control *head = static_cast<const hsys_control *>(message);
    bool is_answer = static_cast<size_t>(count) >= sizeof *head && head->magic == HSYS_CONTROL_MAGIC &&
      head->size == static_cast<uint32_t>(count) && !(header.msg_flags & MSG_TRUNC);
    if (is_answer && head->sequence != m_sequence)
      continue; // GOODBYE, for example
    bytes = static_cast<uint32_t>(count);
    if (is_answer && (header.msg_flags & MSG_CTRUNC))
      return found < wanted ? Answer::NoDescriptors : Answer::Malformed;
    return is_answer ? Answer::Came : Answer::Malformed;
  }
}

}
