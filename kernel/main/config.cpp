// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/config.h"
#include "kernel/base/text.h"
#include "kernel/platform/files.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <vector>

// Header-only: the distribution's compiled library has exceptions.
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// Its parser asserts some things before it refuses them with a message; a slip in a file must not end the process.
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>

namespace httpsys::main {

namespace {

enum class Kind { Count, Seconds, Switch };

// A key of the file. Times are compared and shown in milliseconds, so that fractions stay exact.
struct Key {
  std::string_view table, name;
  Kind kind;
  uint64_t least, most;
  std::string_view unit;
  uint64_t (*get)(const Config &);
  void (*set)(Config &, uint64_t);
};

#define MEMBER(member)                                                                                                 \
  [](const Config &config) { return static_cast<uint64_t>(config.member); },                                           \
      [](Config &config, uint64_t value) { config.member = static_cast<decltype(config.member)>(value); }
#define COUNT(name, member, least, most, unit)                                                                         \
  {                                                                                                                    \
    "limits", name, Kind::Count, least, most, unit, MEMBER(limits.member)                                              \
  }
#define COUNT_OF_CLIENTS(name, member, least, most, unit)                                                              \
  {                                                                                                                    \
    "clients", name, Kind::Count, least, most, unit, MEMBER(clients.member)                                            \
  }
// A bound of a user and one of a process.
#define SHARE(name, member, least, most, unit)                                                                         \
  {"clients", name "PerUser", Kind::Count, least, most, unit, MEMBER(clients.member.user)},                            \
  {                                                                                                                    \
    "clients", name "PerProcess", Kind::Count, least, most, unit, MEMBER(clients.member.process)                       \
  }
#define SECONDS(name, member, least)                                                                                   \
  {                                                                                                                    \
    "timeouts", name, Kind::Seconds, least, limits::kTimeoutSecondsCeiling * 1000ull, "seconds",                       \
        MEMBER(timeouts.member)                                                                                        \
  }
#define SWITCH(name, member)                                                                                           \
  {                                                                                                                    \
    "compat", name, Kind::Switch, 0, 1, "", MEMBER(compat.member)                                                      \
  }

constexpr Key kKeys[] = {
    COUNT("MaxRequestLine", max_request_line, 64, limits::kRequestLineCeiling, "bytes"),
    COUNT("MaxRequestBytes", max_request_bytes, 256, limits::kRequestBytesCeiling, "bytes"),
    COUNT("MaxFieldLength", max_field_length, 64, limits::kFieldLengthCeiling, "bytes"),
    COUNT("MaxHeaderCount", max_header_count, 1, limits::kHeaderCountCeiling, "header lines"),
    COUNT("UrlSegmentMaxLength", url_segment_max_length, 0, limits::kUrlSegmentLengthCeiling,
          "characters, 0 for no limit"),
    COUNT("UrlSegmentMaxCount", url_segment_max_count, 0, limits::kUrlSegmentCountCeiling, "segments, 0 for no limit"),
    COUNT("MaxClientCertificateBytes", max_client_certificate_bytes, 1024, limits::kClientCertificateCeiling, "bytes"),
    COUNT("EntityBodyBytes", entity_body_bytes, 1, limits::kEntityBodyBytesCeiling, "bytes"),
    COUNT("CertificateWaitBodyBytes", certificate_wait_body_bytes, 0, limits::kCertificateWaitBodyCeiling, "bytes"),
    COUNT("CertificateWaitBodyBytesTotal", certificate_wait_body_bytes_total, 0, limits::kCertificateWaitBodyCeiling,
          "bytes"),
    COUNT("ConnectionBufferBytesTotal", connection_buffer_bytes_total, 0, limits::kClientBytesCeiling,
          "bytes, 0 for what suits the memory"),
    COUNT("MaxConnections", max_connections, 0, limits::kMaxConnectionsCeiling, "connections, 0 for what suits the memory"),
    SECONDS("Handshake", handshake, 1),
    SECONDS("IdleConnection", idle_connection, 1),
    SECONDS("HeaderWait", header_wait, 1),
    SECONDS("EntityBody", entity_body, 1),
    SECONDS("DrainEntityBody", drain_entity_body, 1),
    SECONDS("SslRenegotiation", ssl_renegotiation, 1),
    SECONDS("Shutdown", shutdown, 0),
    SHARE("Sessions", sessions, 1, limits::kSessions, "connections of the control socket"),
    SHARE("ChannelBytes", channel_bytes, limits::kDefaultChannelBytes, limits::kClientBytesCeiling, "bytes"),
    COUNT_OF_CLIENTS("ChannelBytesTotal", channel_bytes_total, 0, limits::kClientBytesCeiling, "bytes, 0 for half of the memory"),
    SHARE("Operations", operations, HSYS_CQ_ENTRIES_DEFAULT, limits::kSessions * uint64_t{HSYS_CQ_ENTRIES_MAX},
          "completion ring entries"),
    SHARE("Handles", handles, 1, limits::kSessions * uint64_t{limits::kHandlesCeiling}, "request queue handles"),
    SHARE("ServerSessions", server_sessions, 1, limits::kServerSessions, "server sessions"),
    SHARE("UrlGroups", url_groups, 1, limits::kUrlGroups, "URL groups"),
    SHARE("Urls", urls, 1, limits::kUrls, "URLs"),
    SHARE("RequestQueues", request_queues, 1, limits::kRequestQueues, "request queues"),
    SHARE("Ports", ports, 1, limits::kPorts, "ports"),
    COUNT_OF_CLIENTS("RequestsPerUser", requests_per_user, 0, limits::kMaxConnectionsCeiling, "requests, 0 for half of the connections"),
    SHARE("WaitingOutputBytes", waiting_output_bytes, HSYS_BLOCK_MAX, limits::kClientBytesCeiling, "bytes"),
    COUNT_OF_CLIENTS("WaitingOutputBytesTotal", waiting_output_bytes_total, 0, limits::kClientBytesCeiling,
                     "bytes, 0 for an eighth of the memory"),
    SWITCH("AcceptBareLF", accept_bare_lf),
    SWITCH("AcceptObsFold", accept_obs_fold),
    SWITCH("AcceptTransferEncodingWithContentLength", accept_transfer_encoding_with_content_length),
};
#undef MEMBER
#undef COUNT
#undef SECONDS
#undef SHARE
#undef COUNT_OF_CLIENTS
#undef SWITCH

constexpr std::array<std::string_view, 4> kTables = {"limits", "timeouts", "clients", "compat"};

struct Slip {
  toml::source_position place;
  std::string text;
};

std::string number_text(const Key &key, uint64_t value)
{
  if (key.kind == Kind::Switch)
    return value ? "true" : "false";
  if (key.kind == Kind::Count)
    return fmt::format("{}", value);
  std::string text = fmt::format("{}.{:03}", value / 1000, value % 1000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.'))
    text.pop_back();
  return text;
}

std::string_view type_name(toml::node_type type)
{
  switch (type) {
  case toml::node_type::table: return "a table";
  case toml::node_type::array: return "a list";
  case toml::node_type::string: return "a text";
  case toml::node_type::integer: return "a whole number";
  case toml::node_type::floating_point: return "a fraction";
  case toml::node_type::boolean: return "true or false";
  default: return "a date or time";
  }
}

// nullopt with a text: what is wrong with the value.
std::optional<uint64_t> read_value(const Key &key, const toml::node &node, std::string &text)
{
  auto wrong_type = [&](std::string_view wanted) {
    text = fmt::format("{} must be {}, not {}", key.name, wanted, type_name(node.type()));
    return std::optional<uint64_t>();
  };
  double number = 0;
  if (key.kind == Kind::Switch) {
    auto value = node.value_exact<bool>();
    return value ? std::optional<uint64_t>(*value) : wrong_type("true or false");
  }
  if (key.kind == Kind::Count) {
    auto value = node.value_exact<int64_t>();
    if (!value)
      return wrong_type("a whole number");
    if (*value >= 0 && static_cast<uint64_t>(*value) >= key.least && static_cast<uint64_t>(*value) <= key.most)
      return static_cast<uint64_t>(*value);
    number = static_cast<double>(*value);
  } else {
    if (!node.is_number())
      return wrong_type("a number");
    number = node.value<double>().value_or(NAN);
    double milliseconds = std::round(number * 1000);
    if (milliseconds >= static_cast<double>(key.least) && milliseconds <= static_cast<double>(key.most))
      return static_cast<uint64_t>(milliseconds);
  }
  text = fmt::format("{} is {}, it must be from {} to {} ({})", key.name, number, number_text(key, key.least),
                     number_text(key, key.most), key.unit);
  return std::nullopt;
}

const Key *find_key(std::string_view table, std::string_view name)
{
  for (const Key &key : kKeys)
    if (key.table == table && key.name == name)
      return &key;
  return nullptr;
}

std::string unknown_key(std::string_view table, std::string_view name)
{
  std::vector<std::string_view> names;
  for (const Key &key : kKeys)
    if (key.table == table)
      names.push_back(key.name);
  for (std::string_view other : kTables)
    if (other != table && find_key(other, name))
      return fmt::format("{} belongs under [{}]", quoted(name), other);
  return fmt::format("unknown key {} in [{}] (did you mean \"{}\"?)", quoted(name), table, nearest_word(name, names));
}

std::string unknown_at_top(std::string_view name, const toml::node &node)
{
  for (std::string_view table : kTables)
    if (find_key(table, name))
      return fmt::format("{} belongs under [{}]", quoted(name), table);
  if (node.is_table() || node.is_array_of_tables())
    return fmt::format("unknown table [{}] (did you mean [{}]?)", quoted(name), nearest_word(name, kTables));
  std::vector<std::string_view> names;
  for (const Key &key : kKeys)
    names.push_back(key.name);
  return fmt::format("unknown key {} (did you mean \"{}\"?)", quoted(name), nearest_word(name, names));
}

void read_table(const std::string &table_name, const toml::table &table, const std::string &file_name,
                LoadedConfig &loaded, std::vector<Slip> &slips)
{
  for (const auto &[name, node] : table) {
    const Key *key = find_key(table_name, name.str());
    if (!key) {
      slips.push_back({name.source().begin, unknown_key(table_name, name.str())});
      continue;
    }
    std::string text;
    auto value = read_value(*key, node, text);
    if (!value) {
      slips.push_back({node.source().begin, std::move(text)});
      continue;
    }
    key->set(loaded.config, *value);
    loaded.origins[fmt::format("{}.{}", table_name, key->name)] =
        fmt::format("{}:{}", file_name, name.source().begin.line);
  }
}

// At some letters of other scripts toml++ 3.3 looks for blanks in undefined ways. Nothing that the file can say needs them but comments.
std::optional<Slip> find_foreign_letter(std::string_view text)
{
  if (text.starts_with("\xef\xbb\xbf")) // the byte order mark that the library skips too
    text.remove_prefix(3);
  for (toml::source_index number = 1; !text.empty(); number++) {
    std::string_view line = text.substr(0, text.find('\n')), said = line.substr(0, line.find('#'));
    auto foreign = std::find_if(said.begin(), said.end(), [](char letter) { return static_cast<unsigned char>(letter) >= 0x80; });
    auto column = static_cast<toml::source_index>(foreign - said.begin() + 1);
    if (foreign != said.end())
      return Slip{{number, column}, "a character that is not ASCII, outside of a comment"};
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

}

Result<LoadedConfig> parse_config(std::string_view text, const std::string &file_name, std::string &reason)
{
  std::vector<Slip> slips;
  LoadedConfig loaded;
  auto foreign = find_foreign_letter(text);
  toml::parse_result parsed = toml::parse(foreign ? std::string_view() : text, file_name);
  if (foreign) {
    slips.push_back(*std::move(foreign));
  } else if (!parsed) {
    slips.push_back({parsed.error().source().begin, std::string(parsed.error().description())});
  } else {
    for (const auto &[name, node] : parsed.table()) {
      bool is_known = std::find(kTables.begin(), kTables.end(), name.str()) != kTables.end();
      if (!is_known)
        slips.push_back({name.source().begin, unknown_at_top(name.str(), node)});
      else if (!node.is_table())
        slips.push_back(
            {name.source().begin, fmt::format("{0} must be a table: write [{0}] in a line of its own", name.str())});
      else
        read_table(std::string(name.str()), *node.as_table(), file_name, loaded, slips);
    }
  }
  if (slips.empty())
    return loaded;
  // The tables come sorted by name; people read from the top.
  auto first = std::min_element(slips.begin(), slips.end(), [](const Slip &one, const Slip &other) {
    return std::pair(one.place.line, one.place.column) < std::pair(other.place.line, other.place.column);
  });
  reason = fmt::format("{}:{}:{}: {}", file_name, first->place.line, first->place.column, first->text);
  return NtStatus::InvalidParameter;
}

Result<LoadedConfig> load_config(const std::string &path, bool is_named, std::string &reason)
{
  auto text = platform::read_file(path, limits::kMaxConfigurationBytes, reason);
  if (!text.is_error())
    return parse_config(*text, path, reason);
  if (text.error() == NtStatus::ObjectNameNotFound && !is_named)
    return LoadedConfig{};
  return text.error();
}

std::string config_text(const LoadedConfig &loaded)
{
  std::string text;
  for (std::string_view table : kTables) {
    text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", table);
    for (const Key &key : kKeys) {
      if (key.table != table)
        continue;
      auto origin = loaded.origins.find(fmt::format("{}.{}", table, key.name));
      text += fmt::format("{} = {} # {}\n", key.name, number_text(key, key.get(loaded.config)),
                          origin == loaded.origins.end() ? "default" : origin->second);
    }
  }
  return text;
}

}
