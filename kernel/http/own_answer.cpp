// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/own_answer.h"
#include "kernel/http1/date.h"
#include "kernel/http1/error_page.h"
#include "kernel/platform/platform.h"

namespace httpsys::http {

std::string_view current_date()
{
  static thread_local int64_t second = -1;
  static thread_local http1::HttpDate date;
  int64_t now = platform::system().wall_clock_seconds();
  if (now != second) {
    date = http1::format_date(now);
    second = now;
  }
  return date.view();
}

std::string own_answer(const http1::Refusal &refusal, bool is_head)
{
  http1::ErrorResponseOptions options;
  options.date = current_date();
  options.request_is_head = is_head;
  std::string response;
  http1::append_error_response(refusal.status, refusal.reason, options, response);
  return response;
}

}
