// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/cm/answer.h"
#include <fmt/format.h>

namespace httpsys::cm {

static const char *win32_name(uint32_t code)
{
  switch (code) {
  case win32::kFileNotFound:
    return "ERROR_FILE_NOT_FOUND";
  case win32::kNotSupported:
    return "ERROR_NOT_SUPPORTED";
  case win32::kInvalidParameter:
    return "ERROR_INVALID_PARAMETER";
  case win32::kBusy:
    return "ERROR_BUSY";
  case win32::kAlreadyExists:
    return "ERROR_ALREADY_EXISTS";
  case win32::kWriteFault:
    return "ERROR_WRITE_FAULT";
  case win32::kNoSuchLogonSession:
    return "ERROR_NO_SUCH_LOGON_SESSION";
  case win32::kNoSystemResources:
    return "ERROR_NO_SYSTEM_RESOURCES";
  default:
    return "error";
  }
}

AdminAnswer refuse(uint32_t win32_code, const std::string &sentence)
{
  return {win32_code, kExitRefused, fmt::format("{} ({} {})", sentence, win32_name(win32_code), win32_code)};
}

AdminAnswer unknown_word(const std::string &sentence)
{
  return {win32::kInvalidParameter, kExitUnknownWord, sentence};
}

}
