// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/process.h"
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/errno_map.h"
#include "kernel/platform/linux/linux_system.h"
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace httpsys::platform {

Result<void> check_socket_path(const std::string &path, std::string &reason)
{
  if (!path.empty() && path.size() <= limits::kSocketPathMax && path.back() != '/' && path.find('\0') == std::string::npos)
    return {};
  if (path.size() > limits::kSocketPathMax)
    reason = fmt::format("the socket path {} has {} bytes; {} are possible", path, path.size(), limits::kSocketPathMax);
  else
    reason = fmt::format("'{}' is no path for a socket", path);
  return NtStatus::ObjectNameInvalid;
}

// A crash cannot take the name then. Whoever may make something in a folder may not open it in each case; then it has to do without.
static Result<void> make_name_safe(const std::string &path, std::string &reason)
{
  const size_t slash = path.rfind('/');
  const std::string parent = slash == path.npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
  const int descriptor = open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0 && errno == EACCES)
    return {};
  if (descriptor >= 0 && fsync(descriptor) == 0) {
    close(descriptor);
    return {};
  }
  const NtStatus status = fail(reason, fmt::format("make the new folder {} safe on disk", path));
  if (descriptor >= 0)
    close(descriptor);
  return status;
}

Result<void> make_folder(const std::string &path, uint32_t mode, std::string &reason)
{
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const bool last = end == std::string::npos;
    const std::string part = path.substr(0, end);
    struct stat status {};
    // Looking first: where the folder is there, no right to make it is needed.
    if (stat(part.c_str(), &status) == 0) {
      if (!S_ISDIR(status.st_mode)) {
        reason = fmt::format("cannot make the folder {}: {} is not a folder", path, part);
        return NtStatus::ObjectPathNotFound;
      }
    } else if (mkdir(part.c_str(), last ? mode : 0755) == 0) {
      if (auto safe = make_name_safe(part, reason); safe.is_error()) {
        rmdir(part.c_str()); // or the next start takes it for one that is there for sure
        return safe;
      }
    } else if (errno != EEXIST) {
      return fail(reason, fmt::format("make the folder {}", part));
    }
    if (last)
      return {};
  }
}

static std::optional<int> read_pid(int descriptor)
{
  char text[32];
  const ssize_t got = pread(descriptor, text, sizeof text, 0);
  int pid = 0;
  if (got <= 0 || std::from_chars(text, text + got, pid).ec != std::errc{} || pid <= 0)
    return std::nullopt;
  return pid;
}

// The holder writes its pid just after it has taken the lock: until then the file is empty or names a dead one.
static std::optional<int> pid_of_holder(int descriptor)
{
  for (int attempt = 0; attempt < 20; attempt++) {
    auto pid = read_pid(descriptor);
    if (pid && (kill(*pid, 0) == 0 || errno == EPERM))
      return pid;
    usleep(10'000);
  }
  return std::nullopt;
}

Result<int> lock_socket(const std::string &socket_path, std::string &reason)
{
  const std::string path = socket_path + ".lock";
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor < 0)
    return fail(reason, fmt::format("open the lock {}", path));
  struct stat file {};
  if (fstat(descriptor, &file) != 0 || !S_ISREG(file.st_mode) || file.st_nlink != 1) { // it is written to below
    reason = fmt::format("{} is no lock of a control socket, but another file: remove it", path);
    ::close(descriptor);
    return NtStatus::AccessDenied;
  }
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      const NtStatus status = fail(reason, fmt::format("lock {}", path));
      ::close(descriptor);
      return status;
    }
    auto pid = pid_of_holder(descriptor);
    reason = fmt::format("another httpsysd{} serves {}", pid ? fmt::format(" (pid {})", *pid) : "", socket_path);
    ::close(descriptor);
    return NtStatus::SharingViolation;
  }
  const std::string pid = fmt::format("{}\n", getpid());
  if (ftruncate(descriptor, 0) != 0 || pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    const NtStatus status = fail(reason, fmt::format("write our pid into {}", path));
    ::close(descriptor);
    return status;
  }
  return descriptor;
}

Result<void> publish_control_socket(const std::string &path, std::string &reason)
{
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode)) {
    reason = fmt::format("{} exists and is not a socket; remove it, or name another path with --socket", path);
    return NtStatus::ObjectNameCollision;
  }
  if (rename(temporary_socket_name(path).c_str(), path.c_str()) != 0)
    return fail(reason, fmt::format("name the control socket {}", path));
  return {};
}

void remove_control_socket(const std::string &path)
{
  struct stat status {};
  for (const std::string &name : {path, temporary_socket_name(path)}) {
    if (lstat(name.c_str(), &status) == 0 && S_ISSOCK(status.st_mode))
      unlink(name.c_str());
  }
}

Result<int> make_signal_descriptor(std::string &reason)
{
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  struct sigaction hangup{};
  if (sigaction(SIGHUP, nullptr, &hangup) != 0 || hangup.sa_handler != SIG_IGN) // a blocked one would come although it is ignored
    sigaddset(&set, SIGHUP);
  const int descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (descriptor < 0 || pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0)
    return fail(reason, "receive signals");
  return descriptor;
}

std::optional<int> take_signal(int signal_descriptor)
{
  signalfd_siginfo information{};
  if (read(signal_descriptor, &information, sizeof information) != static_cast<ssize_t>(sizeof information))
    return std::nullopt;
  return static_cast<int>(information.ssi_signo);
}

void write_whole(int descriptor, std::string_view text)
{
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) { // whoever shares it with us has made it so
      pollfd item{descriptor, POLLOUT, 0};
      poll(&item, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

int connect_service_manager()
{
  const char *path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (!path || (path[0] != '/' && path[0] != '@') || std::strlen(path) >= sizeof address.sun_path)
    return -1;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, std::strlen(path));
  if (path[0] == '@')
    address.sun_path[0] = '\0'; // an abstract name
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path) + (path[0] == '/'));
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket >= 0 && connect(socket, reinterpret_cast<sockaddr *>(&address), length) == 0)
    return socket;
  log("the service manager cannot be notified: {}", std::strerror(errno));
  if (socket >= 0)
    ::close(socket);
  return -1;
}

void notify_service_manager(int manager, const std::string &state)
{
  if (manager >= 0 && send(manager, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    log("the service manager cannot be notified: {}", std::strerror(errno));
}

uint64_t raise_descriptor_limit()
{
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return 0;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

void raise_lock_limit()
{
  rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_MEMLOCK, &limit);
}

void make_undumpable()
{
  prctl(PR_SET_DUMPABLE, 0);
}

void end_without_memory()
{
  std::set_new_handler([] {
    static constexpr std::string_view kLine = "httpsysd: ends, out of memory (RLIMIT_AS, or the system has none). Let it have more, or "
                                              "lower ConnectionBufferBytesTotal and the limits in [clients]\n";
    [[maybe_unused]] ssize_t written = write(STDERR_FILENO, kLine.data(), kLine.size());
    std::abort();
  });
}

}
