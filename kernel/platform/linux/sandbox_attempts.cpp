// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/sandbox_attempts.h"
#include "kernel/platform/linux/uring_engine.h"
#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <liburing/io_uring.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

namespace httpsys::platform {

namespace {

using Outcome = AttemptResult::Outcome;

// Exit codes of an attempt's child beside 0 (done) and errno numbers.
constexpr int kNotEntered = 250, kNotTried = 251, kNoRing = 252;
constexpr uid_t kStrangers[] = {65534, 65533}; // uids without rights

struct Target {
  const Sandbox &sandbox;
  pid_t parent; // outside
  sockaddr_in listener;
};

// 0: it was done; else errno.
int code(long result)
{
  return result < 0 ? errno : 0;
}

int open_for(const char *path, int flags)
{
  return code(open(path, flags | O_CLOEXEC, 0600));
}

int make_file()
{
  const std::string path = fmt::format("/tmp/httpsys-check-{}", getpid());
  const int error = open_for(path.c_str(), O_WRONLY | O_CREAT | O_EXCL);
  unlink(path.c_str());
  return error;
}

int run_program()
{
  const char *words[] = {"true", nullptr};
  execv("/bin/true", const_cast<char **>(words)); // done: exits with 0
  return errno;
}

int start_process()
{
  const pid_t child = fork();
  if (child == 0)
    _exit(0);
  return code(child);
}

int read_memory(pid_t process)
{
  char byte = 0;
  const iovec here{&byte, 1}, there{&byte, 1}; // a child of a fork has it at the same address
  return code(process_vm_readv(process, &here, 1, &there, 1, 0));
}

int connect_out(const sockaddr_in &address)
{
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return socket < 0 ? errno : code(connect(socket, reinterpret_cast<const sockaddr *>(&address), sizeof address));
}

int raise_capability()
{
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  sets[0].effective = sets[0].permitted = 1u << CAP_SYS_ADMIN;
  return code(syscall(SYS_capset, &head, sets));
}

int make_executable_memory()
{
  void *memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? errno : 0;
}

int make_ring()
{
  io_uring_params parameters{};
  return code(syscall(SYS_io_uring_setup, 4, &parameters));
}

int load_program()
{
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = attributes.value_size = 4;
  attributes.max_entries = 1;
  return code(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}

// Outside of the sandbox, as another user of the machine.
int write_as_stranger(const Target &target)
{
  if (geteuid() != 0)
    return kNotTried;
  const auto &account = target.sandbox.account();
  const uid_t stranger = kStrangers[account && account->uid == kStrangers[0]];
  if (setresgid(stranger, stranger, stranger) != 0 || setresuid(stranger, stranger, stranger) != 0)
    return kNotTried;
  return open_for((target.sandbox.plan().state_folder + "/check").c_str(), O_WRONLY | O_CREAT);
}

int use_other_operation(const Target &)
{
  auto error = try_other_operation();
  return error.is_error() ? kNoRing : *error;
}

int connect_through_ring(const Target &target)
{
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0)
    return errno;
  auto error = try_connecting_through_ring(socket, target.listener);
  return error.is_error() ? kNoRing : *error;
}

struct Attempt {
  const char *what;
  int (*function)(const Target &);
  enum { Inside, BeforeCalls, Outside } place = Inside; // BeforeCalls: what has to be made before seccomp is on
  bool may_be_missing = false; // the path that it needs, on some machines
};

constexpr Attempt kAttempts[] = {
  {"read /etc/shadow", [](const Target &) { return open_for("/etc/shadow", O_RDONLY); }, Attempt::Inside, true},
  {"write /etc/passwd", [](const Target &) { return open_for("/etc/passwd", O_WRONLY); }, Attempt::Inside, true},
  {"make a file in /tmp", [](const Target &) { return make_file(); }, Attempt::Inside, true},
  {"write the state folder as another user", write_as_stranger, Attempt::Outside},
  {"run a program", [](const Target &) { return run_program(); }, Attempt::Inside, true},
  {"start a process", [](const Target &) { return start_process(); }},
  {"trace another process", [](const Target &target) { return code(ptrace(PTRACE_SEIZE, target.parent, nullptr, nullptr)); }},
  {"read another process's memory", [](const Target &target) { return read_memory(target.parent); }},
  {"open another process's memory",
   [](const Target &target) { return open_for(fmt::format("/proc/{}/mem", target.parent).c_str(), O_RDONLY); },
   Attempt::Inside, true},
  {"signal another process", [](const Target &target) { return code(kill(target.parent, 0)); }},
  {"connect by TCP", [](const Target &target) { return connect_out(target.listener); }},
  {"make a packet socket", [](const Target &) { return code(socket(AF_PACKET, SOCK_RAW, 0)); }},
  {"make a raw socket", [](const Target &) { return code(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)); }},
  {"raise a capability", [](const Target &) { return raise_capability(); }},
  {"become uid 0", [](const Target &) { return code(setresuid(0, 0, 0)); }},
  {"make memory executable", [](const Target &) { return make_executable_memory(); }},
  {"make another io_uring", [](const Target &) { return make_ring(); }},
  {"use another operation of its io_uring", use_other_operation, Attempt::BeforeCalls},
  {"connect through its io_uring", connect_through_ring, Attempt::BeforeCalls},
  {"load a BPF object", [](const Target &) { return load_program(); }},
  {"make a file system to mount", [](const Target &) { return code(syscall(SYS_fsopen, "tmpfs", 0)); }},
  {"change the root folder", [](const Target &) { return code(chroot("/proc")); }, Attempt::Inside, true},
  {"make a key in the kernel's keyring",
   [](const Target &) { return code(syscall(SYS_add_key, "user", "httpsys-check", "x", 1, -3 /* the process's */)); }},
};

int run_in_child(const Attempt &attempt, const Target &target, bool inside)
{
  Sandbox sandbox = target.sandbox;
  std::string reason;
  if (inside && attempt.place != Attempt::Outside) {
    if (sandbox.enter(reason).is_error())
      return kNotEntered;
    if (attempt.place == Attempt::Inside)
      sandbox.limit_calls();
  }
  return attempt.function(target);
}

}

AttemptResult judge_attempt(const std::string &what, int status, bool may_be_missing)
{
  const int error = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
    return {what, Outcome::Refused, ""};
  if (WIFSIGNALED(status))
    return {what, Outcome::CouldNotTry, fmt::format("signal {} ended it", WTERMSIG(status))};
  switch (error) {
  case 0: return {what, Outcome::Done, "it was done"};
  case EPERM:
  case EACCES:
  case ENOSYS:
  case EAFNOSUPPORT: return {what, Outcome::Refused, ""};
  case ENOENT:
    if (may_be_missing)
      return {what, Outcome::NotTried, "there is no such file"};
    break;
  case EROFS: // asked before Landlock is
    if (may_be_missing)
      return {what, Outcome::NotTried, "the file system is read-only"};
    break;
  case EAGAIN:
  case ENOMEM:
  case ENOBUFS:
  case ENOSPC:
  case EDQUOT:
  case EMFILE:
  case ENFILE: return {what, Outcome::CouldNotTry, std::strerror(error)};
  case kNotEntered: return {what, Outcome::CouldNotTry, "the sandbox cannot be entered"};
  case kNoRing: return {what, Outcome::CouldNotTry, "no io_uring can be made, which the daemon needs"};
  case kNotTried: return {what, Outcome::NotTried, "only uid 0 can be another user"};
  default: break;
  }
  return {what, Outcome::Done, std::strerror(error)};
}

std::vector<AttemptResult> try_forbidden_things(const Sandbox &sandbox, bool inside)
{
  Target target{sandbox, getpid(), {}};
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  target.listener.sin_family = AF_INET;
  target.listener.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof target.listener;
  if (bind(listener, reinterpret_cast<const sockaddr *>(&target.listener), length) == 0 && listen(listener, 16) == 0)
    getsockname(listener, reinterpret_cast<sockaddr *>(&target.listener), &length);
  std::fflush(nullptr);
  std::vector<AttemptResult> results;
  for (const Attempt &attempt : kAttempts) {
    int status = 0;
    const pid_t child = fork();
    if (child == 0)
      _exit(run_in_child(attempt, target, inside));
    if (child < 0 || waitpid(child, &status, 0) != child)
      results.push_back({attempt.what, Outcome::CouldNotTry, fmt::format("no process can be made for it: {}", std::strerror(errno))});
    else
      results.push_back(judge_attempt(attempt.what, status, attempt.may_be_missing));
  }
  close(listener);
  return results;
}

std::string describe_attempt(const AttemptResult &result)
{
  switch (result.outcome) {
  case Outcome::Refused: return result.what + ": refused";
  case Outcome::Done: return result.what + ": NOT REFUSED: " + result.detail;
  default: return result.what + ": not tried: " + result.detail;
  }
}

}
