// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/refusal.h"

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

Refusal refusal_for_path(url::PathError error)
{
  if (error == url::PathError::None)
    return {};
  return {400, Reason::Url, url::path_error_text(error)};
}

}
