// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/cm/state_watch.h"
#include "kernel/base/canary.h"
#include "kernel/base/log.h"
#include "kernel/base/text.h"
#include "kernel/limits.h"
#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace httpsys::cm {

using platform::FileStamp;

namespace {

constexpr const char *kAppeared = "it has appeared while httpsysd runs";

std::set<std::string> names_in(const State &state, Kind kind)
{
  std::set<std::string> names;
  auto add = [&](const auto &entries) {
    for (const auto &[name, entry] : entries)
      names.insert(name);
  };
  switch (kind) {
  case Kind::Certificates: add(state.certificates); break;
  case Kind::Authorities: add(state.authorities); break;
  case Kind::Revocations: add(state.revocations); break;
  case Kind::Records:
    for (const auto &[key, record] : state.records)
      names.insert(key.text);
    break;
  }
  return names;
}

const SslRecord *record_of(const State &state, const std::string &name)
{
  auto found = std::find_if(state.records.begin(), state.records.end(), [&](const auto &entry) { return entry.first.text == name; });
  return found == state.records.end() ? nullptr : &found->second;
}

// Both have it. A good CA or list is what its name says, which is its hash.
bool is_same(Kind kind, const std::string &name, const State &one, const State &other)
{
  if (kind == Kind::Records)
    return record_of(one, name)->serialise() == record_of(other, name)->serialise();
  if (kind != Kind::Certificates)
    return true;
  const auto &chain = one.certificates.find(name)->second.chain, &other_chain = other.certificates.find(name)->second.chain;
  return std::equal(chain.begin(), chain.end(), other_chain.begin(), other_chain.end(),
                    [](const auto &link, const auto &other_link) { return link.thumbprint == other_link.thumbprint; });
}

// Of a file that was read or could not be.
bool is_unusable(NtStatus status)
{
  return status == NtStatus::InvalidParameter || status == NtStatus::AccessDenied || status == NtStatus::ObjectPathNotFound;
}

// What the file holds. nullopt: not known any more, since the store does not keep private keys.
std::optional<std::string> text_of(const State &state, Kind kind, const std::string &name)
{
  switch (kind) {
  case Kind::Authorities: return state.authorities.find(name)->second.pem;
  case Kind::Revocations: return state.revocations.find(name)->second.pem;
  case Kind::Records: return record_of(state, name)->serialise();
  case Kind::Certificates: break;
  }
  return std::nullopt;
}

}

void StateWatch::begin(const StateFiles &files)
{
  for (size_t kind = 0; kind < kKinds; kind++) {
    m_entries[kind].clear();
    if (const auto *stamps = files.loaded_stamps(static_cast<Kind>(kind)))
      for (const auto &[file, stamp] : *stamps)
        m_entries[kind][file] = {stamp, stamp};
  }
}

void StateWatch::look(StateFiles &files, const State &state)
{
  m_looks++;
  files.find_folders();
  std::vector<Found> due;
  for (size_t kind = 0; kind < kKinds; kind++)
    if (files.loaded_stamps(static_cast<Kind>(kind)) && files.is_found(static_cast<Kind>(kind)))
      find(static_cast<Kind>(kind), files, state, due);
  // Who has waited longest comes first: files that cannot be read, or written, keep no others from it.
  std::ranges::sort(due, {}, [](const Found &found) {
    const auto &[file, entry] = *found.at;
    return std::tuple(entry.tried, found.kind, std::string_view(file));
  });
  for (size_t index = 0; index < due.size() && index < limits::kMaxFilesPerLook; index++) {
    const Found &found = due[index];
    if (deal_with(found, files, state))
      m_entries[static_cast<size_t>(found.kind)].erase(found.at);
    else
      found.at->second.tried = m_looks;
  }
}

void StateWatch::find(Kind kind, StateFiles &files, const State &state, std::vector<Found> &due)
{
  Entries &entries = m_entries[static_cast<size_t>(kind)];
  bool &has_failed = m_has_failed[static_cast<size_t>(kind)];
  std::string reason;
  auto stamps = files.stamps(kind, reason);
  if (stamps.is_error() && !has_failed)
    log("{}: whether files there are changed is not known until that succeeds", reason);
  has_failed = stamps.is_error();
  if (has_failed)
    return;
  const std::set<std::string> known = names_in(state, kind);
  for (const std::string &name : known)
    entries[StateFiles::file_name(kind, name)];
  for (const auto &[name, left] : files.unsettled(kind))
    entries[StateFiles::file_name(kind, name)];
  for (const auto &[file, stamp] : *stamps)
    entries[file];
  for (auto at = entries.begin(); at != entries.end(); ++at) {
    auto &[file, entry] = *at;
    const auto found = stamps->find(file);
    const FileStamp stamp = found == stamps->end() ? FileStamp{} : found->second;
    const std::string name = StateFiles::name_of(kind, file).value_or("");
    const bool is_same = std::exchange(entry.seen, stamp) == stamp;
    if (files.unsettled(kind).contains(name) || (is_same && entry.judged != stamp))
      due.push_back({kind, at, stamp, known.contains(name), is_same});
  }
}

bool StateWatch::deal_with(const Found &found, StateFiles &files, const State &state)
{
  auto &[file, entry] = *found.at;
  const Place place{files, state, found.kind, file, StateFiles::name_of(found.kind, file).value_or("")};
  if (files.unsettled(found.kind).contains(place.name) && settle(place, entry, found.stamp, found.is_known))
    return false;
  if (!found.is_same || (entry.judged != found.stamp && !judge(place, entry, found.stamp, found.is_known)))
    return false;
  files.leave(found.kind, place.name);
  entry.judged = found.stamp;
  entry.is_told = entry.has_failed = false;
  return !found.is_known && found.stamp == FileStamp{};
}

bool StateWatch::settle(const Place &place, Entry &entry, const FileStamp &stamp, bool is_known)
{
  if (is_broken(Canary::FailureNotSettled))
    return true;
  if (entry.is_told || place.files.unsettled(place.kind).find(place.name)->second != stamp)
    return false;
  const bool is_there = stamp != FileStamp{};
  const auto text = is_known ? text_of(place.state, place.kind, place.name) : std::nullopt;
  if (is_known && !text && (!is_there || entry.judged == stamp))
    return false;
  std::string reason;
  Result<void> done;
  if (is_known && is_there) {
    State found;
    done = examine(place, found, reason);
    if (is_unusable(done.error()))
      return false; // no change of the store's leaves half a file
  }
  if (is_known && !text && !done.is_error()) {
    entry.judged = stamp;
    entry.has_failed = false;
    return true;
  }
  if (!done.is_error())
    done = text ? place.files.save(place.kind, place.name, *text, reason) : place.files.remove(place.kind, place.name, reason);
  make_good(place, entry, done, reason, text ? "for certain as it was before a change of it failed" :
                                               "for certain gone, as before a change of it failed");
  return true;
}

void StateWatch::make_good(const Place &place, Entry &entry, const Result<void> &done, const std::string &reason, std::string_view how)
{
  if (done.is_error()) {
    if (!std::exchange(entry.has_failed, true))
      log("{}: tried again until it succeeds", reason);
    return;
  }
  log("{} is {}", quoted(place.path()), how);
  entry = {}; // what the next look finds is new: it may have gone again by then
}

bool StateWatch::judge(const Place &place, Entry &entry, const FileStamp &stamp, bool is_known)
{
  const bool is_there = stamp != FileStamp{};
  if (is_known)
    return judge_known(place, entry, is_there);
  judge_foreign(place, entry, is_there);
  return true;
}

void StateWatch::judge_foreign(const Place &place, const Entry &entry, bool is_there)
{
  const bool was_there = entry.judged && *entry.judged != FileStamp{};
  if (!is_there) {
    // Of what was damaged at the start, and is being set aside, the store has to know until that is safe.
    if (const std::string *damage = place.files.damage(place.kind, place.name); damage && *damage == kAppeared)
      place.files.forget_damage(place.kind, place.name);
    return;
  }
  // A copy that takes long is said once.
  if (!was_there)
    log("{} has appeared while httpsysd runs and is not used: what is configured is what \"httpsysctl\" was told", quoted(place.path()));
  if (!place.name.empty() && !place.files.damage(place.kind, place.name))
    place.files.note_damage(place.kind, place.name, kAppeared);
}

std::string StateWatch::command_for(const Place &place)
{
  if (place.kind == Kind::Certificates)
    return "import cert";
  const BindingKey &key = record_of(place.state, place.name)->key;
  return fmt::format("update sslcert {}={}", key.tag(), key.text);
}

std::string StateWatch::users_of(const Place &place)
{
  std::string text;
  size_t named = 0;
  const auto records = place.state.records_with(place.name);
  for (const SslRecord *record : records) {
    if (named++ == limits::kMaxBindingsNamed)
      return text + fmt::format(" and {} more", records.size() - limits::kMaxBindingsNamed);
    text += fmt::format("{}{}", named == 1 ? ": needed by the bindings " : ", ", record->key.text);
  }
  return text;
}

Result<void> StateWatch::examine(const Place &place, State &found, std::string &reason)
{
  if (place.kind == Kind::Revocations)
    found.authorities = place.state.authorities;
  return place.files.examine(place.kind, place.name, found, reason);
}

bool StateWatch::judge_known(const Place &place, Entry &entry, bool is_there)
{
  State found;
  std::string reason;
  auto examined = is_there ? examine(place, found, reason) : Result<void>(NtStatus::ObjectNameNotFound);
  if (!examined.is_error()) {
    place.files.forget_damage(place.kind, place.name);
    const bool is_ours = is_same(place.kind, place.name, place.state, found);
    // Written again by an attempt that failed after that: without another one it might be gone after a loss of power.
    if (is_ours && entry.is_told && entry.has_failed && text_of(place.state, place.kind, place.name)) {
      restore(place, entry);
      return false;
    }
    if (!is_ours)
      log("{} was changed while httpsysd runs: what it has loaded stays in use until it is restarted; \"httpsysctl {}\" writes that again",
          quoted(place.path()), command_for(place));
    return true;
  }
  if (is_there && examined.error() == NtStatus::ObjectNameNotFound)
    return false; // it has gone since
  const bool is_lost = !is_there || is_unusable(examined.error());
  const bool can_restore = is_lost && text_of(place.state, place.kind, place.name);
  if (!std::exchange(entry.is_told, true)) {
    std::string what = !is_there ? "was removed while httpsysd runs" :
                       is_lost ? fmt::format("was changed while httpsysd runs and is not usable any more ({})", reason) :
                                 fmt::format("was changed while httpsysd runs and cannot be read ({})", reason);
    log("{} {}: what was loaded stays in use{}", quoted(place.path()), what,
        can_restore ? " and is written again" :
        is_lost     ? fmt::format(" until httpsysd is restarted; \"httpsysctl {}\" writes it again{}", command_for(place),
                                  users_of(place)) :
                      "");
  }
  if (!is_lost)
    return false;
  if (is_there)
    place.files.note_damage(place.kind, place.name, reason);
  if (can_restore && !is_broken(Canary::LossNotMended))
    restore(place, entry);
  return !can_restore;
}

void StateWatch::restore(const Place &place, Entry &entry)
{
  std::string reason, text = text_of(place.state, place.kind, place.name).value_or("");
  auto saved = place.files.save(place.kind, place.name, text, reason);
  make_good(place, entry, saved, reason, "there again as it was loaded");
}

}
