// SPDX-License-Identifier: GPL-3.0-or-later
// Files of the daemon: a folder of small state files that are replaced in one piece, and the configuration file. The order of
// the steps is the same on every platform, the steps are those of file_system.h. These
// calls block (they wait for the disk), so they belong to the start and to the helper thread, never to a core. A
// StateFolder is used by one thread at a time and lives as long as its owner wants. Whatever can fail sets `reason` to
// one sentence without full stop that names the file.
#pragma once
#include "kernel/base/result.h"
#include "kernel/platform/file_system.h"
#include "kernel/platform/secret_memory.h"
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::platform {

class StateFolder {
public:
  // Makes the folder (0700) and its parents (0755) where they are missing. A folder of ours that is open to others is
  // closed to them, one of somebody else's, or one with files that others may write into, is refused (AccessDenied).
  // What a crash left half-written is removed.
  static Result<StateFolder> open(const std::string &path, std::string &reason);
  // A folder inside, by a plain name. It may be new: a crash can take it, with all that is in it, until make_safe() has succeeded here.
  Result<StateFolder> open_inside(const std::string &name, std::string &reason) const;
  // What is where it was when it was opened: for open_inside()'s at its name in here, for open()'s at its path. Somebody may remove a
  // folder, move it, or put another there; whoever has it open would go on with what nobody finds any more.
  enum class Place { Itself, Another, Nothing };
  Result<Place> place_of(const StateFolder &inside, std::string &reason) const;
  Result<Place> place(std::string &reason) const;
  // No crash can take the names back that are here now.
  Result<void> make_safe(std::string &reason);

  StateFolder() = default; // of nothing; only to be assigned to

  // Keeps other daemons out until this object or the process ends. SharingViolation: another has it.
  Result<void> lock(std::string &reason);

  // Names of what is in the folder, sorted; temporary files are not.
  Result<std::vector<std::string>> list(std::string &reason) const;
  // The same with what tells whether a file has changed since. A file that goes meanwhile may be missing.
  Result<std::map<std::string, FileStamp>> stamps(std::string &reason) const;
  // Of one file. All zero: there is none.
  Result<FileStamp> stamp(const std::string &name) const;
  // A regular file of ours or of uid 0 that nobody else may write, at most limits::kMaxStateFileBytes. May hold a
  // secret. Errors: ObjectNameNotFound, AccessDenied (somebody else's), ObjectPathNotFound (a
  // symbolic link), InvalidParameter (no regular file, too long), IoDeviceError.
  Result<SecretText> read(const std::string &name, std::string &reason) const;
  // Afterwards the file (0600) holds the new contents and a crash cannot bring the old ones back; after an error, or a
  // crash on the way, it is as before. (One error may come too late for that: the disk does not say whether it has
  // the new name. Then the file is new, and a crash may bring the old one back.)
  Result<void> write(const std::string &name, std::string_view contents, std::string &reason);
  // ObjectNameNotFound: there is none. A crash cannot bring it back.
  Result<void> remove(const std::string &name, std::string &reason);
  // Gives the file a name that is free ("NAME.damaged", "NAME.damaged-2", ...) and returns that. A crash cannot give it the old one back,
  // also when the error is ObjectNameNotFound.
  Result<std::string> set_aside(const std::string &name, std::string &reason);
  // Whether the name is one that set_aside() gives.
  static bool is_set_aside(std::string_view name);

  std::string path_of(const std::string &name) const { return m_path + '/' + name; }
  const std::string &path() const { return m_path; }

private:
  StateFolder(std::unique_ptr<OpenFolder> folder, std::string path) : m_folder(std::move(folder)), m_path(std::move(path)) {}
  // what: that it leads to, or why not.
  Result<Place> compare(const Result<FileStamp> &what, std::string_view why, std::string &reason) const;
  static Result<StateFolder> adopt(std::unique_ptr<OpenFolder> folder, const std::string &path, std::string &reason);
  Result<void> write_new(const std::string &name, std::string_view contents, std::string &reason);
  void remove_unfinished();

  std::unique_ptr<OpenFolder> m_folder;
  std::string m_path;
};

// A text file that an administrator wrote, symbolic links followed. Errors: ObjectNameNotFound, InvalidParameter (no
// regular file, longer than maximum), AccessDenied, IoDeviceError.
Result<std::string> read_file(const std::string &path, size_t maximum, std::string &reason);

}
