// SPDX-License-Identifier: GPL-3.0-or-later
// Sessions over real sockets, as a kernel before Linux 6.16 lets clients use them: with descriptors in their messages.
#include "kernel/io/session.h"
#include "kernel/base/log.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/linux/process_info.h"
#include "kernel/platform/linux/uring_engine.h"
#include "tests/unit/support/descriptors.h"
#include <cstddef>
#include <cstring>
#include <doctest/doctest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::io;

namespace {

// A manager on a core that is stepped, behind a listener that takes descriptors.
class Rig {
public:
  Rig()
  {
    static platform::LinuxSystem system;
    platform::set_system(system);
    set_log_sink([](LogKind, std::string) {});
    std::string reason;
    std::vector<std::unique_ptr<platform::IoEngine>> engines;
    engines.push_back(MUST(platform::make_uring_engine({}, reason)));
    m_cores.start_stepped(std::move(engines));
    m_address.sun_family = AF_UNIX;
    std::snprintf(m_address.sun_path + 1, sizeof m_address.sun_path - 1, "httpsys-test-session-%d", getpid());
    int listener = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    REQUIRE(bind(listener, reinterpret_cast<sockaddr *>(&m_address), sizeof m_address) == 0);
    REQUIRE(listen(listener, 10) == 0);
    ke::Core::Scope scope(m_cores.core(0));
    SessionManager::instance().start(listener, {});
  }
  ~Rig()
  {
    bool has_stopped = false;
    {
      ke::Core::Scope scope(m_cores.core(0));
      SessionManager::instance().stop([&] { has_stopped = true; });
    }
    for (int turn = 0; turn < 1000 && !has_stopped; turn++)
      step();
    CHECK(has_stopped);
    set_log_sink(nullptr);
  }
  void step() { m_cores.core(0).turn(false); }
  void run()
  {
    for (int turn = 0; turn < 30; turn++)
      step();
  }
  int connect()
  {
    int client = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(client, reinterpret_cast<sockaddr *>(&m_address), sizeof m_address) == 0);
    run();
    return client;
  }

private:
  ke::Cores m_cores{1};
  sockaddr_un m_address{};
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
  CHECK(platform::open_descriptors() == before);
}

// Type of the next message, 0 at the end of the connection, -1 when there is none.
int next_message(int client)
{
  hsys_control head{};
  ssize_t got = recv(client, &head, sizeof head, MSG_DONTWAIT);
  return got < 0 ? -1 : got == 0 ? 0 : head.type;
}

}

TEST_CASE("a session that sends descriptors ends, and what they are is left alone")
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
  CHECK(next_message(client) == HSYS_CONTROL_PONG);
  CHECK(next_message(client) == HSYS_CONTROL_REVOKED);
  CHECK(next_message(client) == 0);
  CHECK(SessionManager::instance().session_count() == 0);
  CHECK(platform::open_descriptors() == with_session - 1); // the process's, not the socket
  // Others are served.
  int other = rig.connect();
  send_hello(other);
  rig.run();
  CHECK(next_message(other) == HSYS_CONTROL_WELCOME);
  ::close(client);
  ::close(other);
}

TEST_CASE("neither empty packets nor answers left unread hide the descriptors behind them")
{
  Rig rig;
  for (bool reads_answer : {true, false}) {
    CAPTURE(reads_answer);
    const uint64_t before = platform::open_descriptors();
    int client = rig.connect();
    send_hello(client);
    rig.run();
    if (reads_answer) {
      REQUIRE(next_message(client) == HSYS_CONTROL_WELCOME);
      for (int count = 0; count < 3; count++)
        REQUIRE(send(client, "", 0, 0) == 0);
    }
    int other = eventfd(0, EFD_CLOEXEC); // not the client: it would keep itself open
    REQUIRE(test::send_descriptor(client, other, 1));
    ::close(other);
    ::close(client);
    rig.run();
    CHECK(SessionManager::instance().session_count() == 0);
    CHECK(platform::open_descriptors() == before + 1); // the socket, with what is in it
  }
}

TEST_CASE("descriptors that an ended process left unread are left alone too, and other sockets are closed")
{
  Rig rig;
  for (bool sends : {true, false}) {
    CAPTURE(sends);
    const uint64_t before = platform::open_descriptors();
    int client = rig.connect();
    send_hello(client);
    rig.run();
    REQUIRE(next_message(client) == HSYS_CONTROL_WELCOME);
    // More than are read in a turn, the session ends before they are all seen.
    for (int count = 0; count < 40; count++)
      send_ping(client);
    if (sends)
      REQUIRE(test::send_descriptor(client, client, 1));
    ::close(client);
    rig.run();
    CHECK(SessionManager::instance().session_count() == 0);
    CHECK(platform::open_descriptors() == before + sends);
  }
}
