// SPDX-License-Identifier: GPL-3.0-or-later
// FileSystem, OpenFolder, OpenFile: the single steps that files.h is made of, as interfaces, so that a simulated disk can stand in, with
// crashes between any two of them. Each may wait for the disk; used as files.h says. `why` is set when a step fails: the system's own
// words without a name ("No space left on device"); the caller knows what it was about.
#pragma once
#include "kernel/base/result.h"
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::platform {

// Changes with every change of a file's bytes, length, mode or owner, and with the file under its name. All zero: there is none. Of a
// folder, with every change of its names.
struct FileStamp {
  uint64_t number = 0, size = 0; // number: the inode's
  int64_t seconds = 0, nanoseconds = 0;
  uint64_t device = 0;
  // While one of them is open: whether it is the same file or folder, changed or not.
  bool is_of_same(const FileStamp &other) const { return device == other.device && number == other.number; }
  bool operator==(const FileStamp &) const = default;
};

struct FileFacts {
  uint32_t uid = 0, mode = 0; // mode: permission bits only
  uint64_t size = 0;
  bool is_regular = false;
};

class OpenFile {
public:
  virtual ~OpenFile() = default; // closes
  virtual Result<FileFacts> facts(std::string &why) = 0;
  // From where the last one ended. At least one byte, 0 at the end.
  virtual Result<size_t> read(std::span<char> into, std::string &why) = 0;
  // At least one of the bytes, which are not none.
  virtual Result<size_t> write(std::string_view bytes, std::string &why) = 0;
  // Waits until a crash cannot take what was written. What a failure leaves behind is unknown, whatever a later call says.
  virtual Result<void> sync(std::string &why) = 0;
  // What the system has to say only then.
  virtual Result<void> close(std::string &why) = 0;
};

// Names are plain ones, without slashes.
class OpenFolder {
public:
  virtual ~OpenFolder() = default; // closes, and gives the lock up
  virtual Result<FileFacts> facts(std::string &why) = 0;
  virtual Result<void> set_mode(uint32_t mode, std::string &why) = 0;
  // SharingViolation: somebody else has it.
  virtual Result<void> lock(std::string &why) = 0;
  // 0700. ObjectNameCollision: there is something of that name.
  virtual Result<void> make_folder(const std::string &name, std::string &why) = 0;
  // No symbolic link.
  virtual Result<std::unique_ptr<OpenFolder>> open_folder(const std::string &name, std::string &why) = 0;
  // In any order, hidden ones too.
  virtual Result<std::vector<std::string>> names(std::string &why) = 0;
  // Of whatever has the name; of a symbolic link, its own; of ".", this folder's. ObjectNameNotFound: nothing has it.
  virtual Result<FileStamp> stamp(const std::string &name, std::string &why) = 0;
  // For reading; no symbolic link, and never waits for a writer of a pipe.
  virtual Result<std::unique_ptr<OpenFile>> open(const std::string &name, std::string &why) = 0;
  // A new one for writing, 0600.
  virtual Result<std::unique_ptr<OpenFile>> create(const std::string &name, std::string &why) = 0;
  // In one piece: what had the new name is gone.
  virtual Result<void> replace(const std::string &name, const std::string &new_name, std::string &why) = 0;
  // ObjectNameCollision: the new name is taken.
  virtual Result<void> rename(const std::string &name, const std::string &new_name, std::string &why) = 0;
  virtual Result<void> unlink(const std::string &name, std::string &why) = 0;
  // Waits until a crash cannot take back what was done to names.
  virtual Result<void> sync(std::string &why) = 0;
};

class FileSystem {
public:
  virtual ~FileSystem() = default;
  // Of this process.
  virtual uint32_t user_id() = 0;
  // The folder and its missing parents; reason: a whole sentence. One that exists stays as it is. No crash takes what is new, but where its
  // parent may not be opened.
  virtual Result<void> make_folders(const std::string &path, uint32_t mode, std::string &reason) = 0;
  virtual Result<std::unique_ptr<OpenFolder>> open_folder(const std::string &path, std::string &why) = 0;
  // Of whatever the path leads to, symbolic links followed. ObjectNameNotFound: to nothing.
  virtual Result<FileStamp> stamp(const std::string &path, std::string &why) = 0;
  // For reading, symbolic links followed.
  virtual Result<std::unique_ptr<OpenFile>> open(const std::string &path, std::string &why) = 0;
};

// The process's: the system's own, unless another was set before files are used. Null sets the system's own again.
FileSystem &file_system();
void set_file_system(FileSystem *file_system);

}
