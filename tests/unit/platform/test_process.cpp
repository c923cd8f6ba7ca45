// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/log.h"
#include "kernel/platform/linux/process.h"
#include "kernel/platform/linux/process_info.h"
#include "tests/unit/platform/refused_call.h"
#include "tests/unit/temporary_folder.h"
#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace httpsys;
using namespace httpsys::platform;

namespace {

struct Folder {
  TemporaryFolder own;
  std::string path = own.path(), reason;
  bool reason_has(const std::string &text) const { return reason.find(text) != std::string::npos; }
};

// In a child, whose exit code is the function's.
template <typename Function>
int in_child(Function function)
{
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0)
    _exit(function());
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

unsigned mode_of(const std::string &path)
{
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777;
}

}

TEST_CASE_FIXTURE(Folder, "socket paths that no address can hold are refused by name")
{
  CHECK(check_socket_path("/run/httpsys/httpsys.sock", reason));
  CHECK(check_socket_path(std::string(107, 's'), reason));
  CHECK(reason.empty());
  const std::string longer(108, 's');
  CHECK(check_socket_path(longer, reason).error() == NtStatus::ObjectNameInvalid);
  CHECK(reason_has(longer));
  CHECK(reason_has("108 bytes; 107 are possible"));
  for (const std::string &bad : {std::string(), std::string("/tmp/"), std::string("a\0b", 3)})
    CHECK(check_socket_path(bad, reason).error() == NtStatus::ObjectNameInvalid);
}

TEST_CASE_FIXTURE(Folder, "folders are made with their parents, and left alone when they exist")
{
  CHECK(make_folder(path + "/a/b/state", 0700, reason));
  CHECK(mode_of(path + "/a/b/state") == 0700);
  CHECK(mode_of(path + "/a") == 0755);
  CHECK(make_folder(path + "/a", 0700, reason));
  CHECK(mode_of(path + "/a") == 0755);
  std::ofstream(path + "/file") << "x";
  CHECK(make_folder(path + "/file", 0700, reason).error() == NtStatus::ObjectPathNotFound);
  CHECK(reason_has("/file is not a folder"));
  CHECK(make_folder(path + "/file/state", 0700, reason).error() == NtStatus::ObjectPathNotFound);
  CHECK(make_folder("/proc/httpsys", 0700, reason).is_error());
  CHECK(reason_has("cannot make the folder /proc/httpsys: "));
}

TEST_CASE_FIXTURE(Folder, "a new folder that the disk does not take for sure is not made, so that no start takes it for one that is safe")
{
  const std::string wanted = path + "/a/state";
  CHECK(in_child([&] {
    if (!test::refuse_call(SYS_fsync, EIO))
      return 1;
    auto made = make_folder(wanted, 0700, reason);
    return made.is_error() && reason == "cannot make the new folder " + path + "/a safe on disk: Input/output error" ? 0 : 2;
  }) == 0);
  CHECK_FALSE(std::filesystem::exists(path + "/a"));
  CHECK(make_folder(wanted, 0700, reason));
  // Nothing is new: nothing is to be made safe.
  CHECK(in_child([&] { return test::refuse_call(SYS_fsync, EIO) && make_folder(wanted, 0700, reason) ? 0 : 1; }) == 0);
}

TEST_CASE_FIXTURE(Folder, "the second daemon of a socket is told the first one's pid")
{
  const std::string socket_path = path + "/s";
  std::ofstream(socket_path + ".lock") << "999999999 left by a dead one that had a longer pid\n";
  auto lock = lock_socket(socket_path, reason);
  REQUIRE(lock);
  std::string line;
  std::getline(std::ifstream(socket_path + ".lock"), line);
  CHECK(line == std::to_string(getpid()));
  const std::string expected = "another httpsysd (pid " + std::to_string(getpid()) + ") serves " + socket_path;
  auto attempt = [&] {
    std::string text;
    auto second = lock_socket(socket_path, text);
    return second.error() == NtStatus::SharingViolation && text == expected ? 0 : 1;
  };
  CHECK(in_child(attempt) == 0);
  ::close(*lock);
  auto again = lock_socket(socket_path, reason);
  CHECK(again);
  ::close(*again);
  CHECK(lock_socket(path + "/missing/s", reason).is_error());
  CHECK(reason_has("cannot open the lock"));
  // Another file by that name is not written to.
  const std::string other = path + "/other";
  std::ofstream(other) << "somebody's";
  std::filesystem::create_hard_link(other, path + "/linked.lock");
  CHECK(lock_socket(path + "/linked", reason).error() == NtStatus::AccessDenied);
  CHECK(reason.find("linked.lock is no lock") != std::string::npos);
  CHECK(std::filesystem::file_size(other) == 10);
  REQUIRE(mkfifo((path + "/pipe.lock").c_str(), 0600) == 0);
  CHECK(lock_socket(path + "/pipe", reason).error() == NtStatus::AccessDenied);
}

TEST_CASE_FIXTURE(Folder, "publishing replaces a socket and nothing else")
{
  const std::string socket_path = path + "/s";
  std::ofstream(socket_path) << "somebody's file";
  CHECK(publish_control_socket(socket_path, reason).error() == NtStatus::ObjectNameCollision);
  CHECK(reason_has("exists and is not a socket"));
  remove_control_socket(socket_path);
  CHECK(std::filesystem::exists(socket_path));
  std::filesystem::remove(socket_path);
  CHECK(publish_control_socket(socket_path, reason).error() == NtStatus::ObjectNameNotFound); // nothing listens
}

TEST_CASE("signals come through their descriptor")
{
  CHECK(in_child([] {
    std::string reason;
    auto descriptor = make_signal_descriptor(reason);
    if (!descriptor || take_signal(*descriptor))
      return 1;
    kill(getpid(), SIGTERM);
    if (take_signal(*descriptor) != SIGTERM)
      return 2;
    kill(getpid(), SIGINT);
    return take_signal(*descriptor) == SIGINT && !take_signal(*descriptor) ? 0 : 3;
  }) == 0);
  for (bool is_ignored : {false, true}) { // as nohup does
    CHECK(in_child([is_ignored] {
      std::string reason;
      std::signal(SIGHUP, is_ignored ? SIG_IGN : SIG_DFL);
      auto descriptor = make_signal_descriptor(reason);
      kill(getpid(), SIGHUP);
      const auto taken = take_signal(*descriptor);
      return is_ignored ? taken.has_value() : taken != SIGHUP;
    }) == 0);
  }
}

TEST_CASE_FIXTURE(Folder, "the service manager hears what it asked for")
{
  for (bool abstract : {false, true}) {
    CAPTURE(abstract);
    const std::string name = path + "/notify";
    int manager = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path + abstract, name.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + 1);
    REQUIRE(::bind(manager, reinterpret_cast<sockaddr *>(&address), length) == 0);
    setenv("NOTIFY_SOCKET", ((abstract ? "@" : "") + name).c_str(), 1);
    int connected = connect_service_manager();
    notify_service_manager(connected, "READY=1");
    ::close(connected);
    char buffer[64];
    CHECK(::recv(manager, buffer, sizeof buffer, MSG_DONTWAIT) == 7);
    unsetenv("NOTIFY_SOCKET");
    CHECK(connect_service_manager() == -1);
    notify_service_manager(-1, "READY=1");
    CHECK(::recv(manager, buffer, sizeof buffer, MSG_DONTWAIT) == -1);
    ::close(manager);
  }
}

TEST_CASE_FIXTURE(Folder, "a service manager that does not read holds nobody up")
{
  const std::string name = path + "/notify";
  int manager = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path, name.size());
  REQUIRE(::bind(manager, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
  setenv("NOTIFY_SOCKET", name.c_str(), 1);
  std::vector<std::string> lines;
  static std::vector<std::string> *s_lines;
  s_lines = &lines;
  set_log_sink([](LogCause, std::string line) { s_lines->push_back(std::move(line)); });
  int connected = connect_service_manager();
  for (int i = 0; i < 10000 && lines.empty(); i++) // net.unix.max_dgram_qlen is 10 to 512
    notify_service_manager(connected, "READY=1");
  ::close(connected);
  set_log_sink(nullptr);
  unsetenv("NOTIFY_SOCKET");
  ::close(manager);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("cannot be notified") != std::string::npos);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // their operator new asks nobody
TEST_CASE("without memory the process ends and says so")
{
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    make_undumpable();
    end_without_memory();
    const rlimit limit{1 << 20, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &limit);
    std::string large(size_t{1} << 26, 'x');
    _exit(large[1] == 'x' ? 0 : 1);
  }
  ::close(ends[1]);
  char line[300] = {};
  ssize_t bytes = read(ends[0], line, sizeof line - 1);
  ::close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
  CHECK(bytes > 0);
  CHECK(std::string_view(line).starts_with("httpsysd: ends, out of memory"));
}
#endif

TEST_CASE("the process gets all descriptors and locked memory that it may have, and no core file")
{
  CHECK(in_child([] {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (raise_descriptor_limit() != limit.rlim_max)
      return 1;
    getrlimit(RLIMIT_MEMLOCK, &limit);
    const rlim_t hard = limit.rlim_max;
    limit.rlim_cur = 4096;
    setrlimit(RLIMIT_MEMLOCK, &limit);
    raise_lock_limit();
    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur != limit.rlim_max || limit.rlim_max < hard)
      return 1;
    make_undumpable();
    return prctl(PR_GET_DUMPABLE);
  }) == 0);
}

TEST_CASE_FIXTURE(Folder, "of all control groups that a process is in, the one with the least memory counts")
{
  auto write = [&](const std::string &name, const std::string &text) {
    std::filesystem::create_directories(std::filesystem::path(path + name).parent_path());
    std::ofstream(path + name) << text << '\n';
  };
  auto limit = [&](const std::string &list) {
    write("/list", list);
    return control_group_limit(path + "/list", path + "/groups");
  };
  const std::string unified = "0::/a.slice/b.service";
  const std::string both = "12:cpu,cpuacct:/a.slice\n4:memory:/box/inner\n1:name=systemd:/box\n" + unified;
  CHECK(limit(unified) == UINT64_MAX);
  CHECK(control_group_limit(path + "/not there", path + "/groups") == UINT64_MAX);
  // One after the other, each beside those above it; without a file nothing is written.
  struct Row {
    const char *file, *contents;
    std::string list;
    uint64_t limit;
  };
  const Row rows[] = {
    {"a.slice/b.service/memory.max", "max", unified, UINT64_MAX},
    {"a.slice/b.service/memory.high", "max", unified, UINT64_MAX},
    {"memory.max", "9000", unified, 9000},
    {"a.slice/memory.max", "8000", unified, 8000},
    {"a.slice/memory.high", "7000", unified, 7000},
    {"a.slice/b.service/memory.max", "7500", unified, 7000},
    {"a.slice/b.service/memory.max", "6000", unified, 6000},
    {"a.slice/b.service/memory.high", "5000", unified, 5000},
    // Others are not looked at.
    {"a.slice/c.service/memory.max", "10", unified, 5000},
    {"a.slice/b.service/d/memory.max", "10", unified, 5000},
    {nullptr, nullptr, "0::/", 9000},
    // Version 1, alone and beside version 2.
    {"memory/box/inner/memory.limit_in_bytes", "9223372036854771712", both, 5000},
    {"memory/box/memory.limit_in_bytes", "4000", both, 4000},
    {nullptr, nullptr, "4:cpu,memory:/box", 4000},
    {nullptr, nullptr, "4:memoryless:/box", UINT64_MAX},
    {"unified/a.slice/memory.max", "3000", both, 3000},
  };
  for (const Row &row : rows) {
    if (row.file)
      write(std::string("/groups/") + row.file, row.contents);
    CHECK_MESSAGE(limit(row.list) == row.limit, row.list);
  }
  CHECK(memory_limit() > 0);
}
