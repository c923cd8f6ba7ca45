// SPDX-License-Identifier: GPL-3.0-or-later
// Sessions over real sockets, as a kernel before Linux 6.16 lets clients use them: with descriptors in their messages.
#include "kernel/io/session.h"
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/linux/process_info.h"
#include "kernel/platform/linux/uring_engine.h"
#include "kernel/se/quota.h"
#include "tests/unit/support/descriptors.h"
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <doctest/doctest.h>
#include <fmt/format.h>
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
  std::optional<platform::Milliseconds> time;
  std::optional<size_t> closing;
  std::vector<int> received; // the sockets that were asked for a message, in order
  std::optional<platform::PeerCredentials> peer; // whoever connects
  Result<platform::PeerCredentials> peer_credentials(int socket) override
  {
    return peer ? Result<platform::PeerCredentials>(*peer) : platform::LinuxSystem::peer_credentials(socket);
  }
  Result<platform::ControlPacket> receive_control(int socket, size_t maximum) override
  {
    received.push_back(socket);
    return platform::LinuxSystem::receive_control(socket, maximum);
  }
  platform::Milliseconds now() override { return time ? *time : platform::LinuxSystem::now(); }
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
    set_log_sink([](LogCause, std::string) {});
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

hsys_control head_of(uint16_t type, uint32_t size)
{
  hsys_control head{};
  head.magic = HSYS_CONTROL_MAGIC;
  head.type = type;
  head.size = size;
  return head;
}

hsys_control_hello hello_message()
{
  hsys_control_hello hello{};
  hello.head = head_of(HSYS_CONTROL_HELLO, sizeof hello);
  hello.abi_major = HSYS_ABI_MAJOR;
  return hello;
}

void send_hello(int client)
{
  hsys_control_hello hello = hello_message();
  REQUIRE(send(client, &hello, sizeof hello, 0) == sizeof hello);
}

hsys_control ping_message()
{
  return head_of(HSYS_CONTROL_PING, sizeof(hsys_control));
}

void send_ping(int client)
{
  hsys_control ping = ping_message();
  REQUIRE(send(client, &ping, sizeof ping, 0) == sizeof ping);
}

// Sockets are closed by another thread.
// Other threads may still be closing what an earlier case has left to them.
uint64_t settled_descriptors()
{
  uint64_t count = platform::open_descriptors();
  for (int quiet = 0; quiet < 50; quiet++) {
    usleep(1000);
    const uint64_t now = platform::open_descriptors();
    if (std::exchange(count, now) != now)
      quiet = 0;
  }
  return count;
}

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
  const uint64_t before = settled_descriptors();
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

TEST_CASE("of one session so many messages are read in its turn, then the others have theirs")
{
  Rig rig;
  int clients[] = {rig.connect(), rig.connect()};
  for (int client : clients) {
    send_hello(client);
    rig.run();
    REQUIRE(next_message(client) == HSYS_CONTROL_WELCOME);
  }
  constexpr int kMost = limits::kControlMessagesPerTurn;
  for (int messages : {kMost, kMost + 1, 2 * kMost + 1}) {
    the_system().received.clear();
    for (int count = 0; count < messages; count++)
      send_ping(clients[0]);
    send_ping(clients[1]);
    rig.run();
    // One more is asked for than there is, which tells that it was the last.
    const auto &received = the_system().received;
    const auto turn = std::ranges::find_if(received, [&](int socket) { return socket != received[0]; }) - received.begin();
    CAPTURE(messages);
    CHECK(turn == kMost);
    CHECK(std::ranges::count(received, received[0]) == messages + 1);
    CHECK(received.size() == static_cast<size_t>(messages + 1 + 2));
    for (int client : clients) {
      int answers = 0;
      while (next_message(client) > 0)
        answers++;
      CHECK(answers == (client == clients[0] ? messages : 1));
    }
  }
  for (int client : clients)
    ::close(client);
}

TEST_CASE("a session that says no HELLO for five seconds is cut off, and not before")
{
  static std::vector<std::string> lines;
  lines.clear();
  Rig rig;
  set_log_sink([](LogCause, std::string line) { lines.push_back(std::move(line)); });
  struct Restore {
    ~Restore() { the_system().time.reset(); }
  } restore;
  const auto begin = platform::system().now() / 8 * 8 + 8; // at a tick of the timers
  the_system().time = begin;
  int client = rig.connect();
  the_system().time = begin + 4999;
  rig.run();
  CHECK(next_message(client) == -1);
  CHECK(lines.empty());
  the_system().time = begin + 5000;
  rig.run();
  CHECK(next_message(client) == HSYS_CONTROL_REVOKED);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].ends_with("is cut off: it said no HELLO for 5 s (kHelloMilliseconds)"));
  ::close(client);
  // Who has said it stays.
  int other = rig.connect();
  send_hello(other);
  rig.run();
  CHECK(next_message(other) == HSYS_CONTROL_WELCOME);
  the_system().time = begin + 20000;
  rig.run();
  CHECK(next_message(other) == -1);
  ::close(other);
}

TEST_CASE("a session that sends descriptors ends, and its socket is closed")
{
  Rig rig;
  int client = rig.connect();
  send_hello(client);
  rig.run();
  REQUIRE(next_message(client) == HSYS_CONTROL_WELCOME);
  const uint64_t with_session = settled_descriptors();
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
  const uint64_t before = settled_descriptors();
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
    for (auto end = platform::system().now() + 10 * limits::kControlsClosingMilliseconds; platform::system().now() < end; usleep(5000))
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
  set_log_sink([](LogCause, std::string line) { lines.push_back(std::move(line)); });
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

namespace {

// Connections of processes of a choice, with a bound of a choice, until the end of the test.
class Crowd {
public:
  explicit Crowd(const Config::Clients &clients)
  {
    se::set_shares(clients);
    set_log_sink([](LogCause, std::string line) { s_lines.push_back(std::move(line)); });
    s_lines.clear();
  }
  ~Crowd()
  {
    for (int client : m_clients)
      ::close(client);
    rig.run();
    the_system().peer.reset();
    se::set_shares({});
  }
  // Type of the answer to HELLO; 0 when it was turned away. The last one has the number of all.
  int connect(uint32_t uid, uint32_t pid)
  {
    the_system().peer = platform::PeerCredentials{pid, uid, uid, "crowd"};
    int client = rig.connect();
    m_clients.push_back(client);
    hsys_control_hello hello = hello_message();
    (void)::send(client, &hello, sizeof hello, MSG_NOSIGNAL);
    rig.run();
    return next_message(client);
  }
  // Of the connection that came last: the status of CHANNEL_OPENED. Sizes as libhttpapi asks for them, but for the completion ring.
  NtStatus open_channel(uint32_t cq_entries = 0)
  {
    hsys_control_channel_open open{};
    open.head = head_of(HSYS_CONTROL_CHANNEL_OPEN, sizeof open);
    open.cq_entries = cq_entries;
    REQUIRE(::send(m_clients.back(), &open, sizeof open, 0) == sizeof open);
    hsys_control head{};
    for (int tries = 0; tries < 5000; tries++) {
      rig.step();
      if (recv(m_clients.back(), &head, sizeof head, MSG_DONTWAIT) > 0)
        break;
      usleep(1000);
    }
    REQUIRE(head.type == HSYS_CONTROL_CHANNEL_OPENED);
    return static_cast<NtStatus>(head.status);
  }
  void leave(size_t index)
  {
    ::close(m_clients[index]);
    m_clients.erase(m_clients.begin() + static_cast<ptrdiff_t>(index));
    for (int tries = 0; tries < 300; tries++) { // its memory is unmapped by another thread
      rig.step();
      usleep(1000);
    }
  }
  static bool has_logged(const std::string &text)
  {
    return std::ranges::any_of(s_lines, [&](const std::string &line) { return line.find(text) != line.npos; });
  }

  Rig rig;

private:
  static inline std::vector<std::string> s_lines;
  std::vector<int> m_clients;
};

}

TEST_CASE("a process and a user have as many sessions as they may have, and not one more")
{
  Config::Clients clients;
  clients.sessions = {3, 2};
  Crowd crowd(clients);
  CHECK(crowd.connect(1000, 71) == HSYS_CONTROL_WELCOME);
  CHECK(crowd.connect(1000, 71) == HSYS_CONTROL_WELCOME);
  CHECK(crowd.connect(1000, 71) <= 0);
  CHECK(Crowd::has_logged("pid 71 (crowd, uid 1000) is turned away: this process has 2 sessions, and may have 2 (SessionsPerProcess"));
  CHECK(crowd.connect(1000, 72) == HSYS_CONTROL_WELCOME);
  usleep(1'100'000); // refusals are logged once a second
  CHECK(crowd.connect(1000, 73) <= 0);
  CHECK(Crowd::has_logged("is turned away: uid 1000 has 3 sessions, and may have 3 (SessionsPerUser in httpsys.toml)"));
  CHECK(crowd.connect(1001, 74) == HSYS_CONTROL_WELCOME);
  crowd.leave(0);
  CHECK(crowd.connect(1000, 73) == HSYS_CONTROL_WELCOME);
}

TEST_CASE("channels take of what process and user may have of memory and of operations, and give it back")
{
  static constexpr uint64_t kChannel = 8'000'000; // one counts 7.4 million, 2.1 of them for copies; without, three would fit
  struct Case {
    Config::Share bytes, operations;
    const char *key;
  };
  const uint64_t many = UINT64_MAX / 2;
  for (const Case &each : {Case{{many, kChannel * 2}, {many, many}, "ChannelBytesPerProcess"},
                           Case{{kChannel * 2, many}, {many, many}, "ChannelBytesPerUser"},
                           Case{{many, many}, {many, 2 * HSYS_CQ_ENTRIES_DEFAULT}, "OperationsPerProcess"},
                           Case{{many, many}, {2 * HSYS_CQ_ENTRIES_DEFAULT, many}, "OperationsPerUser"}}) {
    CAPTURE(each.key);
    Config::Clients clients;
    clients.channel_bytes = each.bytes;
    clients.operations = each.operations;
    Crowd crowd(clients);
    for (int channel = 0; channel < 2; channel++) {
      REQUIRE(crowd.connect(1000, 71) == HSYS_CONTROL_WELCOME);
      CHECK(crowd.open_channel() == NtStatus::Success);
    }
    REQUIRE(crowd.connect(1000, 71) == HSYS_CONTROL_WELCOME);
    CHECK(crowd.open_channel() == NtStatus::InsufficientResources);
    CHECK(Crowd::has_logged(fmt::format("({} in httpsys.toml)", each.key)));
    // The session is as before, and whoever is not bound gets in.
    const bool is_user = std::string(each.key).ends_with("User");
    REQUIRE(crowd.connect(is_user ? 1001 : 1000, 72) == HSYS_CONTROL_WELCOME);
    CHECK(crowd.open_channel() == NtStatus::Success);
    crowd.leave(0);
    REQUIRE(crowd.connect(1000, 71) == HSYS_CONTROL_WELCOME);
    CHECK(crowd.open_channel() == NtStatus::Success);
    REQUIRE(crowd.connect(1000, 71) == HSYS_CONTROL_WELCOME);
    CHECK(crowd.open_channel(HSYS_CQ_ENTRIES_MIN) == NtStatus::InsufficientResources);
  }
}

TEST_CASE("when the daemon has all the sessions that it may have, administrators still get in")
{
  rlimit descriptors{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &descriptors) == 0);
  descriptors.rlim_cur = descriptors.rlim_max;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &descriptors) == 0);
  if (descriptors.rlim_max < 5000) {
    MESSAGE("not tried: this process may have ", descriptors.rlim_max, " descriptors");
    return;
  }
  Config::Clients clients;
  clients.sessions = {limits::kSessions, limits::kSessions};
  Crowd crowd(clients);
  // Half for a user, a quarter for a process.
  for (uint32_t session = 0; session < limits::kSessions; session++)
    REQUIRE(crowd.connect(1000 + session % 2, 71 + session % 4) == HSYS_CONTROL_WELCOME);
  CHECK(crowd.connect(1002, 75) <= 0);
  CHECK(Crowd::has_logged("is turned away: the daemon has 1024 sessions, and may have 1024 (kSessions)"));
  for (uint32_t session = 0; session < limits::kSessionsReserved; session++)
    REQUIRE(crowd.connect(0, 1) == HSYS_CONTROL_WELCOME);
  CHECK(crowd.connect(0, 1) <= 0);
}
