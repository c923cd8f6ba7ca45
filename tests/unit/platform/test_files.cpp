// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/limits.h"
#include "kernel/platform/files.h"
#include "tests/unit/not_tried.h"
#include "tests/unit/temporary_folder.h"
#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace httpsys;
using platform::StateFolder;

namespace {

mode_t mode_of(const std::string &path)
{
  struct stat status;
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

StateFolder open_folder(const std::string &path)
{
  std::string reason;
  auto folder = StateFolder::open(path, reason);
  INFO(reason);
  REQUIRE(!folder.is_error());
  return folder.release_value();
}

}

TEST_CASE("a state folder is made with its parents, and closed to others")
{
  TemporaryFolder temporary;
  StateFolder folder = open_folder(temporary / "a/b/state");
  CHECK(mode_of(temporary / "a/b/state") == 0700);
  std::string reason;
  auto inside = folder.open_inside("certificates", reason);
  REQUIRE(!inside.is_error());
  CHECK(mode_of(temporary / "a/b/state/certificates") == 0700);
  CHECK(inside->path() == (temporary / "a/b/state/certificates"));

  CHECK(open_folder(temporary / "a/b/state//").path() == (temporary / "a/b/state"));

  chmod((temporary / "a/b/state").c_str(), 0755);
  open_folder(temporary / "a/b/state");
  CHECK(mode_of(temporary / "a/b/state") == 0700);
}

TEST_CASE("a state folder that others may have changed is refused, an empty one taken over")
{
  TemporaryFolder temporary;
  std::string reason;
  mkdir((temporary / "state").c_str(), 0700);
  chmod((temporary / "state").c_str(), 0775);
  open_folder(temporary / "state");
  CHECK(mode_of(temporary / "state") == 0700);

  put_file(temporary / "state/x", "x");
  chmod((temporary / "state").c_str(), 0777);
  CHECK(StateFolder::open(temporary / "state", reason).error() == NtStatus::AccessDenied);
  CHECK(reason.find("has mode 0777") != reason.npos);

  if (is_root()) {
    REQUIRE(chown((temporary / "state").c_str(), 12345, 0) == 0);
    CHECK(StateFolder::open(temporary / "state", reason).error() == NtStatus::AccessDenied);
    CHECK(reason.find("belongs to uid 12345") != reason.npos);
  }
}

TEST_CASE("a folder that cannot be one gives a reason with its name")
{
  TemporaryFolder temporary;
  std::string reason;
  put_file(temporary / "file", "");
  CHECK(StateFolder::open(temporary / "file", reason).is_error());
  CHECK(reason.find(temporary / "file") != reason.npos);
  CHECK(StateFolder::open(temporary / "file/inside", reason).is_error());
  CHECK(StateFolder::open("", reason).error() == NtStatus::InvalidParameter);
}

TEST_CASE("one daemon at a time")
{
  TemporaryFolder temporary;
  std::string reason;
  {
    StateFolder first = open_folder(temporary / "state");
    CHECK(!first.lock(reason).is_error());
    StateFolder second = open_folder(temporary / "state");
    CHECK(second.lock(reason).error() == NtStatus::SharingViolation);
    CHECK(reason.find("another httpsysd uses") != reason.npos);
  }
  StateFolder third = open_folder(temporary / "state");
  CHECK(!third.lock(reason).is_error());
}

TEST_CASE("a file is written, replaced, listed, read and removed")
{
  TemporaryFolder temporary;
  std::string reason;
  StateFolder folder = open_folder(temporary / "state");
  umask(0);
  CHECK(!folder.write("b", "one", reason).is_error());
  CHECK(!folder.write("a", "", reason).is_error());
  CHECK(!folder.write("b", "two", reason).is_error());
  umask(022);
  CHECK(mode_of(temporary / "state/b") == 0600);
  CHECK(folder.list(reason).value() == std::vector<std::string>{"a", "b"});
  CHECK(folder.read("b", reason).value() == "two");
  CHECK(folder.read("a", reason).value().empty());
  CHECK(!folder.remove("b", reason).is_error());
  CHECK(folder.remove("b", reason).error() == NtStatus::ObjectNameNotFound);
  CHECK(folder.read("b", reason).error() == NtStatus::ObjectNameNotFound);
  CHECK(reason == "cannot read \"" + (temporary / "state/b") + "\": No such file or directory");
}

TEST_CASE("what is no plain file of ours is not read")
{
  TemporaryFolder temporary;
  std::string reason;
  StateFolder folder = open_folder(temporary / "state");
  std::string file = temporary / "state/x";
  put_file(file, "x");
  SUBCASE("symbolic link")
  {
    REQUIRE(symlink("x", (temporary / "state/y").c_str()) == 0);
    CHECK(folder.read("y", reason).error() == NtStatus::ObjectPathNotFound);
  }
  SUBCASE("pipe")
  {
    REQUIRE(mkfifo((temporary / "state/y").c_str(), 0600) == 0);
    CHECK(folder.read("y", reason).error() == NtStatus::InvalidParameter);
    CHECK(reason.find("is not a regular file") != reason.npos);
  }
  SUBCASE("folder")
  {
    mkdir((temporary / "state/y").c_str(), 0700);
    CHECK(folder.read("y", reason).error() == NtStatus::InvalidParameter);
  }
  SUBCASE("writable by others")
  {
    chmod(file.c_str(), 0620);
    CHECK(folder.read("x", reason).error() == NtStatus::AccessDenied);
    CHECK(reason.find("others could have changed it") != reason.npos);
  }
  SUBCASE("too long")
  {
    REQUIRE(truncate(file.c_str(), limits::kMaxStateFileBytes) == 0);
    CHECK(!folder.read("x", reason).is_error());
    REQUIRE(truncate(file.c_str(), limits::kMaxStateFileBytes + 1) == 0);
    CHECK(folder.read("x", reason).error() == NtStatus::InvalidParameter);
  }
}

TEST_CASE("a write that fails leaves the old file and nothing else")
{
  TemporaryFolder temporary;
  std::string reason;
  StateFolder folder = open_folder(temporary / "state");
  REQUIRE(!folder.write("x", "old", reason).is_error());
  CHECK(folder.write("x", std::string(limits::kMaxStateFileBytes + 1, 'x'), reason).error() == NtStatus::InvalidParameter);

  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit tight{1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tight);
  auto written = folder.write("x", std::string(5000, 'n'), reason);
  setrlimit(RLIMIT_FSIZE, &before);
  CHECK(written.error() == NtStatus::DiskFull);
  CHECK(get_file(temporary / "state/x") == "old");
  CHECK(std::distance(std::filesystem::directory_iterator(temporary / "state"), {}) == 1);
}

TEST_CASE("a killed writer leaves the old contents or the new ones, whole")
{
  TemporaryFolder temporary;
  std::string reason;
  {
    StateFolder folder = open_folder(temporary / "state");
    REQUIRE(!folder.write("x", std::string(20000, 'a'), reason).is_error());
  }
  for (int round = 0; round < 20; round++) {
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      std::string text;
      auto folder = StateFolder::open(temporary / "state", text);
      for (char letter = 'a'; !folder.is_error(); letter = letter == 'z' ? 'a' : static_cast<char>(letter + 1))
        if (folder->write("x", std::string(20000, letter), text).is_error())
          break;
      _exit(1);
    }
    usleep(1000 + 700 * static_cast<useconds_t>(round));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    StateFolder folder = open_folder(temporary / "state");
    const auto contents = folder.read("x", reason).value();
    REQUIRE(contents.size() == 20000);
    CHECK(contents == platform::SecretText(20000, contents[0]));
    CHECK(std::distance(std::filesystem::directory_iterator(temporary / "state"), {}) == 1);
  }
}

TEST_CASE("a damaged file is kept under another name, however often")
{
  TemporaryFolder temporary;
  std::string reason;
  StateFolder folder = open_folder(temporary / "state");
  for (const char *expected : {"x.damaged", "x.damaged-2", "x.damaged-3"}) {
    put_file(temporary / "state/x", expected);
    CHECK(folder.set_aside("x", reason).value() == expected);
    CHECK(get_file(temporary / ("state/" + std::string(expected))) == expected);
  }
  CHECK(folder.set_aside("x", reason).error() == NtStatus::ObjectNameNotFound);
  std::string longest(255, 'n');
  put_file(temporary / ("state/" + longest), "");
  CHECK(folder.set_aside(longest, reason).value().size() == 255);
  for (const char *name : {"x.damaged", "x.damaged-2", ".damaged", "x.damaged-100"})
    CHECK(StateFolder::is_set_aside(name));
  for (const char *name : {"x", "x.damaged-", "x.damaged-2x", "x.damagedx", "x.damaged2", "damaged"})
    CHECK(!StateFolder::is_set_aside(name));
}

TEST_CASE("a hundred damaged files of one name are kept, and the next one stays where it is")
{
  TemporaryFolder temporary;
  std::string reason;
  StateFolder folder = open_folder(temporary / "state");
  for (int number = 1; number <= 100; number++) {
    put_file(temporary / "state/x", "damaged");
    REQUIRE(folder.set_aside("x", reason).value() == (number == 1 ? "x.damaged" : fmt::format("x.damaged-{}", number)));
  }
  put_file(temporary / "state/x", "one more");
  CHECK(folder.set_aside("x", reason).error() == NtStatus::ObjectNameCollision);
  CHECK(reason.starts_with("100 damaged files have been set aside in \""));
  CHECK(reason.ends_with("under one name, as many as may be (kMaxFilesSetAside): look at them and remove them"));
  CHECK(get_file(temporary / "state/x") == "one more");
  std::filesystem::remove(temporary / "state/x.damaged-50");
  CHECK(folder.set_aside("x", reason).value() == "x.damaged-50");
}

TEST_CASE("the configuration file is read through links, and its length is bounded")
{
  TemporaryFolder temporary;
  std::string reason;
  put_file(temporary / "file", "12345");
  REQUIRE(symlink("file", (temporary / "link").c_str()) == 0);
  CHECK(platform::read_file(temporary / "link", 5, reason).value() == "12345");
  CHECK(platform::read_file(temporary / "file", 4, reason).error() == NtStatus::InvalidParameter);
  CHECK(platform::read_file(temporary / "none", 5, reason).error() == NtStatus::ObjectNameNotFound);
  CHECK(platform::read_file(temporary.path(), 5, reason).error() == NtStatus::InvalidParameter);
}
