// SPDX-License-Identifier: GPL-3.0-or-later
// SimDisk: files in memory, as a disk keeps them that promises no more than POSIX does. What was written is safe from a crash only after
// the file's sync, a name only after its folder's: until then a crash keeps or loses each of them by itself. Any step can fail, and a crash
// can come before any step; a seed decides it. One thread. For the simulator: never part of the daemon.
#pragma once
#include "kernel/base/random.h"
#include "kernel/platform/file_system.h"
#include <functional>
#include <map>

namespace httpsys::platform {

// Each a chance in 65536 for every step that it concerns. What fails has done nothing, but for a sync, of which nobody knows.
struct SimFileFaults {
  uint32_t no_space = 0;          // DiskFull (ENOSPC): whatever takes some
  uint32_t look_fails = 0;        // IoDeviceError (EIO), as all others: open, facts, names, read
  uint32_t write_fails = 0;       // and close
  uint32_t name_fails = 0;        // make_folder, create, replace, rename, unlink
  uint32_t sync_fails = 0;        // of a file: its bytes never get to the disk, though a later sync may say so
  uint32_t folder_sync_fails = 0; // names are as safe as before
  uint32_t read_is_short = 0, write_is_short = 0;
};

class SimDisk final : public FileSystem {
public:
  explicit SimDisk(uint64_t seed) : random(seed), m_root(new_node(true)) {}

  SimFileFaults faults;
  bool is_full = false; // as if no_space struck always
  Random random;
  // Told of every step and its end: for a trace.
  std::function<void(std::string_view step, const std::string &path, NtStatus status)> on_step;

  // Steps that failed by a fault. Of these: who wanted to read; who left behind what nobody knows (a folder's sync, a name that stays).
  uint64_t failures = 0, failed_looks = 0, doubts = 0;

  // Before so many steps from now on, at least one, everything stands still: nothing that is done from then on has any effect, or succeeds.
  void crash_in(uint64_t steps) { m_until_crash = steps; }
  bool has_crashed() const { return m_has_crashed; }
  // The machine runs again, and nobody has anything open. Power lost: what was not safe may be gone, else only the process had ended.
  void come_back(bool power_was_lost);

  // By path, as the running system sees them; hidden ones too.
  std::map<std::string, std::string> files() const;
  // Somebody changes a file that is there, safely.
  void overwrite(const std::string &path, const std::string &contents);
  // Somebody puts another file there, or takes it away, safely.
  void put(const std::string &path, const std::string &contents);
  void take_away(const std::string &path);
  // Somebody removes a folder with all that is in it, or moves it to where we do not look, safely. Who has it open has it still.
  void remove_folder(const std::string &path);
  void move_folder_away(const std::string &path) { take_away(path); }
  // Somebody makes an empty one, safely.
  void put_folder(const std::string &path);

  uint32_t user_id() override { return 1; }
  Result<void> make_folders(const std::string &path, uint32_t mode, std::string &reason) override;
  Result<std::unique_ptr<OpenFolder>> open_folder(const std::string &path, std::string &why) override;
  Result<FileStamp> stamp(const std::string &path, std::string &why) override;
  Result<std::unique_ptr<OpenFile>> open(const std::string &path, std::string &why) override;

private:
  friend class SimFile;
  friend class SimFolder;
  struct Node;
  using NodePointer = std::shared_ptr<Node>;
  using Entries = std::map<std::string, NodePointer>;
  // Of a folder's names: one goes, one comes, or both.
  struct Change {
    std::string gone, come;
    NodePointer node; // what has come, or gone when nothing has
  };
  struct Node {
    bool is_folder = false, is_locked = false;
    bool is_removed = false; // a folder: nothing can be made in it any more
    FileStamp stamp() const { return {number, contents.size(), static_cast<int64_t>(touched), 0}; }
    uint32_t mode = 0600;
    std::string contents, safe_contents;
    uint64_t number = 0, touched = 0; // for stamps
    bool is_safe = true, is_hopeless = false; // its bytes; hopeless: a sync has failed
    Entries entries, safe_entries;
    std::vector<Change> changes; // not safe yet
  };
  enum class Space { None, Takes };

  NodePointer new_node(bool is_folder);
  void touch(Node &node) { node.touched = ++m_touches; }
  static void apply(Entries &entries, const Change &change);
  // Whether the step happens. Counts it.
  Result<void> begin(std::string_view step, const std::string &path, uint32_t SimFileFaults::*fault, Space space, std::string &why);
  void change(Node &folder, Change change);
  Result<NodePointer> find(const std::string &path, std::string &why) const;
  void lose_power(Node &folder);

  uint64_t m_nodes = 0, m_touches = 0;
  NodePointer m_root;
  uint64_t m_until_crash = 0;
  bool m_has_crashed = false;
  size_t m_open = 0;
};

}
