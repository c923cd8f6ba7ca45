// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/files.h"
#include "kernel/base/log.h"
#include "kernel/base/text.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/errno_map.h"
#include "kernel/platform/linux/process.h"
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace httpsys::platform {

namespace {

// Begins with a dot, so that it is none of the names that state files have.
constexpr const char kUnfinished[] = ".unfinished";
constexpr std::string_view kSetAside = ".damaged";

// Closes on the way out.
class Descriptor {
public:
  explicit Descriptor(int number) : m_number(number) {}
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  ~Descriptor()
  {
    if (m_number >= 0)
      ::close(m_number);
  }
  int get() const { return m_number; }
  int release() { return std::exchange(m_number, -1); }

private:
  int m_number;
};

NtStatus failed(std::string &reason, const char *what, const std::string &path, int error)
{
  reason = fmt::format("cannot {} {}: {}", what, quoted(path), strerrordesc_np(error));
  return status_from_errno(error);
}

// The whole of an open file; its length is taken from the file itself and may not change meanwhile.
Result<std::string> read_all(int descriptor, off_t length, const std::string &path, std::string &reason)
{
  std::string contents(static_cast<size_t>(length), '\0');
  size_t done = 0;
  while (done < contents.size()) {
    ssize_t got = ::read(descriptor, contents.data() + done, contents.size() - done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0) {
      int error = got < 0 ? errno : EIO;
      wipe(contents);
      return failed(reason, "read", path, error);
    }
    done += static_cast<size_t>(got);
  }
  return contents;
}

Result<std::string> read_regular(int descriptor, size_t maximum, const std::string &path, std::string &reason)
{
  struct stat status;
  if (::fstat(descriptor, &status) != 0)
    return failed(reason, "read", path, errno);
  if (!S_ISREG(status.st_mode)) {
    reason = fmt::format("{} is not a regular file", quoted(path));
    return NtStatus::InvalidParameter;
  }
  if (status.st_size < 0 || static_cast<uint64_t>(status.st_size) > maximum) {
    reason = fmt::format("{} has {} bytes, {} at most are expected", quoted(path), status.st_size, maximum);
    return NtStatus::InvalidParameter;
  }
  return read_all(descriptor, status.st_size, path, reason);
}

}

Result<StateFolder> StateFolder::open(const std::string &wanted, std::string &reason)
{
  if (wanted.empty()) {
    reason = "the state folder has no name";
    return NtStatus::InvalidParameter;
  }
  std::string path = wanted.substr(0, std::max(wanted.find_last_not_of('/') + 1, size_t{1}));
  TRY(make_folder(path, 0700, reason));
  int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0)
    return failed(reason, "open the folder", path, errno);
  return adopt(descriptor, path, reason);
}

Result<StateFolder> StateFolder::open_inside(const std::string &name, std::string &reason) const
{
  if (::mkdirat(m_descriptor, name.c_str(), 0700) != 0 && errno != EEXIST)
    return failed(reason, "make the folder", path_of(name), errno);
  int descriptor = ::openat(m_descriptor, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0)
    return failed(reason, "open the folder", path_of(name), errno);
  // The new folder's name must not be lost by a crash after files in it have been reported as safe.
  ::fsync(m_descriptor);
  return adopt(descriptor, path_of(name), reason);
}

Result<StateFolder> StateFolder::adopt(int descriptor, const std::string &path, std::string &reason)
{
  StateFolder folder(descriptor, path);
  struct stat status;
  if (::fstat(descriptor, &status) != 0)
    return failed(reason, "look at the folder", path, errno);
  if (status.st_uid != ::geteuid()) {
    reason = fmt::format("the state folder {} belongs to uid {}, httpsysd runs as uid {}: give it to that uid or "
                         "choose another with --state-dir",
                         quoted(path), status.st_uid, ::geteuid());
    return NtStatus::AccessDenied;
  }
  if ((status.st_mode & 022) != 0 && !TRY(folder.list(reason)).empty()) {
    reason = fmt::format(
        "the state folder {} has mode {:04o}, others could have changed its files: check them and use chmod 0700",
        quoted(path), status.st_mode & 07777);
    return NtStatus::AccessDenied;
  }
  if ((status.st_mode & 07777) != 0700) {
    if (::fchmod(descriptor, 0700) != 0)
      return failed(reason, "close to others the folder", path, errno);
    log("the state folder {} had mode {:04o} and has 0700 now", quoted(path), status.st_mode & 07777);
  }
  folder.remove_unfinished();
  return folder;
}

StateFolder::StateFolder(StateFolder &&other) noexcept
  : m_descriptor(std::exchange(other.m_descriptor, -1)), m_path(std::move(other.m_path))
{
}

StateFolder &StateFolder::operator=(StateFolder &&other) noexcept
{
  std::swap(m_descriptor, other.m_descriptor);
  std::swap(m_path, other.m_path);
  return *this;
}

StateFolder::~StateFolder()
{
  if (m_descriptor >= 0)
    ::close(m_descriptor);
}

Result<void> StateFolder::lock(std::string &reason)
{
  if (::flock(m_descriptor, LOCK_EX | LOCK_NB) == 0)
    return {};
  if (errno != EWOULDBLOCK)
    return failed(reason, "lock the folder", m_path, errno);
  reason = fmt::format("another httpsysd uses the state folder {}: stop it or choose another folder with --state-dir", quoted(m_path));
  return NtStatus::SharingViolation;
}

Result<std::vector<std::string>> StateFolder::list(std::string &reason) const
{
  // A descriptor of its own: the position in the folder belongs to the open file.
  int descriptor = ::openat(m_descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *entries = descriptor < 0 ? nullptr : ::fdopendir(descriptor);
  if (!entries) {
    int error = errno;
    if (descriptor >= 0)
      ::close(descriptor);
    return failed(reason, "list the folder", m_path, error);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent *entry = ::readdir(entries)) {
    if (entry->d_name[0] != '.')
      names.emplace_back(entry->d_name);
  }
  int error = errno;
  ::closedir(entries);
  if (error != 0)
    return failed(reason, "list the folder", m_path, error);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> StateFolder::read(const std::string &name, std::string &reason) const
{
  // O_NONBLOCK: a pipe in a file's place must not hold the daemon.
  Descriptor file(::openat(m_descriptor, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0)
    return failed(reason, "read", path_of(name), errno);
  struct stat status;
  if (::fstat(file.get(), &status) != 0)
    return failed(reason, "read", path_of(name), errno);
  if ((status.st_uid != ::geteuid() && status.st_uid != 0) || (status.st_mode & 022) != 0) {
    reason = fmt::format("{} belongs to uid {} and has mode {:04o}: others could have changed it", quoted(path_of(name)), status.st_uid,
                         status.st_mode & 07777);
    return NtStatus::AccessDenied;
  }
  return read_regular(file.get(), limits::kMaxStateFileBytes, path_of(name), reason);
}

Result<void> StateFolder::write_new(const std::string &name, std::string_view contents, std::string &reason)
{
  Descriptor file(::openat(m_descriptor, kUnfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.get() < 0)
    return failed(reason, "write", path_of(name), errno);
  while (!contents.empty()) {
    ssize_t put = ::write(file.get(), contents.data(), contents.size());
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      return failed(reason, "write", path_of(name), errno);
    contents.remove_prefix(static_cast<size_t>(put));
  }
  if (::fsync(file.get()) != 0)
    return failed(reason, "write", path_of(name), errno);
  if (::close(file.release()) != 0)
    return failed(reason, "write", path_of(name), errno);
  if (::renameat(m_descriptor, kUnfinished, m_descriptor, name.c_str()) != 0)
    return failed(reason, "replace", path_of(name), errno);
  return {};
}

Result<void> StateFolder::write(const std::string &name, std::string_view contents, std::string &reason)
{
  if (contents.size() > limits::kMaxStateFileBytes) {
    reason = fmt::format("{} would have {} bytes, {} at most are kept", quoted(path_of(name)), contents.size(), limits::kMaxStateFileBytes);
    return NtStatus::InvalidParameter;
  }
  remove_unfinished();
  if (auto written = write_new(name, contents, reason); written.is_error()) {
    remove_unfinished();
    return written;
  }
  if (::fsync(m_descriptor) != 0)
    return failed(reason, "make safe on disk", path_of(name), errno);
  return {};
}

Result<void> StateFolder::remove(const std::string &name, std::string &reason)
{
  if (::unlinkat(m_descriptor, name.c_str(), 0) != 0)
    return failed(reason, "remove", path_of(name), errno);
  if (::fsync(m_descriptor) != 0)
    return failed(reason, "make safe on disk the removal of", path_of(name), errno);
  return {};
}

Result<std::string> StateFolder::set_aside(const std::string &name, std::string &reason)
{
  for (uint32_t number = 1; number <= limits::kMaxFilesSetAside; number++) {
    std::string suffix(kSetAside);
    if (number > 1)
      suffix += '-' + std::to_string(number);
    std::string other = name.substr(0, NAME_MAX - suffix.size()) + suffix;
    // RENAME_NOREPLACE: what was set aside before is evidence, too.
    if (::renameat2(m_descriptor, name.c_str(), m_descriptor, other.c_str(), RENAME_NOREPLACE) == 0) {
      ::fsync(m_descriptor);
      return other;
    }
    if (errno != EEXIST)
      return failed(reason, "rename", path_of(name), errno);
  }
  reason = fmt::format("{} damaged files have been set aside in {}: look at them and remove them",
                       limits::kMaxFilesSetAside, quoted(m_path));
  return NtStatus::ObjectNameCollision;
}

bool StateFolder::is_set_aside(std::string_view name)
{
  size_t suffix = name.rfind(kSetAside);
  if (suffix == name.npos)
    return false;
  std::string_view rest = name.substr(suffix + kSetAside.size());
  return rest.empty() || (rest.size() > 1 && rest[0] == '-' && rest.find_first_not_of("0123456789", 1) == rest.npos);
}

void StateFolder::remove_unfinished()
{
  ::unlinkat(m_descriptor, kUnfinished, 0);
}

Result<std::string> read_file(const std::string &path, size_t maximum, std::string &reason)
{
  Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0)
    return failed(reason, "read", path, errno);
  return read_regular(file.get(), maximum, path, reason);
}

}
