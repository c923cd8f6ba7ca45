// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/ip_address.h"
#include <arpa/inet.h>
#include <cstring>

namespace httpsys {

bool IpAddress::is_loopback() const
{
  return is_v6 ? *this == loopback(true) : bytes[0] == 127;
}

IpAddress IpAddress::loopback(bool v6)
{
  IpAddress address{v6, {}};
  if (v6)
    address.bytes[15] = 1;
  else
    address.bytes = {127, 0, 0, 1};
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text)
{
  char terminated[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof terminated || text.find('\0') != text.npos)
    return std::nullopt;
  std::memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = 0;
  IpAddress address;
  if (inet_pton(AF_INET, terminated, address.bytes.data()) == 1)
    return address;
  if (inet_pton(AF_INET6, terminated, address.bytes.data()) != 1)
    return std::nullopt;
  address.is_v6 = true;
  static constexpr uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::memcmp(address.bytes.data(), mapped_prefix, sizeof mapped_prefix) == 0)
    return IpAddress{false, {address.bytes[12], address.bytes[13], address.bytes[14], address.bytes[15]}};
  return address;
}

std::string IpAddress::to_string() const
{
  char text[INET6_ADDRSTRLEN];
  inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof text);
  return text;
}

std::optional<uint16_t> parse_port(std::string_view text)
{
  if (text.empty() || text.size() > 5 || text[0] == '0')
    return std::nullopt;
  uint32_t port = 0;
  for (char c : text) {
    if (c < '0' || c > '9')
      return std::nullopt;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  if (port > 65535)
    return std::nullopt;
  return static_cast<uint16_t>(port);
}

std::optional<Endpoint> Endpoint::parse(std::string_view text)
{
  size_t colon = text.rfind(':');
  if (colon == text.npos)
    return std::nullopt;
  auto port = parse_port(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed)
    host = host.substr(1, host.size() - 2);
  auto address = IpAddress::parse(host);
  if (!port || !address || bracketed != (host.find(':') != host.npos))
    return std::nullopt;
  return Endpoint{*address, *port};
}

std::string Endpoint::to_string() const
{
  std::string text = address.to_string();
  if (address.is_v6)
    text = '[' + text + ']';
  return text + ':' + std::to_string(port);
}

}
