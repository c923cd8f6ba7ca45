// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/cm/ssl_record.h"
#include "kernel/base/text.h"
#include <fmt/format.h>
#include <map>

namespace httpsys::cm {

namespace {

constexpr std::string_view kFormat = "httpsys-sslcert ";
constexpr std::string_view kFormatVersion = "1";

using Fields = std::map<std::string, std::string, std::less<>>;

const char *switch_text(bool on)
{
  return on ? "enable" : "disable";
}

// Lines "tag=value", each ended by a newline: a file that was cut short ends without one.
bool split_lines(std::string_view text, Fields &fields, std::string &reason)
{
  for (size_t line = 2; !text.empty(); line++) {
    size_t end = text.find('\n');
    size_t equals = text.substr(0, end).find('=');
    if (end == text.npos || equals == text.npos || equals == 0) {
      reason = fmt::format("line {} is not \"tag=value\"", line);
      return false;
    }
    std::string tag(text.substr(0, equals));
    if (!fields.emplace(tag, text.substr(equals + 1, end - equals - 1)).second) {
      reason = fmt::format("line {} repeats {}", line, quoted(tag));
      return false;
    }
    text.remove_prefix(end + 1);
  }
  return true;
}

// Takes the field out, so that what is left is unknown.
std::optional<std::string> take(Fields &fields, std::string_view tag, std::string &reason)
{
  auto found = fields.find(tag);
  if (found == fields.end()) {
    reason = fmt::format("{}= is missing", tag);
    return std::nullopt;
  }
  std::string value = std::move(found->second);
  fields.erase(found);
  return value;
}

std::optional<bool> take_switch(Fields &fields, std::string_view tag, std::string &reason)
{
  auto value = take(fields, tag, reason);
  return value ? parse_switch(tag, *value, reason) : std::nullopt;
}

std::optional<BindingKey> take_key(Fields &fields, std::string &reason)
{
  bool is_name = fields.find("hostnameport") != fields.end();
  auto value = take(fields, is_name ? "hostnameport" : "ipport", reason);
  if (!value)
    return std::nullopt;
  return is_name ? parse_name_key(*value, reason) : parse_address_key(*value, reason);
}

}

std::string SslRecord::serialise() const
{
  return fmt::format("{}{}\n{}={}\ncerthash={}\nappid={}\nclientcertnegotiation={}\ndisabletls13={}\n", kFormat,
                     kFormatVersion, key.tag(), key.text, certificate, application, switch_text(ask_in_handshake),
                     switch_text(disable_tls13));
}

std::optional<SslRecord> SslRecord::parse(std::string_view text, std::string &reason)
{
  size_t end = text.find('\n');
  std::string_view first = text.substr(0, end);
  if (!first.starts_with(kFormat) || end == text.npos) {
    reason = fmt::format("its first line is not \"{}{}\"", kFormat, kFormatVersion);
    return std::nullopt;
  }
  if (first.substr(kFormat.size()) != kFormatVersion) {
    reason = fmt::format("it has format {}, this httpsysd knows format {}", quoted(first.substr(kFormat.size())),
                         kFormatVersion);
    return std::nullopt;
  }
  Fields fields;
  if (!split_lines(text.substr(end + 1), fields, reason))
    return std::nullopt;
  auto key = take_key(fields, reason);
  auto hash = key ? take(fields, "certhash", reason) : std::nullopt;
  auto certificate = hash ? parse_thumbprint("certhash", *hash, reason) : std::nullopt;
  auto guid = certificate ? take(fields, "appid", reason) : std::nullopt;
  auto application = guid ? parse_guid("appid", *guid, reason) : std::nullopt;
  auto ask = application ? take_switch(fields, "clientcertnegotiation", reason) : std::nullopt;
  auto no_tls13 = ask ? take_switch(fields, "disabletls13", reason) : std::nullopt;
  if (!no_tls13)
    return std::nullopt;
  if (!fields.empty()) {
    reason = fmt::format("it has an unknown line {}", quoted(fields.begin()->first + '='));
    return std::nullopt;
  }
  return SslRecord{std::move(*key), std::move(*certificate), std::move(*application), *ask, *no_tls13};
}

}
