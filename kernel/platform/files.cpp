// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/files.h"
#include "kernel/base/canary.h"
#include "kernel/base/log.h"
#include "kernel/base/text.h"
#include "kernel/limits.h"
#include <algorithm>

namespace httpsys::platform {

namespace {

// Begins with a dot, so that it is none of the names that state files have.
constexpr const char kUnfinished[] = ".unfinished";
constexpr std::string_view kSetAside = ".damaged";
constexpr size_t kMaxNameBytes = 255; // what every file system of Linux takes

// why: what the file system has said.
template <typename T>
NtStatus failed(std::string &reason, std::string_view what, const std::string &path, const Result<T> &result, std::string_view why)
{
  reason = fmt::format("cannot {} {}: {}", what, quoted(path), why);
  return result.error();
}

// The whole of an open file; its length is taken from the file itself and may not change meanwhile.
template <typename Text>
Result<Text> read_all(OpenFile &file, size_t length, const std::string &path, std::string &reason)
{
  Text contents(length, '\0');
  std::string why;
  size_t done = 0;
  while (done < contents.size()) {
    auto got = file.read(std::span(contents).subspan(done), why);
    if (!got.is_error() && *got > 0) {
      done += *got;
      continue;
    }
    if (!got.is_error()) {
      got = NtStatus::IoDeviceError;
      why = "Input/output error"; // it has been cut off meanwhile
    }
    return failed(reason, "read", path, got, why);
  }
  return contents;
}

template <typename Text>
Result<Text> read_regular(OpenFile &file, const FileFacts &facts, size_t maximum, const std::string &path, std::string &reason)
{
  if (!facts.is_regular) {
    reason = fmt::format("{} is not a regular file", quoted(path));
    return NtStatus::InvalidParameter;
  }
  if (facts.size > maximum) {
    reason = fmt::format("{} has {} bytes, {} at most are expected", quoted(path), facts.size, maximum);
    return NtStatus::InvalidParameter;
  }
  return read_all<Text>(file, static_cast<size_t>(facts.size), path, reason);
}

}

Result<StateFolder> StateFolder::open(const std::string &wanted, std::string &reason)
{
  if (wanted.empty()) {
    reason = "the state folder has no name";
    return NtStatus::InvalidParameter;
  }
  std::string path = wanted.substr(0, std::max(wanted.find_last_not_of('/') + 1, size_t{1}));
  TRY(file_system().make_folders(path, 0700, reason));
  std::string why;
  auto folder = file_system().open_folder(path, why);
  if (folder.is_error())
    return failed(reason, "open the folder", path, folder, why);
  return adopt(folder.release_value(), path, reason);
}

Result<StateFolder> StateFolder::open_inside(const std::string &name, std::string &reason) const
{
  std::string why;
  if (auto made = m_folder->make_folder(name, why); made.is_error() && made.error() != NtStatus::ObjectNameCollision)
    return failed(reason, "make the folder", path_of(name), made, why);
  auto folder = m_folder->open_folder(name, why);
  if (folder.is_error())
    return failed(reason, "open the folder", path_of(name), folder, why);
  return adopt(folder.release_value(), path_of(name), reason);
}

Result<StateFolder::Place> StateFolder::compare(const Result<FileStamp> &what, std::string_view why, std::string &reason) const
{
  if (what.error() == NtStatus::ObjectNameNotFound)
    return Place::Nothing;
  if (what.is_error())
    return failed(reason, "look at the folder", m_path, what, why);
  std::string why_not;
  auto own = m_folder->stamp(".", why_not);
  if (own.is_error())
    return failed(reason, "look at the folder", m_path, own, why_not);
  return what.value().is_of_same(*own) ? Place::Itself : Place::Another;
}

Result<StateFolder::Place> StateFolder::place_of(const StateFolder &inside, std::string &reason) const
{
  std::string why;
  return inside.compare(m_folder->stamp(inside.m_path.substr(inside.m_path.rfind('/') + 1), why), why, reason);
}

Result<StateFolder::Place> StateFolder::place(std::string &reason) const
{
  std::string why;
  return compare(file_system().stamp(m_path, why), why, reason);
}

Result<void> StateFolder::make_safe(std::string &reason)
{
  std::string why;
  auto synced = m_folder->sync(why);
  if (synced.is_error())
    return failed(reason, "make safe on disk what is in", m_path, synced, why);
  return {};
}

Result<StateFolder> StateFolder::adopt(std::unique_ptr<OpenFolder> opened, const std::string &path, std::string &reason)
{
  StateFolder folder(std::move(opened), path);
  std::string why;
  auto facts = folder.m_folder->facts(why);
  if (facts.is_error())
    return failed(reason, "look at the folder", path, facts, why);
  uint32_t user = file_system().user_id();
  if (facts->uid != user) {
    reason = fmt::format("the state folder {} belongs to uid {}, httpsysd runs as uid {}: give it to that uid or "
                         "choose another with --state-dir",
                         quoted(path), facts->uid, user);
    return NtStatus::AccessDenied;
  }
  if ((facts->mode & 022) != 0 && !TRY(folder.list(reason)).empty()) {
    reason = fmt::format(
        "the state folder {} has mode {:04o}, others could have changed its files: check them and use chmod 0700",
        quoted(path), facts->mode);
    return NtStatus::AccessDenied;
  }
  if (facts->mode != 0700) {
    if (auto set = folder.m_folder->set_mode(0700, why); set.is_error())
      return failed(reason, "close to others the folder", path, set, why);
    log("the state folder {} had mode {:04o} and has 0700 now", quoted(path), facts->mode);
  }
  folder.remove_unfinished();
  return folder;
}

Result<void> StateFolder::lock(std::string &reason)
{
  std::string why;
  auto locked = m_folder->lock(why);
  if (!locked.is_error())
    return {};
  if (locked.error() != NtStatus::SharingViolation)
    return failed(reason, "lock the folder", m_path, locked, why);
  reason = fmt::format("another httpsysd uses the state folder {}: stop it or choose another folder with --state-dir", quoted(m_path));
  return NtStatus::SharingViolation;
}

Result<std::vector<std::string>> StateFolder::list(std::string &reason) const
{
  std::string why;
  auto names = m_folder->names(why);
  if (names.is_error())
    return failed(reason, "list the folder", m_path, names, why);
  std::erase_if(*names, [](const std::string &name) { return name.starts_with('.'); });
  std::sort(names->begin(), names->end());
  return names;
}

Result<std::map<std::string, FileStamp>> StateFolder::stamps(std::string &reason) const
{
  std::map<std::string, FileStamp> stamps;
  for (const std::string &name : TRY(list(reason))) {
    std::string why;
    auto stamp = m_folder->stamp(name, why);
    if (!stamp.is_error())
      stamps.emplace(name, *stamp);
    else if (stamp.error() != NtStatus::ObjectNameNotFound)
      return failed(reason, "look at", path_of(name), stamp, why);
  }
  return stamps;
}

Result<FileStamp> StateFolder::stamp(const std::string &name) const
{
  std::string ignored;
  auto stamp = m_folder->stamp(name, ignored);
  return stamp.error() == NtStatus::ObjectNameNotFound ? FileStamp{} : stamp;
}

Result<SecretText> StateFolder::read(const std::string &name, std::string &reason) const
{
  std::string why;
  auto file = m_folder->open(name, why);
  if (file.is_error())
    return failed(reason, "read", path_of(name), file, why);
  auto facts = (*file)->facts(why);
  if (facts.is_error())
    return failed(reason, "read", path_of(name), facts, why);
  if ((facts->uid != file_system().user_id() && facts->uid != 0) || (facts->mode & 022) != 0) {
    reason = fmt::format("{} belongs to uid {} and has mode {:04o}: others could have changed it", quoted(path_of(name)), facts->uid,
                         facts->mode);
    return NtStatus::AccessDenied;
  }
  return read_regular<SecretText>(**file, *facts, limits::kMaxStateFileBytes, path_of(name), reason);
}

Result<void> StateFolder::write_new(const std::string &name, std::string_view contents, std::string &reason)
{
  std::string why;
  auto file = m_folder->create(kUnfinished, why);
  if (file.is_error())
    return failed(reason, "write", path_of(name), file, why);
  while (!contents.empty()) {
    auto put = (*file)->write(contents, why);
    if (put.is_error())
      return failed(reason, "write", path_of(name), put, why);
    contents.remove_prefix(*put);
  }
  if (auto synced = is_broken(Canary::FileNotSynced) ? Result<void>() : (*file)->sync(why); synced.is_error())
    return failed(reason, "write", path_of(name), synced, why);
  if (auto closed = (*file)->close(why); closed.is_error())
    return failed(reason, "write", path_of(name), closed, why);
  if (auto replaced = m_folder->replace(kUnfinished, name, why); replaced.is_error())
    return failed(reason, "replace", path_of(name), replaced, why);
  return {};
}

Result<void> StateFolder::write(const std::string &name, std::string_view contents, std::string &reason)
{
  if (contents.size() > limits::kMaxStateFileBytes) {
    reason = fmt::format("{} would have {} bytes, {} at most are kept (kMaxStateFileBytes)", quoted(path_of(name)), contents.size(),
                         limits::kMaxStateFileBytes);
    return NtStatus::InvalidParameter;
  }
  remove_unfinished();
  if (auto written = write_new(name, contents, reason); written.is_error()) {
    remove_unfinished();
    return written;
  }
  std::string why;
  if (auto synced = is_broken(Canary::FolderNotSynced) ? Result<void>() : m_folder->sync(why); synced.is_error())
    return failed(reason, "make safe on disk", path_of(name), synced, why);
  return {};
}

Result<void> StateFolder::remove(const std::string &name, std::string &reason)
{
  std::string why, why_not_safe;
  auto unlinked = m_folder->unlink(name, why);
  if (unlinked.is_error() && unlinked.error() != NtStatus::ObjectNameNotFound)
    return failed(reason, "remove", path_of(name), unlinked, why);
  if (unlinked.is_error() && is_broken(Canary::RemovalNotSynced))
    return failed(reason, "remove", path_of(name), unlinked, why);
  // Also when there is none: that may be the work of a removal before, which could not be made safe.
  if (auto synced = m_folder->sync(why_not_safe); synced.is_error())
    return failed(reason, "make safe on disk the removal of", path_of(name), synced, why_not_safe);
  if (unlinked.is_error())
    return failed(reason, "remove", path_of(name), unlinked, why);
  return {};
}

Result<std::string> StateFolder::set_aside(const std::string &name, std::string &reason)
{
  std::string why, why_not_safe;
  for (uint32_t number = 1; number <= limits::kMaxFilesSetAside; number++) {
    std::string suffix(kSetAside);
    if (number > 1)
      suffix += '-' + std::to_string(number);
    std::string other = name.substr(0, kMaxNameBytes - suffix.size()) + suffix;
    // Not replace(): what was set aside before is evidence, too.
    auto renamed = m_folder->rename(name, other, why);
    if (renamed.error() == NtStatus::ObjectNameCollision)
      continue;
    if (renamed.is_error() && renamed.error() != NtStatus::ObjectNameNotFound)
      return failed(reason, "rename", path_of(name), renamed, why);
    // Before something else takes the name: a crash may keep that and not this. Also when there is none: it may have been set aside before.
    if (auto synced = m_folder->sync(why_not_safe); synced.is_error())
      return failed(reason, "make safe on disk the new name of", path_of(name), synced, why_not_safe);
    if (renamed.is_error())
      return failed(reason, "rename", path_of(name), renamed, why);
    return other;
  }
  reason = fmt::format("{} damaged files have been set aside in {} under one name, as many as may be (kMaxFilesSetAside): look at them "
                       "and remove them", limits::kMaxFilesSetAside, quoted(m_path));
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
  std::string ignored;
  (void)m_folder->unlink(kUnfinished, ignored);
}

Result<std::string> read_file(const std::string &path, size_t maximum, std::string &reason)
{
  std::string why;
  auto file = file_system().open(path, why);
  if (file.is_error())
    return failed(reason, "read", path, file, why);
  auto facts = (*file)->facts(why);
  if (facts.is_error())
    return failed(reason, "read", path, facts, why);
  return read_regular<std::string>(**file, *facts, maximum, path, reason);
}

}
