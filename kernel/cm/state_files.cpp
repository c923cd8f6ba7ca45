// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/cm/state_files.h"
#include "kernel/base/canary.h"
#include "kernel/base/log.h"
#include "kernel/base/text.h"
#include "kernel/tls/pem.h"
#include <utility>

namespace httpsys::cm {

using platform::StateFolder;

namespace {

constexpr const char *kFolders[] = {"certificates", "authorities", "revocations", "sslcert"};
constexpr std::string_view kEnding = ".pem";

// "not what its name says" is damage: a file that was renamed or copied over.
bool names_agree(const std::string &name, const std::string &found, std::string &reason)
{
  if (name == found)
    return true;
  reason = fmt::format("it holds {}, not what its name says", quoted(found));
  return false;
}

}

std::string StateFiles::file_name(Kind kind, const std::string &name)
{
  return kind == Kind::Records ? name : name + std::string(kEnding);
}

Result<void> StateFiles::open(const std::string &path, std::string &reason)
{
  m_root = TRY(StateFolder::open(path, reason));
  TRY(m_root.lock(reason));
  for (size_t kind = 0; kind < kKinds; kind++)
    m_folders[kind] = TRY(m_root.open_inside(kFolders[kind], reason));
  std::string why;
  for (size_t kind = 0; kind < kKinds; kind++)
    if (make_safe(static_cast<Kind>(kind), why).is_error())
      log("{}: nothing is changed there until that succeeds", why);
  return {};
}

void StateFiles::lose(Loss &loss, std::string reason, std::string_view advice)
{
  if (std::exchange(loss, std::move(reason)).empty())
    log("{}{}", loss, advice);
}

bool StateFiles::is_back(Loss &loss, const StateFolder &folder, Result<Place> place, const std::string &reason)
{
  if (place.is_error())
    lose(loss, reason, ": nothing is changed there until that succeeds");
  if (place.is_error() || *place != Place::Itself)
    return false;
  if (!std::exchange(loss, {}).empty())
    log("the folder {} is there again", quoted(folder.path()));
  return true;
}

bool StateFiles::replace(Loss &loss, StateFolder &folder, Place place, Result<StateFolder> opened, const std::string &reason)
{
  const bool is_gone = place == Place::Nothing;
  const std::string what = fmt::format("the folder {} was {} while httpsysd runs", quoted(folder.path()),
                                       is_gone ? "removed or moved away" : "replaced by another");
  if (opened.is_error()) {
    lose(loss, fmt::format("{}, and {}: {}", what, is_gone ? "cannot be made again" : "that cannot be used", reason),
         "; what was loaded stays in use, and nothing is changed there until the folder is back, or httpsysd is restarted");
    return false;
  }
  log("{}: what was loaded stays in use, and {}", what, is_gone ? "it is made again" : "the other is used from now on");
  folder = opened.release_value();
  loss.clear();
  return true;
}

bool StateFiles::find_root()
{
  std::string reason;
  auto place = m_root.place(reason);
  if (is_back(m_root_loss, m_root, place, reason))
    return true;
  if (place.is_error())
    return false;
  // In its sandbox the daemon may make no folder beside its own, or open another there: then only a restart can.
  auto opened = StateFolder::open(m_root.path(), reason);
  if (!opened.is_error())
    if (auto locked = opened->lock(reason); locked.is_error())
      opened = locked.error();
  m_is_root_safe = false;
  return replace(m_root_loss, m_root, *place, std::move(opened), reason);
}

void StateFiles::find_folder(Kind kind)
{
  StateFolder &folder = m_folders[index(kind)];
  Loss &loss = m_losses[index(kind)];
  std::string reason;
  auto place = m_root.place_of(folder, reason);
  if (is_back(loss, folder, place, reason) || place.is_error())
    return;
  m_is_root_safe = m_is_safe[index(kind)] = false;
  if (!replace(loss, folder, *place, m_root.open_inside(kFolders[index(kind)], reason), reason))
    return;
  // What a change that failed has left behind has gone with the folder; a file that is in the new one is somebody's.
  for (auto &[name, left] : m_unsettled[index(kind)]) {
    auto stamp = folder.stamp(file_name(kind, name));
    left = !stamp.is_error() && *stamp == platform::FileStamp{} ? *stamp : platform::FileStamp{UINT64_MAX};
  }
  if (make_safe(kind, reason).is_error())
    log("{}: nothing is changed there until that succeeds", reason);
}

void StateFiles::find_folders()
{
  if (is_broken(Canary::LostFolderUsed) || !find_root())
    return;
  for (size_t kind = 0; kind < kKinds; kind++)
    find_folder(static_cast<Kind>(kind));
}

Result<void> StateFiles::is_in_place(Kind kind, std::string &reason) const
{
  if (is_broken(Canary::LostFolderUsed))
    return {};
  const StateFolder &folder = m_folders[index(kind)];
  for (const Loss *loss : {&m_root_loss, &m_losses[index(kind)]}) {
    if (!loss->empty()) {
      reason = *loss;
      return NtStatus::ObjectPathNotFound;
    }
  }
  if (TRY(m_root.place(reason)) == Place::Itself && TRY(m_root.place_of(folder, reason)) == Place::Itself)
    return {};
  reason = fmt::format("the folder {} was removed, moved away or replaced at this moment", quoted(folder.path()));
  return NtStatus::ObjectPathNotFound;
}

Result<void> StateFiles::make_safe(Kind kind, std::string &reason)
{
  TRY(is_in_place(kind, reason));
  if (is_broken(Canary::FoundNotSynced))
    return {};
  if (!m_is_root_safe)
    TRY(m_root.make_safe(reason));
  m_is_root_safe = true;
  if (!m_is_safe[index(kind)])
    TRY(m_folders[index(kind)].make_safe(reason));
  m_is_safe[index(kind)] = true;
  return {};
}

std::optional<std::string> StateFiles::name_of(Kind kind, const std::string &file)
{
  if (kind == Kind::Records)
    return file;
  if (!file.ends_with(kEnding))
    return std::nullopt;
  return file.substr(0, file.size() - kEnding.size());
}

Result<StateFiles::Stamps> StateFiles::stamps(Kind kind, std::string &reason) const
{
  Stamps stamps = TRY(m_folders[index(kind)].stamps(reason));
  std::erase_if(stamps, [](const auto &entry) { return StateFolder::is_set_aside(entry.first); });
  return stamps;
}

void StateFiles::load_folder(Kind kind, State &state)
{
  const StateFolder &folder = m_folders[index(kind)];
  m_damages[index(kind)].clear();
  std::string reason;
  auto files = stamps(kind, reason);
  if (files.is_error()) {
    log("{}: nothing of it is used, and nothing will be changed there", reason);
    m_unknown[index(kind)] = true;
    return;
  }
  for (const auto &[file, stamp] : *files) {
    auto name = name_of(kind, file);
    if (!name) {
      log("{} is no file of httpsysd's and is ignored", quoted(folder.path_of(file)));
      continue;
    }
    if (!examine(kind, *name, state, reason).is_error())
      continue;
    log("{} is not used: {}", quoted(folder.path_of(file)), reason);
    m_damages[index(kind)][*name] = reason;
  }
  m_loaded[index(kind)] = files.release_value();
}

State StateFiles::load()
{
  State state;
  for (size_t kind = 0; kind < kKinds; kind++)
    load_folder(static_cast<Kind>(kind), state);
  return state;
}

Result<void> StateFiles::examine(Kind kind, const std::string &name, State &state, std::string &reason)
{
  const platform::SecretText contents = TRY(m_folders[index(kind)].read(file_name(kind, name), reason));
  if (!take(kind, name, contents, state, reason))
    return NtStatus::InvalidParameter;
  return {};
}

bool StateFiles::is_good(Kind kind, const std::string &name, const State &state)
{
  if (is_broken(Canary::PresentNotExamined))
    return true;
  State found;
  if (kind == Kind::Revocations)
    found.authorities = state.authorities;
  std::string reason;
  auto examined = examine(kind, name, found, reason);
  if (examined.error() == NtStatus::InvalidParameter)
    note_damage(kind, name, reason);
  return !examined.is_error();
}

bool StateFiles::take(Kind kind, const std::string &name, std::string_view contents, State &state, std::string &reason)
{
  switch (kind) {
  case Kind::Certificates: return take_certificate(name, contents, state, reason);
  case Kind::Authorities: return take_authority(name, contents, state, reason);
  case Kind::Revocations: return take_revocations(name, contents, state, reason);
  case Kind::Records: break;
  }
  return take_record(name, contents, state, reason);
}

bool StateFiles::take_certificate(const std::string &name, std::string_view contents, State &state, std::string &reason)
{
  if (tls::check_certificate_and_key(contents, contents, reason).is_error())
    return false;
  auto certificate = read_certificate(contents, reason);
  if (certificate.is_error() || !names_agree(name, certificate->leaf().thumbprint, reason))
    return false;
  state.certificates.emplace(name, certificate.release_value());
  return true;
}

bool StateFiles::take_authority(const std::string &name, std::string_view contents, State &state, std::string &reason)
{
  auto authorities = read_authorities(contents, reason);
  if (authorities.is_error() || !names_agree(name, (*authorities)[0].facts.thumbprint, reason))
    return false;
  if (authorities->size() != 1) {
    reason = fmt::format("it holds {} certificates, one is expected", authorities->size());
    return false;
  }
  state.authorities.emplace(name, std::move((*authorities)[0]));
  return true;
}

bool StateFiles::take_revocations(const std::string &name, std::string_view contents, State &state, std::string &reason)
{
  auto lists = read_revocations(contents, reason);
  if (lists.is_error() || !names_agree(name, (*lists)[0].hash, reason))
    return false;
  if (lists->size() != 1) {
    reason = fmt::format("it holds {} revocation lists, one is expected", lists->size());
    return false;
  }
  if (tls::check_revocations(contents, state.authorities_pem(), reason).is_error())
    return false;
  state.revocations.emplace(name, std::move((*lists)[0]));
  return true;
}

bool StateFiles::take_record(const std::string &name, std::string_view contents, State &state, std::string &reason)
{
  auto record = SslRecord::parse(contents, reason);
  if (!record || !names_agree(name, record->key.text, reason))
    return false;
  BindingKey key = record->key;
  state.records.emplace(std::move(key), std::move(*record));
  return true;
}

Result<void> StateFiles::set_aside_if_damaged(Kind kind, const std::string &name, std::string &reason)
{
  StateFolder &folder = m_folders[index(kind)];
  if (m_unknown[index(kind)]) {
    reason = fmt::format("the files in {} could not be listed when httpsysd started", quoted(folder.path()));
    return NtStatus::IoDeviceError;
  }
  auto damaged = m_damages[index(kind)].find(name);
  if (damaged == m_damages[index(kind)].end() || is_broken(Canary::DamagedOverwritten))
    return {};
  std::string file = file_name(kind, name);
  auto aside = folder.set_aside(file, reason);
  if (!aside.is_error())
    log("{} was not usable and is called {} now", quoted(folder.path_of(file)), quoted(*aside));
  else if (aside.error() != NtStatus::ObjectNameNotFound)
    return aside.error();
  m_damages[index(kind)].erase(damaged);
  return {};
}

Result<void> StateFiles::save(Kind kind, const std::string &name, std::string_view contents, std::string &reason)
{
  TRY(make_safe(kind, reason));
  TRY(set_aside_if_damaged(kind, name, reason));
  return note(kind, name, m_folders[index(kind)].write(file_name(kind, name), contents, reason), reason);
}

Result<void> StateFiles::note(Kind kind, const std::string &name, Result<void> changed, std::string &reason)
{
  if (!changed.is_error() && !is_broken(Canary::PlaceNotChecked))
    changed = is_in_place(kind, reason);
  if (!changed.is_error()) {
    m_unsettled[index(kind)].erase(name);
    return changed;
  }
  auto left = m_folders[index(kind)].stamp(file_name(kind, name));
  m_unsettled[index(kind)][name] = left.is_error() ? platform::FileStamp{UINT64_MAX} : *left;
  return changed;
}

void StateFiles::leave(Kind kind, const std::string &name)
{
  if (m_unsettled[index(kind)].erase(name) > 0)
    m_is_safe[index(kind)] = false;
}

Result<void> StateFiles::save_unsettled(Kind kind, const std::map<std::string, std::string> &contents, std::string &reason)
{
  for (const auto &[name, text] : contents)
    if (m_unsettled[index(kind)].contains(name))
      TRY(save(kind, name, text, reason));
  return {};
}

Result<void> StateFiles::save_new(Kind kind, const std::map<std::string, std::string> &contents, std::string &reason)
{
  for (auto next = contents.begin(); next != contents.end(); ++next) {
    auto saved = save(kind, next->first, next->second, reason);
    if (!saved.is_error())
      continue;
    std::string why;
    for (auto done = contents.begin(); done != next; ++done)
      if (remove(kind, done->first, why).is_error())
        log("a file of a command that failed stays: {}", why);
    return saved;
  }
  return {};
}

Result<void> StateFiles::remove(Kind kind, const std::string &name, std::string &reason)
{
  TRY(make_safe(kind, reason));
  TRY(set_aside_if_damaged(kind, name, reason));
  auto removed = m_folders[index(kind)].remove(file_name(kind, name), reason);
  if (removed.error() == NtStatus::ObjectNameNotFound)
    removed = {};
  return note(kind, name, removed, reason);
}

Result<platform::SecretText> StateFiles::private_key(const std::string &thumbprint, std::string &reason) const
{
  TRY(is_in_place(Kind::Certificates, reason));
  const platform::SecretText file = TRY(m_folders[index(Kind::Certificates)].read(file_name(Kind::Certificates, thumbprint), reason));
  platform::SecretText key(tls::pem_private_key(file).block);
  if (key.empty()) {
    reason = fmt::format("{} holds no private key any more", quoted(path_of(Kind::Certificates, thumbprint)));
    return NtStatus::InvalidParameter;
  }
  return key;
}

const std::string *StateFiles::damage(Kind kind, const std::string &name) const
{
  auto found = m_damages[index(kind)].find(name);
  return found == m_damages[index(kind)].end() ? nullptr : &found->second;
}

std::string StateFiles::path_of(Kind kind, const std::string &name) const
{
  return m_folders[index(kind)].path_of(file_name(kind, name));
}

}
