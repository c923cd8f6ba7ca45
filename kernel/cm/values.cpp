// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/cm/values.h"
#include "kernel/base/text.h"
#include "kernel/limits.h"
#include <algorithm>
#include <fmt/format.h>

namespace httpsys::cm {

namespace {

constexpr size_t kThumbprintDigits = 40; // SHA-1
constexpr std::string_view kGuidExample = "{4dc3e181-e14b-4a21-b022-59fc669b0914}";

bool is_hex(char letter)
{
  return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f') || (letter >= 'A' && letter <= 'F');
}

bool is_letter_or_digit(char letter)
{
  return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z');
}

// A character that people see in Windows' certificate dialog, or do not see and copy along.
std::string describe_character(std::string_view text)
{
  Utf8Character character = first_character(text);
  if (!character.is_valid)
    return "no UTF-8";
  auto code = static_cast<uint32_t>(character.code);
  if (character.code == ' ')
    return "a blank";
  if (is_invisible(character.code))
    return fmt::format("U+{:04X}, which is invisible", code);
  return fmt::format("{}, which is no hex digit", quoted(text.substr(0, character.bytes)));
}

// Counted as people count: in characters, from 1.
size_t character_number(std::string_view text, size_t offset)
{
  size_t number = 1;
  for (size_t position = 0; position < offset; position += first_character(text.substr(position)).bytes)
    number++;
  return number;
}

// One label of a host name (RFC 5890 2.3.1: letters, digits and inner hyphens).
bool is_label(std::string_view label)
{
  return !label.empty() && label.size() <= limits::kMaxHostLabel && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(),
                     [](char letter) { return is_letter_or_digit(letter) || letter == '-'; });
}

bool is_host_name(std::string_view host)
{
  if (host.starts_with("*."))
    host.remove_prefix(2);
  while (true) {
    size_t dot = host.find('.');
    if (!is_label(host.substr(0, dot)))
      return false;
    if (dot == host.npos)
      return true;
    host.remove_prefix(dot + 1);
  }
}

}

std::optional<std::string> parse_thumbprint(std::string_view tag, std::string_view text, std::string &reason)
{
  auto stranger = std::find_if_not(text.begin(), text.end(), is_hex);
  if (stranger != text.end()) {
    auto offset = static_cast<size_t>(stranger - text.begin());
    reason = fmt::format(
      "{} {} is no thumbprint: character {} is {}; write the {} hex digits without anything between them", tag,
      quoted(text), character_number(text, offset), describe_character(text.substr(offset)), kThumbprintDigits);
    return std::nullopt;
  }
  if (text.size() != kThumbprintDigits) {
    reason = fmt::format("{} {} is no thumbprint: {} hex digits were given, a SHA-1 thumbprint has {}", tag,
                         quoted(text), text.size(), kThumbprintDigits);
    return std::nullopt;
  }
  return lower_ascii(text);
}

std::optional<std::string> parse_guid(std::string_view tag, std::string_view text, std::string &reason)
{
  auto wrong = [&](std::string_view why) {
    reason = fmt::format("{} {} is no GUID: {}; write it like {}", tag, quoted(text), why, kGuidExample);
    return std::nullopt;
  };
  if (!text.starts_with('{') || !text.ends_with('}') || text.size() < 2)
    return wrong("it must stand in braces, which some shells want in quotes");
  if (text.size() != kGuidExample.size()) {
    size_t count = character_number(text, text.size()) - 3; // it counts from 1, and the braces
    return wrong(fmt::format("it has {} character{} between the braces, 36 are needed", count, count == 1 ? "" : "s"));
  }
  for (size_t index = 1; index + 1 < text.size(); index++) {
    bool hyphen = kGuidExample[index] == '-';
    if (hyphen ? text[index] != '-' : !is_hex(text[index]))
      return wrong(fmt::format("character {} must be a {}", index + 1, hyphen ? "hyphen" : "hex digit"));
  }
  return lower_ascii(text);
}

std::optional<bool> parse_switch(std::string_view tag, std::string_view text, std::string &reason)
{
  if (equal_ignoring_case(text, "enable"))
    return true;
  if (equal_ignoring_case(text, "disable"))
    return false;
  reason = fmt::format("{} cannot be {}: write enable or disable", tag, quoted(text));
  return std::nullopt;
}

std::optional<BindingKey> parse_address_key(std::string_view text, std::string &reason)
{
  auto endpoint = Endpoint::parse(text);
  if (!endpoint) {
    reason = fmt::format(
      "ipport {} is no address with a port: write it like 192.0.2.1:443, [2001:db8::1]:443, or 0.0.0.0:443 for all"
      " addresses; a name belongs to hostnameport=",
      quoted(text));
    return std::nullopt;
  }
  return BindingKey{false, *endpoint, {}, endpoint->port, endpoint->to_string()};
}

std::optional<BindingKey> parse_name_key(std::string_view text, std::string &reason)
{
  size_t colon = text.rfind(':');
  uint16_t port = colon == text.npos ? uint16_t{0} : parse_port(text.substr(colon + 1)).value_or(0);
  std::string host = lower_ascii(text.substr(0, colon));
  if (host.ends_with('.'))
    host.pop_back();
  auto wrong = [&](std::string_view why) {
    reason = fmt::format("hostnameport {} is no name with a port: {}", quoted(text), why);
    return std::nullopt;
  };
  if (port == 0)
    return wrong("write it like www.example.org:443");
  // A name whose last label is a number is meant as an IPv4 address (RFC 3696 2).
  bool looks_numeric = host.find_first_not_of("0123456789", host.rfind('.') + 1) == host.npos;
  if (IpAddress::parse(host) || host.starts_with('[') || (looks_numeric && !host.empty()))
    return wrong("an address belongs to ipport=");
  if (host.size() > limits::kMaxBindingHost)
    return wrong(fmt::format("the name has {} bytes, {} at most are possible (kMaxBindingHost)", host.size(), limits::kMaxBindingHost));
  if (std::any_of(host.begin(), host.end(), [](char letter) { return static_cast<unsigned char>(letter) >= 0x80; }))
    return wrong("write an international name as browsers send it, \"xn--...\"");
  if (!is_host_name(host))
    return wrong("labels are letters, digits and hyphens, and a '*' may stand for the first of several alone, as in "
                 "*.example.org:443");
  std::string normal = fmt::format("{}:{}", host, port);
  return BindingKey{true, {}, std::move(host), port, std::move(normal)};
}

}
