// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/uring_engine.h"
#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace httpsys::platform {

std::string describe_uring_failure(int error, const std::string &disabled, bool filtered)
{
  switch (error) {
  case EPERM:
    if (disabled == "2")
      return "io_uring is switched off on this machine (kernel.io_uring_disabled is 2); set it to 0: sysctl kernel.io_uring_disabled=0";
    if (disabled == "1")
      return "io_uring is restricted on this machine (kernel.io_uring_disabled is 1); name the daemon's group "
             "(sysctl kernel.io_uring_group=GID) or allow it to all: sysctl kernel.io_uring_disabled=0";
    if (filtered)
      return "io_uring is forbidden by a seccomp filter, as container runtimes install by default; run the container with a profile "
             "that allows io_uring_setup, io_uring_enter and io_uring_register (docker, podman: --security-opt seccomp=PROFILE.json)";
    return "io_uring is forbidden (EPERM) by a security module of this machine (SELinux, AppArmor or another); allow it to httpsysd";
  case ENOSYS:
    if (filtered)
      return "io_uring is hidden by a seccomp filter, or the kernel is built without it; run the container with a profile that allows "
             "io_uring_setup, io_uring_enter and io_uring_register, on a kernel with CONFIG_IO_URING";
    return "this kernel has no io_uring; Linux 6.1 or later with CONFIG_IO_URING is needed";
  case EINVAL:
    return "io_uring of this kernel is too old (it does not know SINGLE_ISSUER and DEFER_TASKRUN); Linux 6.1 or later is needed";
  case ENOMEM:
    return "no memory for an io_uring; raise the memory limit of the process or its container (or RLIMIT_MEMLOCK)";
  case EMFILE:
  case ENFILE:
    return "no descriptor left for an io_uring; raise the limit of open files (ulimit -n)";
  default:
    return fmt::format("io_uring_setup failed: {}", std::strerror(error));
  }
}

}
