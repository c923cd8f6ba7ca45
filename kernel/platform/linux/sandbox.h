// SPDX-License-Identifier: GPL-3.0-or-later
// What the daemon gives up before it serves (trust rule T11), in two steps: what the kernel keeps for each thread goes before there is a
// second thread, the system calls when all that is only done once has been done. A layer that the kernel lacks is left out and named.
// One per process; main/ calls prepare() and enter() on the first thread, limit_calls() on the helper thread.
#pragma once
#include "kernel/base/result.h"
#include "kernel/platform/linux/account.h"
#include <optional>
#include <string>
#include <vector>

namespace httpsys::platform {

struct SandboxPlan {
  std::string state_folder, socket_path;
  std::optional<std::string> user; // by --user; without it httpsys where that exists
};

struct SandboxLayer {
  enum class State {
    On,
    Absent, // the kernel, or what surrounds the process, has none of it
    Chosen, // off by how the daemon was started
    LeftOut // off by how it was built
  };
  std::string name; // as --check-sandbox prints it
  State state = State::Absent;
  std::string detail;
};

class Sandbox {
public:
  // Makes both folders where they are missing and gives them to the user that the daemon is to become. Errors have a sentence.
  Result<void> prepare(const SandboxPlan &plan, std::string &reason);
  // After the control socket was made under its temporary name.
  Result<void> give_control_socket(std::string &reason) const;
  // User, capabilities, no_new_privs, dumpable, Landlock. An error when the user cannot be changed, or is changed and keeps
  // capabilities: nothing else stops the daemon.
  Result<void> enter(std::string &reason);
  // seccomp, for all threads.
  void limit_calls();

  const std::vector<SandboxLayer> &layers() const { return m_layers; }
  const SandboxPlan &plan() const { return m_plan; }
  const std::optional<Account> &account() const { return m_account; } // what the daemon becomes, if that is another user than now

private:
  Result<void> choose_account(std::string &reason);
  Result<void> enter_account(std::string &reason);
  void add(const char *name, SandboxLayer::State state, std::string detail);
  Result<void> add_capabilities(bool is_bounded, std::string &reason);
  void add_landlock();
  void add_ring();
  void add_secret_memory();

  SandboxPlan m_plan;
  std::optional<Account> m_account;
  std::vector<SandboxLayer> m_layers;
};

// "NAME: on, DETAIL", "NAME: off: DETAIL".
std::string describe_layer(const SandboxLayer &layer);

}
