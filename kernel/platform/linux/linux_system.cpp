// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/linux_system.h"
#include "kernel/base/log.h"
#include "kernel/base/text.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/errno_map.h"
#include "kernel/platform/linux/process.h"
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <grp.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 // Linux 6.5
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 // Linux 6.16
#endif

namespace httpsys::platform {

static System *s_system;

System &system()
{
  VERIFY(s_system);
  return *s_system;
}

void set_system(System &system)
{
  s_system = &system;
}

void name_thread(const std::string &name)
{
  prctl(PR_SET_NAME, name.c_str());
}

static NtStatus last_status()
{
  return status_from_errno(errno);
}

// Closes the descriptor at the end, unless it is taken.
class ScopedDescriptor {
public:
  explicit ScopedDescriptor(int descriptor) : m_descriptor(descriptor) {}
  ScopedDescriptor(const ScopedDescriptor &) = delete;
  ScopedDescriptor &operator=(const ScopedDescriptor &) = delete;
  ~ScopedDescriptor()
  {
    if (m_descriptor >= 0)
      ::close(m_descriptor);
  }
  int get() const { return m_descriptor; }
  int take() { return std::exchange(m_descriptor, -1); }

private:
  int m_descriptor;
};

LinuxSystem::LinuxSystem()
{
  std::signal(SIGPIPE, SIG_IGN);
}

Milliseconds monotonic_milliseconds()
{
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<Milliseconds>(time.tv_sec) * 1000 + static_cast<Milliseconds>(time.tv_nsec) / 1'000'000;
}

Milliseconds LinuxSystem::now()
{
  return monotonic_milliseconds();
}

int64_t LinuxSystem::wall_clock_seconds()
{
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec;
}

void LinuxSystem::fill_random(std::span<uint8_t> bytes)
{
  while (!bytes.empty()) {
    ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    VERIFY(got > 0 || errno == EINTR);
    bytes = bytes.subspan(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  }
}

static socklen_t to_sockaddr(const Endpoint &endpoint, sockaddr_storage &storage)
{
  storage = {};
  if (!endpoint.address.is_v6) {
    auto &v4 = reinterpret_cast<sockaddr_in &>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.address.bytes.data(), 4);
    return sizeof v4;
  }
  auto &v6 = reinterpret_cast<sockaddr_in6 &>(storage);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  std::memcpy(&v6.sin6_addr, endpoint.address.bytes.data(), 16);
  return sizeof v6;
}

static Result<Endpoint> from_sockaddr(const sockaddr_storage &storage)
{
  Endpoint endpoint;
  if (storage.ss_family == AF_INET) {
    auto &v4 = reinterpret_cast<const sockaddr_in &>(storage);
    std::memcpy(endpoint.address.bytes.data(), &v4.sin_addr, 4);
    endpoint.port = ntohs(v4.sin_port);
    return endpoint;
  }
  if (storage.ss_family != AF_INET6)
    return NtStatus::InvalidParameter;
  auto &v6 = reinterpret_cast<const sockaddr_in6 &>(storage);
  endpoint.port = ntohs(v6.sin6_port);
  endpoint.address.is_v6 = !IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
  if (endpoint.address.is_v6)
    std::memcpy(endpoint.address.bytes.data(), &v6.sin6_addr, 16);
  else
    std::memcpy(endpoint.address.bytes.data(), v6.sin6_addr.s6_addr + 12, 4);
  return endpoint;
}

// Two of ours that listen on a port must both say so when the second is bound, and it is not heard later. The first is always bound
// without it: that is how somebody else who has the port is found out.
static bool set_reuse_port(int socket, std::span<const int> beside, int on)
{
  bool is_set = setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
  for (int other : beside)
    is_set &= setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
  return is_set;
}

Result<int> LinuxSystem::listen_tcp(const Endpoint &endpoint, std::span<const int> beside)
{
  const int family = endpoint.address.is_v6 ? AF_INET6 : AF_INET;
  ScopedDescriptor listener(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (listener.get() < 0)
    return last_status();
  const int on = 1;
  sockaddr_storage address;
  const socklen_t length = to_sockaddr(endpoint, address);
  bool is_listening = setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                      setsockopt(listener.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
                      (!endpoint.address.is_v6 || setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
                      (beside.empty() || set_reuse_port(listener.get(), beside, 1)) &&
                      bind(listener.get(), reinterpret_cast<sockaddr *>(&address), length) == 0 &&
                      listen(listener.get(), limits::kListenBacklog) == 0;
  auto status = is_listening ? NtStatus::Success : last_status();
  if (!beside.empty())
    set_reuse_port(listener.get(), beside, 0);
  if (!is_listening)
    return status;
  return listener.take();
}

Result<Endpoint> LinuxSystem::local_endpoint(int socket)
{
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr *>(&address), &length) != 0)
    return last_status();
  return from_sockaddr(address);
}

Result<Endpoint> LinuxSystem::remote_endpoint(int socket)
{
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getpeername(socket, reinterpret_cast<sockaddr *>(&address), &length) != 0)
    return last_status();
  return from_sockaddr(address);
}

void LinuxSystem::close(int descriptor)
{
  ::close(descriptor);
}

void LinuxSystem::shutdown_send(int socket)
{
  ::shutdown(socket, SHUT_WR);
}

bool LinuxSystem::has_unreceived(int socket)
{
  uint8_t byte = 0;
  iovec vector{&byte, 1};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  return recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void LinuxSystem::set_reset_on_close(int socket)
{
  const linger none{1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

static std::pair<std::string, std::string> split_path(const std::string &path)
{
  size_t slash = path.rfind('/');
  if (slash == std::string::npos)
    return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

constexpr size_t kReadableName = 64; // bytes

std::string temporary_socket_name(const std::string &path)
{
  auto [folder, name] = split_path(path);
  // Behind "/proc/self/fd/N/" it has less room than the path.
  return folder + "/." + (name.size() <= kReadableName ? name : fmt::format("{:016x}", std::hash<std::string>{}(name))) + ".new";
}

static void give_to_group(int folder, const char *name)
{
  char buffer[16384];
  group entry{}, *found = nullptr;
  if (getgrnam_r("httpsys", &entry, buffer, sizeof buffer, &found) != 0 || !found)
    return;
  if (fchownat(folder, name, static_cast<uid_t>(-1), found->gr_gid, AT_SYMLINK_NOFOLLOW) != 0)
    log("the control socket keeps this process's group: it may not be given to group httpsys ({})", std::strerror(errno));
}

Result<int> LinuxSystem::listen_control(const std::string &path, std::string &reason)
{
  TRY(check_socket_path(path, reason));
  ScopedDescriptor folder(open(split_path(path).first.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0)
    return fail(reason, fmt::format("open the folder of the control socket {}", path));
  ScopedDescriptor listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (listener.get() < 0)
    return fail(reason, "make the control socket");
  // Through /proc, because the temporary name may be too long for an address where the final one just fits.
  const std::string name = split_path(temporary_socket_name(path)).second;
  const std::string bound = fmt::format("/proc/self/fd/{}/{}", folder.get(), name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  VERIFY(bound.size() < sizeof address.sun_path); // the temporary name is short
  std::memcpy(address.sun_path, bound.c_str(), bound.size() + 1);
  if (unlinkat(folder.get(), name.c_str(), 0) != 0 && errno != ENOENT)
    return fail(reason, fmt::format("remove {} beside the control socket {}", name, path));
  if (bind(listener.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) != 0)
    return fail(reason, fmt::format("make the control socket {}", path));
  give_to_group(folder.get(), name.c_str());
  if (fchmodat(folder.get(), name.c_str(), 0660, 0) != 0)
    return fail(reason, fmt::format("give the control socket {} its mode", path));
  // Accepted sockets inherit it; older kernels do not know it, and receive_control leaves what comes.
  const int off = 0;
  m_closer.set_controls_can_wait(setsockopt(listener.get(), SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off) != 0);
  if (listen(listener.get(), limits::kListenBacklog) != 0)
    return fail(reason, fmt::format("listen on the control socket {}", path));
  return listener.take();
}

Result<PeerCredentials> LinuxSystem::peer_credentials(int socket)
{
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
    return last_status();
  PeerCredentials peer{static_cast<uint32_t>(credentials.pid), credentials.uid, credentials.gid, {}};
  std::ifstream file(fmt::format("/proc/{}/comm", credentials.pid));
  std::getline(file, peer.program);
  peer.program = harmless_name(std::move(peer.program));
  return peer;
}

Result<int> LinuxSystem::peer_process(int socket)
{
  int process = -1;
  socklen_t length = sizeof process;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &process, &length) == 0)
    return process;
  if (errno != ENOPROTOOPT)
    return errno == ESRCH || errno == ENODATA ? NtStatus::NotFound : last_status();
  // Before Linux 6.5. The pid may have been given to another process since: then that one's end is taken for it, as pids go.
  ucred credentials{};
  length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
    return last_status();
  process = static_cast<int>(syscall(SYS_pidfd_open, credentials.pid, 0));
  if (process < 0)
    return errno == ESRCH ? NtStatus::NotFound : errno == ENOSYS ? NtStatus::NotSupported : last_status();
  return process;
}

// recvmsg without room for descriptors: MSG_CTRUNC tells of them, and none gets into our table. -1: errno.
static ssize_t receive_packet(int socket, std::span<uint8_t> bytes, int flags, int &message_flags)
{
  iovec vector{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  ssize_t got;
  do
    got = recvmsg(socket, &message, flags | MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  message_flags = message.msg_flags;
  return got;
}

Result<ControlPacket> LinuxSystem::receive_control(int socket, size_t maximum)
{
  ControlPacket packet;
  int flags = 0;
  // Looking first. A packet with descriptors stays where it is, for close_control: taking it would be the last close of what its sender has
  // closed, and some files make whoever does that wait (SO_LINGER).
  ssize_t got = receive_packet(socket, {}, MSG_PEEK | MSG_TRUNC, flags); // its length, whatever room there is
  if (got >= 0 && (flags & MSG_CTRUNC)) {
    packet.had_descriptors = true;
    return packet;
  }
  if (got >= 0) { // otherwise the next packet has not been looked at
    packet.bytes.resize(std::min(static_cast<size_t>(got), maximum)); // no more: locked memory costs system calls
    got = receive_packet(socket, packet.bytes, 0, flags);
  }
  if (got < 0) {
    if (errno == EAGAIN)
      return NtStatus::NotFound;
    return errno == ECONNRESET ? NtStatus::EndOfFile : last_status(); // gone with messages of ours unread
  }
  packet.truncated = flags & MSG_TRUNC;
  if (got == 0)
    return NtStatus::EndOfFile;
  packet.bytes.resize(static_cast<size_t>(got));
  return packet;
}

void LinuxSystem::shut_control(int socket)
{
  ::shutdown(socket, SHUT_RDWR);
}

void LinuxSystem::close_control(int socket, uint32_t uid)
{
  shut_control(socket); // so that there is an end of packets
  m_closer.close_control(socket, uid);
}

NtStatus LinuxSystem::send_control(int socket, std::span<const uint8_t> bytes, std::span<const int> descriptors)
{
  VERIFY(descriptors.size() <= limits::kControlDescriptorsMax);
  alignas(cmsghdr) char control[CMSG_SPACE(limits::kControlDescriptorsMax * sizeof(int))] = {};
  iovec vector{const_cast<uint8_t *>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(head), descriptors.data(), descriptors.size_bytes());
  }
  ssize_t sent;
  do
    sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? last_status() : NtStatus::Success;
}

Result<int> LinuxSystem::create_event()
{
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0)
    return last_status();
  return event;
}

Result<std::pair<int, int>> LinuxSystem::create_bell()
{
  int ends[2];
  // Each end has a file description of its own: what the client does to its flags does not reach ours (design-anchors A.16). Not a pipe:
  // its reader holds the lock that a writer needs, O_NONBLOCK or not, for as long as the page that it reads into is not there.
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    return last_status();
  const int least = 1; // what the kernel makes of it is enough for a bell, and unread rings take no memory then
  if (shutdown(ends[1], SHUT_RD) != 0 || setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof least) != 0) {
    NtStatus status = last_status();
    ::close(ends[0]);
    ::close(ends[1]);
    return status;
  }
  return std::pair{ends[0], ends[1]};
}

static uint64_t nanoseconds_of(clockid_t clock)
{
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t LinuxSystem::ring_bell(int write_end, bool counts_own_time)
{
  const clockid_t clock = counts_own_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  const uint64_t began = nanoseconds_of(clock);
  // Full is rung; a reader that has gone will be noticed on the control socket.
  [[maybe_unused]] ssize_t sent = send(write_end, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  return nanoseconds_of(clock) - began;
}

}
