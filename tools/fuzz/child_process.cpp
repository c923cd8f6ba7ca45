// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/child_process.h"
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <new>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace httpsys::fuzz {

using Clock = std::chrono::steady_clock;

// Without progress. Who spins uses the processor, which a loaded machine does not give it; who waits does not.
static constexpr std::chrono::seconds kSpinPatience{5}, kStepPatience{60};
static constexpr int kLookMilliseconds = 200;

SharedBytes::SharedBytes(size_t bytes)
    : m_bytes(bytes), m_data(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
{
  if (m_data == MAP_FAILED)
    throw std::bad_alloc();
}

SharedBytes::~SharedBytes()
{
  munmap(m_data, m_bytes);
}

static std::chrono::nanoseconds processor_time(pid_t child)
{
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(child, &clock) != 0 || clock_gettime(clock, &used) != 0)
    return {};
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

// Within a moment. A system that has no pidfd for us is asked more often.
static bool ends(int pidfd, pid_t child)
{
  pollfd ended{pidfd, POLLIN, 0};
  if (pidfd >= 0)
    return poll(&ended, 1, kLookMilliseconds) != 0;
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT);
  if (info.si_pid == 0)
    poll(nullptr, 0, 1);
  return info.si_pid != 0;
}

static std::optional<int> wait_for(pid_t child, const uint64_t &progress)
{
  int pidfd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  uint64_t seen = 0;
  auto since = Clock::now();
  auto used = processor_time(child);
  bool stands_still = false;
  while (!stands_still && !ends(pidfd, child)) {
    uint64_t now = __atomic_load_n(&progress, __ATOMIC_RELAXED);
    if (std::exchange(seen, now) != now) {
      since = Clock::now();
      used = processor_time(child);
    }
    stands_still = Clock::now() - since > kStepPatience || processor_time(child) - used > kSpinPatience;
  }
  if (pidfd >= 0)
    close(pidfd);
  if (stands_still)
    kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  return stands_still ? std::nullopt : std::optional(status);
}

std::optional<int> run_in_child(const uint64_t &progress, const std::function<void()> &work)
{
  pid_t parent = getpid();
  pid_t child = fork();
  if (child < 0)
    throw std::system_error(errno, std::generic_category(), "cannot start a process");
  if (child > 0)
    return wait_for(child, progress);
  // Whoever ends this program does not leave a daemon that spins.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == parent)
    work();
  _exit(0);
}

std::string describe_end(std::optional<int> status)
{
  if (!status)
    return "stood still";
  if (WIFSIGNALED(*status))
    return fmt::format("was ended by signal {} ({})", WTERMSIG(*status), strsignal(WTERMSIG(*status)));
  return fmt::format("exited with {}", WEXITSTATUS(*status));
}

}
