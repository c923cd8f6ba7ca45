// SPDX-License-Identifier: GPL-3.0-or-later
// IpAddress and Endpoint: addresses as values, without the operating system's structures. IPv4-mapped IPv6 addresses become IPv4 ones.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace httpsys {

struct IpAddress {
  bool is_v6 = false;
  std::array<uint8_t, 16> bytes{}; // network order; IPv4 uses the first four, the others are zero

  auto operator<=>(const IpAddress &) const = default;
  bool is_any() const { return bytes == std::array<uint8_t, 16>{}; }
  bool is_loopback() const; // 127.0.0.0/8 or ::1
  static IpAddress any(bool v6) { return {v6, {}}; }
  static IpAddress loopback(bool v6);
  // "1.2.3.4" or "::1", without brackets and without a scope; strict (four decimal parts without leading zeros).
  static std::optional<IpAddress> parse(std::string_view text);
  std::string to_string() const; // without brackets
};

struct Endpoint {
  IpAddress address;
  uint16_t port = 0; // host order

  auto operator<=>(const Endpoint &) const = default;
  // "1.2.3.4:80" or "[::1]:80", netsh's ipport notation; port 1 to 65535 without leading zeros.
  static std::optional<Endpoint> parse(std::string_view text);
  std::string to_string() const;
};

// Decimal port 1 to 65535 without sign or leading zeros.
std::optional<uint16_t> parse_port(std::string_view text);

}
