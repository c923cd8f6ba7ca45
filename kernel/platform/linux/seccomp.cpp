// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/seccomp.h"
#include "kernel/platform/linux/errno_map.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <initializer_list>
#include <iterator>
#include <liburing/io_uring.h>
#include <sched.h>
#include <seccomp.h>
#include <set>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace httpsys::platform {

namespace {

constexpr int kAlways[] = {
  // Memory and threads; a thread that ends, a failed VERIFY.
  SCMP_SYS(brk), SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(exit), SCMP_SYS(exit_group),
  SCMP_SYS(futex), SCMP_SYS(getcpu), SCMP_SYS(getpid), SCMP_SYS(getrandom), SCMP_SYS(gettid), SCMP_SYS(gettimeofday), SCMP_SYS(madvise),
  SCMP_SYS(mlock), SCMP_SYS(mlock2), SCMP_SYS(mremap), SCMP_SYS(munlock), SCMP_SYS(munmap), SCMP_SYS(nanosleep), SCMP_SYS(restart_syscall),
  SCMP_SYS(rseq), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sched_getaffinity),
  SCMP_SYS(sched_yield), SCMP_SYS(set_robust_list), SCMP_SYS(sigaltstack), SCMP_SYS(time), SCMP_SYS(timer_create), SCMP_SYS(timer_delete),
  SCMP_SYS(timer_settime),
  // Who we are.
  SCMP_SYS(getegid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getuid),
  // Files; which ones is Landlock's business.
  SCMP_SYS(close), SCMP_SYS(fchmod), SCMP_SYS(fstat), SCMP_SYS(fsync), SCMP_SYS(getdents64), SCMP_SYS(lseek), SCMP_SYS(lstat),
  SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(newfstatat), SCMP_SYS(openat), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(read),
  SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(stat), SCMP_SYS(statx),
  SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(write), SCMP_SYS(writev),
  // Channels.
  SCMP_SYS(eventfd2), SCMP_SYS(fallocate), SCMP_SYS(ftruncate), SCMP_SYS(memfd_create), SCMP_SYS(pidfd_open),
  SCMP_SYS(poll), SCMP_SYS(ppoll),
  // Sockets.
  SCMP_SYS(bind), SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(listen), SCMP_SYS(recvmsg),
  SCMP_SYS(setsockopt), SCMP_SYS(shutdown),
  SCMP_SYS(io_uring_enter)};

// What no part of the daemon and none of its libraries ever asks for: whoever does is somebody else.
constexpr int kForbidden[] = {
  SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd),
  SCMP_SYS(kcmp), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
  SCMP_SYS(userfaultfd), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(mount), SCMP_SYS(umount2),
  SCMP_SYS(pivot_root), SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(fsconfig),
  SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(open_by_handle_at),
  SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(swapon), SCMP_SYS(swapoff),
  SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(adjtimex), SCMP_SYS(syslog)};

struct Rule {
  int call;
  std::vector<scmp_arg_cmp> arguments;
};

scmp_arg_cmp equal(unsigned argument, uint64_t value)
{
  return {argument, SCMP_CMP_EQ, value, 0};
}

scmp_arg_cmp masked(unsigned argument, uint64_t mask, uint64_t value)
{
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

std::vector<Rule> limited()
{
  constexpr uint64_t kTypeMask = 0xf; // of a socket, without its flags
  std::vector<Rule> rules = {
    // A thread, no process. clone3 hides its flags from filters: C libraries take clone when there is none.
    {SCMP_SYS(clone), {masked(0, CLONE_THREAD, CLONE_THREAD)}},
    {SCMP_SYS(mmap), {masked(2, PROT_EXEC, 0)}},
    {SCMP_SYS(mprotect), {masked(2, PROT_EXEC, 0)}},
    {SCMP_SYS(pipe2), {equal(1, O_CLOEXEC)}},
    {SCMP_SYS(prctl), {equal(0, PR_SET_NAME)}},
    {SCMP_SYS(prlimit64), {equal(0, 0), equal(2, 0)}}, // its own, and looking alone
    {SCMP_SYS(tgkill), {equal(0, static_cast<uint64_t>(getpid()))}}, // abort()
    {SCMP_SYS(vmsplice), {equal(3, SPLICE_F_NONBLOCK)}},            // pins channels
    // Addresses name nobody: the service manager's socket is connected.
    {SCMP_SYS(sendto), {masked(3, MSG_FASTOPEN, 0), equal(4, 0)}},
    {SCMP_SYS(sendmsg), {masked(2, MSG_FASTOPEN, 0)}},
    {SCMP_SYS(socketpair), {equal(0, AF_UNIX), masked(1, kTypeMask, SOCK_STREAM), equal(2, 0)}}}; // bells
  for (uint64_t family : std::initializer_list<uint64_t>{AF_INET, AF_INET6})
    rules.push_back({SCMP_SYS(socket), {equal(0, family), masked(1, kTypeMask, SOCK_STREAM), equal(2, 0)}});
  for (uint64_t command : std::initializer_list<uint64_t>{F_ADD_SEALS, F_GET_SEALS, F_GETFD, F_GETFL, F_SETFD, F_SETPIPE_SZ})
    rules.push_back({SCMP_SYS(fcntl), {equal(1, command)}});
  constexpr uint64_t kCancelAll = 24; // IORING_REGISTER_SYNC_CANCEL, Linux 6.0
  for (uint64_t operation : {uint64_t{IORING_UNREGISTER_PBUF_RING}, kCancelAll})
    rules.push_back({SCMP_SYS(io_uring_register), {equal(1, operation)}});
  return rules;
}

// 0 or an errno.
int add_rules(scmp_filter_ctx filter)
{
  int error = 0;
  for (int call : kAlways)
    error = error ? error : -seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
  for (int call : kForbidden)
    error = error ? error : -seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, call, 0);
  for (const Rule &rule : limited())
    error = error ? error :
                    -seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule.call, static_cast<unsigned>(rule.arguments.size()),
                      rule.arguments.data());
  return error ? error : -seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

int load(scmp_filter_ctx filter)
{
  int error = -seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
  error = error ? error : -seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1); // errors as the kernel has them
  error = error ? error : -seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  error = error ? error : -seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); // a tree, not a list
  error = error ? error : add_rules(filter);
  return error ? error : -seccomp_load(filter);
}

size_t allowed_calls()
{
  std::set<int> calls(std::begin(kAlways), std::end(kAlways));
  for (const Rule &rule : limited())
    calls.insert(rule.call);
  return calls.size();
}

}

Result<size_t> limit_system_calls(std::string &reason)
{
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  const int error = filter ? load(filter) : ENOMEM;
  seccomp_release(filter);
  if (!error)
    return allowed_calls();
  reason = error == ENOSYS || error == EINVAL || error == ECANCELED ? "the kernel has no filters, or none may be set here" :
                                                                     fmt::format("it cannot be set: {}", std::strerror(error));
  return status_from_errno(error);
}

}
