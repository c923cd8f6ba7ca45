// SPDX-License-Identifier: GPL-3.0-or-later
// The store on the simulated disk: what it has answered as done is there after the power was lost, whatever had failed before.
#include "kernel/platform/sim/sim_files.h"
#include "tests/unit/cm/store_fixture.h"
#include <doctest/doctest.h>

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
