// SPDX-License-Identifier: GPL-3.0-or-later
// Administrator: gives the simulated daemon commands as httpsysctl does, over its control socket, for its store on a simulated disk that
// fails, fills up, loses its power and is meddled with while the daemon runs and looks at its files: with files and, of half of the seeds,
// with folders, also amid a change. What was answered as done must be there after any crash, what was refused must have changed
// nothing that runs, a change that a crash broke off may have happened or not, a damaged file is kept for somebody to look at, what runs
// is written again where it got lost. A crash here ends the part of the daemon that has the store, and its control session; other sessions
// go on. What is wrong is thrown as a Finding. One at a time.
#pragma once
#include "kernel/base/random.h"
#include "kernel/main/administration.h"
#include "kernel/platform/sim/sim_files.h"
#include "tests/sim/admin_client.h"
#include "tests/sim/trace.h"
#include "tools/fuzz/simulated_target.h"
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace httpsys::sim {

// What it has done, for the last line.
struct DiskFigures {
  uint64_t changes = 0, failures = 0, crashes = 0; // done, failed for the disk's sake, crashes of the machine and of the daemon
  uint64_t meddled = 0, restored = 0;              // files changed from outside, and written again
};

// Where it is.
struct AdministratorsWorld {
  fuzz::SimulatedTarget &target;
  Trace &trace;
  DiskFigures &figures;
  uint32_t cores;
  std::function<void(uint64_t milliseconds)> pass; // lets time go by
};

class Administrator {
public:
  // has_faults: false, and nothing fails; crashes and meddling stay. has_server: a binding for 0.0.0.0:8443 is there all the time.
  Administrator(uint64_t seed, AdministratorsWorld world, bool has_faults, bool has_server);
  ~Administrator();

  // A command or a look whether it is answered, a crash, or something done to the disk.
  void act();
  // The disk is whole from now on: whatever is asked for succeeds, and outlives a last crash.
  void finish();

private:
  // Something that the store can have, under one name in one folder. Values: "" not there, kDamaged, else as `show` tells it.
  struct Item {
    cm::Kind kind;
    std::string name, path;
    std::string running;              // what the store must show
    std::set<std::string> on_disk{""}; // what a start may find, whatever happens before
    bool is_known_damage = false;     // the store has found the file damaged, and has not replaced it
    bool is_evidence = false;         // and that is certain, so that the file must be kept
    std::string damaged; // these are its contents, when kDamaged is one of on_disk; "": they went with their folder
    // Of a revocation list: its file is good, but its CA was not there at the start; or another had superseded it, so that it is to go.
    bool is_orphan = false, is_stale = false;
    std::vector<std::string> set_aside = {}; // contents of damaged files that must be there under other names
    bool is_permanent = false;               // what TLS visitors need
    // Somebody has changed, damaged or removed the file of what runs. Told: the log has said so.
    bool is_meddled = false, is_told = false, is_tried_again = false;
    std::map<std::string, std::string> texts = {}; // of a record: its file by its value
  };
  struct Change {
    std::string line;                         // as httpsysctl takes it
    std::map<std::string, std::string> files;
    std::vector<std::pair<Item *, std::string>> effects;
    std::vector<Item *> goes = {};            // what it removes too; that may fail, and is made up for later
    uint32_t refusal = 0;                     // the code that it must be refused with, disk or not
  };
  // What the daemon was asked and has not answered yet.
  struct Asked {
    Change change;
    bool is_to_crash = false, is_abandoned = false; // abandoned: whoever has asked is no more
    bool is_executed = false, is_answered = false;
    uint64_t failures = 0, doubts = 0; // of the disk, by it
    bool has_moved = false;            // a folder has, meanwhile
    cm::AdminAnswer answer{};          // what the daemon has sent
  };
  using Shown = std::map<const Item *, std::string>;

  void make_server();
  void choose_faults();
  Item &item(cm::Kind kind, std::string_view name);
  Item &any(cm::Kind kind);
  // Imported, and certainly on disk: its key can be read.
  static bool is_usable(const Item &certificate) { return certificate.on_disk == std::set<std::string>{kThere}; }
  // Whether a command can delete it. Unclear: not running, and a change of its damaged file has failed.
  static bool is_left_alone(const Item &item) { return item.is_known_damage || item.is_orphan; }
  static bool is_there(const Item &item) { return item.running != "" || is_left_alone(item); }
  static bool is_unclear(const Item &item) { return item.running == "" && is_left_alone(item) && item.on_disk.size() != 1; }
  Item *usable_certificate();
  bool names(const Item &record, const Item &certificate) const { return record.running.starts_with(certificate.name); }

  Change choose();
  Change import_certificate();
  Change import_authorities();
  Change delete_certificate();
  Change delete_authority();
  Change import_list();
  Change delete_list();
  void add_stale(Change &change);
  Change change_record();
  Change delete_record(Item &record);
  void ask(Change change);
  void execute(std::vector<std::string> words, std::vector<io::AdminFile> files, io::AdminAnswer send);
  void wait();
  void wait_to_the_end();
  void take_answer();
  void check_published();
  void check_done(const Asked &asked) const;
  void check_refusal(const Asked &asked);
  bool is_ready();
  void break_off();
  void end_store();
  // What the log has said of files since the last time, in its order with the commands.
  void take_log();
  void take_line(Item &item, const std::string &line);
  void put_in_doubt(Item &item, const std::string &value);
  void settle(Item &item, const std::string &value);
  void note_done(const Asked &asked);
  void note_failed(const Change &change, bool has_doubts);

  void restart(bool power_is_lost);
  void load();
  void serve();
  // is_safe: no crash can take back what is there.
  void take_stock(bool is_safe);
  void take_stock_of_lists(const std::map<std::string, std::string> &files);
  void meddle();
  bool edit(Item &record);
  void move_folder();
  static void lose_file(Item &item);
  void check_meddled();
  std::string damage_of(const std::string &contents);
  Shown shown();
  void check_running();
  void check_set_aside(const std::map<std::string, std::string> &files);
  std::map<std::string, std::string> visible_files() const;

  static constexpr const char *kThere = "there", *kDamaged = "damaged";
  Random m_random;
  AdministratorsWorld m_world;
  Trace &m_trace;
  DiskFigures &m_figures;
  const bool m_has_faults;
  bool m_is_faulty;
  platform::SimDisk m_disk;
  platform::SimFileFaults m_faults; // when it is faulty
  Random m_mover; // of folders; its own, so that it takes no draws from the rest
  const bool m_moves_folders;
  uint64_t m_until_move = 0; // steps of the disk; 0: none is due
  bool m_has_moved = false;  // since the last command began
  std::string m_log;         // since the last start or look at it
  std::vector<Item> m_items;
  Item *m_failed = nullptr; // of the last change that failed: what comes next is often about it
  unsigned m_looks_wanted = 0; // of the daemon, at what was meddled with
  std::optional<Asked> m_asked;
  std::optional<Change> m_again; // is asked next
  std::shared_ptr<int> m_life = std::make_shared<int>(0); // answers may come when this has ended
  std::unique_ptr<main::Administration> m_administration;
  uint64_t m_number = 0; // of it; messages to one that has gone find another
  std::unique_ptr<AdminClient> m_client, m_leaving; // leaving: of the time before a crash
};

}
