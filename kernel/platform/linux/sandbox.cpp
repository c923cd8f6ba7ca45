// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/sandbox.h"
#include "kernel/base/text.h"
#include "kernel/platform/key_memory.h"
#include "kernel/platform/linux/capabilities.h"
#include "kernel/platform/linux/landlock.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/linux/process.h"
#include "kernel/platform/linux/process_info.h"
#include "kernel/platform/linux/seccomp.h"
#include "kernel/platform/linux/uring_engine.h"
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace httpsys::platform {

using State = SandboxLayer::State;

static constexpr const char kDefaultUser[] = "httpsys";

// Sanitizers trace their own process, run a symbolizer and map what they like.
#ifdef HTTPSYS_SANITIZED
static constexpr bool kIsSanitized = true;
#else
static constexpr bool kIsSanitized = false;
#endif
static constexpr const char kLeftOut[] = "left out of builds with a sanitizer";

void Sandbox::add(const char *name, State state, std::string detail)
{
  m_layers.push_back({name, state, std::move(detail)});
}

Result<void> Sandbox::choose_account(std::string &reason)
{
  if (geteuid() != 0 && !m_plan.user)
    return {};
  const std::string name = m_plan.user.value_or(kDefaultUser);
  auto found = TRY(find_account(name, reason));
  if (!found) {
    if (!m_plan.user)
      return {};
    reason = fmt::format("there is no user {}", httpsys::quoted(name));
    return NtStatus::NotFound;
  }
  if (found->uid == geteuid())
    return {};
  if (geteuid() != 0) {
    reason = fmt::format("only uid 0 can start httpsysd as {}, this is uid {}: leave --user out", httpsys::quoted(name), geteuid());
    return NtStatus::AccessDenied;
  }
  m_account = std::move(found);
  return {};
}

Result<void> Sandbox::prepare(const SandboxPlan &plan, std::string &reason)
{
  m_plan = plan;
  const std::string folder = parent_folder(plan.socket_path);
  TRY(choose_account(reason));
  TRY(make_folder(folder, 0755, reason));
  if (!m_account)
    return make_folder(plan.state_folder, 0700, reason);
  auto name_of = [](const std::string &path) { return std::filesystem::path(path).filename().string(); };
  const std::string name = name_of(plan.socket_path);
  std::vector<std::string> ours{name, name + ".lock", name_of(temporary_socket_name(plan.socket_path))};
  if (parent_folder(plan.state_folder) == folder)
    ours.push_back(name_of(plan.state_folder));
  TRY(give_folder(folder, *m_account, ours, reason));
  TRY(check_writable(folder, *m_account, "the folder of the control socket", "--socket", reason));
  TRY(make_folder(plan.state_folder, 0700, reason));
  TRY(give_folder(plan.state_folder, *m_account, {}, reason));
  TRY(check_owner(plan.state_folder, *m_account, reason));
  return check_writable(plan.state_folder, *m_account, "the state folder", "--state-dir", reason);
}

Result<void> Sandbox::give_control_socket(std::string &reason) const
{
  if (!m_account)
    return {};
  return platform::give_control_socket(m_plan.socket_path, *m_account, reason);
}

Result<void> Sandbox::enter_account(std::string &reason)
{
  if (!m_account) {
    const bool is_root = geteuid() == 0;
    const bool is_unasked = is_root && !m_plan.user; // the log says so
    add("user", is_unasked ? State::Absent : is_root ? State::Chosen : State::On,
      is_unasked ? fmt::format("it stays uid 0: there is no user {}, and no --user names one", kDefaultUser) :
      is_root    ? "it stays uid 0, as --user wants" :
                   fmt::format("uid {}, as it was started", geteuid()));
    return {};
  }
  TRY(become(*m_account, reason));
  add("user", State::On, fmt::format("uid {} ({})", m_account->uid, m_account->name));
  return {};
}

Result<void> Sandbox::add_capabilities(bool is_bounded, std::string &reason)
{
  if (kIsSanitized && !m_account) { // another user has lost them anyway, and needs the one
    add("capabilities", State::LeftOut, kLeftOut);
    return {};
  }
  auto binds = keep_binding_alone(reason);
  if (binds.is_error() && m_account)
    return binds.error(); // become() has kept them all for this moment
  if (binds.is_error()) {
    add("capabilities", State::Absent, reason);
    return {};
  }
  add("capabilities", State::On,
    fmt::format("{}{}", *binds ? "CAP_NET_BIND_SERVICE alone" : "none", is_bounded ? "" : "; the bounding set stays, as it was started"));
  return {};
}

void Sandbox::add_landlock()
{
  if (kIsSanitized)
    return add("Landlock", State::LeftOut, kLeftOut);
  std::string reason;
  auto abi = enter_landlock(m_plan.state_folder, parent_folder(m_plan.socket_path), reason);
  if (abi.is_error())
    return add("Landlock", State::Absent, reason);
  add("Landlock", State::On, describe_landlock(*abi));
}

void Sandbox::add_ring()
{
  std::string reason;
  if (try_restricted_ring(reason).is_error())
    return add("io_uring", State::Absent, reason);
  add("io_uring", State::On, fmt::format("{} operations allowed", uring_operations()));
}

void Sandbox::add_secret_memory()
{
  const int error = prepare_key_memory();
  if (error == 0)
    add("locked keys", State::On, "private keys in use are in locked memory and wiped after it; their texts while they are loaded, too, if "
                                  "the limit (RLIMIT_MEMLOCK) allows more");
  else
    add("locked keys", State::Absent, fmt::format("no memory can be locked (RLIMIT_MEMLOCK): {}", std::strerror(error)));
}

Result<void> Sandbox::enter(std::string &reason)
{
  tzset(); // reads /etc/localtime, once
  const bool is_bounded = !kIsSanitized && empty_bounding_set(); // what the next step takes the right to
  TRY(enter_account(reason));
  TRY(add_capabilities(is_bounded, reason));
  const bool no_new_privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  add("no_new_privs", no_new_privileges ? State::On : State::Absent, no_new_privileges ? "" : std::strerror(errno));
  make_undumpable(); // after the user: a change of it sets it anew
  add("non-dumpable", prctl(PR_GET_DUMPABLE) == 0 ? State::On : State::Absent, "");
  add_landlock();
  add_ring();
  add_secret_memory();
  return {};
}

void Sandbox::limit_calls()
{
  if (kIsSanitized)
    return add("seccomp", State::LeftOut, kLeftOut);
  std::string reason;
  auto allowed = limit_system_calls(reason);
  if (allowed.is_error())
    return add("seccomp", State::Absent, reason);
  add("seccomp", State::On, fmt::format("{} system calls allowed", *allowed));
}

std::string describe_layer(const SandboxLayer &layer)
{
  if (layer.state == State::On)
    return layer.name + ": on" + (layer.detail.empty() ? "" : ", ") + layer.detail;
  return layer.name + ": off: " + layer.detail;
}

}
