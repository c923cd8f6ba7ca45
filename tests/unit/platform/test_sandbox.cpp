// SPDX-License-Identifier: GPL-3.0-or-later
// The layers one by one and together, each in a child: none can be left again. tests/system/test_sandbox.py looks at a daemon.
#include "kernel/platform/linux/landlock.h"
#include "kernel/platform/linux/sandbox_attempts.h"
#include "kernel/platform/linux/seccomp.h"
#include "kernel/platform/shared_memory.h"
#include "tests/unit/not_tried.h"
#include "tests/unit/temporary_folder.h"
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::platform;

namespace {

struct Folder {
  TemporaryFolder own;
  std::string path = own.path(), reason;
  Folder()
  {
    std::filesystem::create_directory(own / "state");
    std::filesystem::create_directory(own / "run");
  }
};

// In a child, whose exit code is the function's; -SIGNAL when one ended it. Only root needs no no_new_privs for the layers.
template <typename Function>
int in_child(Function function)
{
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0)
    _exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? function() : 255);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool can_make(const std::string &path)
{
  int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  bool made = file >= 0 && write(file, "x", 1) == 1;
  close(file);
  return made;
}

bool has(const std::vector<AttemptResult> &results, const std::string &what, AttemptResult::Outcome outcome)
{
  return std::any_of(results.begin(), results.end(), [&](auto &result) { return result.what == what && result.outcome == outcome; });
}

bool is_there(int (*enter)())
{
  return in_child(enter) == 0;
}

// Builds with a sanitizer leave layers out of the whole; alone they would break the sanitizer's runtime.
bool leaves_layers_out()
{
  bool leaves = in_child([] {
    Sandbox sandbox;
    sandbox.limit_calls();
    return sandbox.layers().back().state == SandboxLayer::State::LeftOut ? 1 : 0;
  }) == 1;
  if (leaves)
    MESSAGE("not tried: this build leaves layers of the sandbox out");
  return leaves;
}

bool landlock_is_there()
{
  bool is_known = is_there([] {
    std::string reason;
    return enter_landlock("/tmp", "/tmp", reason).error() == NtStatus::NotSupported ? 1 : 0;
  });
  if (!is_known)
    MESSAGE("not tried: this kernel has no Landlock");
  return is_known;
}

}

TEST_CASE_FIXTURE(Folder, "Landlock leaves the state folder, sockets in theirs, and /proc to be read")
{
  if (!landlock_is_there())
    return;
  CHECK(in_child([this] {
    const std::string state = path + "/state", run = path + "/run";
    if (!can_make(path + "/before"))
      return 1;
    auto abi = enter_landlock(state, run, reason);
    if (abi.is_error())
      return 2;
    if (!can_make(state + "/a") || mkdir((state + "/inside").c_str(), 0700) != 0 || !can_make(state + "/inside/b") ||
        rename((state + "/a").c_str(), (state + "/c").c_str()) != 0 || unlink((state + "/c").c_str()) != 0)
      return 3;
    if (can_make(path + "/outside") || can_make(run + "/file") || can_make(path + "/before") || open("/etc/hostname", O_RDONLY) >= 0 ||
        open("/etc/passwd", O_RDONLY) >= 0)
      return 4;
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (run + "/.s.new").copy(address.sun_path, sizeof address.sun_path - 1);
    if (bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0 ||
        rename((run + "/.s.new").c_str(), (run + "/s").c_str()) != 0 || unlink((run + "/s").c_str()) != 0)
      return 5;
    return open("/proc/self/comm", O_RDONLY) >= 0 && open("/proc/self/comm", O_WRONLY) < 0 ? 0 : 6;
  }) == 0);
}

TEST_CASE_FIXTURE(Folder, "each ABI of Landlock is taken as far as it goes")
{
  if (!landlock_is_there())
    return;
  for (int newest = 1; newest <= 7; newest++) {
    CAPTURE(newest);
    CHECK(in_child([&] {
      auto abi = enter_landlock(path + "/state", path + "/run", reason, newest);
      if (abi.is_error() || *abi > newest)
        return 1;
      if (!can_make(path + "/state/a") || can_make(path + "/outside"))
        return 2;
      int peer = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET; // port 0: nobody listens
      bool refused = connect(peer, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0 && errno == EACCES;
      bool signals = kill(getppid(), 0) == 0;
      return refused == (*abi >= 4) && signals == (*abi < 6) ? 0 : 3;
    }) == 0);
  }
}

TEST_CASE("what an ABI of Landlock covers is told")
{
  CHECK(describe_landlock(1) == "ABI 1: files");
  CHECK(describe_landlock(4) == "ABI 4: files, TCP connections");
  CHECK(describe_landlock(7) == "ABI 7: files, TCP connections, signals, abstract sockets");
}

TEST_CASE("the filter holds for threads that run already, and leaves what the daemon does")
{
  if (leaves_layers_out())
    return;
  CHECK(in_child([] {
    std::atomic<int> stage{0}, error{0};
    std::thread other([&] {
      stage = 1;
      while (stage != 2)
        std::this_thread::yield();
      error = syscall(SYS_getppid) < 0 && errno == EPERM ? 0 : 1;
    });
    while (stage != 1)
      std::this_thread::yield();
    std::string reason;
    auto allowed = limit_system_calls(reason);
    stage = 2;
    other.join();
    if (allowed.is_error() || *allowed < 50 || error != 0)
      return 1;
    std::thread([&] { prctl(PR_SET_NAME, "later"); stage = 3; }).join(); // threads can be made
    if (stage != 3 || prctl(PR_SET_DUMPABLE, 1) == 0)
      return 2;
    auto memory = create_shared_memory("test", shared_page_bytes(), SharedWriter::Daemon, {});
    if (memory.is_error())
      return 3;
    release_shared_memory(*memory);
    if (socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 || socket(AF_INET, SOCK_DGRAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0)
      return 4;
    return 0;
  }) == 0);
}

TEST_CASE("what only an intruder asks for ends the process")
{
  if (leaves_layers_out())
    return;
  CHECK(in_child([] {
    std::string reason;
    if (limit_system_calls(reason).is_error())
      return 1;
    execl("/bin/true", "true", nullptr);
    return 2;
  }) == -SIGSYS);
}

TEST_CASE_FIXTURE(Folder, "what is forbidden can be done without the sandbox, and not from inside")
{
  Sandbox sandbox;
  REQUIRE(sandbox.prepare({path + "/state", path + "/run/s", std::nullopt}, reason));
  auto outside = try_forbidden_things(sandbox, false);
  for (const char *what : {"make a file in /tmp", "run a program", "start a process", "signal another process", "connect by TCP",
         "make memory executable", "make another io_uring"})
    CHECK_MESSAGE(has(outside, what, AttemptResult::Outcome::Done), what);
  if (is_root()) {
    for (const char *what : {"read /etc/shadow", "write /etc/passwd", "become uid 0", "raise a capability", "change the root folder"})
      CHECK_MESSAGE(has(outside, what, AttemptResult::Outcome::Done), what);
  }
  if (leaves_layers_out() || !landlock_is_there())
    return;
  for (auto &result : try_forbidden_things(sandbox))
    CHECK_MESSAGE((result.outcome == AttemptResult::Outcome::Refused || (geteuid() != 0 && result.detail.starts_with("only uid 0"))),
      describe_attempt(result));
}

TEST_CASE("an attempt is refused only by what the sandbox answers, not tried only where there may be nothing to try it on")
{
  struct Row {
    int status; // of waitpid()
    bool may_be_missing;
    AttemptResult::Outcome outcome;
  };
  constexpr auto exited = [](int code) { return code << 8; };
  using enum AttemptResult::Outcome;
  const Row rows[] = {{exited(0), false, Done},          {exited(EPERM), false, Refused},        {exited(EACCES), true, Refused},
                      {exited(ENOSYS), false, Refused},  {exited(EAFNOSUPPORT), false, Refused}, {exited(ENOENT), true, NotTried},
                      {exited(ENOENT), false, Done},     {exited(EINVAL), false, Done},          {exited(EINVAL), true, Done},
                      {exited(EROFS), true, NotTried},   {exited(EROFS), false, Done},           {exited(251), false, NotTried},
                      {SIGSYS, false, Refused},          {SIGKILL, true, CouldNotTry},           {exited(250), true, CouldNotTry},
                      {exited(252), true, CouldNotTry},  {exited(EAGAIN), true, CouldNotTry},    {exited(ENOMEM), true, CouldNotTry},
                      {exited(EMFILE), true, CouldNotTry}};
  for (const Row &row : rows) {
    CAPTURE(row.status);
    CHECK(judge_attempt("x", row.status, row.may_be_missing).outcome == row.outcome);
  }
}

TEST_CASE_FIXTURE(Folder, "layers are listed in order, with what they are")
{
  CHECK(in_child([this] {
    Sandbox sandbox;
    if (sandbox.prepare({path + "/state", path + "/run/s", std::nullopt}, reason).is_error() || sandbox.enter(reason).is_error())
      return 1;
    sandbox.limit_calls();
    static constexpr const char *names[] = {"user", "capabilities", "no_new_privs", "non-dumpable", "Landlock", "io_uring",
                                            "locked keys", "seccomp"};
    if (sandbox.layers().size() != std::size(names))
      return 2;
    for (size_t i = 0; i < std::size(names); i++) {
      if (sandbox.layers()[i].name != names[i] || !describe_layer(sandbox.layers()[i]).starts_with(std::string(names[i]) + ": "))
        return 3;
    }
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || errno == EPERM ? 0 : 4;
  }) == 0);
  using State = SandboxLayer::State;
  CHECK(describe_layer({"a", State::On, ""}) == "a: on");
  CHECK(describe_layer({"a", State::On, "5 things"}) == "a: on, 5 things");
  for (State state : {State::Absent, State::Chosen, State::LeftOut})
    CHECK(describe_layer({"a", state, "why"}) == "a: off: why");
}
