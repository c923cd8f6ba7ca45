// SPDX-License-Identifier: GPL-3.0-or-later
// StateFiles: the store's folder on disk.
//
//   certificates/<thumbprint>.pem   a server's certificate, its issuers and its private key: one file, so that they change together
//   authorities/<thumbprint>.pem    a CA for client certificates
//   revocations/<sha1>.pem          a revocation list of one of these CAs
//   sslcert/<address or name>       a record, "sslcert/0.0.0.0:443" (ssl_record.h)
//
// Files 0600, folders 0700. A file that cannot be used is logged, left where it is, and set aside (never overwritten)
// when a command wants its place. A folder that somebody removes, moves away or replaces is made again, or used as it is
// there (find_folders). Owned by the store; helper thread only, since every call waits for the disk.
#pragma once
#include "kernel/cm/state.h"
#include "kernel/platform/files.h"
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace httpsys::cm {

enum class Kind { Certificates, Authorities, Revocations, Records };
inline constexpr size_t kKinds = 4;

class StateFiles {
public:
  using Stamps = std::map<std::string, platform::FileStamp>;
  // By name as in State, with what the failed change has left there; no file's stamp when that could not be found out.
  using Unsettled = Stamps;

  // Opens the folder and locks it. Errors: those of platform::StateFolder, with a reason.
  Result<void> open(const std::string &path, std::string &reason);
  // Before every change and every look of state_watch.h. A folder that is not where its name is any more is made again, or another that
  // has the name is used from now on; the log says that, and what is in the way of it, once. Until that succeeds nothing is changed there.
  void find_folders();
  bool is_found(Kind kind) const { return m_root_loss.empty() && m_losses[index(kind)].empty(); }
  // What was done in the folder is done where a start will look. Errors: ObjectPathNotFound, with a reason.
  Result<void> is_in_place(Kind kind, std::string &reason) const;
  // What is there and good; the rest is logged.
  State load();
  // No crash can take back what load() has found; done when the files are opened. A disk that cannot do it can still be read, and
  // serves as it is, but before any change of this kind is done, or found to be there already, it has to succeed. Fails also where
  // is_in_place() does.
  Result<void> make_safe(Kind kind, std::string &reason);

  // Each returns one of the errors of platform::StateFolder with a reason; then nothing has changed.
  Result<void> save(Kind kind, const std::string &name, std::string_view contents, std::string &reason);
  // Several of one kind, by name, all or none. None of them may be there yet.
  Result<void> save_new(Kind kind, const std::map<std::string, std::string> &contents, std::string &reason);
  // Those of them of which the disk has not said whether it has them, since a change of theirs has failed. Their contents are what the
  // state has: nothing changes when it fails.
  Result<void> save_unsettled(Kind kind, const std::map<std::string, std::string> &contents, std::string &reason);
  // A file that is not there is no error.
  Result<void> remove(Kind kind, const std::string &name, std::string &reason);
  // The private key's PEM block of a stored certificate.
  Result<platform::SecretText> private_key(const std::string &thumbprint, std::string &reason) const;

  // Why the file under this name is not used; null when it is good or not there.
  const std::string *damage(Kind kind, const std::string &name) const;
  // What state_watch.h finds later. The file is set aside then when its place is wanted.
  void note_damage(Kind kind, const std::string &name, const std::string &reason) { m_damages[index(kind)][name] = reason; }
  void forget_damage(Kind kind, const std::string &name) { m_damages[index(kind)].erase(name); }

  // Of all files of a kind but those that were set aside, by the file's name, just before load() has read them. Null: they could not be
  // listed, and nothing is changed there.
  const Stamps *loaded_stamps(Kind kind) const { return m_unknown[index(kind)] ? nullptr : &m_loaded[index(kind)]; }
  Result<Stamps> stamps(Kind kind, std::string &reason) const;
  // Reads a file as load() does, into a state that has the CAs which a revocation list needs. Errors: those of platform::StateFolder;
  // InvalidParameter also for contents that are not good.
  Result<void> examine(Kind kind, const std::string &name, State &state, std::string &reason);
  // Whether a CA's or a list's file is there and usable. If it is damaged, that is noted.
  bool is_good(Kind kind, const std::string &name, const State &state);
  // Their last change has failed: the disk may have what it was to be, or what was there before.
  const Unsettled &unsettled(Kind kind) const { return m_unsettled[index(kind)]; }
  // What lies there now stays: somebody else's, or what the store cannot write. The next change makes its name safe first.
  void leave(Kind kind, const std::string &name);
  static std::string file_name(Kind kind, const std::string &name);
  // As in State. nullopt: no name of a file of ours.
  static std::optional<std::string> name_of(Kind kind, const std::string &file);
  std::string path_of(Kind kind, const std::string &name) const;
  std::string path_of_file(Kind kind, const std::string &file) const { return m_folders[index(kind)].path_of(file); }

private:
  using Damages = std::map<std::string, std::string>;

  // Why a folder is not there, and cannot be made; empty: it is there.
  using Loss = std::string;
  using Place = platform::StateFolder::Place;

  size_t index(Kind kind) const { return static_cast<size_t>(kind); }
  bool find_root();
  void find_folder(Kind kind);
  // What is said of a loss is said once.
  static void lose(Loss &loss, std::string reason, std::string_view advice);
  // Whether it is where it was, or `opened` takes its place now. place: with reason.
  static bool is_back(Loss &loss, const platform::StateFolder &folder, Result<Place> place, const std::string &reason);
  static bool replace(Loss &loss, platform::StateFolder &folder, Place place, Result<platform::StateFolder> opened,
                      const std::string &reason);
  void load_folder(Kind kind, State &state);
  bool take(Kind kind, const std::string &name, std::string_view contents, State &state, std::string &reason);
  bool take_certificate(const std::string &name, std::string_view contents, State &state, std::string &reason);
  bool take_authority(const std::string &name, std::string_view contents, State &state, std::string &reason);
  bool take_revocations(const std::string &name, std::string_view contents, State &state, std::string &reason);
  bool take_record(const std::string &name, std::string_view contents, State &state, std::string &reason);

  // The change's result, with what follows from it.
  Result<void> note(Kind kind, const std::string &name, Result<void> changed, std::string &reason);
  Result<void> set_aside_if_damaged(Kind kind, const std::string &name, std::string &reason);

  platform::StateFolder m_root;
  bool m_is_root_safe = false; // the names of the folders
  bool m_is_safe[kKinds] = {}; // those in them
  platform::StateFolder m_folders[kKinds];
  Loss m_root_loss, m_losses[kKinds];
  Damages m_damages[kKinds];   // by name as in State
  Stamps m_loaded[kKinds];
  Unsettled m_unsettled[kKinds];
  bool m_unknown[kKinds] = {}; // the folder could not be listed: what lies there is not known
};

}
