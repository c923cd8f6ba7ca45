// SPDX-License-Identifier: GPL-3.0-or-later
// Files that somebody else changes while the store uses them: said once, in use stays what was loaded, and what got lost comes back.
#include "kernel/base/text.h"
#include "kernel/limits.h"
#include "kernel/platform/sim/sim_files.h"
#include "tests/unit/cm/store_fixture.h"
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <sys/stat.h>

using namespace httpsys;
using namespace httpsys::cm;
using namespace httpsys::cm::test;
using tls::test::pki;

namespace {

size_t count(std::string_view text, std::string_view part)
{
  size_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1))
    found++;
  return found;
}

// Enough looks for what has changed to be dealt with, and for what was done about it to be seen.
void look(Store &store)
{
  for (int looks = 0; looks < 6; looks++)
    store.look_at_files();
}

struct Watched : Fixture {
  std::string server = bind("server");
  std::string root = good("import ca certfile=a", {{"certfile", pki("root.crt")}}).substr(0, 40);
  std::string list = good("import crl crlfile=a", {{"crlfile", pki("root.crl")}}).substr(0, 40);
  std::string certificate_file = path("certificates/" + server + ".pem"), authority_file = path("authorities/" + root + ".pem"),
              list_file = path("revocations/" + list + ".pem"), record_file = path("sslcert/0.0.0.0:443");
  const std::string all = all_lists();

  void look() { ::look(store()); }
  size_t said(const std::string &file, std::string_view what) const { return count(log(), httpsys::quoted(file) + std::string(what)); }
};

}

TEST_CASE("what the store does itself is nobody's change")
{
  Watched watched;
  watched.look();
  watched.good("update sslcert ipport=0.0.0.0:443 disabletls13=enable");
  watched.look();
  watched.import_server("server");
  watched.good("delete crl crlhash=" + watched.list);
  watched.look();
  watched.good("delete sslcert ipport=0.0.0.0:443");
  watched.good("delete ca certhash=" + watched.root);
  watched.good("delete cert certhash=" + watched.server);
  watched.look();
  CHECK(watched.log() == "");
  watched.restart();
  watched.look();
  CHECK(watched.log() == "");
}

TEST_CASE("a file that is not usable any more is set aside and written again, and one that is removed is written again")
{
  for (std::string Watched::*file : {&Watched::authority_file, &Watched::list_file, &Watched::record_file}) {
    for (std::string damage : {"half", "empty", "of others", "a link", "removed"}) {
      Watched watched;
      CAPTURE(damage);
      const std::string path = watched.*file, contents = get_file(path);
      const std::string damaged = damage == "half" ? contents.substr(0, contents.size() / 2) : damage == "empty" ? "" : contents;
      if (damage == "removed" || damage == "a link")
        std::filesystem::remove(path);
      else
        put_file(path, damaged);
      if (damage == "of others")
        chmod(path.c_str(), 0666);
      else if (damage == "a link")
        std::filesystem::create_symlink("elsewhere", path);
      watched.look();
      CAPTURE(watched.log());
      const char *what = damage == "removed" ? "removed while httpsysd runs: " : "changed while httpsysd runs and is not usable any more (";
      CHECK(watched.said(path, std::string(" was ") + what) == 1);
      CHECK(watched.said(path, " is there again as it was loaded") == 1);
      CHECK(get_file(path) == contents);
      CHECK(std::filesystem::exists(path + ".damaged") == (damage != "removed" && damage != "a link"));
      if (std::filesystem::exists(path + ".damaged"))
        CHECK(get_file(path + ".damaged") == damaged);
      CHECK(watched.all_lists() == watched.all);
      std::string log = watched.log();
      watched.look();
      CHECK(watched.log() == log);
      watched.restart();
      CHECK(watched.log() == "");
      CHECK(watched.all_lists() == watched.all);
    }
  }
}

TEST_CASE("a good file that somebody has edited is left alone")
{
  Watched watched;
  const std::string contents = get_file(watched.record_file);
  std::string edited = contents;
  edited.replace(edited.find("disabletls13=disable"), 20, "disabletls13=enable");
  put_file(watched.record_file, edited);
  watched.look();
  CHECK(watched.said(watched.record_file, " was changed while httpsysd runs: what it has loaded stays in use until it is restarted; "
                                          "\"httpsysctl update sslcert ipport=0.0.0.0:443\" writes that again") == 1);
  CHECK(get_file(watched.record_file) == edited);
  CHECK(watched.all_lists() == watched.all);
  watched.good("update sslcert ipport=0.0.0.0:443");
  CHECK(get_file(watched.record_file) == contents);
  CHECK(!std::filesystem::exists(watched.record_file + ".damaged"));
  // Without a change of what it says it is none.
  put_file(watched.record_file, contents);
  watched.look();
  CHECK(count(watched.log(), "\n") == 1);
  put_file(watched.record_file, edited);
  watched.look();
  CHECK(count(watched.log(), "\n") == 2);
  watched.restart();
  CHECK(watched.all_lists() != watched.all);
}

TEST_CASE("a certificate's file is not written again, and works when it is imported again")
{
  for (bool is_removed : {false, true}) {
    Watched watched;
    const std::string path = watched.certificate_file, contents = get_file(path);
    if (is_removed)
      std::filesystem::remove(path);
    else
      put_file(path, contents.substr(0, contents.size() / 2));
    watched.look();
    CAPTURE(watched.log());
    CHECK(count(watched.log(), "stays in use until httpsysd is restarted; \"httpsysctl import cert\" writes it again") == 1);
    CHECK(count(watched.log(), "\n") == 1);
    CHECK(watched.find("0.0.0.0:443"));
    CHECK(watched.all_lists() == watched.all);
    watched.import_server("server");
    CHECK(std::filesystem::exists(path + ".damaged") == !is_removed);
    CHECK(get_file(path) == contents);
    std::string log = watched.log();
    watched.look();
    CHECK(watched.log() == log);
    watched.restart();
    CHECK(watched.log() == "");
    CHECK(watched.find("0.0.0.0:443"));
  }
}

TEST_CASE("a folder that is removed, moved away or replaced is there again, with what is known of it")
{
  for (std::string folder : {"authorities", "revocations", "sslcert", "certificates"}) {
    for (std::string what : {"removed", "moved", "replaced"}) {
      for (bool is_asked_first : {false, true}) {
        Watched watched;
        CAPTURE(folder);
        CAPTURE(what);
        CAPTURE(is_asked_first);
        const std::string path = watched.path(folder);
        if (what == "removed")
          std::filesystem::remove_all(path);
        else
          std::filesystem::rename(path, watched.path("elsewhere"));
        if (what == "replaced")
          std::filesystem::create_directory(path);
        // A change before any look is where a start finds it.
        if (is_asked_first)
          watched.import_server("named");
        watched.look();
        CAPTURE(watched.log());
        CHECK(count(watched.log(), "the folder " + httpsys::quoted(path) + " was ") == 1);
        CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::all) == std::filesystem::perms::owner_all);
        const std::string all = watched.all_lists(), log = watched.log();
        if (folder == "certificates") {
          CHECK(watched.said(watched.certificate_file, " was removed while httpsysd runs: ") == 1);
          CHECK(count(log, "writes it again: needed by the bindings 0.0.0.0:443\n") == 1);
          watched.import_server("server");
        } else {
          CHECK(count(log, " is there again as it was loaded") == 1);
        }
        watched.look();
        CHECK(watched.log() == log);
        watched.restart();
        CHECK(watched.log() == "");
        CHECK(watched.all_lists() == all);
      }
    }
  }
}

TEST_CASE("of the bindings that need a lost certificate as many are named as the limit says")
{
  for (size_t more : {0, 1}) {
    Watched watched;
    for (size_t number = 1; number < limits::kMaxBindingsNamed + more; number++)
      watched.good(fmt::format("add sslcert ipport=0.0.0.0:{} certhash={} appid={}", 1000 + number, watched.server, kGuid));
    std::filesystem::remove(watched.certificate_file);
    watched.look();
    CAPTURE(watched.log());
    CHECK(count(watched.log(), ", 0.0.0.0:") + count(watched.log(), "bindings 0.0.0.0:") == limits::kMaxBindingsNamed);
    CHECK(count(watched.log(), " and 1 more\n") == more);
  }
}

TEST_CASE("where a folder cannot be made again a change is refused and says why, until it can")
{
  Watched watched;
  const std::string path = watched.path("sslcert"), words = "update sslcert ipport=0.0.0.0:443 disabletls13=enable";
  std::filesystem::rename(path, watched.path("elsewhere"));
  std::filesystem::create_symlink("elsewhere", path); // a start would not follow it
  watched.look();
  CHECK(count(watched.log(), "was replaced by another while httpsysd runs, and that cannot be used: ") == 1);
  AdminAnswer answer = watched.bad(words);
  CHECK(answer.win32_code == win32::kWriteFault);
  CHECK(answer.text.find("; nothing was changed") != std::string::npos);
  watched.look();
  CHECK(count(watched.log(), "\n") == 1);
  CHECK(watched.all_lists() == watched.all);
  std::filesystem::remove(path);
  std::filesystem::rename(watched.path("elsewhere"), path);
  watched.look();
  CHECK(count(watched.log(), "the folder " + httpsys::quoted(path) + " is there again") == 1);
  watched.good(words);
  watched.restart();
  CHECK(watched.log() == "");
  CHECK(watched.all_lists() != watched.all);
}

TEST_CASE("the state folder itself is made again where the daemon may, and stays another daemon's where that has it")
{
  for (bool is_anothers : {false, true}) {
    Watched watched;
    CAPTURE(is_anothers);
    std::string path = watched.path("");
    path.pop_back();
    std::filesystem::rename(path, path + "-elsewhere");
    Store other{Config{}};
    std::string reason;
    if (is_anothers)
      REQUIRE(!other.load(path, reason).is_error());
    watched.look();
    CAPTURE(watched.log());
    CHECK(count(watched.log(), "the folder " + httpsys::quoted(path) + " was ") == 1);
    if (is_anothers) {
      const std::string words = " certhash=" + watched.server + " appid=" + kGuid;
      const std::pair<std::string, std::map<std::string, std::string>> commands[] = {
          {"add sslcert ipport=127.0.0.1:443" + words, {}},
          {"update sslcert ipport=0.0.0.0:443 disabletls13=enable", {}},
          {"delete sslcert ipport=0.0.0.0:443", {}},
          {"import cert certfile=a keyfile=b", {{"certfile", pki("server.pem")}, {"keyfile", pki("server.key")}}},
          {"import ca certfile=a", {{"certfile", pki("root.crt")}}},
          {"delete ca certhash=" + watched.root, {}},
          {"import crl crlfile=a", {{"crlfile", pki("root.crl")}}},
          {"delete crl crlhash=" + watched.list, {}},
      };
      for (const auto &[line, contents] : commands) {
        AdminAnswer answer = watched.bad(line, contents);
        CAPTURE(line);
        CAPTURE(answer.text);
        const bool is_used = line.starts_with("delete ca"); // that is said first
        CHECK(answer.win32_code == (is_used ? win32::kBusy : win32::kWriteFault));
        CHECK((count(answer.text, "; nothing was changed") == 1) == !is_used);
      }
      CHECK(watched.all_lists() == watched.all);
      continue;
    }
    watched.import_server("server");
    watched.restart();
    CHECK(watched.log() == "");
    CHECK(watched.all_lists() == watched.all);
  }
}

TEST_CASE("somebody may take their time to write")
{
  Watched watched;
  const std::string contents = get_file(watched.record_file);
  for (size_t bytes = 0; bytes < contents.size(); bytes++) {
    put_file(watched.record_file, contents.substr(0, bytes));
    watched.store().look_at_files();
  }
  put_file(watched.record_file, contents);
  watched.look();
  CHECK(watched.log() == "");
}

TEST_CASE("a file that goes again as soon as it is written again is written again")
{
  Watched watched;
  for (unsigned times = 1; times <= 3; times++) {
    std::filesystem::remove(watched.record_file);
    for (unsigned looks = 0; !std::filesystem::exists(watched.record_file); looks++) {
      REQUIRE(looks < 3);
      watched.store().look_at_files();
    }
    CHECK(watched.said(watched.record_file, " was removed") == times);
    CHECK(watched.said(watched.record_file, " is there again as it was loaded") == times);
  }
}

TEST_CASE("an import of what is there finds out what nobody has noticed yet")
{
  for (bool is_list : {false, true}) {
    for (const char *damage : {"removed", "cut"}) {
      Watched watched;
      std::string path = is_list ? watched.list_file : watched.authority_file, contents = get_file(path);
      if (damage == std::string("removed"))
        std::filesystem::remove(path);
      else
        put_file(path, contents.substr(0, contents.size() / 2));
      if (is_list)
        watched.good("import crl crlfile=a", {{"crlfile", pki("root.crl")}});
      else
        watched.good("import ca certfile=a", {{"certfile", pki("root.crt")}});
      CHECK(get_file(path) == contents);
      CHECK(std::filesystem::exists(path + ".damaged") == (damage == std::string("cut")));
      watched.restart();
      CHECK(watched.all_lists() == watched.all);
    }
  }
}

TEST_CASE("a file that appears is not used, and not overwritten")
{
  Watched watched;
  const std::string record = watched.path("sslcert/127.0.0.1:444"), other = watched.path("authorities/readme");
  std::string contents = get_file(watched.record_file);
  contents.replace(contents.find("0.0.0.0:443"), 11, "127.0.0.1:444");
  put_file(record, contents);
  put_file(other, "hello");
  watched.look();
  put_file(record, contents + contents);
  put_file(record, contents);
  watched.look();
  for (const std::string &file : {record, other})
    CHECK(watched.said(file, " has appeared while httpsysd runs and is not used: ") == 1);
  CHECK(count(watched.log(), "\n") == 2);
  CHECK(watched.all_lists() == watched.all);
  watched.good("add sslcert ipport=127.0.0.1:444 certhash=" + watched.server + " appid=" + kGuid);
  CHECK(get_file(record + ".damaged") == contents);
  watched.good("delete sslcert ipport=127.0.0.1:444");
  watched.look();
  put_file(record, contents);
  watched.look();
  CHECK(watched.said(record, " has appeared while httpsysd runs and is not used: ") == 2);
  std::filesystem::remove(record);
  watched.look();
  CHECK(watched.bad("delete sslcert ipport=127.0.0.1:444").win32_code == win32::kFileNotFound);
}

namespace {

// A store on a simulated disk, with what it has logged.
struct OnDisk {
  explicit OnDisk(uint64_t seed = 1) : disk(seed)
  {
    s_log.clear();
    platform::set_file_system(&disk);
    set_log_sink([](LogCause, std::string line) { s_log += line + '\n'; });
    std::string reason;
    REQUIRE(!store.load("/state", reason).is_error());
  }
  ~OnDisk() { set_log_sink(nullptr); }
  int import_authority() { return store.execute({{"import", "ca", "certfile=a"}, {{"certfile", pki("root.crt")}}}).exit_code; }
  std::string authority()
  {
    const std::string shown = store.execute({{"show", "ca"}, {}}).text;
    return shown.substr(shown.find(" : ", shown.find(" Hash")) + 3, 40);
  }
  void lose_power()
  {
    holder.reset();
    disk.come_back(true);
  }
  int remove_authority(const std::string &hash) { return store.execute({{"delete", "ca", "certhash=" + hash}, {}}).exit_code; }

  inline static std::string s_log;
  struct Unset {
    ~Unset() { platform::set_file_system(nullptr); }
  };
  platform::SimDisk disk;
  Unset unset;
  std::optional<Store> holder{std::in_place, Config{}};
  Store &store = *holder;
};

}

TEST_CASE("changes that fail half-way are nobody else's")
{
  uint64_t failures = 0, done = 0;
  for (uint64_t seed = 1; seed <= 60; seed++) {
    OnDisk on(seed);
    Random random(seed);
    std::string authority, list;
    const char *const lists[] = {"root.crl", "stale.crl"};
    for (int step = 0; step < 30; step++) {
      const uint32_t chance = random.chance(1, 2) ? 65536 / 6 : 0;
      on.disk.faults = {chance, 0, chance, chance, chance, chance, chance, chance};
      AdminAnswer answer;
      switch (random.below(4)) {
      case 0: answer = on.store.execute({{"import", "ca", "certfile=a"}, {{"certfile", pki("root.crt")}}}); break;
      case 1: answer = on.store.execute({{"import", "crl", "crlfile=a"}, {{"crlfile", pki(lists[random.below(2)])}}}); break;
      case 2: answer = on.store.execute({{"delete", "ca", "certhash=" + authority}, {}}); break;
      default: answer = on.store.execute({{"delete", "crl", "crlhash=" + list}, {}}); break;
      }
      done += answer.exit_code == kExitDone;
      for (auto [what, hash] : {std::pair{"ca", &authority}, std::pair{"crl", &list}}) {
        std::string shown = on.store.execute({{"show", what}, {}}).text;
        if (size_t at = shown.find(" Hash"); at != shown.npos)
          *hash = shown.substr(shown.find(" : ", at) + 3, 40);
      }
      look(on.store);
    }
    failures += on.disk.failures;
    INFO(seed);
    CHECK(count(on.s_log, "while httpsysd runs") == 0);
    CHECK(count(on.s_log, "is there again") == 0);
  }
  CHECK(failures > 100);
  CHECK(done > 100);
}

TEST_CASE("what a change that failed has left behind becomes what the store has")
{
  for (bool is_there : {false, true}) {
    OnDisk on;
    CAPTURE(is_there);
    CAPTURE(on.s_log);
    if (is_there)
      REQUIRE(on.import_authority() == kExitDone);
    const auto files = on.disk.files();
    const std::string hash = is_there ? on.authority() : "";
    // Its name has changed, and the disk does not say whether it keeps that.
    on.disk.faults.folder_sync_fails = 65536;
    REQUIRE((is_there ? on.remove_authority(hash) : on.import_authority()) == kExitRefused);
    REQUIRE(on.disk.files() != files);
    look(on.store);
    CHECK(count(on.s_log, "Input/output error: tried again until it succeeds") == 1);
    on.disk.faults = {};
    look(on.store);
    CHECK(on.disk.files() == files);
    CHECK(count(on.s_log, is_there ? "is for certain as it was before a change of it failed" :
                                     "is for certain gone, as before a change of it failed") == 1);
    CHECK(count(on.s_log, "\n") == 2);
    CHECK((on.store.execute({{"show", "ca"}, {}}).text.find(" Hash") != std::string::npos) == is_there);
  }
}

TEST_CASE("what somebody does to a file whose last change failed is said, mended or left alone as ever")
{
  OnDisk on;
  CAPTURE(on.s_log);
  REQUIRE(on.import_authority() == kExitDone);
  const auto files = on.disk.files();
  const auto &[path, contents] = *files.begin();
  for (bool is_removed : {false, true}) {
    CAPTURE(is_removed);
    on.s_log.clear();
    on.disk.faults.name_fails = 65536;
    REQUIRE(on.remove_authority(on.authority()) == kExitRefused);
    on.disk.faults = {};
    if (is_removed)
      on.disk.take_away(path);
    else
      on.disk.overwrite(path, contents.substr(0, 100));
    look(on.store);
    CHECK(count(on.s_log, is_removed ? " was removed while httpsysd runs" : " is not usable any more (") == 1);
    CHECK(count(on.s_log, " is there again as it was loaded") == 1);
    CHECK(on.disk.files()[path] == contents);
    CHECK(on.disk.files()[path + ".damaged"] == contents.substr(0, 100));
  }
  // A file that is none of the store's, and came when the import of it had failed, stays.
  REQUIRE(on.remove_authority(on.authority()) == kExitDone);
  on.disk.faults.folder_sync_fails = 65536;
  REQUIRE(on.import_authority() == kExitRefused);
  on.disk.faults = {};
  on.disk.overwrite(path, contents);
  look(on.store);
  CHECK(on.disk.files()[path] == contents);
}

TEST_CASE("a file that somebody has touched since a change of it failed is theirs from then on")
{
  for (bool is_known : {false, true}) {
    OnDisk on;
    CAPTURE(is_known);
    CAPTURE(on.s_log);
    REQUIRE(on.import_authority() == kExitDone);
    const auto files = on.disk.files();
    const auto &[path, contents] = *files.begin();
    if (!is_known)
      REQUIRE(on.remove_authority(on.authority()) == kExitDone);
    // Either leaves nothing there, for which the disk does not vouch.
    (is_known ? on.disk.faults.folder_sync_fails : on.disk.faults.name_fails) = 65536;
    REQUIRE((is_known ? on.remove_authority(on.authority()) : on.import_authority()) == kExitRefused);
    on.disk.faults = {};
    on.disk.put(path, contents);
    look(on.store);
    CHECK(count(on.s_log, " has appeared while httpsysd runs") == !is_known);
    on.disk.take_away(path);
    look(on.store);
    CHECK(count(on.s_log, " is for certain ") == 0);
    CHECK(count(on.s_log, " was removed while httpsysd runs") == is_known);
    CHECK(count(on.s_log, " is there again as it was loaded") == is_known);
    CHECK(on.disk.files().contains(path) == is_known);
  }
}

TEST_CASE("what somebody has left in place of a failed change has a safe name before an import finds it there")
{
  OnDisk on;
  CAPTURE(on.s_log);
  REQUIRE(on.import_authority() == kExitDone);
  const auto files = on.disk.files();
  const auto &[path, contents] = *files.begin();
  on.disk.faults.folder_sync_fails = 65536;
  REQUIRE(on.remove_authority(on.authority()) == kExitRefused);
  on.disk.faults = {};
  on.disk.put(path, contents);
  look(on.store);
  size_t syncs = 0;
  on.disk.on_step = [&](std::string_view step, const std::string &what, NtStatus) {
    syncs += step == "sync" && what == "/state/authorities";
  };
  REQUIRE(on.import_authority() == kExitDone);
  CHECK(syncs == 1);
  REQUIRE(on.import_authority() == kExitDone);
  CHECK(syncs == 1);
}

TEST_CASE("files that cannot be read keep no others from being looked at")
{
  OnDisk on;
  CAPTURE(on.s_log);
  auto import = on.store.execute({{"import", "cert", "certfile=a", "keyfile=b"},
                                  {{"certfile", pki("server.pem")}, {"keyfile", pki("server.key")}}});
  REQUIRE(import.exit_code == kExitDone);
  const std::string hash = "certhash=" + import.text.substr(0, 40);
  std::vector<std::string> paths;
  for (uint32_t port = 1000; port <= 1000 + limits::kMaxFilesPerLook; port++) {
    const std::string name = fmt::format("0.0.0.0:{}", port);
    REQUIRE(on.store.execute({{"add", "sslcert", "ipport=" + name, hash, "appid=" + kGuid}, {}}).exit_code == kExitDone);
    paths.push_back("/state/sslcert/" + name);
  }
  look(on.store);
  auto files = on.disk.files();
  const std::string last = paths.back();
  paths.pop_back();
  on.disk.on_step = [&](std::string_view step, const std::string &path, NtStatus) {
    // The next step is about the open file.
    on.disk.faults.look_fails = step == "open" && std::find(paths.begin(), paths.end(), path) != paths.end() ? 65536 : 0;
  };
  for (const std::string &path : paths)
    on.disk.overwrite(path, files[path]);
  on.disk.overwrite(last, "");
  look(on.store);
  CHECK(count(on.s_log, " and cannot be read (") == paths.size());
  CHECK(count(on.s_log, httpsys::quoted(last) + " is there again as it was loaded") == 1);
  CHECK(on.disk.files()[last] == files[last]);
}

TEST_CASE("what was written again and is not safe yet is written once more, and outlasts a loss of power")
{
  OnDisk on;
  CAPTURE(on.s_log);
  REQUIRE(on.import_authority() == kExitDone);
  const auto [path, contents] = *on.disk.files().begin();
  on.disk.take_away(path);
  on.disk.faults.folder_sync_fails = 65536;
  look(on.store);
  CHECK(count(on.s_log, " is there again as it was loaded") == 0);
  CHECK(count(on.s_log, ": tried again until it succeeds") == 1);
  CHECK(on.disk.files()[path] == contents); // but for how long?
  on.disk.faults.folder_sync_fails = 0;
  look(on.store);
  CHECK(count(on.s_log, " is there again as it was loaded") == 1);
  on.lose_power();
  CHECK(on.disk.files()[path] == contents);
}

TEST_CASE("what cannot be written again is tried until it can")
{
  OnDisk on;
  CAPTURE(on.s_log);
  REQUIRE(on.import_authority() == kExitDone);
  const auto files = on.disk.files();
  REQUIRE(files.size() == 1);
  const auto &[path, contents] = *files.begin();
  on.disk.is_full = true;
  on.disk.overwrite(path, contents.substr(0, 100));
  look(on.store);
  look(on.store);
  CHECK(count(on.s_log, " is not usable any more (") == 1);
  CHECK(count(on.s_log, "No space left on device: tried again until it succeeds") == 1);
  CHECK(count(on.s_log, "\n") == 3); // and how the damaged one is called
  on.disk.is_full = false;
  on.disk.faults.look_fails = 65536;
  look(on.store);
  CHECK(count(on.s_log, "whether files there are changed is not known until that succeeds") == 4);
  CHECK(count(on.s_log, "\n") == 7);
  on.disk.faults.look_fails = 0;
  look(on.store);
  CHECK(count(on.s_log, " is there again as it was loaded") == 1);
  CHECK(on.disk.files()[path] == contents);
  on.disk.take_away(path);
  look(on.store);
  CHECK(count(on.s_log, " was removed while httpsysd runs") == 1);
  CHECK(on.disk.files()[path] == contents);
  on.disk.put("/state/sslcert/x", "y");
  look(on.store);
  CHECK(count(on.s_log, "\"/state/sslcert/x\" has appeared") == 1);
  CHECK(count(on.s_log, "\n") == 11);
}
