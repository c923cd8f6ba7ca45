// SPDX-License-Identifier: GPL-3.0-or-later
// AdminCommand and AdminAnswer: what httpsysctl asks and what the configuration store says to it, apart from the
// message that carries them. Values, made and used on the helper thread.
#pragma once
#include "kernel/platform/secret_memory.h"
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace httpsys::cm {

// Win32 codes that answers carry (winerror.h), because programs and people compare them.
namespace win32 {
inline constexpr uint32_t kSuccess = 0;
inline constexpr uint32_t kFileNotFound = 2;
inline constexpr uint32_t kWriteFault = 29;
inline constexpr uint32_t kNotSupported = 50;
inline constexpr uint32_t kInvalidParameter = 87;
inline constexpr uint32_t kBusy = 170;
inline constexpr uint32_t kAlreadyExists = 183;
inline constexpr uint32_t kNoSuchLogonSession = 1312; // what http.sys says to a certificate hash that it does not know
inline constexpr uint32_t kNoSystemResources = 1450;
}

// Exit codes of httpsysctl.
inline constexpr uint32_t kExitDone = 0;
inline constexpr uint32_t kExitRefused = 1;
inline constexpr uint32_t kExitUnknownWord = 2;

struct AdminCommand {
  std::vector<std::string> words; // "add", "sslcert", "ipport=0.0.0.0:443", ...
  // Contents by lower-case tag: "certfile", "keyfile", "crlfile".
  std::map<std::string, platform::SecretText> files;

  AdminCommand() = default;
  // For contents that are somewhere else, too: simulator and tests.
  AdminCommand(std::vector<std::string> w, const std::map<std::string, std::string> &contents) : words(std::move(w))
  {
    files.insert(contents.begin(), contents.end());
  }
};

struct AdminAnswer {
  uint32_t win32_code = win32::kSuccess;
  uint32_t exit_code = kExitDone;
  std::string text; // for stdout as it stands when exit_code is 0, else one sentence without newline
};

// A sentence that ends with the code's name and number: "... (ERROR_NOT_SUPPORTED 50)".
AdminAnswer refuse(uint32_t win32_code, const std::string &sentence);
// A command line that cannot be understood.
AdminAnswer unknown_word(const std::string &sentence);

}
