// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/verb.h"

namespace httpsys::http1 {

Verb find_verb(std::string_view method)
{
  switch (method.size()) {
  case 3:
    return method == "GET" ? Verb::Get : method == "PUT" ? Verb::Put : Verb::Unknown;
  case 4:
    if (method == "POST" || method == "HEAD")
      return method == "POST" ? Verb::Post : Verb::Head;
    if (method == "MOVE" || method == "COPY")
      return method == "MOVE" ? Verb::Move : Verb::Copy;
    return method == "LOCK" ? Verb::Lock : Verb::Unknown;
  case 5:
    if (method == "TRACE" || method == "TRACK")
      return method == "TRACE" ? Verb::Trace : Verb::Track;
    return method == "MKCOL" ? Verb::Mkcol : Verb::Unknown;
  case 6:
    if (method == "DELETE" || method == "UNLOCK")
      return method == "DELETE" ? Verb::Delete : Verb::Unlock;
    return method == "SEARCH" ? Verb::Search : Verb::Unknown;
  case 7:
    return method == "OPTIONS" ? Verb::Options : method == "CONNECT" ? Verb::Connect : Verb::Unknown;
  case 8:
    return method == "PROPFIND" ? Verb::Propfind : Verb::Unknown;
  case 9:
    return method == "PROPPATCH" ? Verb::Proppatch : Verb::Unknown;
  default:
    return Verb::Unknown;
  }
}

}
