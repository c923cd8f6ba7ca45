// SPDX-License-Identifier: GPL-3.0-or-later
// Why the daemon itself answers a request: status code, HTTPERR reason phrase (http-wire-and-netsh.md C.1) and a sentence for the
// error log. Values with static texts, for any core.
#pragma once
#include "kernel/url/path.h"
#include <cstdint>
#include <string>

namespace httpsys::http1 {

enum class Reason : uint8_t {
  None,
  AppOffline,
  BadRequest,
  Disabled,
  FieldLength,
  Header,
  Hostname,
  InvalidCrLf,
  LengthRequired,
  NotAvailable,
  NotFound,
  NotImplemented,
  Number,
  QueueFull,
  RequestLength,
  Url,
  UrlLength,
  Verb,
  VersionNotSupported,
};

// As HTTPERR spells it: "Invalid_CR/LF", "N/A". Operators' scripts look for these. Static storage.
const char *reason_name(Reason reason);

struct Refusal {
  uint16_t status = 0; // 0: not refused
  Reason reason = Reason::None;
  const char *text = ""; // a sentence without its full stop, static storage
  uint64_t limit = 0;    // how much the key of httpsys.toml allows that the text ends with; 0: it ends with none

  std::string sentence() const; // "... longer than MaxRequestLine (16384)"
  explicit operator bool() const { return status != 0; }
};

// 400 URL, for a path that url::canonicalise_path() refused with these limits; none for PathError::None.
Refusal refusal_for_path(url::PathError error, const url::PathLimits &limits);

}
