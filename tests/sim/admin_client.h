// SPDX-License-Identifier: GPL-3.0-or-later
// AdminClient: a process of uid 0 that sends the simulated daemon what httpsysctl sends: HELLO, and when it is welcome one command after
// the other. One thread; what the daemon may not answer is thrown as a Finding.
#pragma once
#include "kernel/cm/answer.h"
#include "kernel/platform/sim/sim_system.h"
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace httpsys::sim {

class AdminClient {
public:
  // Connects and says HELLO.
  explicit AdminClient(platform::SimSystem &system);
  AdminClient(const AdminClient &) = delete;
  ~AdminClient() { leave(); }

  // Whether WELCOME has come.
  bool is_welcome();
  // line: as a user gives it to httpsysctl. files: what those that it names hold.
  void ask(const std::string &line, const std::map<std::string, std::string> &files);
  // When it has come.
  std::optional<cm::AdminAnswer> answer();
  // The process ends. The daemon may still be busy with what it has asked, until has_gone().
  void leave();
  bool has_gone() const { return m_control->is_shut; }

private:
  // The next message, of that type and with the last sequence number.
  std::optional<std::vector<uint8_t>> receive(uint16_t type, size_t least);

  void say_hello();

  platform::SimSystem &m_system;
  std::shared_ptr<platform::SimControl> m_control;
  platform::Milliseconds m_begun = 0;
  uint32_t m_sequence = 1; // HELLO's
  bool m_is_welcome = false;
};

}
