// SPDX-License-Identifier: GPL-3.0-or-later
// A machine without usable io_uring gets a sentence that names cause and remedy (design.md 2, "Kernel").
#include "kernel/platform/linux/uring_engine.h"
#include "tests/unit/platform/refused_call.h"
#include <cerrno>
#include <doctest/doctest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::platform;

TEST_CASE("each cause is told from the others, with its remedy")
{
  struct Row {
    int error;
    const char *disabled;
    bool filtered;
    const char *cause, *remedy;
  };
  static constexpr Row rows[] = {
    {EPERM, "2", false, "kernel.io_uring_disabled is 2", "sysctl kernel.io_uring_disabled=0"},
    {EPERM, "2", true, "kernel.io_uring_disabled is 2", "sysctl kernel.io_uring_disabled=0"},
    {EPERM, "1", false, "kernel.io_uring_disabled is 1", "kernel.io_uring_group"},
    {EPERM, "0", true, "seccomp filter", "--security-opt seccomp="},
    {EPERM, "", true, "seccomp filter", "--security-opt seccomp="},
    {EPERM, "0", false, "security module", "allow it"},
    {ENOSYS, "", false, "no io_uring", "Linux 6.1"},
    {ENOSYS, "0", true, "seccomp filter", "CONFIG_IO_URING"},
    {EINVAL, "", false, "too old", "Linux 6.1"},
    {ENOMEM, "0", false, "no memory", "RLIMIT_MEMLOCK"},
    {EMFILE, "0", false, "no descriptor", "ulimit -n"},
    {EIO, "0", false, "Input/output error", ""},
  };
  for (auto &row : rows) {
    auto text = describe_uring_failure(row.error, row.disabled, row.filtered);
    CAPTURE(text);
    CHECK(text.find(row.cause) != std::string::npos);
    CHECK(text.find(row.remedy) != std::string::npos);
    CHECK(text.find('\n') == std::string::npos);
  }
}

TEST_CASE("under a container's filter the engine is refused and the filter named")
{
  for (int error : {EPERM, ENOSYS}) {
    CAPTURE(error);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      if (!test::refuse_call(__NR_io_uring_setup, error))
        _exit(2);
      std::string reason;
      auto engine = make_uring_engine({}, reason);
      _exit(engine.is_error() && reason.find("seccomp filter") != std::string::npos ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}
