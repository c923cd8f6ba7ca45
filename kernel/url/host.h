// SPDX-License-Identifier: GPL-3.0-or-later
// The host and port of a Host header field or of an absolute request target (RFC 9110 7.2, RFC 3986 3.2.2). Pure functions of their
// arguments, for any core; the Host object is reused from request to request, so that a warm one allocates nothing.
#pragma once
#include "kernel/base/ip_address.h"
#include <cstdint>
#include <string>
#include <string_view>

namespace httpsys::url {

enum class HostKind : uint8_t { Empty, Name, Ipv4, Ipv6 };

enum class HostError : uint8_t {
  None,
  HasScheme,       // "http://1.2.3.4/vdir"
  HasPath,         // '/', '?', '#' or '\'
  HasUserInfo,     // '@'
  BadCharacter,    // anything but letters, digits, '-', '.', '_', '~' and UTF-8 text; escapes are refused too
  BadPort,         // empty, not decimal, leading zero, 0 or above 65535
  BadIpv4,         // ends in a label of digits, and is no dotted quad
  BadIpv6,         // brackets that do not hold an address; a scope is none
  BareIpv6,        // an IPv6 address without brackets
  EmptyLabel,      // begins with a dot, or two dots in a row
  NameTooLong,     // limits::kHostNameMaxLength, 63 bytes for one label that is not ASCII
};

// Why, for the error log and the reason text: a sentence without its full stop. Static storage.
const char *host_error_text(HostError error);

struct Host {
  HostKind kind = HostKind::Empty;
  uint16_t port = 0;   // host order; 0: none was given
  IpAddress address{}; // of Ipv4 and Ipv6
  std::string text;    // UTF-8 as sent, ASCII lower-cased; an IPv6 address with its brackets
  std::string key;     // for comparison: lower case, A-labels, no dot at the end; an address in its one canonical form

  void clear();
};

// The value without blanks around it. An empty value is an empty host (RFC 9110 7.2). On an error the result is unspecified.
HostError parse_host(std::string_view value, Host &result);

// The name alone, as parse_host() and UrlPrefix check it. text is UTF-8. Sets kind, text, key, and address for a dotted quad.
HostError parse_host_name(std::string_view text, Host &result);

}
