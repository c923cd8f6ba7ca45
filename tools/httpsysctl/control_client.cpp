// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/httpsysctl/control_client.h"
#include "kernel/base/text.h"
#include "uapi/control.h"
#include "uapi/status.h"
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace httpsys::ctl {

namespace {

using Clock = std::chrono::steady_clock;

// Why connect() failed, in words.
std::string explain(int error)
{
  switch (error) {
  case ENOENT: return "there is no such file";
  case ECONNREFUSED: return "nobody listens on it";
  case EPROTOTYPE: return "it is a socket of another kind";
  case EAGAIN: return "too many others wait to be connected";
  default: return strerrordesc_np(error);
  }
}

}

ControlClient::~ControlClient()
{
  if (m_socket >= 0)
    ::close(m_socket);
}

bool ControlClient::open(const std::string &path, Failure &failure)
{
  m_path = path;
  return connect(path, failure) && check_server(path, failure) && say_hello(failure);
}

bool ControlClient::connect(const std::string &path, Failure &failure)
{
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    failure = {kExitRefused, fmt::format("the socket path {} is too long", quoted(path))};
    return false;
  }
  memcpy(address.sun_path, path.data(), path.size());
  m_socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(m_hello_milliseconds);
  while (m_socket >= 0 && ::connect(m_socket, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0) {
    int error = errno;
    // A socket with a full backlog cannot be polled.
    if (error == EINTR || (error == EAGAIN && Clock::now() < deadline)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      continue;
    }
    if (error == EACCES || error == EPERM)
      failure = {kExitNotPermitted,
                 fmt::format("uid {} may not connect to httpsysd at {}: run httpsysctl as root or as httpsysd's user",
                             getuid(), quoted(path))};
    else
      failure = {
          kExitNoDaemon,
          fmt::format(
              "cannot reach httpsysd at {}: {} (is httpsysd running? --socket or HTTPSYS_SOCKET name another path)",
              quoted(path), explain(error))};
    return false;
  }
  if (m_socket < 0)
    failure = {kExitNoDaemon, fmt::format("cannot make a socket: {}", strerrordesc_np(errno))};
  return m_socket >= 0;
}

// Whoever can make a file at the path could play the daemon and take a key: believe uid 0 and the owner of the socket.
bool ControlClient::check_server(const std::string &path, Failure &failure)
{
  ucred peer{};
  socklen_t size = sizeof peer;
  struct stat status;
  if (getsockopt(m_socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || stat(path.c_str(), &status) != 0) {
    failure = {kExitNoDaemon, fmt::format("cannot tell who serves {}: {}", quoted(path), strerrordesc_np(errno))};
    return false;
  }
  if (peer.uid != 0 && peer.uid != status.st_uid) {
    failure = {
        kExitNotPermitted,
        fmt::format(
            "the program behind {} runs as uid {}, but the socket belongs to uid {}: it is not trusted to be httpsysd",
            quoted(path), peer.uid, status.st_uid)};
    return false;
  }
  return true;
}

bool ControlClient::say_hello(Failure &failure)
{
  hsys_control_hello hello{};
  hello.head.magic = HSYS_CONTROL_MAGIC;
  hello.head.type = HSYS_CONTROL_HELLO;
  hello.head.size = sizeof hello;
  hello.head.sequence = 1;
  hello.abi_major = HSYS_ABI_MAJOR;
  hello.minor_max = HSYS_ABI_MINOR;
  hello.want = HSYS_FEATURES;
  strncpy(hello.program, "httpsysctl", sizeof hello.program - 1);
  std::vector<char> answer;
  if (!send({reinterpret_cast<const char *>(&hello), sizeof hello}, failure) ||
      !receive(HSYS_CONTROL_WELCOME, 1, sizeof(hsys_control), m_hello_milliseconds, answer, failure))
    return false;
  hsys_control_welcome welcome{};
  memcpy(&welcome, answer.data(), std::min(answer.size(), sizeof welcome));
  if (welcome.head.status == 0)
    return true;
  if (welcome.head.status == static_cast<uint32_t>(HSYS_STATUS_REVISION_MISMATCH))
    failure = {
        kExitRefused,
        fmt::format(
            "httpsysctl speaks version {}.{} of the control socket, httpsysd {}.{}: install both from one release",
            HSYS_ABI_MAJOR, HSYS_ABI_MINOR, welcome.abi_major, welcome.abi_minor)};
  else
    failure = {kExitRefused, fmt::format("httpsysd at {} refuses the connection with status 0x{:08X}: its log says why",
                                         quoted(m_path), welcome.head.status)};
  return false;
}

bool ControlClient::send(std::string_view message, Failure &failure)
{
  pollfd ready{m_socket, POLLOUT, 0};
  ssize_t sent;
  while ((sent = ::send(m_socket, message.data(), message.size(), MSG_NOSIGNAL)) < 0 &&
         (errno == EINTR || errno == EAGAIN))
    if (errno == EAGAIN && poll(&ready, 1, m_hello_milliseconds) == 0)
      break;
  if (sent == static_cast<ssize_t>(message.size()))
    return true;
  failure = {kExitNoDaemon,
             fmt::format("httpsysd at {} does not take the command: {}", quoted(m_path), strerrordesc_np(errno))};
  return false;
}

bool ControlClient::receive(uint16_t type, uint32_t sequence, size_t least, int milliseconds,
                            std::vector<char> &message, Failure &failure)
{
  Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(milliseconds);
  while (true) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd ready{m_socket, POLLIN, 0};
    int found = left > 0 ? poll(&ready, 1, static_cast<int>(left)) : 0;
    if (found < 0 && errno == EINTR)
      continue;
    if (found <= 0) {
      failure = {kExitNoDaemon,
                 fmt::format("httpsysd at {} did not answer within {} ms: is it stopped, or another program?",
                             quoted(m_path), milliseconds)};
      return false;
    }
    message.resize(HSYS_ADMIN_MESSAGE_MAX);
    ssize_t count = recv(m_socket, message.data(), message.size(), MSG_TRUNC);
    if (count < 0 && (errno == EINTR || errno == EAGAIN))
      continue;
    if (count <= 0) {
      failure = {kExitNoDaemon, fmt::format("httpsysd at {} closed the connection without an answer: its log says why",
                                            quoted(m_path))};
      return false;
    }
    hsys_control head{};
    memcpy(&head, message.data(), std::min(message.size(), sizeof head));
    auto bytes = static_cast<size_t>(count); // MSG_TRUNC: also of what did not fit
    bool is_whole = bytes <= message.size() && bytes >= sizeof head && head.size == bytes;
    if (!is_whole || head.magic != HSYS_CONTROL_MAGIC || (head.type == type && bytes < least)) {
      failure = {kExitNoDaemon, fmt::format("what answers at {} is not httpsysd", quoted(m_path))};
      return false;
    }
    message.resize(bytes);
    // GOODBYE and other news are not for us; a REVOKED is followed by the end of the connection.
    if (head.type == type && head.sequence == sequence)
      return true;
  }
}

std::optional<Answer> ControlClient::ask(std::string_view message, Failure &failure)
{
  std::vector<char> bytes;
  if (!send(message, failure) || !receive(HSYS_CONTROL_ADMIN_ANSWER, kAdminSequence, sizeof(hsys_control_admin_answer),
                                          m_answer_milliseconds, bytes, failure))
    return std::nullopt;
  hsys_control_admin_answer head;
  memcpy(&head, bytes.data(), sizeof head);
  Answer answer{head.win32_code, static_cast<int>(head.exit_code),
                std::string(bytes.begin() + sizeof head, bytes.end())};
  if (head.exit_code > kExitNotPermitted)
    answer.exit_code = kExitRefused;
  return answer;
}

}
