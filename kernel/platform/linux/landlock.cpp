// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/landlock.h"
#include "kernel/platform/linux/errno_map.h"
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace httpsys::platform {

namespace {

// include/uapi/linux/landlock.h as of ABI 6; a kernel takes the part that it knows by the size.
struct Ruleset {
  uint64_t files, network, scoped;
};
constexpr uint64_t kTruncate = 1 << 14;          // ABI 3, Linux 6.2
constexpr uint64_t kDeviceControls = 1 << 15;    // ABI 5, Linux 6.10
constexpr uint64_t kConnectTcp = 1 << 1;         // ABI 4, Linux 6.7
constexpr uint64_t kAbstractSockets = 1 << 0;    // ABI 6, Linux 6.12
constexpr uint64_t kSignals = 1 << 1;            // ABI 6

constexpr uint64_t kAllOfAbi1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
constexpr uint64_t kState = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
                            LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | kTruncate;
constexpr uint64_t kSocket = LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;
constexpr uint64_t kProcesses = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;

Ruleset handled_by(int abi)
{
  Ruleset rules{kAllOfAbi1, 0, 0};
  if (abi >= 2)
    rules.files |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3)
    rules.files |= kTruncate;
  if (abi >= 4)
    rules.network = kConnectTcp;
  if (abi >= 5)
    rules.files |= kDeviceControls;
  if (abi >= 6)
    rules.scoped = kAbstractSockets | kSignals;
  return rules;
}

size_t size_of(int abi)
{
  return abi >= 6 ? sizeof(Ruleset) : abi >= 4 ? offsetof(Ruleset, scoped) : offsetof(Ruleset, network);
}

int allow(int ruleset, const std::string &path, uint64_t access)
{
  landlock_path_beneath_attr rule{};
  rule.allowed_access = access;
  rule.parent_fd = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (rule.parent_fd < 0)
    return errno;
  const int error = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 ? 0 : errno;
  close(rule.parent_fd);
  return error;
}

}

Result<int> enter_landlock(const std::string &state_folder, const std::string &socket_folder, std::string &reason, int newest)
{
  const auto offered = static_cast<int>(syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
  const int abi = std::min(offered, newest);
  if (abi < 1) {
    reason = errno == EOPNOTSUPP ? "it is switched off in this kernel (lsm=landlock)" :
             errno == ENOSYS     ? "the kernel has none" :
                                   fmt::format("the kernel refuses it: {}", std::strerror(errno));
    return NtStatus::NotSupported;
  }
  const Ruleset handled = handled_by(abi);
  const auto ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled, size_of(abi), 0));
  int error = ruleset < 0 ? errno : 0;
  if (!error)
    error = allow(ruleset, state_folder, kState & handled.files);
  if (!error)
    error = allow(ruleset, socket_folder, kSocket);
  if (!error && access("/proc/self", F_OK) == 0)
    error = allow(ruleset, "/proc", kProcesses);
  if (!error && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
    error = errno;
  if (ruleset >= 0)
    close(ruleset);
  if (!error)
    return abi;
  reason = fmt::format("its rules cannot be set: {}", std::strerror(error));
  return status_from_errno(error);
}

std::string describe_landlock(int abi)
{
  return fmt::format("ABI {}: files{}{}", abi, abi >= 4 ? ", TCP connections" : "", abi >= 6 ? ", signals, abstract sockets" : "");
}

}
