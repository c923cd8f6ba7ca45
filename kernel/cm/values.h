// SPDX-License-Identifier: GPL-3.0-or-later
// Values of httpsysctl's words: thumbprints, GUIDs, addresses, switches. Pure functions; nullopt comes with a `reason`,
// one sentence without full stop that shows the value and says what is wrong with it and how it should look.
#pragma once
#include "kernel/base/ip_address.h"
#include <optional>
#include <string>
#include <string_view>

namespace httpsys::cm {

// 40 hex digits of either case; returned in lower case. tag: as it was written, "certhash".
std::optional<std::string> parse_thumbprint(std::string_view tag, std::string_view text, std::string &reason);

// "{4dc3e181-e14b-4a21-b022-59fc669b0914}" of either case, braces included; returned in lower case.
std::optional<std::string> parse_guid(std::string_view tag, std::string_view text, std::string &reason);

// "enable" or "disable" of either case.
std::optional<bool> parse_switch(std::string_view tag, std::string_view text, std::string &reason);

// What an sslcert record is for: a local address or a server's name, each with a port.
struct BindingKey {
  bool is_name = false;
  Endpoint endpoint; // of an address
  std::string host;  // of a name: lower case, "www.example.org" or "*.example.org", without a dot at its end
  uint16_t port = 0; // of both
  std::string text;  // normal form of either, "0.0.0.0:443" or "www.example.org:443": one key has one text

  bool operator<(const BindingKey &other) const { return text < other.text; }
  bool operator==(const BindingKey &other) const { return text == other.text; }
  std::string_view tag() const { return is_name ? "hostnameport" : "ipport"; }
};
std::optional<BindingKey> parse_address_key(std::string_view text, std::string &reason);
std::optional<BindingKey> parse_name_key(std::string_view text, std::string &reason);

}
