// SPDX-License-Identifier: GPL-3.0-or-later
// UrlPrefix: scheme, host, port and path of a registration or reservation, parsed from the UTF-16 text that a program or an
// administrator gave (http-wire-and-netsh.md A.1). A value, immutable after parse(), on the core of whoever holds it; routing and
// access rights are ns' business. Stricter than Windows where a prefix could never match: empty and dot segments, '\', escapes and
// unspecified addresses are refused with a reason instead of being registered in vain.
#pragma once
#include "kernel/base/ip_address.h"
#include "kernel/base/result.h"
#include <cstdint>
#include <string>
#include <string_view>

namespace httpsys::url {

// The buckets in the order in which routing asks them (design.md 5: "+", name, IP literal, "*").
enum class PrefixHost : uint8_t { StrongWildcard, Name, IpLiteral, WeakWildcard };

class UrlPrefix {
public:
  // InvalidParameter for anything but a UrlPrefix; reason then says what is wrong and what to write instead, as one text that a
  // caller may put the name of its function in front of (users.md 6). Untouched on success.
  static Result<UrlPrefix> parse(std::u16string_view text, std::string &reason);

  bool is_https() const { return m_is_https; }
  PrefixHost host() const { return m_host; }
  uint16_t port() const { return m_port; } // host order
  // Of a Name: lower case, A-labels, as url::Host::key has it. Of an IpLiteral: its canonical text without brackets. Else "".
  const std::string &host_key() const { return m_host_key; }
  const IpAddress &address() const { return m_address; } // of an IpLiteral

  const std::u16string &text() const { return m_text; } // as registered
  std::string quoted_text() const;              // for people
  std::u16string display_text() const; // upper-cased, as `show servicestate` prints it
  // The path as registered, from its first to its last '/'.
  std::u16string_view path() const { return std::u16string_view(m_text).substr(m_path_offset); }
  // path() in upper case: compare it with to_upper() of a request's canonical path.
  const std::u16string &path_key() const { return m_path_key; }

  // "localhost" and loopback literals: a port with only such registrations listens on loopback alone (design.md 5), and on a port
  // that is open to all they are found by connections to loopback alone.
  bool is_loopback_only() const;
  // Same scheme, host, port and path; the spelling may differ in case and in the form of an address.
  bool is_same_as(const UrlPrefix &other) const;
  // One text per equivalence class of is_same_as(), for maps: "http://name:80/UPPER/". A prefix itself.
  std::u16string key() const;

private:
  UrlPrefix() = default;

  bool m_is_https = false;
  PrefixHost m_host = PrefixHost::StrongWildcard;
  uint16_t m_port = 0;
  IpAddress m_address{};
  std::string m_host_key;
  std::u16string m_text;
  size_t m_path_offset = 0;
  std::u16string m_path_key;

  friend class PrefixParser;
};

// "localhost", of a host_key() or url::Host::key.
bool is_loopback_name(std::string_view host_key);

// Whether a prefix path covers a request path by whole segments, both in upper case: "/A/" covers "/A", "/A/" and "/A/B", not "/AB".
bool prefix_covers_path(std::u16string_view prefix_path_key, std::u16string_view request_path_key);

}
