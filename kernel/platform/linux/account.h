// SPDX-License-Identifier: GPL-3.0-or-later
// The user that a daemon which was started as uid 0 becomes, and what is given to that user before. Used by the sandbox on the first
// thread, before any other runs. On failure reason is a sentence without full stop.
#pragma once
#include "kernel/base/result.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace httpsys::platform {

struct Account {
  std::string name;
  uint32_t uid = 0, gid = 0;
};

// nullopt: the user database has none of that name.
Result<std::optional<Account>> find_account(const std::string &name, std::string &reason);
// Gives the folder to the account if it is uid 0's, nobody else may write into it, and nothing but `ours` (names) is in it. Else it
// stays as it is.
Result<void> give_folder(const std::string &path, const Account &account, const std::vector<std::string> &ours, std::string &reason);
// AccessDenied, with what to do, when the folder or something in it belongs to another uid.
Result<void> check_owner(const std::string &path, const Account &account, std::string &reason);
// AccessDenied, with what to do, when the account may not make files in the folder. what: "the state folder"; option: "--state-dir".
Result<void> check_writable(
  const std::string &path, const Account &account, const char *what, const char *option, std::string &reason);
// The control socket that was made under its temporary name, and its lock where the folder is the account's.
Result<void> give_control_socket(const std::string &path, const Account &account, std::string &reason);
// All ids and groups, for good. Permitted capabilities stay, the effective ones are gone.
Result<void> become(const Account &account, std::string &reason);

}
