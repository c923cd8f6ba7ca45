// SPDX-License-Identifier: GPL-3.0-or-later
// StateWatch: whether somebody else changes the store's files while the daemon runs. What was loaded stays in use in any case; each
// change is said once in the log. A file that got lost or is not usable any more is written again from what was loaded, so that a restart
// finds the last good configuration; what lies there is set aside. A good file that somebody has edited is left alone. A folder that
// somebody removes, moves away or replaces counts as all its files (StateFiles::find_folders).
//
// The store's own changes need no word: a file whose stamp has changed is read, and one that holds what the store has is nobody's
// change. Somebody may be in the middle of writing: a file is read when two looks have found the same stamp. What a change of the store's
// own that failed has left behind is made again what the store has, until that succeeds. Owned by the store; helper thread only.
#pragma once
#include "kernel/cm/state.h"
#include "kernel/cm/state_files.h"
#include "kernel/platform/file_system.h"
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace httpsys::cm {

class StateWatch {
public:
  // Once, after files.load().
  void begin(const StateFiles &files);
  // state: what is in use.
  void look(StateFiles &files, const State &state);

private:
  // Of a file by its name. A stamp of zeros is that of a file that is not there.
  struct Entry {
    std::optional<platform::FileStamp> judged, seen; // what was found under it is dealt with; was there at the last look
    uint64_t tried = 0; // in which look it was dealt with last
    bool is_told = false, has_failed = false;        // what has happened is said, that making it good has failed too; it is tried again
  };
  using Entries = std::map<std::string, Entry>;
  struct Place {
    StateFiles &files;
    const State &state;
    const Kind kind;
    const std::string file, name; // name: as in State, "" for a file that is none of ours
    std::string path() const { return files.path_of_file(kind, file); }
  };

  struct Found {
    Kind kind;
    Entries::iterator at;
    platform::FileStamp stamp;
    bool is_known, is_same; // the state has it; it was like this at the last look
  };

  // Adds what there is to do about the files of a kind.
  void find(Kind kind, StateFiles &files, const State &state, std::vector<Found> &due);
  // Whether the entry is of no use any more.
  bool deal_with(const Found &found, StateFiles &files, const State &state);
  // Of a file whose last change has failed, and which nobody else has touched since. Whether there is nothing to judge.
  bool settle(const Place &place, Entry &entry, const platform::FileStamp &stamp, bool is_known);
  // Whether that was the end of it; else it is tried again.
  bool judge(const Place &place, Entry &entry, const platform::FileStamp &stamp, bool is_known);
  bool judge_known(const Place &place, Entry &entry, bool is_there);
  void judge_foreign(const Place &place, const Entry &entry, bool is_there);
  static Result<void> examine(const Place &place, State &found, std::string &reason);
  // What makes the file as it was.
  static std::string command_for(const Place &place);
  // Of a certificate: which bindings have it, to be appended.
  static std::string users_of(const Place &place);
  void restore(const Place &place, Entry &entry);
  // The end of both: it is done and said, or tried again.
  static void make_good(const Place &place, Entry &entry, const Result<void> &done, const std::string &reason, std::string_view how);

  uint64_t m_looks = 0;
  Entries m_entries[kKinds];
  bool m_has_failed[kKinds] = {}; // the last look at the folder; that is said once
};

}
