// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/attached_target.h"
#include "tools/fuzz/answer.h"
#include "tools/fuzz/channel_memory.h"
#include "tools/fuzz/finding.h"
#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace httpsys::fuzz {

using Clock = std::chrono::steady_clock;

static constexpr std::chrono::microseconds kWait{200};
static constexpr std::chrono::milliseconds kRaceTime{5};
static constexpr uint64_t kLongestPass = 20; // milliseconds

namespace {

class RealPeer final : public Peer {
public:
  explicit RealPeer(int socket) : m_socket(socket) {}
  ~RealPeer() override { close(m_socket); }
  void send(std::string_view bytes) override
  {
    m_unsent += bytes;
    push();
  }
  std::string receive() override
  {
    push();
    char buffer[65536];
    ssize_t count = recv(m_socket, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
      m_has_ended = true;
    return count > 0 ? std::string(buffer, static_cast<size_t>(count)) : std::string();
  }
  bool has_ended() override { return m_has_ended; }

private:
  void push()
  {
    ssize_t count = m_unsent.empty() ? 0 : ::send(m_socket, m_unsent.data(), m_unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0)
      m_unsent.erase(0, static_cast<size_t>(count));
  }
  int m_socket;
  std::string m_unsent;
  bool m_has_ended = false;
};

class RealLink final : public Link {
public:
  explicit RealLink(int socket) : m_socket(socket) {}
  ~RealLink() override
  {
    stop_race();
    close(m_socket);
    for (int descriptor : {m_kick, m_bell})
      if (descriptor >= 0)
        close(descriptor);
  }
  bool send(std::span<const uint8_t> bytes, unsigned descriptors) override;
  std::optional<std::vector<uint8_t>> receive() override;
  bool has_ended() override;
  void leave(Leave how) override;
  const Mapping *mapping() const override { return m_memory ? &m_memory->mapping() : nullptr; }
  void kick(uint64_t times) override
  {
    for (uint64_t one = 1; times > 0 && write(m_kick, &one, sizeof one) > 0; times--)
      ;
  }
  const char *try_seals(unsigned region, unsigned how, uint64_t value) override { return m_memory->try_seals(region, how, value); }
  void race(uint64_t offset, std::vector<uint8_t> bytes, uint64_t loads) override;

private:
  void take_channel(const int (&descriptors)[4]);
  void stop_race()
  {
    if (m_racer.joinable())
      m_racer.join();
  }
  int m_socket, m_kick = -1, m_bell = -1;
  bool m_has_ended = false;
  std::unique_ptr<ChannelMemory> m_memory;
  std::thread m_racer;
};

bool RealLink::send(std::span<const uint8_t> bytes, unsigned descriptors)
{
  iovec data{const_cast<uint8_t *>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (descriptors > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
    cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
    int numbers[3] = {m_socket, m_socket, m_socket};
    std::memcpy(CMSG_DATA(part), numbers, descriptors * sizeof(int));
  }
  // A socket that the daemon does not read is its right to answer with the end of the session, not ours to wait for.
  return sendmsg(m_socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno == EAGAIN || errno == EMSGSIZE || errno == ETOOMANYREFS;
}

void RealLink::take_channel(const int (&descriptors)[4])
{
  m_memory = std::make_unique<ChannelMemory>(descriptors[0], descriptors[1]);
  close(descriptors[0]);
  close(descriptors[1]);
  m_kick = descriptors[2];
  m_bell = descriptors[3];
}

std::optional<std::vector<uint8_t>> RealLink::receive()
{
  std::vector<uint8_t> packet(HSYS_ADMIN_MESSAGE_MAX);
  alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))];
  iovec data{packet.data(), packet.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t count = recvmsg(m_socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (count <= 0) {
    m_has_ended |= count == 0 || (errno != EAGAIN && errno != EINTR);
    return std::nullopt;
  }
  if (message.msg_flags & MSG_CTRUNC)
    throw Hindered{"this program's descriptors have run out"};
  cmsghdr *part = CMSG_FIRSTHDR(&message);
  if (part && part->cmsg_type == SCM_RIGHTS) {
    int descriptors[4];
    if (m_memory || part->cmsg_len != CMSG_LEN(sizeof descriptors))
      throw Finding{"mixed", "a channel came with other descriptors than its four, or twice"};
    std::memcpy(descriptors, CMSG_DATA(part), sizeof descriptors);
    take_channel(descriptors);
  }
  packet.resize(static_cast<size_t>(count));
  return packet;
}

bool RealLink::has_ended()
{
  return m_has_ended;
}

void RealLink::leave(Leave how)
{
  if (how != Leave::Duplicate) {
    shutdown(m_socket, how == Leave::Writes ? SHUT_WR : SHUT_RD);
    return;
  }
  int copy = fcntl(m_socket, F_DUPFD_CLOEXEC, 0);
  if (copy < 0)
    throw Hindered{"this program's descriptors have run out"};
  close(m_socket);
  m_socket = copy;
}

// From outside, loads cannot be seen: for a moment it rewrites as fast as it can.
void RealLink::race(uint64_t offset, std::vector<uint8_t> bytes, uint64_t)
{
  stop_race();
  const Mapping mapping = m_memory->mapping();
  bytes.resize(std::min<uint64_t>(bytes.size(), mapping.utok_bytes - offset));
  m_racer = std::thread([mapping, offset, bytes = std::move(bytes)] {
    auto until = Clock::now() + kRaceTime;
    for (uint8_t turn = 0; Clock::now() < until; turn++)
      for (size_t index = 0; index < bytes.size(); index++)
        __atomic_store_n(mapping.utok + offset + index, static_cast<uint8_t>(bytes[index] ^ turn), __ATOMIC_RELAXED);
  });
}

int connect_unix(const std::string &path)
{
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  int socket = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  auto until = Clock::now() + kAnswerPatience;
  while (socket >= 0 && ::connect(socket, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) {
    // A full backlog is our own doing: the daemon has to come to it.
    if (errno != EAGAIN || Clock::now() > until) {
      int error = errno;
      close(socket);
      errno = error;
      return -1;
    }
    std::this_thread::sleep_for(kWait);
  }
  return socket;
}

// What is short is this program's own.
void check_own(int error)
{
  if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS)
    throw Hindered{fmt::format("this program gets no socket: {}", std::strerror(error))};
}

sockaddr_in loopback(uint16_t port)
{
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// One that nobody uses at the moment.
uint16_t free_port()
{
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool is_bound = bind(socket, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0 &&
                  getsockname(socket, reinterpret_cast<sockaddr *>(&address), &size) == 0;
  close(socket);
  return is_bound ? ntohs(address.sin_port) : uint16_t{0};
}

}

AttachedTarget::AttachedTarget(std::string path) : m_path(std::move(path)), m_port(free_port()) {}

AttachedTarget::~AttachedTarget() = default;

std::unique_ptr<Link> AttachedTarget::reach(std::string &why)
{
  int socket = connect_unix(m_path);
  if (socket >= 0)
    return std::make_unique<RealLink>(socket);
  check_own(errno);
  why = fmt::format("cannot reach httpsysd at {}: {}", m_path, std::strerror(errno));
  return nullptr;
}

std::unique_ptr<Link> AttachedTarget::connect()
{
  std::string why;
  return reach(why);
}

std::unique_ptr<Peer> AttachedTarget::dial()
{
  sockaddr_in address = loopback(m_port);
  int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0)
    check_own(errno);
  if (::connect(socket, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0)
    return std::make_unique<RealPeer>(socket);
  close(socket);
  return nullptr;
}

void AttachedTarget::yield()
{
  if (m_is_stopped)
    throw Stopped();
  std::this_thread::sleep_for(kWait);
}

void AttachedTarget::pass(uint64_t milliseconds)
{
  if (m_is_stopped)
    throw Stopped();
  std::this_thread::sleep_for(std::chrono::milliseconds(std::min(milliseconds, kLongestPass)));
}

}
