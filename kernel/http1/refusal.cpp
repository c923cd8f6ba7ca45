// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/refusal.h"
#include <fmt/format.h>

namespace httpsys::http1 {

const char *reason_name(Reason reason)
{
  switch (reason) {
  case Reason::None:
    return "-";
  case Reason::AppOffline:
    return "AppOffline";
  case Reason::BadRequest:
    return "BadRequest";
  case Reason::Disabled:
    return "Disabled";
  case Reason::FieldLength:
    return "FieldLength";
  case Reason::Header:
    return "Header";
  case Reason::Hostname:
    return "Hostname";
  case Reason::InvalidCrLf:
    return "Invalid_CR/LF";
  case Reason::LengthRequired:
    return "LengthRequired";
  case Reason::NotAvailable:
    return "N/A";
  case Reason::NotFound:
    return "NotFound";
  case Reason::NotImplemented:
    return "N/I";
  case Reason::Number:
    return "Number";
  case Reason::QueueFull:
    return "QueueFull";
  case Reason::RequestLength:
    return "RequestLength";
  case Reason::Url:
    return "URL";
  case Reason::UrlLength:
    return "URL_Length";
  case Reason::Verb:
    return "Verb";
  case Reason::VersionNotSupported:
    return "Version_N/S";
  }
  return "-";
}

std::string Refusal::sentence() const
{
  return limit == 0 ? text : fmt::format("{} ({})", text, limit);
}

Refusal refusal_for_path(url::PathError error, const url::PathLimits &limits)
{
  if (error == url::PathError::None)
    return {};
  const uint32_t limit = error == url::PathError::SegmentTooLong    ? limits.segment_max_length
                         : error == url::PathError::TooManySegments ? limits.segment_max_count
                                                                    : 0;
  return {400, Reason::Url, url::path_error_text(error), limit};
}

}
