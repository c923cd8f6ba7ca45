// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/linux_system.h"
#include "tests/unit/support/descriptors.h"
#include "kernel/platform/linux/process.h"
#include <chrono>
#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <grp.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::platform;

namespace {

struct Folder {
  std::string path;
  Folder()
  {
    char name[] = "/tmp/httpsys-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

int connect_to(const std::string &path)
{
  int socket = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::connect(socket, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0)
    return socket;
  ::close(socket);
  return -1;
}

// A published control socket with one client.
struct Control : Folder {
  LinuxSystem os;
  std::string socket_path = path + "/s", reason;
  int listener = os.listen_control(socket_path, reason).release_value();
  int client = -1, server = -1;
  Control()
  {
    REQUIRE(publish_control_socket(socket_path, reason));
    client = connect_to(socket_path);
    REQUIRE(client >= 0);
    server = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    REQUIRE(server >= 0);
  }
  ~Control()
  {
    ::close(client);
    ::close(server);
    ::close(listener);
  }
};

int open_descriptors()
{
  int count = 0;
  for ([[maybe_unused]] auto &entry : std::filesystem::directory_iterator("/proc/self/fd"))
    count++;
  return count;
}

}

TEST_CASE("time goes forward, random bytes differ")
{
  LinuxSystem os;
  auto before = os.now();
  usleep(3000);
  CHECK(os.now() > before);
  CHECK(os.wall_clock_seconds() > 1'700'000'000);
  uint8_t a[32] = {}, b[32] = {};
  os.fill_random(a);
  os.fill_random(b);
  CHECK(std::memcmp(a, b, sizeof a) != 0);
}

TEST_CASE("listening tells in which way it is refused")
{
  LinuxSystem os;
  for (bool v6 : {false, true}) {
    CAPTURE(v6);
    int first = MUST(os.listen_tcp({IpAddress::loopback(v6), 0}));
    auto endpoint = os.local_endpoint(first).release_value();
    CHECK(endpoint.address == IpAddress::loopback(v6));
    CHECK(endpoint.port != 0);
    CHECK(os.listen_tcp(endpoint).error() == NtStatus::SharingViolation);
    CHECK(os.listen_tcp({IpAddress::any(v6), endpoint.port}).error() == NtStatus::SharingViolation);
    os.close(first);
  }
  CHECK(os.listen_tcp({*IpAddress::parse("192.0.2.1"), 0}).error() == NtStatus::InvalidAddressComponent);
  CHECK(os.listen_tcp({*IpAddress::parse("2001:db8::1"), 0}).error() == NtStatus::InvalidAddressComponent);
}

TEST_CASE("all addresses are listened on beside loopback, which keeps who comes there, and nobody else may do so")
{
  LinuxSystem os;
  for (bool v6 : {false, true}) {
    CAPTURE(v6);
    int loopback = MUST(os.listen_tcp({IpAddress::loopback(v6), 0}));
    auto near = os.local_endpoint(loopback).release_value();
    Endpoint all{IpAddress::any(v6), near.port};
    auto arrives_at = [&](int listener) {
      sockaddr_storage address{};
      socklen_t length = sizeof address;
      REQUIRE(getsockname(loopback, reinterpret_cast<sockaddr *>(&address), &length) == 0);
      int peer = ::socket(address.ss_family, SOCK_STREAM, 0);
      REQUIRE(::connect(peer, reinterpret_cast<sockaddr *>(&address), length) == 0);
      pollfd comes{listener, POLLIN, 0}; // which a busy system may take a moment to deliver
      REQUIRE(::poll(&comes, 1, 60000) == 1);
      int accepted = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      REQUIRE(accepted >= 0);
      os.close(accepted);
      os.close(peer);
    };
    for (int times = 0; times < 3; times++) {
      int everywhere = MUST(os.listen_tcp(all, std::array{loopback}));
      arrives_at(loopback);
      for (const Endpoint &taken : {near, all})
        CHECK(os.listen_tcp(taken).error() == NtStatus::SharingViolation);
      os.close(everywhere);
      arrives_at(loopback);
    }
    os.close(loopback);
    // Others that have the port are in the way as ever.
    int other = MUST(os.listen_tcp(all));
    CHECK(os.listen_tcp(near).error() == NtStatus::SharingViolation);
    os.close(other);
  }
}

TEST_CASE("IPv4 and IPv6 wildcards of one port stand side by side, and accepted sockets do not delay")
{
  LinuxSystem os;
  int v4 = MUST(os.listen_tcp({IpAddress::any(false), 0}));
  uint16_t port = os.local_endpoint(v4)->port;
  auto v6 = os.listen_tcp({IpAddress::any(true), port});
  CHECK(v6);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int peer = ::socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(::connect(peer, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
  int accepted = ::accept4(v4, nullptr, nullptr, SOCK_CLOEXEC);
  REQUIRE(accepted >= 0);
  int no_delay = 0;
  socklen_t length = sizeof no_delay;
  REQUIRE(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &no_delay, &length) == 0);
  CHECK(no_delay);
  CHECK(os.remote_endpoint(accepted)->address == IpAddress::loopback(false));
  CHECK(os.local_endpoint(accepted)->port == port);
  for (int each : {v4, *v6, peer, accepted})
    os.close(each);
}

TEST_CASE("a closed port can be listened on again while its connections linger")
{
  LinuxSystem os;
  int listener = MUST(os.listen_tcp({IpAddress::loopback(false), 0}));
  auto endpoint = os.local_endpoint(listener).release_value();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int peer = ::socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(::connect(peer, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
  int accepted = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  os.close(accepted); // we close first: TIME_WAIT on our side
  os.close(listener);
  auto again = os.listen_tcp(endpoint);
  CHECK(again);
  os.close(*again);
  os.close(peer);
}

TEST_CASE("the control socket cannot be reached before it is published, and then by owner and group only")
{
  Folder folder;
  LinuxSystem os;
  std::string path = folder.path + "/httpsys.sock", reason;
  auto listener = os.listen_control(path, reason);
  REQUIRE(listener);
  CHECK(connect_to(path) == -1);
  REQUIRE(publish_control_socket(path, reason));
  int client = connect_to(path);
  CHECK(client >= 0);
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0660);
  group *expected = getgrnam("httpsys");
  CHECK(status.st_gid == (expected && geteuid() == 0 ? expected->gr_gid : getegid()));
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
  os.close(client);
  os.close(*listener);
}

TEST_CASE("a control socket's path may have 107 bytes and no more, and stale sockets are no obstacle")
{
  Folder folder;
  LinuxSystem os;
  std::string reason, path = folder.path + "/" + std::string(106 - folder.path.size(), 's');
  REQUIRE(path.size() == 107);
  for (int round = 0; round < 2; round++) { // the second finds the first one's leftovers
    int listener = MUST(os.listen_control(path, reason));
    REQUIRE(publish_control_socket(path, reason));
    int client = connect_to(path);
    CHECK(client >= 0);
    os.close(client);
    os.close(listener);
    os.close(MUST(os.listen_control(path, reason))); // not published
  }
  CHECK(os.listen_control(path + "s", reason).error() == NtStatus::ObjectNameInvalid);
  CHECK(reason == "the socket path " + path + "s has 108 bytes; 107 are possible");
  CHECK(os.listen_control(folder.path + "/missing/s", reason).error() == NtStatus::ObjectNameNotFound);
  CHECK(reason == "cannot open the folder of the control socket " + folder.path + "/missing/s: No such file or directory");
}

TEST_CASE_FIXTURE(Control, "the peer's credentials are its own")
{
  auto peer = os.peer_credentials(server);
  REQUIRE(peer);
  CHECK(peer->pid == static_cast<uint32_t>(getpid()));
  CHECK(peer->uid == geteuid());
  CHECK(peer->gid == getegid());
  CHECK(peer->program == "unit-platform");
  REQUIRE(prctl(PR_SET_NAME, "a\x1b[2J\xc2\x9b\x7f~ b") == 0);
  peer = os.peer_credentials(server);
  CHECK(prctl(PR_SET_NAME, "unit-platform") == 0);
  REQUIRE(peer);
  CHECK(peer->program == "a?[2J???~ b");
}

TEST_CASE_FIXTURE(Control, "the peer's process is watched, and lives")
{
  int process = MUST(os.peer_process(server));
  pollfd item{process, POLLIN, 0};
  CHECK(poll(&item, 1, 0) == 0);
  os.close(process);
}

TEST_CASE_FIXTURE(Control, "packets come whole, one by one, and never block")
{
  CHECK(os.receive_control(server, 100).error() == NtStatus::NotFound);
  REQUIRE(::send(client, "first", 5, 0) == 5);
  REQUIRE(::send(client, "second", 6, 0) == 6);
  auto packet = os.receive_control(server, 100);
  REQUIRE(packet);
  CHECK(std::string(packet->bytes.begin(), packet->bytes.end()) == "first");
  CHECK_FALSE(packet->truncated);
  CHECK_FALSE(packet->had_descriptors);
  packet = os.receive_control(server, 5);
  REQUIRE(packet);
  CHECK(std::string(packet->bytes.begin(), packet->bytes.end()) == "secon");
  CHECK(packet->truncated);
  std::string large(65536, 'l');
  REQUIRE(::send(client, large.data(), large.size(), 0) == 65536);
  packet = os.receive_control(server, large.size());
  REQUIRE(packet);
  CHECK(packet->bytes.size() == large.size());
  CHECK_FALSE(packet->truncated);
  ::shutdown(client, SHUT_RDWR);
  CHECK(os.receive_control(server, 100).error() == NtStatus::EndOfFile);
}

TEST_CASE_FIXTURE(Control, "descriptors of a client do not get into the daemon")
{
  for (int count : {1, 4, 253}) {
    CAPTURE(count);
    const int before = open_descriptors();
    if (test::send_descriptor(client, client, count)) { // kernels without SO_PASSRIGHTS take it
      auto packet = os.receive_control(server, 100);
      REQUIRE(packet);
      CHECK(packet->had_descriptors);
    } else {
      CHECK(errno == EPERM);
      CHECK(os.receive_control(server, 100).error() == NtStatus::NotFound);
    }
    CHECK(open_descriptors() == before);
  }
}

TEST_CASE("descriptors are seen, and stay where they are, where the kernel lets them through")
{
  LinuxSystem os;
  int sockets[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
  const int before = open_descriptors();
  REQUIRE(::send(sockets[0], "first", 5, 0) == 5);
  for (int count : {1, 253})
    REQUIRE(test::send_descriptor(sockets[0], sockets[0], count));
  auto packet = os.receive_control(sockets[1], 100);
  REQUIRE(packet);
  CHECK_FALSE(packet->had_descriptors);
  for (int time = 0; time < 3; time++) {
    packet = os.receive_control(sockets[1], 100);
    REQUIRE(packet);
    CHECK(packet->had_descriptors);
    CHECK(packet->bytes.empty());
  }
  CHECK(open_descriptors() == before);
  ::close(sockets[0]);
  ::close(sockets[1]);
}

TEST_CASE("a descriptor whose close waits, as its owner wants, does not hold up who receives it")
{
  LinuxSystem os;
  int sockets[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
  // A connection whose close lingers, because nobody takes its bytes.
  int listener = MUST(os.listen_tcp({IpAddress::loopback(false), 0}));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(os.local_endpoint(listener)->port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int lingering = ::socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(::connect(lingering, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
  const linger wait{1, 10};
  REQUIRE(setsockopt(lingering, SOL_SOCKET, SO_LINGER, &wait, sizeof wait) == 0);
  std::string bytes(65536, 'x');
  while (::send(lingering, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0)
    ;
  REQUIRE(test::send_descriptor(sockets[0], lingering, 1));
  ::close(lingering);
  const auto begin = os.now();
  auto packet = os.receive_control(sockets[1], 100);
  CHECK(os.now() - begin < 2000);
  REQUIRE(packet);
  CHECK(packet->had_descriptors);
  os.close(listener); // resets it: nothing is left to wait for
  ::close(sockets[0]);
  ::close(sockets[1]);
}

TEST_CASE_FIXTURE(Control, "descriptors reach the client, and a client that does not read is noticed")
{
  int event = MUST(os.create_event());
  auto bell = os.create_bell().release_value();
  const int descriptors[] = {event, bell.first};
  const uint8_t bytes[3] = {1, 2, 3};
  CHECK(is_success(os.send_control(server, bytes, descriptors)));
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptors)];
  char buffer[16];
  iovec vector{buffer, sizeof buffer};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  REQUIRE(recvmsg(client, &message, 0) == 3);
  int received[2];
  REQUIRE(CMSG_FIRSTHDR(&message) != nullptr);
  std::memcpy(received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
  os.ring_bell(bell.second, false);
  CHECK(::read(received[1], buffer, sizeof buffer) == 1);
  NtStatus status = NtStatus::Success;
  std::vector<uint8_t> large(16384);
  for (int i = 0; i < 10'000 && is_success(status); i++)
    status = os.send_control(server, large, {});
  CHECK(status == NtStatus::InsufficientResources);
  ::close(client);
  client = -1;
  CHECK(os.send_control(server, bytes, {}) == NtStatus::ConnectionAborted);
  CHECK(os.receive_control(server, 16).error() == NtStatus::EndOfFile);
  for (int each : {event, bell.first, bell.second, received[0], received[1]})
    ::close(each);
}

TEST_CASE("bytes that wait in a socket are seen and stay there; its peer's end is none")
{
  LinuxSystem os;
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  CHECK_FALSE(os.has_unreceived(ends[0]));
  REQUIRE(::send(ends[1], "xy", 2, 0) == 2);
  CHECK(os.has_unreceived(ends[0]));
  CHECK(os.has_unreceived(ends[0]));
  char bytes[4];
  CHECK(::recv(ends[0], bytes, sizeof bytes, 0) == 2);
  CHECK_FALSE(os.has_unreceived(ends[0]));
  ::close(ends[1]);
  CHECK_FALSE(os.has_unreceived(ends[0]));
  ::close(ends[0]);
}

TEST_CASE("ringing never blocks: full, with flags changed by the client, or without a reader")
{
  LinuxSystem os;
  auto [read_end, write_end] = os.create_bell().release_value();
  CHECK((fcntl(read_end, F_GETFD) & fcntl(write_end, F_GETFD) & FD_CLOEXEC));
  // What a client can do to the end that it has: its flags are of another file description (design-anchors A.16).
  REQUIRE(fcntl(read_end, F_SETFL, fcntl(read_end, F_GETFL) & ~O_NONBLOCK) == 0);
  CHECK((fcntl(write_end, F_GETFL) & O_NONBLOCK));
  alarm(20); // a blocked ring would end the test program
  for (int i = 0; i < 70'000; i++)
    os.ring_bell(write_end, false);
  alarm(0);
  // It goes one way, and what nobody reads takes little memory.
  CHECK(send(read_end, "", 1, MSG_NOSIGNAL) < 0);
  CHECK(errno == EPIPE);
  char buffer[8192];
  auto unread = ::read(read_end, buffer, sizeof buffer);
  CHECK(unread > 0);
  CHECK(unread < 64);
  pollfd watched{read_end, POLLIN, 0};
  CHECK(poll(&watched, 1, 0) == 0);
  CHECK(os.ring_bell(write_end, true) > 0);
  CHECK(poll(&watched, 1, 0) == 1);
  CHECK(watched.revents == POLLIN);
  os.close(read_end);
  os.ring_bell(write_end, false); // no SIGPIPE
  os.close(write_end);
}

TEST_CASE("the reader of a bell sees its end, behind what was rung")
{
  LinuxSystem os;
  REQUIRE(os.start_closer());
  auto [read_end, write_end] = os.create_bell().release_value();
  os.ring_bell(write_end, false);
  os.close_elsewhere(write_end, 1000);
  pollfd watched{read_end, 0, 0};
  CHECK(poll(&watched, 1, 10'000) == 1);
  CHECK((watched.revents & POLLHUP));
  char buffer[16];
  CHECK(::read(read_end, buffer, sizeof buffer) == 1);
  CHECK(::read(read_end, buffer, sizeof buffer) == 0);
  os.close(read_end);
}

// A page that is not there for as long as a fault on it is not served: what a client does with userfaultfd, FUSE or a hole in its memory.
TEST_CASE("a reader that hangs in the middle of its read keeps no ring waiting")
{
  LinuxSystem os;
  auto [read_end, write_end] = os.create_bell().release_value();
  int fault = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
  if (fault < 0) {
    MESSAGE("not tried: userfaultfd is not permitted");
    os.close(read_end);
    os.close(write_end);
    return;
  }
  uffdio_api api{UFFD_API, 0, 0};
  REQUIRE(ioctl(fault, UFFDIO_API, &api) == 0);
  void *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(page != MAP_FAILED);
  uffdio_register range{{reinterpret_cast<uint64_t>(page), 4096}, UFFDIO_REGISTER_MODE_MISSING, 0};
  REQUIRE(ioctl(fault, UFFDIO_REGISTER, &range) == 0);
  REQUIRE(fcntl(read_end, F_SETFL, 0) == 0);
  os.ring_bell(write_end, false);
  std::thread reader([&, end = read_end] { CHECK(::read(end, page, 1) == 1); });
  pollfd missing{fault, POLLIN, 0};
  CHECK(poll(&missing, 1, 10'000) == 1); // it hangs
  const auto began = std::chrono::steady_clock::now();
  for (int count = 0; count < 100; count++)
    os.ring_bell(write_end, false);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(2));
  uffdio_zeropage zero{{reinterpret_cast<uint64_t>(page), 4096}, 0, 0};
  CHECK(ioctl(fault, UFFDIO_ZEROPAGE, &zero) == 0);
  reader.join();
  munmap(page, 4096);
  for (int each : {fault, read_end, write_end})
    os.close(each);
}
