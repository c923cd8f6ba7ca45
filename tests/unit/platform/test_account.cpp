// SPDX-License-Identifier: GPL-3.0-or-later
// Who the daemon becomes, and what may be given to that user. Most of it can be seen as uid 0 only.
#include "kernel/platform/linux/account.h"
#include "tests/unit/not_tried.h"
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::platform;

namespace {

struct Folder {
  std::string path, reason;
  Account nobody{"nobody", 65534, 65534};
  Folder()
  {
    char name[] = "/tmp/httpsys-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  uint32_t owner() const
  {
    struct stat status {};
    stat(path.c_str(), &status);
    return status.st_uid;
  }
  void make(const std::string &name) { std::ofstream(path + '/' + name) << "x"; }
};

}

TEST_CASE_FIXTURE(Folder, "users are found by name, and their absence is no error")
{
  auto root = find_account("root", reason);
  REQUIRE(root);
  REQUIRE(root->has_value());
  CHECK((*root)->uid == 0);
  CHECK((*root)->name == "root");
  auto none = find_account("no-such-user", reason);
  REQUIRE_MESSAGE(none, reason);
  CHECK(!none->has_value());
}

TEST_CASE_FIXTURE(Folder, "a folder is given away when it is uid 0's and holds nothing of others")
{
  if (!is_root())
    return;
  SUBCASE("empty") { CHECK(give_folder(path, nobody, {}, reason)); }
  SUBCASE("with what a daemon has left there")
  {
    make("s.lock");
    make(".s.new");
    CHECK(give_folder(path, nobody, {"s", "s.lock", ".s.new"}, reason));
  }
  CHECK(owner() == nobody.uid);
  CHECK(check_owner(path, nobody, reason).is_error() == std::filesystem::exists(path + "/s.lock"));
}

TEST_CASE_FIXTURE(Folder, "other folders stay whose they are")
{
  if (!is_root())
    return;
  uint32_t stays = 0;
  SUBCASE("another file is in it") { make("other"); }
  SUBCASE("others may write into it") { chmod(path.c_str(), 01777); }
  SUBCASE("it is somebody's already")
  {
    stays = 65533;
    REQUIRE(chown(path.c_str(), stays, stays) == 0);
  }
  CHECK(give_folder(path, nobody, {"s"}, reason));
  CHECK(owner() == stays);
}

TEST_CASE_FIXTURE(Folder, "files of another uid in the state folder are named, with the command that gives them away")
{
  Account other{"somebody", geteuid() + 1, getegid()}, self{"me", geteuid(), getegid()};
  std::filesystem::create_directory(path + "/certificates");
  make("certificates/1.pem");
  CHECK(check_owner(path, self, reason));
  CHECK(check_owner(path, other, reason).error() == NtStatus::AccessDenied);
  CHECK(reason.find("chown -R somebody " + path) != std::string::npos);
  if (!is_root())
    return;
  REQUIRE(chown((path + "/certificates/1.pem").c_str(), 65534, 65534) == 0);
  CHECK(check_owner(path, self, reason).error() == NtStatus::AccessDenied);
  CHECK(reason.find("1.pem\" belongs to uid 65534") != std::string::npos);
}

TEST_CASE_FIXTURE(Folder, "whether a user may write into a folder is asked as that user")
{
  if (!is_root())
    return;
  CHECK(check_writable("/tmp", nobody, "the folder", "--option", reason));
  CHECK(check_writable(path, nobody, "the folder", "--option", reason).error() == NtStatus::AccessDenied);
  CHECK(reason.find(", the folder: ") != std::string::npos);
  CHECK(reason.find("another with --option") != std::string::npos);
  CHECK(reason.find("chown nobody " + path) != std::string::npos);
  CHECK(geteuid() == 0);
  CHECK(getegid() == 0);
}

TEST_CASE_FIXTURE(Folder, "becoming another user is for good")
{
  if (!is_root())
    return;
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (become(nobody, reason).is_error())
      _exit(1);
    uid_t real = 0, effective = 0, saved = 0;
    getresuid(&real, &effective, &saved);
    if (real != nobody.uid || effective != nobody.uid || saved != nobody.uid || getegid() != nobody.gid)
      _exit(2);
    gid_t groups[64];
    for (int count = getgroups(64, groups); count > 0; count--) {
      if (groups[count - 1] == 0)
        _exit(3);
    }
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
