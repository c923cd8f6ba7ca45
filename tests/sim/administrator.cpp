// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/administrator.h"
#include "kernel/base/text.h"
#include "kernel/http/tls_bindings.h"
#include "kernel/limits.h"
#include "tests/sim/store_material.h"
#include "tests/sim/tls_material.h"
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
constexpr const char kServer[] = "0.0.0.0:8443"; // TLS visitors'
constexpr const char kApplication[] = "{4dc3e181-e14b-4a21-b022-59fc669b0914}";
constexpr unsigned kLoadsWithFaults = 4;
constexpr unsigned kLastChanges = 8, kLastMeddlings = 6;
constexpr unsigned kTurnsOfAnswer = 20'000;
constexpr unsigned kTurnsOfLook = 60;
constexpr unsigned kLooks = 3; // two that find the same, and one more
constexpr uint64_t kMoverSeed = 48632; // with it none of the old seeds of seeds.txt moves folders
constexpr uint64_t kStepsOfCommand = 12, kStepsOfLooks = 40;
Administrator *s_administrator;

[[noreturn]] void lost(const std::string &text)
{
  throw Finding{"lost", "configuration: " + text};
}

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

Administrator::Administrator(uint64_t seed, AdministratorsWorld world, bool has_faults, bool has_server)
    : m_random(seed * 4 + 2), m_world(std::move(world)), m_trace(m_world.trace), m_figures(m_world.figures), m_has_faults(has_faults),
      m_is_faulty(has_faults), m_disk(seed * 4 + 1), m_mover(seed + kMoverSeed), m_moves_folders(m_mover.chance(1, 2))
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
    // What was answered is taken note of first.
    if (m_until_move > 0 && !(m_asked && m_asked->is_executed) && --m_until_move == 0)
      move_folder();
  };
  platform::set_file_system(&m_disk);
  if (has_server) {
    add(Kind::Records, kServer);
    make_server();
  }
  s_administrator = this;
  io::register_admin([](std::vector<std::string> words, std::vector<io::AdminFile> files, io::AdminAnswer send) {
    s_administrator->execute(std::move(words), std::move(files), std::move(send));
  });
  m_trace.heard = &m_log;
  choose_faults();
  load();
}

Administrator::~Administrator()
{
  m_trace.heard = nullptr;
  end_store();
  platform::set_file_system(nullptr);
}

// What TLS visitors need is there from the beginning.
void Administrator::make_server()
{
  std::string reason;
  cm::Store store{Config{}};
  if (store.load(kFolder, reason).is_error())
    lost(reason);
  auto run = [&](std::vector<std::string> words, std::map<std::string, std::string> files) {
    if (auto answer = store.execute({std::move(words), std::move(files)}); answer.exit_code != cm::kExitDone)
      lost("without faults: " + answer.text);
  };
  run({"import", "ca", "certfile=a"}, {{"certfile", kAuthority}});
  run({"import", "cert", "certfile=a", "keyfile=b"}, {{"certfile", kServerCertificate}, {"keyfile", kServerKey}});
  run({"add", "sslcert", fmt::format("ipport={}", kServer), fmt::format("certhash={}", kServerName), fmt::format("appid={}", kApplication)},
      {});
  for (Item *made : {&item(Kind::Authorities, kAuthorityName), &item(Kind::Certificates, kServerName), &item(Kind::Records, kServer)}) {
    made->is_permanent = true;
    made->on_disk = {made->kind == Kind::Records ? fmt::format("{} Disabled Not Set", kServerName) : kThere};
  }
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
    if (item.kind == kind && !(kind == Kind::Records && item.is_permanent))
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
  if (m_disk.has_crashed())
    return break_off();
  take_log();
  if (m_asked)
    return wait();
  if (!is_ready())
    return;
  if (m_random.chance(1, 30))
    return restart(m_random.chance(1, 2));
  if (m_has_faults && m_random.chance(1, 20)) {
    m_disk.is_full = m_is_faulty && !m_disk.is_full;
    return m_trace.note("a: the disk is {}", m_disk.is_full ? "full" : "as before");
  }
  if (m_moves_folders && m_mover.chance(1, 25))
    m_until_move = 1 + m_mover.below(kStepsOfLooks);
  if (m_moves_folders && m_mover.chance(1, 25)) {
    move_folder();
    return check_running();
  }
  if (m_random.chance(1, 12))
    return meddle();
  if (m_looks_wanted > 0 && m_random.chance(2, 3)) {
    m_looks_wanted--;
    return m_world.pass(limits::kStateLookMilliseconds);
  }
  ask(m_again ? *std::exchange(m_again, std::nullopt) : choose());
}

void Administrator::finish()
{
  if (m_disk.has_crashed())
    break_off();
  m_trace.note("a: no more faults of the disk");
  m_is_faulty = false;
  m_disk.faults = {};
  m_disk.is_full = false;
  wait_to_the_end();
  for (unsigned change = 0; change < kLastChanges; change++) {
    ask(choose());
    wait_to_the_end();
  }
  for (unsigned times = 0; times < kLastMeddlings; times++)
    meddle();
  m_until_move = 0;
  if (m_moves_folders)
    move_folder();
  for (unsigned look = 0; look < kLooks; look++) {
    m_world.pass(limits::kStateLookMilliseconds + 100);
    for (unsigned turns = 0; turns < kTurnsOfLook * m_world.cores; turns++)
      m_world.target.turn(static_cast<ke::CoreId>(m_random.below(m_world.cores)));
  }
  take_log();
  check_meddled();
  restart(true);
}

// What it asks next is its own command, and nobody's of the time before a crash.
bool Administrator::is_ready()
{
  if (m_leaving && m_leaving->has_gone())
    m_leaving.reset();
  return !m_leaving && m_client->is_welcome();
}

// Everything that was asked is answered.
void Administrator::wait_to_the_end()
{
  for (unsigned turns = 0; m_asked || !is_ready(); turns++) {
    if (turns > kTurnsOfAnswer)
      throw Finding{"hung", "the administrator is not answered"};
    m_world.target.turn(static_cast<ke::CoreId>(m_random.below(m_world.cores)));
    if (turns % kTurnsOfLook == 0)
      m_world.pass(1);
    if (m_disk.has_crashed())
      break_off();
    else if (m_asked)
      wait();
  }
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
  if (item.is_known_damage && item.damaged != "")
    item.set_aside.push_back(item.damaged);
  item.is_known_damage = item.is_evidence = item.is_orphan = item.is_stale = item.is_meddled = item.is_tried_again = false;
}

void Administrator::note_done(const Asked &asked)
{
  const Change &change = asked.change;
  const bool has_failures = asked.failures != 0 || asked.has_moved;
  m_figures.changes++;
  m_failed = nullptr;
  for (auto [item, value] : change.effects) {
    item->running = value;
    settle(*item, value);
    if (item->kind == Kind::Records && value != "")
      item->texts[value] = m_disk.files()[item->path];
  }
  for (Item *item : change.goes) {
    item->running = "";
    item->is_meddled = false;
    item->is_stale = has_failures;
    if (!has_failures)
      settle(*item, "");
    item->on_disk.insert("");
  }
  // While another list was removed, which is the last that is done: of its own file it was certain.
  for (auto [item, value] : change.effects)
    if (asked.has_moved && value != "" && !m_disk.files().contains(item->path))
      lose_file(*item);
}

void Administrator::note_failed(const Change &change, bool has_doubts)
{
  m_failed = change.effects[0].first;
  for (auto [item, value] : change.effects) {
    // A change of it, or the part of one that did not fail, may have written over what was done to it: nothing is to be said then.
    item->is_meddled = item->is_meddled && item->kind != Kind::Certificates && change.effects.size() == 1;
    if (has_doubts)
      put_in_doubt(*item, value);
    else if (is_left_alone(*item) || item->is_stale)
      item->on_disk.insert("");
  }
  for (Item *item : change.goes)
    if (has_doubts || item->is_stale)
      put_in_doubt(*item, "");
}

void Administrator::ask(Change change)
{
  bool is_to_crash = change.refusal == 0 && m_random.chance(1, 6);
  if (is_to_crash)
    m_disk.crash_in(1 + m_random.below(16));
  m_trace.note("a: asks for {}", change.line);
  m_client->ask(change.line, change.files);
  m_asked = Asked{std::move(change), is_to_crash};
}

// The daemon begins with it. Nothing may be thrown through it.
void Administrator::execute(std::vector<std::string> words, std::vector<io::AdminFile> files, io::AdminAnswer send)
{
  if (!m_asked || m_asked->is_executed)
    return send(cm::win32::kBusy, cm::kExitRefused, ""); // of a session that would have ended with the crash
  take_log();
  m_has_moved = false;
  if (m_moves_folders && m_mover.chance(1, 6))
    m_until_move = 1 + m_mover.below(kStepsOfCommand);
  bool had_crashed = m_disk.has_crashed();
  uint64_t failures = m_disk.failures, doubts = m_disk.doubts;
  // Whoever asks after a crash will not be there for the answer.
  auto answered = [this, life = std::weak_ptr(m_life), send, asked = m_number](uint32_t win32_code, uint32_t exit_code,
                                                                               const std::string &text) {
    if (!life.expired() && asked == m_number && m_asked) {
      m_asked->answer = {win32_code, exit_code, text};
      m_asked->is_answered = true;
    }
    send(win32_code, exit_code, text);
  };
  m_administration->execute(std::move(words), std::move(files), std::move(answered));
  if (had_crashed)
    return;
  m_asked->is_executed = true;
  m_asked->failures = m_disk.failures - failures;
  m_asked->doubts = m_disk.doubts - doubts;
  m_asked->has_moved = m_has_moved;
}

void Administrator::wait()
{
  if (!m_asked->is_abandoned && m_random.chance(1, 100)) {
    m_trace.note("a: httpsysctl is killed");
    m_asked->is_abandoned = true;
    m_client->leave();
  }
  if (m_asked->is_abandoned) {
    if (!m_client->has_gone() || (m_asked->is_executed && !m_asked->is_answered))
      return;
    m_client = std::make_unique<AdminClient>(m_world.target.system());
    if (m_asked->is_executed)
      return take_answer();
    m_asked.reset();
    m_disk.crash_in(0);
    return;
  }
  auto answer = m_client->answer();
  if (!answer)
    return;
  if (!m_asked->is_answered || answer->text != m_asked->answer.text || answer->exit_code != m_asked->answer.exit_code ||
      answer->win32_code != m_asked->answer.win32_code)
    throw Finding{"mixed", fmt::format("{} has another answer than its own: {}", m_asked->change.line, answer->text)};
  check_published();
  take_answer();
}

// A handshake after an answer sees what it has changed: every core has the store's table.
void Administrator::check_published()
{
  auto store = m_administration->store().bindings();
  for (ke::CoreId id = 0; id < m_world.cores; id++) {
    ke::Core::Scope scope(ke::Cores::instance().core(id));
    if (&http::tls_bindings() != store.get())
      lost(fmt::format("{} is answered, and core {} has other bindings than the store", m_asked->change.line, id));
  }
}

// What was asked has its answer, and nothing has crashed.
void Administrator::take_answer()
{
  const Asked asked = std::move(*m_asked);
  m_asked.reset();
  const Change &change = asked.change;
  const cm::AdminAnswer &answer = asked.answer;
  m_trace.note("a: {}: {}", change.line, answer.win32_code);
  m_disk.crash_in(0);
  if (answer.exit_code == cm::kExitDone && change.refusal == 0) {
    check_done(asked);
    note_done(asked);
  } else {
    check_refusal(asked);
    if (change.refusal == 0)
      note_failed(change, asked.doubts != 0);
  }
  // With a CA or list those are written that a change had failed of before, or a look, and nothing is said of them.
  const Kind kind = change.effects[0].first->kind;
  for (Item &item : m_items)
    if ((m_moves_folders || item.is_tried_again) && item.kind == kind && (kind == Kind::Authorities || kind == Kind::Revocations))
      item.is_meddled = false;
  // Whoever is told that nothing was changed tries again. Before the log: a look may have found by now that there is nothing to delete.
  bool can_repeat = change.refusal == 0 && answer.exit_code != cm::kExitDone &&
                    std::ranges::none_of(change.effects, [](auto &effect) { return is_left_alone(*effect.first); });
  take_log();
  check_running();
  check_set_aside(m_disk.files());
  if (can_repeat && m_random.chance(1, 2))
    m_again = change;
  if (asked.is_to_crash)
    restart(true);
}

// The machine has stopped, perhaps in the middle of what was asked.
void Administrator::break_off()
{
  if (m_asked && m_asked->is_executed) {
    m_trace.note("a: {}: broken off by a crash", m_asked->change.line);
    note_failed(m_asked->change, true);
  }
  m_asked.reset();
  take_log();
  restart(m_random.chance(2, 3));
}

// What is answered as done is where a start looks, whatever has become of the folders.
void Administrator::check_done(const Asked &asked) const
{
  const auto files = m_disk.files();
  const bool is_certain = !asked.has_moved || asked.change.goes.empty();
  for (const auto &[item, value] : asked.change.effects)
    if (is_certain && files.contains(item->path) != (value != ""))
      lost(fmt::format("{} is answered as done, and {} is {}there", asked.change.line, item->path, value != "" ? "not " : ""));
}

void Administrator::check_refusal(const Asked &asked)
{
  const Change &change = asked.change;
  const cm::AdminAnswer &answer = asked.answer;
  if (change.refusal != 0) {
    if (answer.win32_code != change.refusal)
      lost(fmt::format("{} has code {}, expected is {}: {}", change.line, answer.win32_code, change.refusal, answer.text));
    return;
  }
  auto says = [&](const char *words) { return answer.text.find(words) != std::string::npos; };
  // Its key is read from there each time.
  bool lacks_key = std::ranges::any_of(m_items, [](const Item &item) {
    return item.kind == Kind::Certificates && item.running != "" && !is_usable(item);
  });
  bool is_for_key = answer.win32_code == cm::win32::kInvalidParameter ||
                    (answer.win32_code == cm::win32::kWriteFault && asked.has_moved); // the file was bad, and then its folder went
  if (lacks_key && is_for_key && says("would not work: "))
    return;
  if (asked.failures == 0 && !asked.has_moved)
    lost(fmt::format("{} is refused with code {} though the disk has done all: {}", change.line, answer.win32_code, answer.text));
  m_figures.failures++;
  bool has_read = answer.win32_code == cm::win32::kInvalidParameter && says("would not work: cannot read ");
  bool has_written = answer.win32_code == cm::win32::kWriteFault && says("nothing was changed");
  bool has_words = says("No space left on device") || says("Input/output error") || says("File exists") ||
                   (asked.has_moved && (says(" at this moment; nothing was") || says(": No such file or directory; nothing was")));
  if (!(has_read || has_written) || !has_words)
    lost(fmt::format("{} fails with code {} for the disk's sake: {}", change.line, answer.win32_code, answer.text));
}

// --- Crashes ---

void Administrator::restart(bool power_is_lost)
{
  m_figures.crashes++;
  m_trace.note("a: {}", power_is_lost ? "the power is lost" : "the daemon is killed");
  end_store();
  m_disk.come_back(power_is_lost);
  if (power_is_lost && m_random.chance(1, 6)) {
    auto files = visible_files();
    Item &item = m_items[m_random.below(m_items.size())];
    // What is damaged already, or may be something else, is left alone.
    if (!item.is_permanent && files.contains(item.path) && item.on_disk.size() == 1 && !item.on_disk.contains(kDamaged)) {
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

// While the daemon runs, somebody spoils, edits or removes a file of what runs. That goes on as it was loaded.
void Administrator::meddle()
{
  Item &item = m_items[m_random.below(m_items.size())];
  auto files = m_disk.files();
  bool is_settled = item.running != "" && item.on_disk == std::set<std::string>{item.running} && files.contains(item.path);
  if (!is_settled || item.is_meddled || item.is_permanent)
    return;
  item.damaged.clear();
  uint64_t what = m_random.below(3);
  if (what == 0 && item.kind == Kind::Records && edit(item)) {
    m_trace.note("a: {} is edited meanwhile", item.path);
  } else if (what == 1) {
    m_disk.take_away(item.path);
    item.on_disk.insert("");
    m_trace.note("a: {} is removed meanwhile", item.path);
  } else {
    item.damaged = damage_of(files[item.path]);
    m_disk.overwrite(item.path, item.damaged);
    item.on_disk.insert({"", kDamaged}); // "": set aside, and not written again yet
    m_trace.note("a: {} is damaged meanwhile", item.path);
  }
  m_figures.meddled++;
  item.is_meddled = true;
  m_looks_wanted = kLooks + 1;
  check_running();
}

// Somebody removes, moves away or replaces a folder, or that in which all are; also between two steps of what the daemon does there.
void Administrator::move_folder()
{
  const uint64_t which = m_mover.below(std::size(kKinds) + 1);
  const bool is_all = which == std::size(kKinds), is_removed = m_mover.chance(1, 2), is_replaced = m_mover.chance(1, 3);
  auto is_inside = [&](const Item &item) { return is_all || item.kind == static_cast<Kind>(which); };
  const std::string path = is_all ? kFolder : fmt::format("{}/{}", kFolder, kKinds[which]);
  std::string ignored;
  if (m_disk.stamp(path, ignored).is_error() ||
      std::ranges::any_of(m_items, [&](const Item &item) { return item.is_permanent && is_inside(item); }))
    return;
  take_log(); // of the time before
  if (is_removed)
    m_disk.remove_folder(path);
  else
    m_disk.move_folder_away(path);
  if (is_replaced)
    m_disk.put_folder(path);
  m_trace.note("a: {} is {} meanwhile{}", path, is_removed ? "removed" : "moved away", is_replaced ? ", and there is another" : "");
  for (Item &item : m_items)
    if (is_inside(item))
      lose_file(item);
  m_has_moved = true;
  m_figures.meddled++;
  m_looks_wanted = kLooks + 1;
}

// It went with its folder, and comes back when it runs. What was damaged is evidence no more, but the store knows of it yet.
void Administrator::lose_file(Item &item)
{
  item.on_disk = {""};
  if (item.running == "" && is_left_alone(item))
    item.on_disk.insert(kDamaged);
  if (item.running != "" && item.kind != Kind::Certificates)
    item.on_disk.insert(item.running);
  item.is_meddled = item.running != "";
  item.is_evidence = false;
  item.damaged.clear();
  item.set_aside.clear();
}

// Another good record, which a restart will take.
bool Administrator::edit(Item &record)
{
  for (const auto &[value, text] : record.texts) {
    if (value == record.running)
      continue;
    m_disk.overwrite(record.path, text);
    record.on_disk = {value};
    return true;
  }
  return false;
}

void Administrator::take_log()
{
  // What comes after a change is about what that has made.
  if (m_asked && m_asked->is_executed)
    return;
  std::istringstream lines(std::exchange(m_log, {}));
  for (std::string line; std::getline(lines, line);)
    for (Item &item : m_items)
      if (line.starts_with("log: ") && line.find(quoted(item.path)) != line.npos)
        take_line(item, line);
}

void Administrator::take_line(Item &item, const std::string &line)
{
  auto says = [&](const char *words) { return line.find(words) != line.npos; };
  if (says(" is there again as it was loaded")) {
    m_figures.restored++;
    if (item.is_meddled && item.damaged != "")
      item.is_known_damage = true;
    settle(item, item.running);
    return;
  }
  if (says(" is for certain "))
    return settle(item, item.running);
  item.is_tried_again = item.is_tried_again || says(": tried again until it succeeds");
  bool is_unusable = says(" while httpsysd runs and is not usable any more");
  if (is_unusable && item.is_meddled && item.damaged != "")
    item.is_known_damage = true;
  // Once for what lies together: what could not be read may have been written anew and damaged before a look has seen that.
  item.is_told = item.is_told || is_unusable || says(" while httpsysd runs and cannot be read") ||
                 says(" was removed while httpsysd runs") || says(" was changed while httpsysd runs: ");
}

// The daemon has had the time to notice, and nothing has failed: what it could write again is there, also where a change has failed before,
// the rest is said.
void Administrator::check_meddled()
{
  for (Item &item : m_items) {
    bool can_stay = item.kind == Kind::Certificates || (item.kind == Kind::Records && item.damaged == "" && !item.on_disk.contains(""));
    if (item.is_meddled && !(can_stay && item.is_told))
      lost(fmt::format("{} was {} while the daemon ran, and that is not {}", item.path,
                       item.damaged != "" ? "damaged" : "changed or removed", item.is_told ? "made good again" : "said"));
    if (!item.is_meddled && item.kind != Kind::Certificates && !is_left_alone(item) && !item.is_stale)
      item.on_disk = {item.running};
  }
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
    std::string reason;
    m_administration = std::make_unique<main::Administration>(Config{});
    auto loaded = m_administration->store().load(kFolder, reason);
    m_trace.note("a: the daemon starts: {:#x} {}", static_cast<uint32_t>(loaded.error()), loaded.is_error() ? reason : "");
    if (visible_files() != files)
      lost("a start has changed files");
    if (m_disk.has_crashed()) {
      m_figures.crashes++;
      end_store();
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
    end_store();
    m_disk.come_back(false);
  }
  m_disk.faults = m_is_faulty ? m_faults : platform::SimFileFaults{};
  serve();
}

// As the daemon does.
void Administrator::serve()
{
  m_administration->publish([this, life = std::weak_ptr(m_life), number = ++m_number] {
    if (!life.expired() && m_administration && number == m_number)
      m_administration->start_looking();
  });
  m_client = std::make_unique<AdminClient>(m_world.target.system());
}

void Administrator::end_store()
{
  m_number++;
  m_until_move = 0;
  m_asked.reset();
  m_again.reset();
  if (m_client) {
    m_client->leave();
    m_leaving = std::move(m_client);
  }
  if (!m_administration)
    return;
  ke::Core::Scope scope(ke::Cores::instance().core(0));
  m_administration.reset();
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
    item.is_meddled = item.is_told = item.is_tried_again = false;
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
    cm::AdminAnswer answer = m_administration->store().execute({{"show", what}, {}});
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
    auto bindings = m_administration->store().bindings();
    auto context = bindings->find(*address, is_name ? item.name.substr(0, item.name.find(':')) : "");
    bool is_everybodys = item.name != kServer && context.get() == bindings->find(*Endpoint::parse(kServer), "").get();
    bool serves = context.get() != nullptr && !is_everybodys;
    bool must_serve = item.running != "" && this->item(Kind::Certificates, item.running.substr(0, 40)).running != "";
    if (serves != must_serve)
      lost(fmt::format("{} {}", item.path, serves ? "serves though it should not" : "does not serve"));
  }
}

}
