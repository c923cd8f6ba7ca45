// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/client_hello.h"
#include "kernel/base/text.h"
#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace httpsys::tls {

namespace {

using Bytes = std::span<const uint8_t>;

// Takes big-endian numbers and vectors off the front; a vector that is cut short ends everything.
class Reader {
public:
  explicit Reader(Bytes bytes) : m_rest(bytes) {}
  bool is_empty() const { return m_rest.empty(); }
  std::optional<uint32_t> number(size_t size)
  {
    auto bytes = take(size);
    if (!bytes)
      return std::nullopt;
    uint32_t value = 0;
    for (uint8_t byte : *bytes)
      value = value << 8 | byte;
    return value;
  }
  std::optional<Bytes> take(size_t size)
  {
    if (size > m_rest.size()) {
      m_rest = {};
      return std::nullopt;
    }
    Bytes front = m_rest.first(size);
    m_rest = m_rest.subspan(size);
    return front;
  }
  // A vector with a length of so many bytes in front.
  std::optional<Bytes> vector(size_t length_size)
  {
    auto length = number(length_size);
    return length ? take(*length) : std::nullopt;
  }

private:
  Bytes m_rest;
};

enum Extension : uint32_t {
  kServerName = 0,
  kSupportedGroups = 10,
  kApplicationProtocols = 16,
  kSessionTicket = 35,
  kPreSharedKey = 41,
  kEarlyData = 42,
  kSupportedVersions = 43,
  kKeyShare = 51
};

struct Group {
  uint32_t number;
  size_t share_size; // bytes of a client's key share
};

// What wolfSSL has compiled in (user_settings.h): RFC 8446 4.2.8.2 and draft-ietf-tls-ecdhe-mlkem.
constexpr Group kGroups[] = {{23, 65}, {24, 97}, {25, 133}, {29, 32}, {0x11eb, 1249}, {0x11ec, 1216}, {0x11ed, 1665}};

const Group *find_group(uint32_t number)
{
  auto found = std::find_if(std::begin(kGroups), std::end(kGroups), [number](const Group &group) { return group.number == number; });
  return found == std::end(kGroups) ? nullptr : found;
}

void parse_server_name(Bytes extension, ClientHello &hello)
{
  auto list = Reader(extension).vector(2);
  Reader names(list.value_or(Bytes()));
  bool seen = false;
  while (auto type = names.number(1)) {
    auto name = names.vector(2);
    if (!name || *type != 0)
      continue;
    if (seen)
      hello.fault = "two host names in the hello";
    seen = true;
    if (!std::all_of(name->begin(), name->end(), [](uint8_t byte) { return byte >= 33 && byte <= 126; }))
      hello.fault = "a host name in the hello that is no name";
    else
      hello.server_name.assign(name->begin(), name->end());
  }
}

std::string_view text_of(Bytes bytes)
{
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

std::string name_protocols(Reader names)
{
  constexpr size_t kMostNamed = 4, kMostBytes = 32; // of a name: registered ones are shorter, and quoting makes six of a byte
  std::vector<std::string> named;
  size_t more = 0;
  while (auto name = names.vector(1)) {
    if (named.size() < kMostNamed)
      named.push_back(quoted(text_of(*name).substr(0, kMostBytes)) + (name->size() > kMostBytes ? "..." : ""));
    else
      more++;
  }
  if (more > 0)
    named.push_back(std::to_string(more) + " more");
  std::vector<std::string_view> words(named.begin(), named.end());
  return joined(words);
}

void parse_protocols(Bytes extension, ClientHello &hello)
{
  Reader list(Reader(extension).vector(2).value_or(Bytes()));
  bool is_empty = true, offers_http1 = false;
  for (Reader names = list; auto name = names.vector(1); is_empty = false)
    offers_http1 |= text_of(*name) == "http/1.1" || text_of(*name) == "http/1.0";
  if (is_empty || offers_http1)
    return;
  hello.offers_http1 = false;
  hello.protocols = name_protocols(list);
}

void parse_extension(uint32_t type, Bytes extension, ClientHello &hello)
{
  if (type == kServerName) {
    parse_server_name(extension, hello);
  } else if (type == kSupportedGroups) {
    Reader groups(Reader(extension).vector(2).value_or(Bytes()));
    hello.names_groups = true;
    while (auto group = groups.number(2))
      hello.names_group_of_ours |= find_group(*group) != nullptr;
  } else if (type == kApplicationProtocols) {
    parse_protocols(extension, hello);
  } else if (type == kEarlyData) {
    hello.has_early_data = true;
  } else if (type == kPreSharedKey || (type == kSessionTicket && !extension.empty())) { // RFC 8446 4.2.11, RFC 5077 3.2
    hello.offers_ticket = true;
  } else if (type == kSupportedVersions) {
    Reader versions(Reader(extension).vector(1).value_or(Bytes()));
    hello.offers_tls12 = false;
    hello.best_version = 0;
    while (auto version = versions.number(2)) {
      hello.offers_tls13 |= *version == 0x0304;
      hello.offers_tls12 |= *version == 0x0303;
      if (*version >= 0x0300 && *version <= 0x0304)
        hello.best_version = std::max(hello.best_version, static_cast<uint16_t>(*version));
    }
  } else if (type == kKeyShare) {
    Reader shares(Reader(extension).vector(2).value_or(Bytes()));
    while (auto number = shares.number(2)) {
      auto share = shares.vector(2);
      const Group *group = find_group(*number);
      if (share && group && share->size() != group->share_size)
        hello.fault = "a key share of the wrong length in the hello";
    }
  }
}

}

ClientHello ClientHello::parse(std::span<const uint8_t> body)
{
  ClientHello hello;
  Reader reader(body);
  auto fixed = reader.take(34); // legacy_version, random
  auto session = reader.vector(1);
  auto suites = reader.vector(2);
  auto compression = reader.vector(1);
  if (!fixed || !session || !suites || !compression)
    return hello;
  uint32_t legacy = uint32_t{(*fixed)[0]} << 8u | (*fixed)[1];
  hello.best_version = legacy < 0x0300 ? uint16_t{0} : static_cast<uint16_t>(std::min(legacy, 0x0303u)); // RFC 5246 E.1
  auto extensions = reader.vector(2);
  if (!extensions) // old clients have none (RFC 5246 7.4.1.2)
    return hello;
  Reader list(*extensions);
  while (auto type = list.number(2)) {
    auto extension = list.vector(2);
    if (!extension)
      break;
    parse_extension(*type, *extension, hello);
  }
  return hello;
}

}
