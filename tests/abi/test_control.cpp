// SPDX-License-Identifier: GPL-3.0-or-later
// The control socket: HELLO, channels, administration, and what ends a session.
#include "tests/abi/ring_fixture.h"
#include <cerrno>
#include <cstring>
#include <memory>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int receive(ring_client &client)
{
  static char buffer[HSYS_ADMIN_MESSAGE_MAX];
  return ring_control_receive(&client, buffer, sizeof buffer, nullptr, kAnswerMilliseconds);
}

// The daemon tells why, then closes.
static void expect_cut_off(ring_client &client, uint32_t reason = HSYS_REVOKED_CONTROL)
{
  CHECK(receive(client) == sizeof(hsys_control_revoked));
  CHECK(client.revoked == reason);
  CHECK(receive(client) == RING_CLOSED);
}

static hsys_control_hello hello_message()
{
  hsys_control_hello hello{};
  hello.abi_major = HSYS_ABI_MAJOR;
  return hello;
}

TEST_CASE("WELCOME")
{
  DaemonProcess daemon;
  ControlClient first(daemon), second(daemon);
  CHECK(first.welcome.abi_major == HSYS_ABI_MAJOR);
  CHECK(first.welcome.abi_minor == HSYS_ABI_MINOR);
  CHECK(first.welcome.features == HSYS_FEATURES);
  CHECK(first.welcome.daemon_pid == static_cast<uint32_t>(daemon.pid()));
  CHECK(first.welcome.cores == DaemonProcess::cores());
  CHECK(first.welcome.epoch == second.welcome.epoch);
  CHECK(first.welcome.session != second.welcome.session);
}

TEST_CASE("HELLO of another version gets what the daemon has, then the end")
{
  DaemonProcess daemon;
  struct Case {
    void (*change)(hsys_control_hello &hello);
    uint32_t status;
  };
  const Case cases[] = {
    {[](hsys_control_hello &hello) { hello.abi_major++; }, static_cast<uint32_t>(HSYS_STATUS_REVISION_MISMATCH)},
    {[](hsys_control_hello &hello) { hello.minor_min = hello.minor_max = HSYS_ABI_MINOR + 1; },
     static_cast<uint32_t>(HSYS_STATUS_REVISION_MISMATCH)},
    {[](hsys_control_hello &hello) { hello.need = uint64_t{1} << 40; }, static_cast<uint32_t>(HSYS_STATUS_NOT_SUPPORTED)},
  };
  for (const Case &row : cases) {
    ControlClient client(daemon, false);
    auto hello = hello_message();
    row.change(hello);
    REQUIRE(ring_control_send(&client, HSYS_CONTROL_HELLO, &hello, sizeof hello) == 0);
    hsys_control_welcome welcome{};
    CHECK(ring_control_receive(&client, &welcome, sizeof welcome, nullptr, kAnswerMilliseconds) == sizeof welcome);
    CHECK(welcome.head.status == row.status);
    CHECK(welcome.abi_major == HSYS_ABI_MAJOR);
    CHECK(receive(client) == RING_CLOSED);
  }
}

TEST_CASE("messages that end a session")
{
  DaemonProcess daemon;
  SUBCASE("something else before HELLO")
  {
    ControlClient client(daemon, false);
    hsys_control ping{};
    REQUIRE(ring_control_send(&client, HSYS_CONTROL_PING, &ping, sizeof ping) == 0);
    expect_cut_off(client);
  }
  SUBCASE("HELLO twice")
  {
    ControlClient client(daemon);
    auto hello = hello_message();
    REQUIRE(ring_control_send(&client, HSYS_CONTROL_HELLO, &hello, sizeof hello) == 0);
    expect_cut_off(client);
  }
  SUBCASE("short, in front of others")
  {
    ControlClient client(daemon);
    hsys_control ping{};
    REQUIRE(send(client.control, "x", 1, 0) == 1);
    ring_control_send(&client, HSYS_CONTROL_PING, &ping, sizeof ping); // the daemon may have hung up already
    expect_cut_off(client);
  }
  SUBCASE("long")
  {
    ControlClient client(daemon);
    std::string bytes(HSYS_ADMIN_MESSAGE_MAX + 1, '\0');
    REQUIRE(ring_control_send(&client, HSYS_CONTROL_ADMIN, bytes.data(), static_cast<uint32_t>(bytes.size())) == 0);
    expect_cut_off(client);
  }
  SUBCASE("long before HELLO")
  {
    ControlClient client(daemon, false);
    std::string bytes(HSYS_CONTROL_MESSAGE_MAX + 1, '\0');
    REQUIRE(ring_control_send(&client, HSYS_CONTROL_HELLO, bytes.data(), static_cast<uint32_t>(bytes.size())) == 0);
    expect_cut_off(client);
  }
  SUBCASE("unknown")
  {
    ControlClient client(daemon);
    hsys_control message{};
    REQUIRE(ring_control_send(&client, 99, &message, sizeof message) == 0);
    expect_cut_off(client);
  }
  SUBCASE("an answer's type")
  {
    ControlClient client(daemon);
    hsys_control message{};
    REQUIRE(ring_control_send(&client, HSYS_CONTROL_PONG, &message, sizeof message) == 0);
    expect_cut_off(client);
  }
  SUBCASE("malformed administration command")
  {
    ControlClient client(daemon);
    hsys_control_admin message{};
    message.word_count = 1;
    REQUIRE(ring_control_send(&client, HSYS_CONTROL_ADMIN, &message, sizeof message) == 0);
    expect_cut_off(client);
  }
  SUBCASE("an empty packet is the end, without a word")
  {
    ControlClient client(daemon);
    REQUIRE(send(client.control, "", 0, 0) == 0);
    CHECK(receive(client) == RING_CLOSED);
  }
  ControlClient control(daemon);
  control.stats_until([](auto &stats) { return stats.sessions == 1; });
}

TEST_CASE("no HELLO for five seconds")
{
  DaemonProcess daemon;
  ControlClient client(daemon, false);
  CHECK(receive(client) == sizeof(hsys_control_revoked));
  CHECK(client.revoked == HSYS_REVOKED_HELLO_TIMEOUT);
  CHECK(receive(client) == RING_CLOSED);
}

static bool send_descriptor(ring_client &client)
{
  hsys_control ping{HSYS_CONTROL_MAGIC, HSYS_CONTROL_PING, 0, sizeof ping, 1, 0, 0};
  union {
    cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control{};
  iovec vector{&ping, sizeof ping};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  control.head.cmsg_level = SOL_SOCKET;
  control.head.cmsg_type = SCM_RIGHTS;
  control.head.cmsg_len = CMSG_LEN(sizeof(int));
  int zero = 0;
  std::memcpy(CMSG_DATA(&control.head), &zero, sizeof zero);
  if (sendmsg(client.control, &message, MSG_NOSIGNAL) == sizeof ping)
    return true;
  CHECK(errno == EPERM); // SO_PASSRIGHTS (Linux 6.16) refuses it already
  return false;
}

TEST_CASE("descriptors on the control socket")
{
  DaemonProcess daemon;
  ControlClient client(daemon);
  if (send_descriptor(client))
    expect_cut_off(client);
  ControlClient control(daemon);
  CHECK(control.stats().sessions >= 1);
}

TEST_CASE("PING")
{
  DaemonProcess daemon;
  ControlClient client(daemon);
  for (int count = 0; count < 100; count++) {
    hsys_control ping{}, pong{};
    REQUIRE(ring_control_send(&client, HSYS_CONTROL_PING, &ping, sizeof ping) == 0);
    REQUIRE(ring_control_receive(&client, &pong, sizeof pong, nullptr, kAnswerMilliseconds) == sizeof pong);
    CHECK(pong.type == HSYS_CONTROL_PONG);
    CHECK(pong.sequence == client.sequence);
  }
}

TEST_CASE("many messages at once are all answered")
{
  DaemonProcess daemon;
  ControlClient client(daemon);
  hsys_control message{};
  const uint32_t count = 60;
  for (uint32_t sent = 0; sent < count; sent++)
    REQUIRE(ring_control_send(&client, HSYS_CONTROL_PING, &message, sizeof message) == 0);
  for (uint32_t received = 0; received < count; received++)
    REQUIRE(receive(client) == sizeof message);
}

TEST_CASE("a client that does not read its answers is cut off")
{
  DaemonProcess daemon;
  ControlClient client(daemon), control(daemon);
  hsys_control ping{};
  int result = 0;
  for (int sent = 0; sent < 1000000 && result == 0; sent++)
    result = ring_control_send(&client, HSYS_CONTROL_PING, &ping, sizeof ping);
  CHECK(result == RING_SYSTEM);
  control.stats_until([](auto &stats) { return stats.sessions == 1; });
}

TEST_CASE("one channel per session")
{
  DaemonProcess daemon;
  Client client(daemon);
  hsys_control_channel_open open{};
  hsys_control_channel_opened opened{};
  REQUIRE(ring_control_send(&client, HSYS_CONTROL_CHANNEL_OPEN, &open, sizeof open) == 0);
  REQUIRE(ring_control_receive(&client, &opened, sizeof opened, nullptr, kAnswerMilliseconds) == sizeof opened);
  CHECK(opened.head.status == static_cast<uint32_t>(HSYS_STATUS_NOT_SUPPORTED));
  CHECK(client.call(operation(HSYS_OP_NOP)).status == HSYS_STATUS_SUCCESS);
}

TEST_CASE("two CHANNEL_OPENs in a row, the second while the first is served")
{
  DaemonProcess daemon;
  ControlClient client(daemon);
  hsys_control_channel_open open{};
  REQUIRE(ring_control_send(&client, HSYS_CONTROL_CHANNEL_OPEN, &open, sizeof open) == 0);
  REQUIRE(ring_control_send(&client, HSYS_CONTROL_CHANNEL_OPEN, &open, sizeof open) == 0);
  int opened_count = 0;
  for (int count = 0; count < 2; count++) {
    hsys_control_channel_opened opened{};
    int fds[4];
    REQUIRE(ring_control_receive(&client, &opened, sizeof opened, fds, kAnswerMilliseconds) == sizeof opened);
    opened_count += opened.head.status == HSYS_STATUS_SUCCESS;
    for (int fd : fds)
      if (fd >= 0)
        close(fd);
  }
  CHECK(opened_count == 1);
}

TEST_CASE("a session that ends while its channel is being made")
{
  DaemonProcess daemon;
  ControlClient control(daemon);
  for (int count = 0; count < 30; count++) {
    ControlClient client(daemon);
    hsys_control_channel_open open{};
    open.tx_bytes = 16 << 20;
    REQUIRE(ring_control_send(&client, HSYS_CONTROL_CHANNEL_OPEN, &open, sizeof open) == 0);
    usleep(static_cast<useconds_t>(count * 500));
  }
  auto stats = control.stats_until([](auto &numbers) { return numbers.sessions == 1; });
  CHECK(stats.channels == 0);
}

TEST_CASE("channel memory of one user is bounded, and comes back")
{
  DaemonProcess daemon;
  ControlClient control(daemon);
  for (int round = 0; round < 2; round++) {
    std::vector<std::unique_ptr<ControlClient>> clients;
    int result = 0;
    while (result == 0 && clients.size() < 100) {
      clients.push_back(std::make_unique<ControlClient>(daemon));
      result = ring_open_channel(clients.back().get(), 0, 0, 0, HSYS_ARENA_BYTES_MAX / 4);
    }
    CHECK(result == RING_REFUSED);
    CHECK(clients.back()->status == static_cast<uint32_t>(HSYS_STATUS_INSUFFICIENT_RESOURCES));
    CHECK(clients.size() == 8); // seven fit into 1 GiB: 64 MiB, counted once more for copies of parameters, and something
    // The refused one may ask for less.
    CHECK(ring_open_channel(clients.back().get(), 0, 0, 0, 0) == 0);
    clients.clear();
    control.stats_until([](auto &stats) { return stats.sessions == 1; });
  }
}

TEST_CASE("administration")
{
  DaemonProcess daemon;
  ControlClient client(daemon);
  std::pair<uint32_t, uint32_t> code;
  CHECK(client.administer({"echo", "two", "", "words"}, {{"certfile", "the contents"}}, &code) == "two\n\nwords\ncertfile: the contents\n");
  CHECK(code == std::pair<uint32_t, uint32_t>(0, 0));
  CHECK(client.administer({}, {}, &code) == "no command");
  CHECK(code == std::pair<uint32_t, uint32_t>(87, 2));
  std::string big(60000, 'k');
  CHECK(client.administer({"echo"}, {{"keyfile", big}}, &code) == "keyfile: " + big + "\n");
  // An answer that does not fit ends at a whole line.
  std::string lines = client.administer({"lines", "5000"});
  CHECK(lines.size() == (HSYS_ADMIN_MESSAGE_MAX - sizeof(hsys_control_admin_answer)) / 40 * 40);
}

TEST_CASE("commands one after the other while messages queue up")
{
  DaemonProcess daemon;
  ControlClient client(daemon);
  hsys_control ping{};
  hsys_control_admin head{};
  std::string bytes(reinterpret_cast<const char *>(&head), sizeof head);
  bytes += std::string("\4\0\0\0echo", 8);
  for (int count = 0; count < 20; count++) {
    head.word_count = 1;
    std::memcpy(bytes.data(), &head, sizeof head);
    REQUIRE(ring_control_send(&client, HSYS_CONTROL_ADMIN, bytes.data(), static_cast<uint32_t>(bytes.size())) == 0);
    REQUIRE(ring_control_send(&client, HSYS_CONTROL_PING, &ping, sizeof ping) == 0);
  }
  for (int count = 0; count < 20; count++) {
    CHECK(receive(client) == sizeof(hsys_control_admin_answer));
    CHECK(receive(client) == sizeof(hsys_control));
  }
}

// Runs a check as user nobody; its exit code is the number of failures.
template <typename Check>
static void as_nobody(Check check)
{
  if (geteuid() != 0) {
    MESSAGE("not tried: only root can do it as another user");
    return;
  }
  pid_t child = fork();
  if (child == 0) {
    bool is_other = setgroups(0, nullptr) == 0 && setgid(65534) == 0 && setuid(65534) == 0;
    _exit(is_other ? check() : 100);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

// A daemon whose folder and socket everybody may use.
static void open_to_all(const DaemonProcess &daemon)
{
  ControlClient first(daemon); // it is up
  std::string folder = daemon.socket().substr(0, daemon.socket().rfind('/'));
  REQUIRE(chmod(folder.c_str(), 0755) == 0);
  for (int tries = 0; tries < 100; tries++) {
    struct stat status;
    REQUIRE(stat(daemon.socket().c_str(), &status) == 0);
    if ((status.st_mode & 0777) == 0777)
      break;
    ControlClient::pause();
  }
}

TEST_CASE("other users may not administer")
{
  DaemonProcess daemon({"--open"});
  open_to_all(daemon);
  as_nobody([&] {
    ring_client client;
    int failures = ring_connect(&client, daemon.socket().c_str(), 5000) != 0 || ring_hello(&client, "nobody") != 0;
    hsys_control_admin admin{};
    failures += ring_control_send(&client, HSYS_CONTROL_ADMIN, &admin, sizeof admin) != 0;
    char buffer[HSYS_CONTROL_MESSAGE_MAX];
    int size = ring_control_receive(&client, buffer, sizeof buffer, nullptr, kAnswerMilliseconds);
    hsys_control_admin_answer answer;
    std::memcpy(&answer, buffer, sizeof answer);
    failures += size <= static_cast<int>(sizeof answer) || answer.win32_code != 5 || answer.exit_code != 4;
    hsys_control_stats stats{};
    failures += ring_control_send(&client, HSYS_CONTROL_STATS, &stats, sizeof stats.head) != 0;
    size = ring_control_receive(&client, &stats, sizeof stats, nullptr, kAnswerMilliseconds);
    failures += size != sizeof stats || stats.head.status != static_cast<uint32_t>(HSYS_STATUS_ACCESS_DENIED) || stats.sessions != 0;
    // Everything else it may.
    failures += ring_open_channel(&client, 0, 0, 0, 0) != 0;
    hsys_sqe nop = operation(HSYS_OP_NOP);
    hsys_cqe completion;
    failures += ring_call(&client, &nop, &completion, kAnswerMilliseconds) != 0;
    return failures;
  });
}

TEST_CASE("sessions of one process are bounded, and others still get in")
{
  DaemonProcess daemon({"--open"});
  open_to_all(daemon);
  as_nobody([&] {
    std::vector<ring_client> clients(100);
    int welcomed = 0;
    for (auto &client : clients)
      welcomed += ring_connect(&client, daemon.socket().c_str(), 5000) == 0 && ring_hello(&client, "nobody") == 0;
    return welcomed == 64 ? 0 : 1;
  });
  ControlClient control(daemon);
  control.stats_until([](auto &stats) { return stats.sessions == 1; });
}
