// SPDX-License-Identifier: GPL-3.0-or-later
// The store on the simulated disk: what it has answered as done is there after the power was lost, whatever had failed before.
#include "kernel/platform/sim/sim_files.h"
#include "tests/unit/cm/store_fixture.h"
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace httpsys;
using namespace httpsys::cm;
using cm::test::kGuid;
using tls::test::pki;

namespace {

constexpr uint64_t kSeeds = 12;
constexpr uint32_t kAlways = 65536;

class Machine {
public:
  explicit Machine(uint64_t seed) : disk(seed)
  {
    s_log.clear();
    platform::set_file_system(&disk);
    set_log_sink([](LogCause, std::string line) { s_log += line + '\n'; });
  }
  ~Machine()
  {
    m_store.reset();
    platform::set_file_system(nullptr);
    set_log_sink(nullptr);
  }
  void start()
  {
    m_store = std::make_unique<Store>(Config{});
    std::string reason;
    auto loaded = m_store->load("/state", reason);
    INFO(reason);
    REQUIRE(!loaded.is_error());
  }
  void restart(bool power_is_lost)
  {
    m_store.reset();
    disk.come_back(power_is_lost);
    start();
  }
  uint32_t run(std::vector<std::string> words, const char *file = "root.crt")
  {
    AdminCommand command{std::move(words), {{"certfile", pki(file)}, {"crlfile", pki(file)}, {"keyfile", pki("server.key")}}};
    return m_store->execute(command).win32_code;
  }
  AdminAnswer execute(const std::string &line, const std::map<std::string, std::string> &files = {})
  {
    return m_store->execute(cm::test::admin_command(line, files));
  }
  uint32_t import_authority() { return run({"import", "ca", "certfile=a"}); }
  uint32_t delete_authority() { return run({"delete", "ca", "certhash=" + authority()}); }
  // Its thumbprint, "" when it is not there.
  std::string authority()
  {
    std::string text = show("ca").text;
    size_t at = text.find("Certificate Hash");
    return at == text.npos ? "" : text.substr(text.find(" : ", at) + 3, 40);
  }
  static const std::string &log() { return s_log; }
  AdminAnswer show(const char *what) { return m_store->execute({{"show", what}, {}}); }
  platform::SimDisk disk;

private:
  inline static std::string s_log;
  std::unique_ptr<Store> m_store;
};

}

TEST_CASE("a folder that is new is safe before anything in it is")
{
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    Machine machine(seed);
    machine.disk.faults.folder_sync_fails = kAlways;
    machine.start();
    CHECK(machine.log().find("cannot make safe on disk what is in \"/state\": Input/output error: nothing is changed there until that "
                             "succeeds") != std::string::npos);
    CHECK(machine.import_authority() == win32::kWriteFault);
    CHECK(machine.authority().empty());
    machine.disk.faults = {};
    CHECK(machine.import_authority() == win32::kSuccess);
    machine.restart(true);
    CHECK(!machine.authority().empty());
  }
}

TEST_CASE("what a start has found is safe before it is said to be there already")
{
  for (bool can_make_safe : {false, true}) {
    for (uint64_t seed = 1; seed <= kSeeds; seed++) {
      Machine machine(seed);
      machine.start();
      machine.disk.faults.folder_sync_fails = kAlways;
      CHECK(machine.import_authority() == win32::kWriteFault);
      CHECK(machine.authority().empty());
      // The file is there all the same, but its name may go.
      machine.disk.faults.folder_sync_fails = can_make_safe ? 0 : kAlways;
      machine.restart(false);
      REQUIRE(!machine.authority().empty());
      CHECK(machine.import_authority() == (can_make_safe ? win32::kSuccess : win32::kWriteFault));
      machine.disk.faults = {};
      CHECK(machine.import_authority() == win32::kSuccess);
      machine.restart(true);
      CHECK(!machine.authority().empty());
    }
  }
}

TEST_CASE("an import writes what a deletion that failed has taken")
{
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    Machine machine(seed);
    machine.start();
    REQUIRE(machine.import_authority() == win32::kSuccess);
    machine.disk.faults.folder_sync_fails = kAlways;
    CHECK(machine.delete_authority() == win32::kWriteFault);
    CHECK(!machine.authority().empty());
    CHECK(machine.import_authority() == win32::kWriteFault);
    machine.disk.faults = {};
    CHECK(machine.import_authority() == win32::kSuccess);
    machine.restart(true);
    CHECK(!machine.authority().empty());
  }
}

TEST_CASE("a deletion that failed can be repeated, and holds")
{
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    Machine machine(seed);
    machine.start();
    REQUIRE(machine.import_authority() == win32::kSuccess);
    machine.disk.faults.folder_sync_fails = kAlways;
    CHECK(machine.delete_authority() == win32::kWriteFault);
    CHECK(machine.delete_authority() == win32::kWriteFault);
    machine.disk.faults = {};
    CHECK(machine.delete_authority() == win32::kSuccess);
    machine.restart(true);
    CHECK(machine.authority().empty());
  }
}

TEST_CASE("a crash before any step of commands leaves whole files")
{
  const std::string key = "ipport=0.0.0.0:443";
  for (bool power_is_lost : {false, true}) {
    bool has_crashed = true;
    for (uint64_t steps = 1; has_crashed; steps++) {
      Machine machine(steps);
      machine.start();
      REQUIRE(machine.run({"import", "cert", "certfile=a", "keyfile=b"}, "server.pem") == win32::kSuccess);
      std::string shown = machine.show("cert").text;
      std::string server = shown.substr(shown.find(" : ") + 3, 40);
      machine.disk.crash_in(steps);
      machine.run({"add", "sslcert", key, "certhash=" + server, "appid=" + kGuid});
      machine.run({"update", "sslcert", key, "disabletls13=enable"});
      machine.import_authority();
      uint32_t last = machine.run({"delete", "sslcert", key});
      has_crashed = machine.disk.has_crashed();
      CHECK((has_crashed || last == win32::kSuccess));
      machine.restart(power_is_lost);
      CHECK(machine.log().empty());
      CHECK(machine.show("cert").text.find(server) != std::string::npos);
      CHECK((has_crashed || machine.show("sslcert").text.find("0.0.0.0") == std::string::npos));
      REQUIRE(steps < 100);
    }
  }
}

TEST_CASE("a list that was superseded does not come back when the newer one is deleted")
{
  bool has_crashed = true, had_both = false;
  for (uint64_t steps = 1; has_crashed; steps++) {
    REQUIRE(steps < 40);
    Machine machine(steps);
    machine.start();
    REQUIRE(machine.import_authority() == win32::kSuccess);
    REQUIRE(machine.run({"import", "crl", "crlfile=a"}, "stale.crl") == win32::kSuccess);
    machine.disk.crash_in(steps);
    machine.run({"import", "crl", "crlfile=a"}, "root.crl");
    has_crashed = machine.disk.has_crashed();
    machine.restart(false);
    had_both |= machine.log().find(" is newer") != std::string::npos;
    std::string shown = machine.show("crl").text;
    std::string list = shown.substr(shown.find(" : ") + 3, 40);
    CHECK(machine.run({"delete", "crl", "crlhash=" + list}) == win32::kSuccess);
    machine.restart(false);
    CHECK(machine.show("crl").text.find(" : ") == std::string::npos);
  }
  CHECK(had_both);
}

namespace {

// A PEM text of certificates that differ in the last bytes of their signatures alone: they have a thumbprint each, and one key.
std::string variants(const std::string &name, uint32_t first, uint32_t count)
{
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string pem = pki(name), text;
  pem = pem.substr(0, pem.find("-----END") + pem.substr(pem.find("-----END")).find('\n') + 1);
  size_t last = pem.find("-----END") - 1;
  while (pem[last] == '=' || pem[last] == '\n')
    last--;
  for (uint32_t number = first; number < first + count; number++) {
    // The last digit may stand for less than six bits.
    for (size_t digit = 0; digit < 3; digit++)
      pem[last - 4 - digit] = kDigits[number >> 6 * digit & 63];
    text += pem;
  }
  return text;
}

}

// Revocation lists need as many CAs: there is one list of each, so that their own check of the limit is never what refuses.
// On this disk, as it is not slow.
TEST_CASE("of certificates, CAs and records there are as many as may be, and another one when one has gone")
{
  Machine machine(1);
  machine.start();
  auto refused = [&](const AdminAnswer &answer, const std::string &what) {
    CHECK(answer.win32_code == win32::kNoSystemResources);
    std::string reason = fmt::format("1024 {} are stored, as many as may be (kMaxStoredEntries): delete some", what);
    CHECK(answer.text.find(reason) != answer.text.npos);
  };
  SUBCASE("certificates")
  {
    auto import = [&](uint32_t number) {
      return machine.execute("import cert certfile=a keyfile=b",
                             {{"certfile", variants("server.pem", number, 1)}, {"keyfile", pki("server.key")}});
    };
    std::string one;
    for (uint32_t number = 0; number < limits::kMaxStoredEntries; number++) {
      AdminAnswer answer = import(number);
      REQUIRE(answer.exit_code == kExitDone);
      one = answer.text.substr(0, 40);
    }
    refused(import(limits::kMaxStoredEntries), "certificates");
    CHECK(import(0).exit_code == kExitDone); // it is there
    CHECK(machine.execute("delete cert certhash=" + one).exit_code == kExitDone);
    CHECK(import(limits::kMaxStoredEntries).exit_code == kExitDone);
    refused(import(limits::kMaxStoredEntries + 1), "certificates");
  }
  SUBCASE("CAs")
  {
    auto import = [&](uint32_t first, uint32_t count) {
      return machine.execute("import ca certfile=a", {{"certfile", variants("root.crt", first, count)}});
    };
    std::string one;
    for (uint32_t first = 0; first < limits::kMaxStoredEntries; first += limits::kMaxPemCertificates) {
      AdminAnswer answer = import(first, limits::kMaxPemCertificates);
      INFO(answer.text);
      REQUIRE(answer.exit_code == kExitDone);
      one = answer.text.substr(0, 40);
    }
    refused(import(limits::kMaxStoredEntries, 1), "CAs");
    CHECK(import(0, 1).exit_code == kExitDone);
    CHECK(machine.execute("delete ca certhash=" + one).exit_code == kExitDone);
    refused(import(limits::kMaxStoredEntries, 2), "CAs");
    CHECK(import(limits::kMaxStoredEntries, 1).exit_code == kExitDone);
    refused(import(limits::kMaxStoredEntries + 1, 1), "CAs");
  }
  SUBCASE("records")
  {
    std::string thumbprint = machine.execute("import cert certfile=a keyfile=b", {{"certfile", pki("server.pem")},
                                                                                    {"keyfile", pki("server.key")}}).text.substr(0, 40);
    auto add = [&](uint32_t port) {
      return machine.execute(fmt::format("add sslcert ipport=0.0.0.0:{} certhash={} appid={}", port, thumbprint, kGuid));
    };
    for (uint32_t port = 1; port <= limits::kMaxStoredEntries; port++)
      REQUIRE(add(port).exit_code == kExitDone);
    refused(add(limits::kMaxStoredEntries + 1), "records");
    CHECK(machine.execute("delete sslcert ipport=0.0.0.0:7").exit_code == kExitDone);
    CHECK(add(limits::kMaxStoredEntries + 1).exit_code == kExitDone);
    refused(add(7), "records");
  }
}
