// SPDX-License-Identifier: GPL-3.0-or-later
// Connecting: who answers, what is refused with which code and sentence.
#include "tests/unit/lib/fake_daemon.h"
#include "lib/client_session.h"
#include "lib/process_guard.h"
#include "tests/unit/not_tried.h"
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace httpsys::lib;

namespace {

struct Outcome {
  bool is_connected;
  uint32_t code;
  std::string why;
};

Outcome connect_to(const std::string &path)
{
  setenv("HTTPSYS_SOCKET", path.c_str(), 1);
  uint32_t code = 0;
  ErrorText why;
  auto begin = std::chrono::steady_clock::now();
  bool is_connected = static_cast<bool>(ClientSession::connect(code, why));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  return {is_connected, code, why.c_str()};
}

bool contains(const std::string &text, const std::string &part)
{
  return text.find(part) != std::string::npos;
}

}

TEST_CASE("the path: the environment, else the default")
{
  unsetenv("HTTPSYS_SOCKET");
  CHECK(std::string(ControlConnection::socket_path()) == "/run/httpsys/httpsys.sock");
  setenv("HTTPSYS_SOCKET", "", 1);
  CHECK(std::string(ControlConnection::socket_path()) == "/run/httpsys/httpsys.sock");
  setenv("HTTPSYS_SOCKET", "/tmp/x", 1);
  CHECK(std::string(ControlConnection::socket_path()) == "/tmp/x");
}

TEST_CASE("no daemon: 1062 and a sentence that says what to do")
{
  Outcome outcome = connect_to("/nonexistent/httpsys.sock");
  CHECK(outcome.code == 1062);
  CHECK(outcome.why == "cannot reach httpsysd at /nonexistent/httpsys.sock: no such file. Is httpsysd.service running? "
                       "HTTPSYS_SOCKET overrides the path.");
}

TEST_CASE("a stale socket: 1062, nobody listens")
{
  TemporaryFolder folder;
  std::string path = folder / "stale.sock";
  int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, path.c_str());
  REQUIRE(bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
  close(listener);
  Outcome outcome = connect_to(path);
  CHECK(outcome.code == 1062);
  CHECK(contains(outcome.why, "nobody listens on it"));
}

TEST_CASE("a file that is no socket: 1062")
{
  TemporaryFolder folder;
  put_file(folder / "file", "");
  CHECK(connect_to(folder / "file").code == 1062);
}

TEST_CASE("a path over 107 bytes is refused by name")
{
  std::string path = "/tmp/" + std::string(103, 'p');
  Outcome outcome = connect_to(path);
  CHECK(outcome.code == 87);
  CHECK(contains(outcome.why, path));
  CHECK(contains(outcome.why, "107"));
}

TEST_CASE("a daemon that does not answer: 1062 in the end")
{
  FakeDaemon daemon({.answers_hello = false});
  Outcome outcome = connect_to(daemon.path());
  CHECK(outcome.code == 1062);
  CHECK(contains(outcome.why, "did not answer"));
}

TEST_CASE("a daemon that ends the connection instead of answering: 1062, and no word of a time that did not pass")
{
  for (uint16_t message : {HSYS_CONTROL_HELLO, HSYS_CONTROL_CHANNEL_OPEN}) {
    FakeDaemon daemon({.hangs_up_on = message});
    Outcome outcome = connect_to(daemon.path());
    CHECK(outcome.code == 1062);
    CHECK(!contains(outcome.why, " ms"));
    CHECK(contains(outcome.why, message == HSYS_CONTROL_HELLO ? "closed the connection without an answer" : "it ended"));
  }
}

TEST_CASE("no room for the descriptors of a channel: 1062, and the sentence says so")
{
  FakeDaemon daemon;
  setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
  pid_t child = fork();
  if (child == 0) {
    int last = dup(STDERR_FILENO);
    while (last < 200)
      last = dup(STDERR_FILENO);
    rlimit limit{static_cast<rlim_t>(last) + 1, static_cast<rlim_t>(last) + 1};
    close(last - 1); // for the socket
    close(last);     // and one of the four
    uint32_t code = 0;
    ErrorText why;
    bool is_right = setrlimit(RLIMIT_NOFILE, &limit) == 0 && !ClientSession::connect(code, why) && code == 1062;
    _exit(is_right && contains(why.c_str(), "ulimit -n") ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

namespace {

// What a child process does as another user; its exit status. -1 when this is not root.
int as_user(uid_t uid, const std::function<int()> &function)
{
  if (!is_root())
    return -1;
  pid_t child = fork();
  if (child == 0)
    _exit(setresuid(uid, uid, uid) == 0 ? function() : 99);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

int listen_on(const std::string &path)
{
  int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, path.c_str());
  return bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0 && listen(listener, 1) == 0 ? listener : -1;
}

}

TEST_CASE("a socket that this user may not open: 5")
{
  TemporaryFolder folder;
  REQUIRE(chmod(folder.path().c_str(), 0755) == 0);
  int listener = listen_on(folder / "s");
  REQUIRE(chmod((folder / "s").c_str(), 0600) == 0);
  setenv("HTTPSYS_SOCKET", (folder / "s").c_str(), 1);
  int status = as_user(65534, [] {
    uint32_t code = 0;
    ErrorText why;
    bool is_connected = static_cast<bool>(ClientSession::connect(code, why));
    return !is_connected && code == 5 && contains(why.c_str(), "uid 65534 may not connect") ? 0 : 1;
  });
  CHECK((status == 0 || status == -1));
  close(listener);
}

TEST_CASE("a server that is neither root nor the socket's owner is not believed: 5")
{
  TemporaryFolder folder;
  std::string path = folder / "s";
  REQUIRE(chmod(folder.path().c_str(), 0777) == 0);
  int ready[2], over[2];
  REQUIRE(pipe(ready) == 0);
  REQUIRE(pipe(over) == 0);
  std::thread server([&] {
    as_user(65534, [&] {
      char byte = 0;
      int listener = listen_on(path);
      ssize_t count = write(ready[1], &byte, 1);
      close(over[1]);
      count = read(over[0], &byte, 1);
      return listener + static_cast<int>(count);
    });
    close(ready[1]);
  });
  char byte;
  if (read(ready[0], &byte, 1) == 1) {
    REQUIRE(chown(path.c_str(), 12345, 12345) == 0);
    Outcome outcome = connect_to(path);
    CHECK(outcome.code == 5);
    CHECK(contains(outcome.why, "runs as uid 65534, but the socket belongs to uid 12345"));
  }
  close(over[1]);
  server.join();
  close(over[0]);
  close(ready[0]);
}

TEST_CASE("another major version: 1306")
{
  FakeDaemon daemon({.abi_major = 2, .hello_status = HSYS_STATUS_REVISION_MISMATCH});
  Outcome outcome = connect_to(daemon.path());
  CHECK(outcome.code == 1306);
  CHECK(contains(outcome.why, "libhttpapi speaks ring 1.0, httpsysd 2.0"));
}

TEST_CASE("refusals of the daemon")
{
  FakeDaemon denies({.hello_status = HSYS_STATUS_ACCESS_DENIED});
  CHECK(connect_to(denies.path()).code == 5);
  FakeDaemon full({.hello_status = HSYS_STATUS_INSUFFICIENT_RESOURCES});
  CHECK(connect_to(full.path()).code == 1062);
  FakeDaemon poor({.channel_status = HSYS_STATUS_NO_MEMORY});
  CHECK(connect_to(poor.path()).code == 8);
  FakeDaemon crowded({.channel_status = HSYS_STATUS_TOO_MANY_OPENED_FILES});
  Outcome outcome = connect_to(crowded.path());
  CHECK(outcome.code == 4);
  CHECK(contains(outcome.why, "descriptors"));
}

TEST_CASE("memory that is not sealed, and a geometry that is not ours, are not used")
{
  FakeDaemon unsealed({.seals = false});
  Outcome outcome = connect_to(unsealed.path());
  CHECK(outcome.code == 1062);
  CHECK(contains(outcome.why, "sealed"));
  FakeDaemon strange({.geometry_magic = 1});
  outcome = connect_to(strange.path());
  CHECK(outcome.code == 1062);
  CHECK(contains(outcome.why, "geometry"));
  FakeDaemon narrow({.ret_entries = 512});
  CHECK(connect_to(narrow.path()).code == 1062);
  FakeDaemon odd({.cq_entries = 255});
  CHECK(connect_to(odd.path()).code == 1062);
}

TEST_CASE("a session ends with its last reference, and the daemon sees it")
{
  FakeDaemon daemon;
  setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
  uint32_t code = 0;
  ErrorText why;
  Ref<ClientSession> session = ClientSession::connect(code, why);
  REQUIRE(session);
  Ref<ClientSession> second = session;
  session = {};
  CHECK(daemon.has_client());
  second = {};
  for (int i = 0; i < 60000 && daemon.has_client(); i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK_FALSE(daemon.has_client());
}

TEST_CASE("a mark does not pass to a child, which may make its own")
{
  ProcessGuard guard;
  CHECK_FALSE(guard.is_marked());
  REQUIRE(guard.mark());
  CHECK(guard.is_marked());
  pid_t child = fork();
  if (child == 0) {
    bool inherited = guard.is_marked();
    bool is_own = guard.mark() && guard.is_marked();
    _exit(inherited ? 1 : is_own ? 0 : 2);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(guard.is_marked());
}
