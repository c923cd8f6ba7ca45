// SPDX-License-Identifier: GPL-3.0-or-later
// The answers that the daemon gives itself, byte for byte HTTP.sys' page (http-wire-and-netsh.md B.3). Pure functions.
#pragma once
#include "kernel/http1/refusal.h"
#include <cstdint>
#include <string>
#include <string_view>

namespace httpsys::http1 {

inline constexpr std::string_view kServerToken = "Microsoft-HTTPAPI/2.0";

// "Bad Request" of 400; of the page that append_error_body() would write.
std::string_view error_reason_phrase(uint16_t status, Reason reason);

// The page alone, which HTTP/2 sends in DATA frames. A reason without a page of its own gets the status' general one, an unknown
// status that of 400.
void append_error_body(uint16_t status, Reason reason, std::string &out);

struct ErrorResponseOptions {
  std::string_view date;       // format_date()
  bool request_is_head = false; // head only, Content-Length as for GET
  bool add_server = true;       // DisableServerHeader 0
};

// The whole response, which ends the connection ("Connection: close").
void append_error_response(uint16_t status, Reason reason, const ErrorResponseOptions &options, std::string &out);

}
