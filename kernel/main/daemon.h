// SPDX-License-Identifier: GPL-3.0-or-later
// Daemon: the driver from start to end, above everything: puts the layers up in order, serves until SIGTERM, SIGINT or SIGHUP, drains,
// takes them down. One per process, on the main thread; its steps between run on core 0 and on the helper thread.
#pragma once
#include "kernel/ke/core.h"
#include "kernel/ke/tally_report.h"
#include "kernel/main/administration.h"
#include "kernel/main/config.h"
#include "kernel/main/options.h"
#include "kernel/net/descriptor_budget.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/linux/sandbox.h"
#include <condition_variable>
#include <mutex>
#include <string>

namespace httpsys::main {

class Daemon {
public:
  Daemon(const Options &options, const Config &config);
  ~Daemon();

  // The exit status. reason: a sentence for stderr when it is not 0.
  int run(std::string &reason);

private:
  class SignalWatch;
  class DrainTimer;
  Result<net::DescriptorBudget> descriptor_budget(std::string &reason) const;
  void set_shares() const;
  Result<void> prepare(std::string &reason);
  Result<void> start_threads(platform::LinuxSystem &system, std::string &reason);
  // Helper thread: the configuration store; then core 0: sessions and ports; then the socket gets its name.
  void load_store();
  void open_for_clients();
  void log_sandbox();
  void begin_shutdown();
  void finish_shutdown() { stop_serving(0, {}); }
  void stop_serving(int status, std::string reason);
  void finished(int status, std::string reason);

  const Options &m_options;
  const Config m_config; // fitted to this machine
  platform::Sandbox m_sandbox; // first thread, then helper thread, then core 0
  bool m_has_lock = false;
  int m_manager = -1;  // the service manager's socket
  int m_listener = -1; // the control socket, without its name yet
  ke::Cores *m_cores = nullptr;
  Administration m_administration;
  uint64_t m_descriptor_limit = 0;
  std::unique_ptr<SignalWatch> m_signals;
  std::unique_ptr<DrainTimer> m_drain;
  ke::TallyReport m_report;
  bool m_is_ending = false;   // SIGTERM has come
  bool m_is_stopping = false; // everything is taken down
  std::mutex m_mutex; // of the following: how core 0 wakes the main thread
  std::condition_variable m_condition;
  bool m_finished = false;
  int m_status = 0;
  std::string m_reason;
};

}
