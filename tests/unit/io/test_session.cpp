// SPDX-License-Identifier: GPL-3.0-or-later
// Sessions over real sockets, as a kernel before Linux 6.16 lets clients use them: with descriptors in their messages.
#include "kernel/io/session.h"
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/linux/process_info.h"
#include "kernel/platform/linux/uring_engine.h"
#include "tests/unit/support/descriptors.h"
#include <cstddef>
#include <cstring>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <optional>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::io;

namespace {

// The real one, but for what a test says.
class System final : public platform::LinuxSystem {
public:
  std::optional<size_t> closing;
  size_t closing_controls() override { return closing ? *closing : platform::LinuxSystem::closing_controls(); }
};

System &the_system()
{
  static System system;
  return system;
}

// A manager on a core that is stepped, behind a listener that takes descriptors.
class Rig {
public:
  Rig()
  {
    platform::set_system(the_system());
    REQUIRE(the_system().start_closer());
    set_log_sink([](LogKind, std::string) {});
    std::string reason;
    std::vector<std::unique_ptr<platform::IoEngine>> engines;
    engines.push_back(MUST(platform::make_uring_engine({}, reason)));
    m_cores.start_stepped(std::move(engines));
    m_address.sun_family = AF_UNIX;
    std::snprintf(m_address.sun_path + 1, sizeof m_address.sun_path - 1, "httpsys-test-session-%d-%d", getpid(), ++s_rigs);
    int listener = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    REQUIRE(bind(listener, reinterpret_cast<sockaddr *>(&m_address), sizeof m_address) == 0);
    REQUIRE(listen(listener, 10) == 0);
    ke::Core::Scope scope(m_cores.core(0));
    SessionManager::instance().start(listener, {});
  }
  ~Rig()
  {
    stop();
    set_log_sink(nullptr);
  }
  void stop()
  {
    if (m_has_stopped)
      return;
    {
      ke::Core::Scope scope(m_cores.core(0));
      SessionManager::instance().stop([this] { m_has_stopped = true; });
    }
    for (int turn = 0; turn < 1000 && !m_has_stopped; turn++)
      step();
    CHECK(m_has_stopped);
    while (platform::system().closing_controls() > 0)
      usleep(1000);
  }
  void drain()
  {
    ke::Core::Scope scope(m_cores.core(0));
    SessionManager::instance().drain();
  }
  void step() { m_cores.core(0).turn(false); }
  void run()
  {
    for (int turn = 0; turn < 30; turn++)
      step();
  }
  int connect()
  {
    int client = begin_connect();
    run();
    return client;
  }
  // Nobody has accepted it yet.
  int begin_connect()
  {
    int client = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    begin_connect(client);
    return client;
  }
  void begin_connect(int client)
  {
    REQUIRE(::connect(client, reinterpret_cast<sockaddr *>(&m_address), sizeof m_address) == 0);
  }

private:
  ke::Cores m_cores{1};
  static inline int s_rigs = 0; // the address of one may be in use yet when the next comes
  sockaddr_un m_address{};
  bool m_has_stopped = false;
};

void send_hello(int client)
{
  hsys_control_hello hello{};
  hello.head.magic = HSYS_CONTROL_MAGIC;
  hello.head.type = HSYS_CONTROL_HELLO;
  hello.head.size = sizeof hello;
  hello.abi_major = HSYS_ABI_MAJOR;
  REQUIRE(send(client, &hello, sizeof hello, 0) == sizeof hello);
}

hsys_control ping_message()
{
  hsys_control ping{};
  ping.magic = HSYS_CONTROL_MAGIC;
  ping.type = HSYS_CONTROL_PING;
  ping.size = sizeof ping;
  return ping;
}

void send_ping(int client)
{
  hsys_control ping = ping_message();
  REQUIRE(send(client, &ping, sizeof ping, 0) == sizeof ping);
}

// Sockets are closed by another thread.
bool descriptors_become(uint64_t wanted)
{
  for (int tries = 0; tries < 5000 && platform::open_descriptors() != wanted; tries++)
    usleep(1000);
  return platform::open_descriptors() == wanted;
}

// A connection whose close takes ten seconds, because nobody takes its bytes.
int make_lingering(const sockaddr_in &address)
{
  int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::connect(socket, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0);
  const linger wait{1, 10};
  REQUIRE(setsockopt(socket, SOL_SOCKET, SO_LINGER, &wait, sizeof wait) == 0);
  std::string bytes(65536, 'x');
  while (::send(socket, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0)
    ;
  return socket;
}

// A client that does not read is cut off while it sends, and neither side waits for the other.
TEST_CASE("a session that asks and asks and reads no answer ends")
{
  Rig rig;
  const uint64_t before = platform::open_descriptors();
  int client = rig.connect();
  send_hello(client);
  hsys_control ping = ping_message();
  ssize_t sent = 0;
  for (int turn = 0; turn < 100000 && (sent >= 0 || errno == EAGAIN); turn++) {
    sent = send(client, &ping, sizeof ping, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
      rig.step();
  }
  CHECK(sent < 0);
  CHECK(errno == EPIPE);
  rig.run();
  CHECK(SessionManager::instance().session_count() == 0);
  ::close(client);
  CHECK(descriptors_become(before));
}

// Type of the next message, 0 at the end of the connection, -1 when there is none.
int next_message(int client)
{
  hsys_control head{};
  ssize_t got = recv(client, &head, sizeof head, MSG_DONTWAIT);
  return got < 0 ? -1 : got == 0 ? 0 : head.type;
}

}

TEST_CASE("a session that sends descriptors ends, and its socket is closed")
{
  Rig rig;
  int client = rig.connect();
  send_hello(client);
  rig.run();
  REQUIRE(next_message(client) == HSYS_CONTROL_WELCOME);
  const uint64_t with_session = platform::open_descriptors();
  send_ping(client);
  REQUIRE(test::send_descriptor(client, client, 1));
  send_ping(client);
  rig.run();
  CHECK(descriptors_become(with_session - 2)); // the process's and the socket
  CHECK(next_message(client) == HSYS_CONTROL_PONG);
  CHECK(next_message(client) == HSYS_CONTROL_REVOKED);
  CHECK(next_message(client) == 0);
  CHECK(SessionManager::instance().session_count() == 0);
  // Others are served.
  int other = rig.connect();
  send_hello(other);
  rig.run();
  CHECK(next_message(other) == HSYS_CONTROL_WELCOME);
  ::close(client);
  ::close(other);
}

// In each case descriptors lie in sockets when these are closed, some behind what is never read.
TEST_CASE("a descriptor whose close waits holds up neither the core nor the sockets that are closed after it")
{
  Rig rig;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
  REQUIRE(listen(listener, 100) == 0);
  socklen_t length = sizeof address;
  REQUIRE(getsockname(listener, reinterpret_cast<sockaddr *>(&address), &length) == 0);
  const uint64_t before = platform::open_descriptors();
  enum class Case { Read, EmptyBefore, ManyBefore, AnswerUnread, TurnedAway, InBacklog };
  for (Case each : {Case::Read, Case::EmptyBefore, Case::ManyBefore, Case::AnswerUnread, Case::TurnedAway, Case::InBacklog}) {
    CAPTURE(static_cast<int>(each));
    const auto begin = platform::system().now();
    const bool has_session = each != Case::TurnedAway && each != Case::InBacklog;
    int client = has_session ? rig.connect() : -1;
    if (has_session) {
      send_hello(client);
      rig.run();
      if (each != Case::AnswerUnread)
        REQUIRE(next_message(client) == HSYS_CONTROL_WELCOME);
    } else if (each == Case::TurnedAway) {
      rig.drain();
      client = rig.begin_connect();
    } else {
      client = rig.begin_connect();
    }
    for (int count = 0; count < 3 && each == Case::EmptyBefore; count++)
      REQUIRE(send(client, "", 0, 0) == 0);
    for (int count = 0; count < 40 && each == Case::ManyBefore; count++)
      send_ping(client);
    for (int count = 0; count < 3; count++) {
      int lingering = make_lingering(address);
      REQUIRE(test::send_descriptor(client, lingering, 1));
      ::close(lingering);
    }
    ::close(client);
    if (each == Case::InBacklog)
      rig.stop();
    rig.run();
    CHECK(SessionManager::instance().session_count() == 0);
    CHECK(platform::system().now() - begin < 1000);
    CHECK(descriptors_become(each == Case::InBacklog ? before - 1 : before));
    CHECK(platform::system().now() - begin < 3000);
  }
  ::close(listener);
}

TEST_CASE("nobody is accepted while so many sockets wait for their close, and whoever has come meanwhile is accepted then")
{
  Rig rig;
  auto accepted = [] { return SessionManager::instance().session_count(); };
  the_system().closing = limits::kControlsClosing - 1;
  int clients[] = {rig.connect(), -1, -1};
  CHECK(accepted() == 1);
  the_system().closing = limits::kControlsClosing;
  // The accept that is in flight brings one more, and is taken back.
  clients[1] = rig.connect();
  CHECK(accepted() == 2);
  clients[2] = rig.connect();
  auto wait = [&] {
    for (auto end = platform::system().now() + 3 * limits::kAcceptRetryMilliseconds; platform::system().now() < end; usleep(5000))
      rig.run();
  };
  wait();
  CHECK(accepted() == 2);
  the_system().closing = limits::kControlsClosing - 1;
  wait();
  CHECK(accepted() == 3);
  the_system().closing.reset();
  for (int client : clients)
    ::close(client);
}

TEST_CASE("an accept that fails again and again is told when that begins, and when it has ended")
{
  static std::vector<std::string> lines;
  lines.clear();
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 200;
  // Before the accept: the kernel takes the limit of then.
  REQUIRE(setrlimit(RLIMIT_NOFILE, &small) == 0);
  Rig rig;
  set_log_sink([](LogKind, std::string line) { lines.push_back(std::move(line)); });
  int client = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  std::vector<int> others;
  for (int made = dup(client); made >= 0; made = dup(client))
    others.push_back(made);
  rig.begin_connect(client);
  auto pass = [&](platform::Milliseconds time) {
    for (auto end = platform::system().now() + time; platform::system().now() < end; usleep(5000))
      rig.step();
  };
  pass(550);
  CHECK(SessionManager::instance().session_count() == 0);
  CHECK(lines.size() == 1);
  for (int other : others)
    ::close(other);
  pass(limits::kOutageQuietMilliseconds + 400);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(SessionManager::instance().session_count() == 1);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == fmt::format("accept on the control socket fails ({}); it is tried again every 100 ms",
                                status_name(NtStatus::TooManyOpenedFiles)));
  CHECK(lines[1].starts_with("the control socket accepts again after 0."));
  ::close(client);
}
