// SPDX-License-Identifier: GPL-3.0-or-later
// CookedUrl: what HTTP_COOKED_URL shows to the application, one UTF-16 text "http://host:port/path?query" and the places of its four
// parts in it (httpapi: HTTP_COOKED_URL; http-server-api.md 3.1.1). Reused from request to request. Pure function.
#pragma once
#include "kernel/base/ip_address.h"
#include "kernel/url/host.h"
#include <cstdint>
#include <string>
#include <string_view>

namespace httpsys::url {

// Offsets and lengths in UTF-16 units. The host part has its ":port", the query its '?'; no query: query_length is 0.
struct CookedUrl {
  std::u16string text;
  uint32_t host_offset = 0;
  uint32_t host_length = 0;
  uint32_t path_offset = 0;
  uint32_t path_length = 0;
  uint32_t query_offset = 0;
  uint32_t query_length = 0;
};

// path: a canonical path. query: "" or the octets from the '?' on, which are widened one by one. An empty host gets the local address,
// a host without a port the local port. False when the text is longer than HTTP_COOKED_URL can say (answer 414).
bool build_cooked_url(bool is_https, const Host &host, const Endpoint &local, std::u16string_view path, std::string_view query,
  CookedUrl &result);

}
