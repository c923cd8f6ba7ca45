// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/account.h"
#include "kernel/base/text.h"
#include "kernel/platform/linux/errno_map.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/linux/process_info.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace httpsys::platform {

Result<std::optional<Account>> find_account(const std::string &name, std::string &reason)
{
  char buffer[16384];
  passwd entry{}, *found = nullptr;
  // Some sources of the database answer "there is none" with an error (getpwnam_r(3)).
  errno = getpwnam_r(name.c_str(), &entry, buffer, sizeof buffer, &found);
  if (!found && errno != 0 && errno != ENOENT && errno != ESRCH && errno != EBADF && errno != EPERM)
    return fail(reason, fmt::format("look up the user {}", httpsys::quoted(name)));
  if (!found)
    return std::optional<Account>();
  return std::optional<Account>({name, entry.pw_uid, entry.pw_gid});
}

static bool holds_only(const std::string &path, const std::vector<std::string> &ours)
{
  std::error_code error;
  std::filesystem::directory_iterator entries(path, error);
  for (; !error && entries != end(entries); entries.increment(error)) {
    if (std::find(ours.begin(), ours.end(), entries->path().filename().string()) == ours.end())
      return false;
  }
  return !error;
}

Result<void> give_folder(const std::string &path, const Account &account, const std::vector<std::string> &ours, std::string &reason)
{
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return fail(reason, fmt::format("open the folder {}", path));
  struct stat status {};
  const bool looked = fstat(folder, &status) == 0;
  Result<void> given;
  // By its descriptor: what was looked at is what is given.
  if (looked && status.st_uid == 0 && account.uid != 0 && (status.st_mode & 022) == 0 &&
      holds_only(fmt::format("/proc/self/fd/{}", folder), ours) && fchown(folder, account.uid, account.gid) != 0)
    given = fail(reason, fmt::format("give the folder {} to the user {}", path, account.name));
  close(folder);
  return given;
}

Result<void> check_owner(const std::string &path, const Account &account, std::string &reason)
{
  struct stat status {};
  std::string wrong;
  if (lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid != account.uid)
    wrong = path;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entries(path, error);
  for (; wrong.empty() && !error && entries != end(entries); entries.increment(error)) {
    if (lstat(entries->path().c_str(), &status) == 0 && status.st_uid != account.uid)
      wrong = entries->path().string();
  }
  if (wrong.empty())
    return {};
  reason = fmt::format("{} belongs to uid {}, httpsysd is to run as {} (uid {}): give the state folder to that user (chown -R {} {}), or "
                       "choose another with --state-dir, or another user with --user",
    httpsys::quoted(wrong), status.st_uid, account.name, account.uid, account.name, path);
  return NtStatus::AccessDenied;
}

Result<void> check_writable(
  const std::string &path, const Account &account, const char *what, const char *option, std::string &reason)
{
  // As that user, for a moment: rights have more sources than a mode.
  if (initgroups(account.name.c_str(), account.gid) != 0 || setegid(account.gid) != 0 || seteuid(account.uid) != 0)
    return fail(reason, fmt::format("become the user {} (uid {})", account.name, account.uid));
  const bool may = faccessat(AT_FDCWD, path.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
  if (seteuid(0) != 0 || setegid(0) != 0)
    return fail(reason, "become uid 0 again");
  if (may)
    return {};
  reason = fmt::format("the user {} may not write into {}, {}: let that user reach it and give it to the user (chown {} {}), or choose "
                       "another with {}, or another user with --user",
    account.name, httpsys::quoted(path), what, account.name, path, option);
  return NtStatus::AccessDenied;
}

// Whoever the folder belongs to cannot have put something else in its place.
static bool is_ours(const std::string &path, mode_t kind, struct stat &status)
{
  return lstat(path.c_str(), &status) == 0 && (status.st_mode & S_IFMT) == kind && status.st_nlink == 1;
}

Result<void> give_control_socket(const std::string &path, const Account &account, std::string &reason)
{
  const std::string socket = temporary_socket_name(path);
  struct stat status {};
  // A group of its own (httpsys) it keeps.
  if (!is_ours(socket, S_IFSOCK, status) ||
      lchown(socket.c_str(), account.uid, status.st_gid == getegid() ? account.gid : static_cast<gid_t>(-1)) != 0)
    return fail(reason, fmt::format("give the control socket {} to the user {}", path, account.name));
  const std::string folder = parent_folder(path);
  if (stat(folder.c_str(), &status) != 0)
    return fail(reason, fmt::format("look at the folder {}", folder));
  // Elsewhere (/tmp) the next start as uid 0 could not open somebody's file (fs.protected_regular).
  const std::string lock = path + ".lock";
  if (status.st_uid == account.uid && is_ours(lock, S_IFREG, status) && lchown(lock.c_str(), account.uid, account.gid) != 0)
    return fail(reason, fmt::format("give the lock of the control socket {} to the user {}", path, account.name));
  return {};
}

Result<void> become(const Account &account, std::string &reason)
{
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setresgid(account.gid, account.gid, account.gid) != 0 ||
      initgroups(account.name.c_str(), account.gid) != 0 || setresuid(account.uid, account.uid, account.uid) != 0 ||
      prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0)
    return fail(reason, fmt::format("become the user {} (uid {})", account.name, account.uid));
  return {};
}

}
