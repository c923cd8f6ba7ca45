// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/sim/sim_files.h"
#include "kernel/base/verify.h"
#include <algorithm>
#include <utility>

namespace httpsys::platform {

namespace {

// strerror's words, which reach the log and the user.
NtStatus failed(NtStatus status, std::string &why)
{
  switch (status) {
  case NtStatus::DiskFull: why = "No space left on device"; break;
  case NtStatus::ObjectNameNotFound: why = "No such file or directory"; break;
  case NtStatus::ObjectNameCollision: why = "File exists"; break;
  case NtStatus::ObjectPathNotFound: why = "Not a directory"; break;
  case NtStatus::SharingViolation: why = "Resource temporarily unavailable"; break;
  default: why = "Input/output error"; break;
  }
  return status;
}

std::string join(const std::string &path, const std::string &name)
{
  return path + '/' + name;
}

}

class SimFile final : public OpenFile {
public:
  SimFile(SimDisk &disk, SimDisk::NodePointer node, std::string path) : m_disk(disk), m_node(std::move(node)), m_path(std::move(path))
  {
    m_disk.m_open++;
  }
  ~SimFile() override { m_disk.m_open--; }
  Result<FileFacts> facts(std::string &why) override
  {
    TRY(m_disk.begin("facts", m_path, &SimFileFaults::look_fails, SimDisk::Space::None, why));
    return FileFacts{m_disk.user_id(), m_node->mode, m_node->contents.size(), !m_node->is_folder};
  }
  Result<size_t> read(std::span<char> into, std::string &why) override
  {
    TRY(m_disk.begin("read", m_path, &SimFileFaults::look_fails, SimDisk::Space::None, why));
    size_t bytes = m_disk.random.below(65536) < m_disk.faults.read_is_short ? 1 + m_disk.random.below(into.size()) : into.size();
    bytes = std::min(bytes, m_node->contents.size() - m_done);
    std::copy_n(m_node->contents.begin() + static_cast<ptrdiff_t>(m_done), bytes, into.begin());
    m_done += bytes;
    return bytes;
  }
  Result<size_t> write(std::string_view bytes, std::string &why) override
  {
    TRY(m_disk.begin("write", m_path, &SimFileFaults::write_fails, SimDisk::Space::Takes, why));
    if (m_disk.random.below(65536) < m_disk.faults.write_is_short)
      bytes = bytes.substr(0, 1 + m_disk.random.below(bytes.size()));
    m_node->contents += bytes;
    m_disk.touch(*m_node);
    m_node->is_safe = false;
    return bytes.size();
  }
  Result<void> sync(std::string &why) override
  {
    if (auto begun = m_disk.begin("sync", m_path, &SimFileFaults::sync_fails, SimDisk::Space::None, why); begun.is_error()) {
      m_node->is_hopeless = true;
      return begun;
    }
    if (m_node->is_hopeless)
      return {};
    m_node->safe_contents = m_node->contents;
    m_node->is_safe = true;
    return {};
  }
  Result<void> close(std::string &why) override
  {
    return m_disk.begin("close", m_path, &SimFileFaults::write_fails, SimDisk::Space::None, why);
  }

private:
  SimDisk &m_disk;
  SimDisk::NodePointer m_node;
  std::string m_path;
  size_t m_done = 0;
};

class SimFolder final : public OpenFolder {
public:
  SimFolder(SimDisk &disk, SimDisk::NodePointer node, std::string path) : m_disk(disk), m_node(std::move(node)), m_path(std::move(path))
  {
    m_disk.m_open++;
  }
  ~SimFolder() override
  {
    m_disk.m_open--;
    if (m_has_lock)
      m_node->is_locked = false;
  }
  Result<FileFacts> facts(std::string &why) override
  {
    TRY(m_disk.begin("facts", m_path, &SimFileFaults::look_fails, SimDisk::Space::None, why));
    return FileFacts{m_disk.user_id(), m_node->mode, 0, false};
  }
  Result<void> set_mode(uint32_t mode, std::string &why) override
  {
    TRY(m_disk.begin("set_mode", m_path, &SimFileFaults::name_fails, SimDisk::Space::None, why));
    m_node->mode = mode;
    return {};
  }
  Result<void> lock(std::string &why) override
  {
    if (std::exchange(m_node->is_locked, true))
      return failed(NtStatus::SharingViolation, why);
    m_has_lock = true;
    return {};
  }
  Result<void> make_folder(const std::string &name, std::string &why) override;
  Result<std::unique_ptr<OpenFolder>> open_folder(const std::string &name, std::string &why) override;
  Result<std::vector<std::string>> names(std::string &why) override;
  // No step of its own: it is what names() has found.
  Result<FileStamp> stamp(const std::string &name, std::string &why) override
  {
    return name == "." ? m_node->stamp() : TRY(entry(name, why))->stamp();
  }
  Result<std::unique_ptr<OpenFile>> open(const std::string &name, std::string &why) override;
  Result<std::unique_ptr<OpenFile>> create(const std::string &name, std::string &why) override;
  Result<void> replace(const std::string &name, const std::string &new_name, std::string &why) override
  {
    return move("replace", name, new_name, why);
  }
  Result<void> rename(const std::string &name, const std::string &new_name, std::string &why) override
  {
    if (m_node->entries.contains(name) && m_node->entries.contains(new_name))
      return failed(NtStatus::ObjectNameCollision, why);
    return move("rename", name, new_name, why);
  }
  Result<void> unlink(const std::string &name, std::string &why) override;
  Result<void> sync(std::string &why) override;

private:
  Result<void> move(std::string_view step, const std::string &name, const std::string &new_name, std::string &why);
  // ObjectNameNotFound when it is not there.
  Result<SimDisk::NodePointer> entry(const std::string &name, std::string &why)
  {
    auto found = m_node->entries.find(name);
    if (found == m_node->entries.end())
      return failed(NtStatus::ObjectNameNotFound, why);
    return found->second;
  }
  SimDisk &m_disk;
  SimDisk::NodePointer m_node;
  std::string m_path;
  bool m_has_lock = false;
};

Result<void> SimFolder::make_folder(const std::string &name, std::string &why)
{
  if (m_node->entries.contains(name))
    return failed(NtStatus::ObjectNameCollision, why);
  if (m_node->is_removed)
    return failed(NtStatus::ObjectNameNotFound, why);
  TRY(m_disk.begin("make_folder", join(m_path, name), &SimFileFaults::name_fails, SimDisk::Space::Takes, why));
  m_disk.change(*m_node, {"", name, m_disk.new_node(true)});
  return {};
}

Result<std::unique_ptr<OpenFolder>> SimFolder::open_folder(const std::string &name, std::string &why)
{
  TRY(m_disk.begin("open_folder", join(m_path, name), &SimFileFaults::look_fails, SimDisk::Space::None, why));
  auto node = TRY(entry(name, why));
  if (!node->is_folder)
    return failed(NtStatus::ObjectPathNotFound, why);
  return std::unique_ptr<OpenFolder>(std::make_unique<SimFolder>(m_disk, node, join(m_path, name)));
}

Result<std::vector<std::string>> SimFolder::names(std::string &why)
{
  TRY(m_disk.begin("names", m_path, &SimFileFaults::look_fails, SimDisk::Space::None, why));
  std::vector<std::string> names;
  for (const auto &[name, node] : m_node->entries)
    names.push_back(name);
  std::reverse(names.begin(), names.end()); // sorted is what nobody may rely on
  return names;
}

Result<std::unique_ptr<OpenFile>> SimFolder::open(const std::string &name, std::string &why)
{
  TRY(m_disk.begin("open", join(m_path, name), &SimFileFaults::look_fails, SimDisk::Space::None, why));
  auto node = TRY(entry(name, why));
  return std::unique_ptr<OpenFile>(std::make_unique<SimFile>(m_disk, node, join(m_path, name)));
}

Result<std::unique_ptr<OpenFile>> SimFolder::create(const std::string &name, std::string &why)
{
  TRY(m_disk.begin("create", join(m_path, name), &SimFileFaults::name_fails, SimDisk::Space::Takes, why));
  if (m_node->entries.contains(name))
    return failed(NtStatus::ObjectNameCollision, why);
  if (m_node->is_removed)
    return failed(NtStatus::ObjectNameNotFound, why);
  auto node = m_disk.new_node(false);
  m_disk.change(*m_node, {"", name, node});
  return std::unique_ptr<OpenFile>(std::make_unique<SimFile>(m_disk, node, join(m_path, name)));
}

Result<void> SimFolder::move(std::string_view step, const std::string &name, const std::string &new_name, std::string &why)
{
  TRY(m_disk.begin(step, join(m_path, new_name), &SimFileFaults::name_fails, SimDisk::Space::None, why));
  auto node = TRY(entry(name, why));
  m_disk.change(*m_node, {name, new_name, node});
  return {};
}

Result<void> SimFolder::unlink(const std::string &name, std::string &why)
{
  auto node = TRY(entry(name, why)); // what is not there is no step
  auto begun = m_disk.begin("unlink", join(m_path, name), &SimFileFaults::name_fails, SimDisk::Space::None, why);
  if (begun.is_error()) {
    m_disk.doubts++;
    return begun;
  }
  m_disk.change(*m_node, {name, "", node});
  return {};
}

Result<void> SimFolder::sync(std::string &why)
{
  auto begun = m_disk.begin("sync", m_path, &SimFileFaults::folder_sync_fails, SimDisk::Space::None, why);
  if (begun.is_error()) {
    m_disk.doubts++;
    return begun;
  }
  m_node->safe_entries = m_node->entries;
  m_node->changes.clear();
  return {};
}

SimDisk::NodePointer SimDisk::new_node(bool is_folder)
{
  auto node = std::make_shared<Node>();
  node->is_folder = is_folder;
  node->mode = is_folder ? 0700 : 0600;
  node->number = ++m_nodes;
  return node;
}

void SimDisk::apply(Entries &entries, const Change &change)
{
  // Another file may have the name by now, when what lies between was lost.
  if (auto gone = entries.find(change.gone); gone != entries.end() && gone->second == change.node)
    entries.erase(gone);
  if (!change.come.empty())
    entries[change.come] = change.node;
}

void SimDisk::change(Node &folder, Change change)
{
  apply(folder.entries, change);
  folder.changes.push_back(std::move(change));
}

Result<void> SimDisk::begin(std::string_view step, const std::string &path, uint32_t SimFileFaults::*fault, Space space, std::string &why)
{
  if (!m_has_crashed && m_until_crash > 0 && --m_until_crash == 0)
    m_has_crashed = true;
  NtStatus status = NtStatus::Success;
  if (m_has_crashed)
    status = NtStatus::IoDeviceError;
  else if (space == Space::Takes && (is_full || random.below(65536) < faults.no_space))
    status = NtStatus::DiskFull;
  else if (random.below(65536) < faults.*fault)
    status = NtStatus::IoDeviceError;
  if (on_step && !m_has_crashed)
    on_step(step, path, status);
  if (status == NtStatus::Success)
    return {};
  if (!m_has_crashed) {
    failures++;
    failed_looks += fault == &SimFileFaults::look_fails;
  }
  return failed(status, why);
}

void SimDisk::come_back(bool power_was_lost)
{
  VERIFY(m_open == 0);
  m_has_crashed = false;
  m_until_crash = 0;
  if (power_was_lost)
    lose_power(*m_root);
}

void SimDisk::lose_power(Node &folder)
{
  for (const Change &change : folder.changes)
    if (random.chance(1, 2))
      apply(folder.safe_entries, change);
  folder.changes.clear();
  folder.entries = folder.safe_entries;
  for (auto &[name, node] : folder.entries) {
    if (node->is_folder) {
      lose_power(*node);
    } else if (!node->is_safe) {
      // Nothing of what was written last, its beginning, its length without its bytes, or all.
      std::string &contents = node->contents;
      switch (random.below(4)) {
      case 0: contents = node->safe_contents; break;
      case 1: contents.resize(random.below(contents.size() + 1)); break;
      case 2: contents.assign(contents.size(), '\0'); break;
      default: break;
      }
      node->safe_contents = contents;
      node->is_safe = true;
      node->is_hopeless = false;
    }
  }
}

std::map<std::string, std::string> SimDisk::files() const
{
  std::map<std::string, std::string> files;
  std::vector<std::pair<std::string, const Node *>> folders{{"", m_root.get()}};
  while (!folders.empty()) {
    auto [path, folder] = folders.back();
    folders.pop_back();
    for (const auto &[name, node] : folder->entries) {
      if (node->is_folder)
        folders.emplace_back(join(path, name), node.get());
      else
        files[join(path, name)] = node->contents;
    }
  }
  return files;
}

Result<SimDisk::NodePointer> SimDisk::find(const std::string &path, std::string &why) const
{
  NodePointer node = m_root;
  for (size_t begin = 1, end = 0; end != path.npos; begin = end + 1) {
    end = path.find('/', begin);
    auto found = node->entries.find(path.substr(begin, end - begin));
    if (found == node->entries.end())
      return failed(NtStatus::ObjectNameNotFound, why);
    node = found->second;
  }
  return node;
}

void SimDisk::overwrite(const std::string &path, const std::string &contents)
{
  std::string ignored;
  auto node = MUST(find(path, ignored));
  node->contents = node->safe_contents = contents;
  node->is_safe = true;
  touch(*node);
}

void SimDisk::put(const std::string &path, const std::string &contents)
{
  size_t slash = path.rfind('/');
  std::string ignored, name = path.substr(slash + 1);
  auto folder = MUST(find(path.substr(0, slash), ignored));
  auto node = new_node(false);
  folder->entries[name] = folder->safe_entries[name] = node;
  overwrite(path, contents);
}

void SimDisk::take_away(const std::string &path)
{
  size_t slash = path.rfind('/');
  std::string ignored, name = path.substr(slash + 1);
  auto folder = MUST(find(path.substr(0, slash), ignored));
  folder->entries.erase(name);
  folder->safe_entries.erase(name);
  std::erase_if(folder->changes, [&](const Change &change) { return change.come == name || change.gone == name; });
}

void SimDisk::remove_folder(const std::string &path)
{
  std::string ignored;
  std::vector<NodePointer> folders{MUST(find(path, ignored))};
  take_away(path);
  while (!folders.empty()) {
    const NodePointer folder = folders.back();
    folders.pop_back();
    for (const auto &[name, node] : std::exchange(folder->entries, {}))
      if (node->is_folder)
        folders.push_back(node);
    folder->safe_entries.clear();
    folder->changes.clear();
    folder->is_removed = true;
  }
}

void SimDisk::put_folder(const std::string &path)
{
  size_t slash = path.rfind('/');
  std::string ignored, name = path.substr(slash + 1);
  auto folder = MUST(find(path.substr(0, slash), ignored));
  folder->entries[name] = folder->safe_entries[name] = new_node(true);
}

// Not a step: main/ makes the state folder before anything else, and its name is safe.
Result<void> SimDisk::make_folders(const std::string &path, uint32_t mode, std::string &)
{
  NodePointer node = m_root;
  for (size_t begin = 1, end = 0; end != path.npos; begin = end + 1) {
    end = path.find('/', begin);
    auto &entry = node->entries[path.substr(begin, end - begin)];
    if (!entry) {
      entry = new_node(true);
      entry->mode = mode;
      node->safe_entries = node->entries;
    }
    node = entry;
  }
  return {};
}

Result<std::unique_ptr<OpenFolder>> SimDisk::open_folder(const std::string &path, std::string &why)
{
  TRY(begin("open_folder", path, &SimFileFaults::look_fails, Space::None, why));
  auto node = TRY(find(path, why));
  return std::unique_ptr<OpenFolder>(std::make_unique<SimFolder>(*this, node, path));
}

// No step, as that of a folder.
Result<FileStamp> SimDisk::stamp(const std::string &path, std::string &why)
{
  return TRY(find(path, why))->stamp();
}

Result<std::unique_ptr<OpenFile>> SimDisk::open(const std::string &path, std::string &why)
{
  TRY(begin("open", path, &SimFileFaults::look_fails, Space::None, why));
  auto node = TRY(find(path, why));
  return std::unique_ptr<OpenFile>(std::make_unique<SimFile>(*this, node, path));
}

}
