// SPDX-License-Identifier: GPL-3.0-or-later
// The state folder on the simulated disk: every step fails once, and before every step the power is lost once.
#include "kernel/platform/files.h"
#include "kernel/platform/sim/sim_files.h"
#include <doctest/doctest.h>

using namespace httpsys;
using platform::SimDisk;
using platform::SimFileFaults;
using platform::StateFolder;

namespace {

constexpr uint64_t kSeeds = 40;
constexpr uint32_t kAlways = 65536;
constexpr const char kPath[] = "/var/lib/httpsys";

struct Machine {
  explicit Machine(uint64_t seed) : disk(seed) { platform::set_file_system(&disk); }
  ~Machine() { platform::set_file_system(nullptr); }
  StateFolder open()
  {
    auto folder = StateFolder::open(kPath, reason);
    INFO(reason);
    REQUIRE(!folder.is_error());
    return folder.release_value();
  }
  SimDisk disk;
  std::string reason;
};

}

TEST_CASE("on the simulated disk what is reported as written stays, and what is not is old or new")
{
  for (bool power_is_lost : {false, true}) {
    for (uint64_t seed = 1; seed <= kSeeds; seed++) {
      bool is_done = false;
      for (uint64_t steps = 1; !is_done; steps++) {
        REQUIRE(steps < 30);
        Machine machine(seed);
        {
          StateFolder folder = machine.open();
          REQUIRE(!folder.write("x", "old", machine.reason).is_error());
          REQUIRE(!folder.write("gone", "old", machine.reason).is_error());
          machine.disk.faults.write_is_short = kAlways / 2;
          machine.disk.crash_in(steps);
          bool is_written = !folder.write("x", "new and longer", machine.reason).is_error();
          bool is_removed = is_written && !folder.remove("gone", machine.reason).is_error();
          is_done = is_removed;
          CHECK(is_done == !machine.disk.has_crashed());
        }
        machine.disk.come_back(power_is_lost);
        StateFolder folder = machine.open();
        const auto contents = folder.read("x", machine.reason).value();
        CAPTURE(seed);
        CAPTURE(steps);
        CHECK((contents == "new and longer" || (contents == "old" && !is_done)));
        CHECK((!is_done || folder.list(machine.reason).value() == std::vector<std::string>{"x"}));
        CHECK(machine.disk.files().size() <= 2); // nothing half-written is left
      }
    }
  }
}

TEST_CASE("on the simulated disk a step that fails changes nothing, and says what the disk has said")
{
  struct Row {
    uint32_t SimFileFaults::*fault;
    NtStatus status;
    const char *words, *left;
  };
  const Row rows[] = {
      {&SimFileFaults::no_space, NtStatus::DiskFull, "cannot write \"/var/lib/httpsys/x\": No space left on device", "old"},
      {&SimFileFaults::write_fails, NtStatus::IoDeviceError, "cannot write \"/var/lib/httpsys/x\": Input/output error", "old"},
      {&SimFileFaults::name_fails, NtStatus::IoDeviceError, "cannot write \"/var/lib/httpsys/x\": Input/output error", "old"},
      {&SimFileFaults::sync_fails, NtStatus::IoDeviceError, "cannot write \"/var/lib/httpsys/x\": Input/output error", "old"},
      {&SimFileFaults::folder_sync_fails, NtStatus::IoDeviceError,
       "cannot make safe on disk \"/var/lib/httpsys/x\": Input/output error", "new"},
  };
  for (const Row &row : rows) {
    Machine machine(1);
    StateFolder folder = machine.open();
    REQUIRE(!folder.write("x", "old", machine.reason).is_error());
    machine.disk.faults.*row.fault = kAlways;
    CHECK(folder.write("x", "new", machine.reason).error() == row.status);
    CHECK(machine.reason == row.words);
    machine.disk.faults = {};
    CHECK(folder.read("x", machine.reason).value() == row.left);
    CHECK(folder.list(machine.reason).value() == std::vector<std::string>{"x"});
    // Reading is a matter of its own.
    machine.disk.faults.look_fails = kAlways;
    CHECK(folder.read("x", machine.reason).error() == NtStatus::IoDeviceError);
    CHECK(folder.list(machine.reason).error() == NtStatus::IoDeviceError);
  }
}

TEST_CASE("the simulated disk loses what a real one may lose")
{
  // Written without the folder's order: not all of it is there afterwards, in one seed or another.
  bool has_lost_name = false, has_lost_bytes = false;
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    SimDisk disk(seed);
    std::string text;
    REQUIRE(!disk.make_folders("/a", 0700, text).is_error());
    {
      auto folder = disk.open_folder("/a", text).release_value();
      auto file = folder->create("x", text).release_value();
      REQUIRE(file->write("bytes", text).value() == 5);
      REQUIRE(!folder->replace("x", "y", text).is_error());
    }
    disk.come_back(true);
    auto files = disk.files();
    has_lost_name |= !files.contains("/a/y");
    has_lost_bytes |= files.contains("/a/y") && files["/a/y"] != "bytes";
  }
  CHECK(has_lost_name);
  CHECK(has_lost_bytes);
}

TEST_CASE("one daemon at a time has the simulated folder")
{
  Machine machine(1);
  StateFolder first = machine.open();
  CHECK(!first.lock(machine.reason).is_error());
  CHECK(machine.open().lock(machine.reason).error() == NtStatus::SharingViolation);
  first = StateFolder();
  CHECK(!machine.open().lock(machine.reason).is_error());
}

TEST_CASE("what is not there after a removal that failed comes back with no crash once that is said")
{
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    Machine machine(seed);
    {
      StateFolder folder = machine.open();
      REQUIRE(!folder.write("x", "old", machine.reason).is_error());
      machine.disk.faults.folder_sync_fails = kAlways;
      CHECK(folder.remove("x", machine.reason).error() == NtStatus::IoDeviceError);
      CHECK(machine.reason == "cannot make safe on disk the removal of \"/var/lib/httpsys/x\": Input/output error");
      CHECK(folder.remove("x", machine.reason).error() == NtStatus::IoDeviceError);
      machine.disk.faults = {};
      CHECK(folder.remove("x", machine.reason).error() == NtStatus::ObjectNameNotFound);
    }
    machine.disk.come_back(true);
    CHECK(machine.disk.files().empty());
  }
}

TEST_CASE("what takes a damaged file's place never outlives it")
{
  for (bool has_failed_before : {false, true}) {
    for (uint64_t seed = 1; seed <= kSeeds; seed++) {
      Machine machine(seed);
      {
        StateFolder folder = machine.open();
        REQUIRE(!folder.write("x", "damaged", machine.reason).is_error());
        machine.disk.faults.folder_sync_fails = has_failed_before ? kAlways : 0;
        CHECK(folder.set_aside("x", machine.reason).is_error() == has_failed_before);
        machine.disk.faults = {};
        if (has_failed_before)
          CHECK(folder.set_aside("x", machine.reason).error() == NtStatus::ObjectNameNotFound);
        machine.disk.faults.folder_sync_fails = kAlways;
        CHECK(folder.write("x", "new", machine.reason).is_error());
      }
      machine.disk.come_back(true);
      CHECK(machine.disk.files()["/var/lib/httpsys/x.damaged"] == "damaged");
    }
  }
}
