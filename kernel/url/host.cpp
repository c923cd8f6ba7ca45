// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/url/host.h"
#include "kernel/base/text.h"
#include "kernel/limits.h"
#include "kernel/url/case_map.h"
#include "kernel/url/punycode.h"
#include "kernel/url/utf.h"
#include <array>

namespace httpsys::url {

namespace {

constexpr bool is_name_byte(unsigned byte)
{
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' ||
    byte == '_' || byte == '~' || byte >= 0x80;
}

constexpr std::array<bool, 256> make_name_bytes()
{
  std::array<bool, 256> table{};
  for (unsigned byte = 0; byte < 256; byte++)
    table[byte] = is_name_byte(byte);
  return table;
}

constexpr std::array<bool, 256> kNameBytes = make_name_bytes();

HostError error_for_character(std::string_view text)
{
  if (text.find("://") != text.npos)
    return HostError::HasScheme;
  if (text.find('@') != text.npos)
    return HostError::HasUserInfo;
  if (text.find_first_of("/?#\\") != text.npos)
    return HostError::HasPath;
  return HostError::BadCharacter;
}

// WHATWG URL 3.5 "ends in a number": 1.2.3 and 300.1.1.1 are taken for addresses by many clients, so they may not be names here.
bool ends_in_number(std::string_view name)
{
  std::string_view last = name.substr(name.rfind('.') + 1);
  return !last.empty() && last.find_first_not_of("0123456789") == last.npos;
}

HostError set_ascii_key(std::string_view name, Host &result)
{
  for (size_t position = 0; position < name.size();) {
    Utf8Character character = first_character(name.substr(position));
    if (!character.is_valid || is_invisible(character.code))
      return HostError::BadCharacter;
    position += character.bytes;
  }
  std::u16string wide;
  append_utf16(name, wide);
  return append_ascii_name(wide, result.key) ? HostError::None : HostError::NameTooLong;
}

HostError parse_ipv6(std::string_view inside, Host &result)
{
  auto address = inside.find(':') == inside.npos ? std::nullopt : IpAddress::parse(inside);
  if (!address)
    return HostError::BadIpv6;
  // An IPv4-mapped address is that IPv4 address; the text keeps the brackets, since it is what the client wrote.
  result.kind = address->is_v6 ? HostKind::Ipv6 : HostKind::Ipv4;
  result.address = *address;
  result.key = address->to_string();
  result.text.push_back('[');
  for (char c : inside)
    result.text.push_back(to_lower_ascii(c));
  result.text.push_back(']');
  return HostError::None;
}

}

void Host::clear()
{
  kind = HostKind::Empty;
  port = 0;
  address = {};
  text.clear();
  key.clear();
}

HostError parse_host_name(std::string_view text, Host &result)
{
  result.clear();
  if (text.size() > limits::kHostNameMaxLength)
    return HostError::NameTooLong;
  bool is_ascii = true;
  char previous = '.';
  for (char c : text) {
    if (!kNameBytes[static_cast<uint8_t>(c)])
      return error_for_character(text);
    if (c == '.' && previous == '.')
      return HostError::EmptyLabel;
    is_ascii &= static_cast<uint8_t>(c) < 0x80;
    result.text.push_back(to_lower_ascii(c));
    previous = c;
  }
  std::string_view name = result.text;
  if (name.ends_with('.'))
    name.remove_suffix(1);
  if (ends_in_number(name)) {
    auto address = IpAddress::parse(result.text);
    if (!address)
      return HostError::BadIpv4;
    result.kind = HostKind::Ipv4;
    result.address = *address;
    result.key = result.text;
    return HostError::None;
  }
  result.kind = HostKind::Name;
  if (!is_ascii)
    return set_ascii_key(name, result);
  result.key.assign(name);
  return HostError::None;
}

HostError parse_host(std::string_view value, Host &result)
{
  result.clear();
  if (value.empty())
    return HostError::None;
  std::string_view host = value;
  std::string_view port;
  bool has_port = false;
  if (value[0] == '[') {
    size_t close = value.find(']');
    if (close == value.npos)
      return HostError::BadIpv6;
    host = value.substr(1, close - 1);
    port = value.substr(close + 1);
    has_port = !port.empty();
    if (has_port && port[0] != ':')
      return port[0] == '/' ? HostError::HasPath : HostError::BadPort;
    if (has_port)
      port.remove_prefix(1);
  } else if (size_t colon = value.find(':'); colon != value.npos) {
    host = value.substr(0, colon);
    port = value.substr(colon + 1);
    has_port = true;
  }
  HostError error = value[0] == '[' ? parse_ipv6(host, result) : host.empty() ? HostError::EmptyLabel : parse_host_name(host, result);
  if (has_port && value[0] != '[' && port.find(':') != port.npos && IpAddress::parse(value))
    return HostError::BareIpv6;
  if (error != HostError::None)
    return error;
  if (!has_port)
    return HostError::None;
  auto number = parse_port(port);
  if (!number) {
    bool has_other = port.find_first_not_of("0123456789") != port.npos;
    HostError other = has_other ? error_for_character(value) : HostError::BadPort;
    return other == HostError::BadCharacter ? HostError::BadPort : other;
  }
  result.port = *number;
  return HostError::None;
}

const char *host_error_text(HostError error)
{
  switch (error) {
  case HostError::None:
    return "the host is valid";
  case HostError::HasScheme:
    return "the host has a scheme in front of it";
  case HostError::HasPath:
    return "the host has a path behind it";
  case HostError::HasUserInfo:
    return "the host has a user name in front of it";
  case HostError::BadCharacter:
    return "the host has a character that no host name has";
  case HostError::BadPort:
    return "the host's port is not a decimal number from 1 to 65535";
  case HostError::BadIpv4:
    return "the host ends in a number but is not an IPv4 address";
  case HostError::BadIpv6:
    return "the host has brackets without an IPv6 address in them";
  case HostError::BareIpv6:
    return "the host is an IPv6 address without brackets";
  case HostError::EmptyLabel:
    return "the host has an empty part between its dots";
  case HostError::NameTooLong:
    static_assert(limits::kHostNameMaxLength == 255);
    return "the host name is longer than 255 bytes (kHostNameMaxLength)";
  }
  return "";
}

}
