// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/file_system.h"
#include "kernel/platform/linux/errno_map.h"
#include "kernel/platform/linux/process.h"
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

NtStatus failed(std::string &why, int error = errno)
{
  why = strerrordesc_np(error);
  return status_from_errno(error);
}

Result<void> done(int result, std::string &why)
{
  if (result != 0)
    return failed(why);
  return {};
}

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

Result<FileFacts> facts_of(int descriptor, std::string &why)
{
  struct stat status;
  if (::fstat(descriptor, &status) != 0)
    return failed(why);
  return FileFacts{status.st_uid, status.st_mode & 07777, static_cast<uint64_t>(status.st_size), S_ISREG(status.st_mode)};
}

class LinuxFile final : public OpenFile {
public:
  explicit LinuxFile(int descriptor) : m_descriptor(descriptor) {}
  Result<FileFacts> facts(std::string &why) override { return facts_of(m_descriptor.get(), why); }
  Result<size_t> read(std::span<char> into, std::string &why) override
  {
    ssize_t got = -1;
    do
      got = ::read(m_descriptor.get(), into.data(), into.size());
    while (got < 0 && errno == EINTR);
    if (got < 0)
      return failed(why);
    return static_cast<size_t>(got);
  }
  Result<size_t> write(std::string_view bytes, std::string &why) override
  {
    ssize_t put = -1;
    do
      put = ::write(m_descriptor.get(), bytes.data(), bytes.size());
    while (put < 0 && errno == EINTR);
    if (put < 0)
      return failed(why);
    return static_cast<size_t>(put);
  }
  Result<void> sync(std::string &why) override { return done(::fsync(m_descriptor.get()), why); }
  Result<void> close(std::string &why) override { return done(::close(m_descriptor.release()), why); }

private:
  Descriptor m_descriptor;
};

Result<FileStamp> stamp_of(int folder, const std::string &name, int flags, std::string &why)
{
  struct stat status;
  if (::fstatat(folder, name.c_str(), &status, flags) != 0)
    return failed(why);
  // The time of change, which nobody can set; the time of modification can be put back.
  return FileStamp{status.st_ino, static_cast<uint64_t>(status.st_size), status.st_ctim.tv_sec, status.st_ctim.tv_nsec, status.st_dev};
}

Result<std::unique_ptr<OpenFile>> opened_file(int descriptor, std::string &why)
{
  if (descriptor < 0)
    return failed(why);
  return std::unique_ptr<OpenFile>(std::make_unique<LinuxFile>(descriptor));
}

Result<std::unique_ptr<OpenFolder>> opened_folder(int descriptor, std::string &why);

class LinuxFolder final : public OpenFolder {
public:
  explicit LinuxFolder(int descriptor) : m_descriptor(descriptor) {}
  Result<FileFacts> facts(std::string &why) override { return facts_of(m_descriptor.get(), why); }
  Result<void> set_mode(uint32_t mode, std::string &why) override { return done(::fchmod(m_descriptor.get(), mode), why); }
  Result<void> lock(std::string &why) override
  {
    if (::flock(m_descriptor.get(), LOCK_EX | LOCK_NB) == 0)
      return {};
    int error = errno;
    NtStatus status = failed(why, error);
    return error == EWOULDBLOCK ? NtStatus::SharingViolation : status;
  }
  Result<void> make_folder(const std::string &name, std::string &why) override
  {
    return done(::mkdirat(m_descriptor.get(), name.c_str(), 0700), why);
  }
  Result<std::unique_ptr<OpenFolder>> open_folder(const std::string &name, std::string &why) override
  {
    return opened_folder(::openat(m_descriptor.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), why);
  }
  Result<std::vector<std::string>> names(std::string &why) override;
  Result<FileStamp> stamp(const std::string &name, std::string &why) override
  {
    return stamp_of(m_descriptor.get(), name, AT_SYMLINK_NOFOLLOW, why);
  }
  Result<std::unique_ptr<OpenFile>> open(const std::string &name, std::string &why) override
  {
    // O_NONBLOCK: a pipe in a file's place must not hold the daemon.
    return opened_file(::openat(m_descriptor.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), why);
  }
  Result<std::unique_ptr<OpenFile>> create(const std::string &name, std::string &why) override
  {
    return opened_file(::openat(m_descriptor.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), why);
  }
  Result<void> replace(const std::string &name, const std::string &new_name, std::string &why) override
  {
    return done(::renameat(m_descriptor.get(), name.c_str(), m_descriptor.get(), new_name.c_str()), why);
  }
  Result<void> rename(const std::string &name, const std::string &new_name, std::string &why) override
  {
    return done(::renameat2(m_descriptor.get(), name.c_str(), m_descriptor.get(), new_name.c_str(), RENAME_NOREPLACE), why);
  }
  Result<void> unlink(const std::string &name, std::string &why) override
  {
    return done(::unlinkat(m_descriptor.get(), name.c_str(), 0), why);
  }
  Result<void> sync(std::string &why) override { return done(::fsync(m_descriptor.get()), why); }

private:
  Descriptor m_descriptor;
};

Result<std::vector<std::string>> LinuxFolder::names(std::string &why)
{
  // No descriptor of its own, as opendir() would have: the store looks all the time, also when there are no more. The position in the
  // folder is nobody else's, as this has opened it.
  if (::lseek(m_descriptor.get(), 0, SEEK_SET) != 0)
    return failed(why);
  std::vector<std::string> names;
  alignas(dirent64) char entries[16384];
  for (;;) {
    const ssize_t bytes = ::getdents64(m_descriptor.get(), entries, sizeof entries);
    if (bytes < 0)
      return failed(why);
    if (bytes == 0)
      return names;
    for (ssize_t at = 0; at < bytes;) {
      const auto *entry = reinterpret_cast<const dirent64 *>(entries + at);
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..")
        names.emplace_back(name);
      at += entry->d_reclen;
    }
  }
}

Result<std::unique_ptr<OpenFolder>> opened_folder(int descriptor, std::string &why)
{
  if (descriptor < 0)
    return failed(why);
  return std::unique_ptr<OpenFolder>(std::make_unique<LinuxFolder>(descriptor));
}

class LinuxFileSystem final : public FileSystem {
public:
  uint32_t user_id() override { return ::geteuid(); }
  Result<void> make_folders(const std::string &path, uint32_t mode, std::string &reason) override
  {
    return make_folder(path, mode, reason);
  }
  Result<std::unique_ptr<OpenFolder>> open_folder(const std::string &path, std::string &why) override
  {
    return opened_folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), why);
  }
  Result<FileStamp> stamp(const std::string &path, std::string &why) override { return stamp_of(AT_FDCWD, path, 0, why); }
  Result<std::unique_ptr<OpenFile>> open(const std::string &path, std::string &why) override
  {
    return opened_file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC), why);
  }
};

}

static FileSystem *s_file_system;

FileSystem &file_system()
{
  static LinuxFileSystem of_this_machine;
  return s_file_system ? *s_file_system : of_this_machine;
}

void set_file_system(FileSystem *file_system)
{
  s_file_system = file_system;
}

}
