// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/administrator.h"
#include "kernel/base/text.h"
#include "tests/sim/store_material.h"
#include "tests/sim/tls_material.h"
#include "tests/sim/wire.h"
#include "tools/fuzz/finding.h"
#include <algorithm>
#include <fmt/format.h>
#include <sstream>

namespace httpsys::sim {

using cm::Kind;
using fuzz::Finding;

namespace {

constexpr const char kFolder[] = "/var/lib/httpsys";
constexpr const char *kKinds[] = {"certificates", "authorities", "revocations", "sslcert"};
constexpr const char *kRecords[] = {"127.0.0.1:443", "[fd00::1]:8443", "www.example.org:443"};
constexpr const char kApplication[] = "{4dc3e181-e14b-4a21-b022-59fc669b0914}";
constexpr unsigned kLoadsWithFaults = 4;
constexpr unsigned kLastChanges = 8;

[[noreturn]] void lost(const std::string &text)
{
  throw Finding{"lost", "configuration: " + text};
}

// wolfSSL draws from the administrator's stream meanwhile, so that all others get what they would get without it.
class OwnRandomness {
public:
  explicit OwnRandomness(Random &random) : m_random(random) { swap_randomness(m_random); }
  ~OwnRandomness() { swap_randomness(m_random); }
  OwnRandomness(const OwnRandomness &) = delete;
  OwnRandomness &operator=(const OwnRandomness &) = delete;

private:
  Random &m_random;
};

std::string_view trimmed(std::string_view text)
{
  size_t begin = std::min(text.find_first_not_of(' '), text.size());
  return text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

// The address or name is that of a record.
std::string key_words(const std::string &name)
{
  return fmt::format("{}={}", name.starts_with('w') ? "hostnameport" : "ipport", name);
}

}

Administrator::Administrator(uint64_t seed, Trace &trace, DiskFigures &figures, bool has_faults)
    : m_random(seed * 4 + 2), m_store_random(seed * 4 + 3), m_trace(trace), m_figures(figures), m_has_faults(has_faults),
      m_is_faulty(has_faults), m_disk(seed * 4 + 1)
{
  auto add = [this](Kind kind, const std::string &name) {
    m_items.push_back({kind, name, fmt::format("{}/{}/{}{}", kFolder, kKinds[static_cast<size_t>(kind)], name,
                                               kind == Kind::Records ? "" : ".pem"), "", {""}, false, false, ""});
  };
  add(Kind::Certificates, kServerName);
  add(Kind::Certificates, kOtherServerName);
  add(Kind::Authorities, kAuthorityName);
  add(Kind::Authorities, kOtherAuthorityName);
  add(Kind::Revocations, kOlderListName);
  add(Kind::Revocations, kNewerListName);
  for (const char *record : kRecords)
    add(Kind::Records, record);
  m_disk.on_step = [this](std::string_view step, const std::string &path, NtStatus status) {
    m_trace.note("  disk: {} {}: {:#x}", step, path, static_cast<uint32_t>(status));
  };
  platform::set_file_system(&m_disk);
  choose_faults();
  OwnRandomness own(m_store_random);
  load();
}

Administrator::~Administrator()
{
  m_store.reset();
  platform::set_file_system(nullptr);
}

// Each seed has about half of them.
void Administrator::choose_faults()
{
  if (!m_has_faults)
    return;
  using platform::SimFileFaults;
  for (uint32_t SimFileFaults::*fault : {&SimFileFaults::no_space, &SimFileFaults::write_fails, &SimFileFaults::name_fails,
                                         &SimFileFaults::sync_fails, &SimFileFaults::folder_sync_fails, &SimFileFaults::look_fails})
    m_faults.*fault = m_random.chance(1, 2) ? static_cast<uint32_t>(m_random.below(20000)) : 0;
  m_faults.read_is_short = static_cast<uint32_t>(m_random.below(65536));
  m_faults.write_is_short = static_cast<uint32_t>(m_random.below(65536));
  m_disk.faults = m_faults;
}

Administrator::Item &Administrator::item(Kind kind, std::string_view name)
{
  return *std::ranges::find_if(m_items, [&](const Item &item) { return item.kind == kind && item.name == name; });
}

Administrator::Item &Administrator::any(Kind kind)
{
  if (m_failed && m_failed->kind == kind && m_random.chance(1, 2))
    return *m_failed;
  for (;;) {
    Item &item = m_items[m_random.below(m_items.size())];
    if (item.kind == kind)
      return item;
  }
}

Administrator::Item *Administrator::usable_certificate()
{
  Item &first = any(Kind::Certificates);
  for (Item *certificate : {&first, &item(Kind::Certificates, first.name == kServerName ? kOtherServerName : kServerName)})
    if (certificate->running == kThere && is_usable(*certificate))
      return certificate;
  return nullptr;
}

std::map<std::string, std::string> Administrator::visible_files() const
{
  auto files = m_disk.files();
  std::erase_if(files, [](const auto &file) { return file.first.find("/.") != file.first.npos; });
  return files;
}

void Administrator::act()
{
  OwnRandomness own(m_store_random);
  if (m_random.chance(1, 12))
    return restart(m_random.chance(1, 2));
  if (m_has_faults && m_random.chance(1, 20)) {
    m_disk.is_full = m_is_faulty && !m_disk.is_full;
    return m_trace.note("a: the disk is {}", m_disk.is_full ? "full" : "as before");
  }
  if (m_random.chance(1, 30))
    return meddle();
  perform(choose());
}

void Administrator::finish()
{
  OwnRandomness own(m_store_random);
  m_trace.note("a: no more faults of the disk");
  m_is_faulty = false;
  m_disk.faults = {};
  m_disk.is_full = false;
  for (unsigned change = 0; change < kLastChanges; change++)
    perform(choose());
  restart(true);
}

// --- Commands ---

Administrator::Change Administrator::choose()
{
  Kind kind = m_failed && m_random.chance(1, 2) ? m_failed->kind : m_items[m_random.below(m_items.size())].kind;
  bool imports = m_random.chance(1, 2);
  switch (kind) {
  case Kind::Certificates: return imports ? import_certificate() : delete_certificate();
  case Kind::Authorities: return imports ? import_authorities() : delete_authority();
  case Kind::Revocations: return imports ? import_list() : delete_list();
  case Kind::Records: break;
  }
  return change_record();
}

Administrator::Change Administrator::import_certificate()
{
  Item &certificate = any(Kind::Certificates);
  bool is_first = certificate.name == kServerName;
  return {"import cert certfile=a keyfile=b",
          {{"certfile", is_first ? kServerCertificate : kOtherServerCertificate}, {"keyfile", is_first ? kServerKey : kOtherServerKey}},
          {{&certificate, kThere}}};
}

Administrator::Change Administrator::import_authorities()
{
  Change change{"import ca certfile=a", {{"certfile", ""}}, {}};
  uint64_t which = 1 + m_random.below(3);
  if (which & 1) {
    change.files["certfile"] += kAuthority;
    change.effects.emplace_back(&item(Kind::Authorities, kAuthorityName), kThere);
  }
  if (which & 2) {
    change.files["certfile"] += kOtherAuthority;
    change.effects.emplace_back(&item(Kind::Authorities, kOtherAuthorityName), kThere);
  }
  add_stale(change);
  return change;
}

Administrator::Change Administrator::delete_certificate()
{
  Item &certificate = any(Kind::Certificates);
  Change change{"delete cert certhash=" + certificate.name, {}, {{&certificate, ""}}};
  auto is_named_by = [&](const Item &record) { return record.kind == Kind::Records && names(record, certificate); };
  bool is_named = std::ranges::any_of(m_items, is_named_by);
  if (is_named)
    change.refusal = cm::win32::kBusy;
  else if (is_unclear(certificate))
    return import_certificate();
  else if (!is_there(certificate))
    change.refusal = cm::win32::kFileNotFound;
  return change;
}

Administrator::Change Administrator::delete_authority()
{
  Item &authority = any(Kind::Authorities);
  const Item &certificate = item(Kind::Certificates, authority.name == kAuthorityName ? kServerName : kOtherServerName);
  Change change{"delete ca certhash=" + authority.name, {}, {{&authority, ""}}};
  bool is_used = std::ranges::any_of(m_items, [&](const Item &record) {
    return record.kind == Kind::Records && ((certificate.running != "" && names(record, certificate)) ||
                                            record.running.find(" Enabled ") != record.running.npos);
  });
  if (authority.running != "" && is_used)
    change.refusal = cm::win32::kBusy;
  else if (is_unclear(authority))
    return import_authorities();
  else if (!is_there(authority))
    change.refusal = cm::win32::kFileNotFound;
  for (Item &list : m_items)
    if (list.kind == Kind::Revocations && (list.is_stale || (list.running != "" && authority.name == kOtherAuthorityName)))
      change.goes.push_back(&list);
  return change;
}

// Lists that are to go do so first.
void Administrator::add_stale(Change &change)
{
  for (Item &list : m_items)
    if (list.is_stale)
      change.effects.emplace_back(&list, "");
}

Administrator::Change Administrator::import_list()
{
  Item &list = any(Kind::Revocations), &newer = item(Kind::Revocations, kNewerListName);
  Change change{"import crl crlfile=a", {{"crlfile", list.name == kOlderListName ? kOlderList : kNewerList}}, {{&list, kThere}}};
  if (item(Kind::Authorities, kOtherAuthorityName).running == "" || (&list != &newer && newer.running != ""))
    change.refusal = cm::win32::kInvalidParameter;
  for (Item &other : m_items)
    if (&other != &list && other.kind == Kind::Revocations && (other.is_stale || other.running != ""))
      change.goes.push_back(&other);
  return change;
}

Administrator::Change Administrator::delete_list()
{
  Item &list = any(Kind::Revocations);
  if (is_unclear(list))
    return import_list();
  Change change{"delete crl crlhash=" + list.name, {}, {{&list, ""}}};
  if (!is_there(list))
    change.refusal = cm::win32::kFileNotFound;
  else
    add_stale(change);
  return change;
}

Administrator::Change Administrator::change_record()
{
  Item &record = any(Kind::Records);
  Item *certificate = usable_certificate();
  bool is_to_go = is_there(record) && !is_unclear(record);
  if (!certificate && !is_to_go)
    return import_certificate();
  if (!certificate || (!is_unclear(record) && m_random.chance(1, 3)))
    return delete_record(record);
  bool asks = m_random.chance(1, 4), is_old = m_random.chance(1, 2);
  std::string value = fmt::format("{} {} {}", certificate->name, asks ? "Enabled" : "Disabled", is_old ? "Set" : "Not Set");
  bool adds = record.running == "" ? true : m_random.chance(1, 10);
  Change change{fmt::format("{} sslcert {} certhash={} appid={} clientcertnegotiation={} disabletls13={}", adds ? "add" : "update",
                            key_words(record.name), certificate->name, kApplication, asks ? "enable" : "disable",
                            is_old ? "enable" : "disable"),
                {}, {{&record, value}}};
  if (adds && record.running != "")
    change.refusal = cm::win32::kAlreadyExists;
  return change;
}

Administrator::Change Administrator::delete_record(Item &record)
{
  Change change{"delete sslcert " + key_words(record.name), {}, {{&record, ""}}};
  if (!is_there(record))
    change.refusal = cm::win32::kFileNotFound;
  return change;
}

void Administrator::put_in_doubt(Item &item, const std::string &value)
{
  item.on_disk.insert(value);
  if (item.on_disk.contains(kDamaged) || item.is_orphan)
    item.on_disk.insert(""); // set aside, and nothing in its place
}

// The store has the value, and on disk is nothing else.
void Administrator::settle(Item &item, const std::string &value)
{
  item.on_disk = {value};
  if (item.is_known_damage)
    item.set_aside.push_back(item.damaged);
  item.is_known_damage = item.is_evidence = item.is_orphan = item.is_stale = false;
}

void Administrator::note_done(const Change &change, bool has_failures)
{
  m_figures.changes++;
  m_failed = nullptr;
  for (auto [item, value] : change.effects) {
    item->running = value;
    settle(*item, value);
  }
  for (Item *item : change.goes) {
    item->running = "";
    item->is_stale = has_failures;
    if (!has_failures)
      settle(*item, "");
    item->on_disk.insert("");
  }
}

void Administrator::note_failed(const Change &change, bool has_doubts)
{
  m_failed = change.effects[0].first;
  for (auto [item, value] : change.effects) {
    if (has_doubts)
      put_in_doubt(*item, value);
    else if (is_left_alone(*item) || item->is_stale)
      item->on_disk.insert("");
  }
  for (Item *item : change.goes)
    if (has_doubts || item->is_stale)
      put_in_doubt(*item, "");
}

void Administrator::perform(const Change &change)
{
  bool is_to_crash = change.refusal == 0 && m_random.chance(1, 6);
  if (is_to_crash)
    m_disk.crash_in(1 + m_random.below(16));
  uint64_t failures = m_disk.failures, doubts = m_disk.doubts;
  cm::AdminCommand command;
  command.files = change.files;
  std::istringstream words(change.line);
  for (std::string word; words >> word;)
    command.words.push_back(word);
  cm::AdminAnswer answer = m_store->execute(command);
  m_trace.note("a: {}: {}", change.line, m_disk.has_crashed() ? "broken off by a crash" : fmt::format("{}", answer.win32_code));
  if (m_disk.has_crashed()) {
    note_failed(change, true);
    return restart(m_random.chance(2, 3));
  }
  m_disk.crash_in(0);
  if (answer.exit_code == cm::kExitDone && change.refusal == 0) {
    note_done(change, m_disk.failures != failures);
  } else {
    check_refusal(change, answer, failures);
    if (change.refusal == 0)
      note_failed(change, m_disk.doubts != doubts);
  }
  check_running();
  check_set_aside(m_disk.files());
  // Whoever is told that nothing was changed tries again.
  bool can_repeat = change.refusal == 0 && answer.exit_code != cm::kExitDone &&
                    std::ranges::none_of(change.effects, [](auto &effect) { return is_left_alone(*effect.first); });
  if (can_repeat && m_random.chance(1, 2))
    return perform(change);
  if (is_to_crash)
    restart(true);
}

void Administrator::check_refusal(const Change &change, const cm::AdminAnswer &answer, uint64_t failures)
{
  if (change.refusal != 0) {
    if (answer.win32_code != change.refusal)
      lost(fmt::format("{} has code {}, expected is {}: {}", change.line, answer.win32_code, change.refusal, answer.text));
    return;
  }
  if (m_disk.failures == failures)
    lost(fmt::format("{} is refused with code {} though the disk has done all: {}", change.line, answer.win32_code, answer.text));
  m_figures.failures++;
  auto says = [&](const char *words) { return answer.text.find(words) != std::string::npos; };
  bool has_read = answer.win32_code == cm::win32::kInvalidParameter && says("would not work: cannot read ");
  bool has_written = answer.win32_code == cm::win32::kWriteFault && says("nothing was changed");
  bool has_words = says("No space left on device") || says("Input/output error") || says("File exists");
  if (!(has_read || has_written) || !has_words)
    lost(fmt::format("{} fails with code {} for the disk's sake: {}", change.line, answer.win32_code, answer.text));
}

// --- Crashes ---

void Administrator::restart(bool power_is_lost)
{
  m_figures.crashes++;
  m_trace.note("a: {}", power_is_lost ? "the power is lost" : "the daemon is killed");
  m_store.reset();
  m_disk.come_back(power_is_lost);
  if (power_is_lost && m_random.chance(1, 6)) {
    auto files = visible_files();
    Item &item = m_items[m_random.below(m_items.size())];
    // What is damaged already, or may be something else, is left alone.
    if (files.contains(item.path) && item.on_disk.size() == 1 && !item.on_disk.contains(kDamaged)) {
      item.damaged = damage_of(files[item.path]);
      m_disk.overwrite(item.path, item.damaged);
      item.on_disk = {kDamaged};
      m_trace.note("a: {} is damaged", item.path);
    }
  }
  load();
}

std::string Administrator::damage_of(const std::string &contents)
{
  switch (m_random.below(3)) {
  case 0: return contents.substr(0, contents.size() / 2);
  case 1: return std::string(contents.size(), '\0');
  default: return fmt::format("garbage {}\n", m_random.next());
  }
}

// While the daemon runs, somebody spoils a record: what runs is what was loaded.
void Administrator::meddle()
{
  Item &record = any(Kind::Records);
  auto files = m_disk.files();
  if (!files.contains(record.path) || record.on_disk.contains(kDamaged))
    return;
  record.damaged = damage_of(files[record.path]);
  m_disk.overwrite(record.path, record.damaged);
  record.on_disk.insert(kDamaged);
  m_trace.note("a: {} is damaged meanwhile", record.path);
  check_running();
}

void Administrator::load()
{
  for (unsigned attempt = 0;; attempt++) {
    m_disk.faults = m_is_faulty ? m_faults : platform::SimFileFaults{};
    if (attempt >= kLoadsWithFaults) {
      m_disk.is_full = false;
      m_disk.faults.look_fails = m_disk.faults.name_fails = m_disk.faults.no_space = 0;
    }
    auto files = visible_files();
    uint64_t failures = m_disk.failures, looks = m_disk.failed_looks, doubts = m_disk.doubts;
    if (m_is_faulty && m_random.chance(1, 12))
      m_disk.crash_in(1 + m_random.below(40));
    m_log.clear();
    m_trace.heard = &m_log;
    std::string reason;
    m_store = std::make_unique<cm::Store>(Config{});
    auto loaded = m_store->load(kFolder, reason);
    m_trace.heard = nullptr;
    m_trace.note("a: the daemon starts: {:#x} {}", static_cast<uint32_t>(loaded.error()), loaded.is_error() ? reason : "");
    if (visible_files() != files)
      lost("a start has changed files");
    if (m_disk.has_crashed()) {
      m_figures.crashes++;
      m_store.reset();
      m_disk.come_back(m_random.chance(1, 2));
      continue;
    }
    m_disk.crash_in(0);
    if (loaded.is_error() && m_disk.failures == failures)
      lost("it does not start: " + reason);
    if (!loaded.is_error() && m_disk.failed_looks == looks) {
      take_stock(m_disk.doubts == doubts);
      break;
    }
    if (!loaded.is_error()) {
      // Not all could be read: what runs may lack some.
      for (const auto &[item, value] : shown())
        if (!item->on_disk.contains(value))
          lost(fmt::format("{} is {}, which nobody has asked for", item->path, value));
    }
    m_store.reset();
    m_disk.come_back(false);
  }
  m_disk.faults = m_is_faulty ? m_faults : platform::SimFileFaults{};
}

// After a start that could read everything: is it what may be there?
void Administrator::take_stock(bool is_safe)
{
  auto files = m_disk.files();
  Shown now = shown();
  for (Item &item : m_items) {
    auto found = now.find(&item);
    bool has_file = files.contains(item.path);
    std::string value = found != now.end() ? found->second : has_file ? kDamaged : "";
    if (value == kDamaged && item.kind == Kind::Revocations && files[item.path] == (item.name == kOlderListName ? kOlderList : kNewerList))
      value = kThere; // and not used, for a reason that is looked at below
    if (!item.on_disk.contains(value)) {
      std::string expected;
      for (const std::string &one : item.on_disk)
        expected += fmt::format(" \"{}\"", one);
      lost(fmt::format("{} is \"{}\" after a start, expected is one of{}", item.path, value, expected));
    }
    if (value == kDamaged && files[item.path] != item.damaged)
      lost(fmt::format("{} was damaged, and is not what it was then", item.path));
    if (value == kDamaged && m_log.find(fmt::format("{} is not used: ", quoted(item.path))) == m_log.npos)
      lost(fmt::format("{} is damaged, and the log does not say so", item.path));
    item.running = found != now.end() ? value : "";
    if (is_safe)
      item.on_disk = {value};
    item.is_known_damage = value == kDamaged;
    if (!item.is_known_damage && std::exchange(item.is_evidence, false))
      item.set_aside.push_back(item.damaged);
    item.is_evidence = item.is_known_damage && item.on_disk.size() == 1;
  }
  take_stock_of_lists(files);
  check_set_aside(files);
  check_running();
}

// A good file is used when its CA is there and no newer list is.
void Administrator::take_stock_of_lists(const std::map<std::string, std::string> &files)
{
  bool has_authority = item(Kind::Authorities, kOtherAuthorityName).running != "";
  Item &older = item(Kind::Revocations, kOlderListName), &newer = item(Kind::Revocations, kNewerListName);
  for (Item *list : {&newer, &older}) {
    bool is_good = files.contains(list->path) && !list->is_known_damage;
    list->is_orphan = is_good && !has_authority;
    list->is_stale = is_good && has_authority && list == &older && newer.running != "";
    if ((list->running != "") != (is_good && !list->is_orphan && !list->is_stale))
      lost(fmt::format("{} is {}", list->path, list->running != "" ? "used though it should not be" : "good and not used"));
  }
}

void Administrator::check_set_aside(const std::map<std::string, std::string> &files)
{
  for (const Item &item : m_items) {
    for (const std::string &contents : item.set_aside) {
      // Under its old name again when a crash broke the change off.
      bool is_kept = std::ranges::any_of(files, [&](const auto &file) {
        bool is_aside = file.first.starts_with(item.path + ".damaged");
        return (is_aside || file.first == item.path) && file.second == contents;
      });
      if (!is_kept)
        lost(fmt::format("the damaged {} is not kept under another name", item.path));
    }
  }
}

// --- What runs ---

Administrator::Shown Administrator::shown()
{
  Shown all;
  auto show = [&](const char *what, Kind kind, auto take) {
    cm::AdminAnswer answer = m_store->execute({{"show", what}, {}});
    if (answer.exit_code != cm::kExitDone)
      lost(fmt::format("show {} fails: {}", what, answer.text));
    std::istringstream text(answer.text);
    Item *current = nullptr;
    for (std::string line; std::getline(text, line);) {
      size_t colon = line.find(" : ");
      if (colon != line.npos)
        take(trimmed(std::string_view(line).substr(0, colon)), trimmed(std::string_view(line).substr(colon + 3)), current, kind);
    }
  };
  auto begin = [&](std::string_view name, Item *&current, Kind kind) {
    auto found = std::ranges::find_if(m_items, [&](const Item &item) { return item.kind == kind && item.name == name; });
    if (found == m_items.end())
      lost(fmt::format("{} is shown, which was never there", name));
    current = &*found;
  };
  auto take_file = [&](std::string_view label, std::string_view value, Item *&current, Kind kind) {
    if (label != "Certificate Hash" && label != "CRL Hash")
      return;
    begin(value, current, kind);
    all[current] = kThere;
  };
  show("cert", Kind::Certificates, take_file);
  show("ca", Kind::Authorities, take_file);
  show("crl", Kind::Revocations, take_file);
  show("sslcert", Kind::Records, [&](std::string_view label, std::string_view value, Item *&current, Kind kind) {
    if (label == "IP:port" || label == "Hostname:port")
      begin(value, current, kind);
    else if (label == "Certificate Hash")
      all[current] = value;
    else if (label == "Negotiate Client Certificate" || label == "Disable TLS1.3")
      all[current] += fmt::format(" {}", value);
  });
  return all;
}

void Administrator::check_running()
{
  Shown now = shown();
  for (const Item &item : m_items) {
    std::string value = now.contains(&item) ? now[&item] : "";
    if (value != item.running)
      lost(fmt::format("{} runs as \"{}\", expected is \"{}\"", item.path, value, item.running));
    if (item.kind != Kind::Records)
      continue;
    bool is_name = item.name.starts_with('w');
    auto address = Endpoint::parse(is_name ? "127.9.9.9:443" : item.name);
    bool serves = m_store->bindings()->find(*address, is_name ? item.name.substr(0, item.name.find(':')) : "").get() != nullptr;
    bool must_serve = item.running != "" && this->item(Kind::Certificates, item.running.substr(0, 40)).running != "";
    if (serves != must_serve)
      lost(fmt::format("{} {}", item.path, serves ? "serves though it should not" : "does not serve"));
  }
}

}
