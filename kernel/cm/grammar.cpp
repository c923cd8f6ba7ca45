// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/cm/grammar.h"
#include "kernel/base/text.h"
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <vector>

namespace httpsys::cm {

namespace {

using Words = std::span<const std::string>;

enum class Need {
  Required,
  Optional,
  Key,         // exactly one of the command's keys must be given
  OptionalKey, // at most one
  Unsupported, // netsh has it, this daemon does not: `note` says why
};

struct Tag {
  std::string_view name;
  Need need;
  std::string_view note = {};
};

struct Rule {
  CommandId id;
  std::string_view verb, object;
  std::span<const Tag> tags = {};
  std::span<const std::string_view> files = {};
  std::string_view note = {}; // of an unsupported command: why, and what to do instead
};

constexpr std::string_view kNoCentralStore = "there is no central certificate store";
constexpr std::string_view kNoJson = "commands are words";
constexpr std::string_view kNoCertificateUrls = "lists are never fetched, they come with \"import crl\"";
constexpr std::string_view kNoTrustLists = "client certificates are checked against the CAs of \"import ca\"";
constexpr std::string_view kAlwaysTls12 = "TLS 1.2 is always offered, older versions never";

// http-wire-and-netsh D.2: one list for add and update; what they need differs.
#define NETSH_SSL_TAGS                                                                                                 \
  {"ccs", Need::Unsupported, kNoCentralStore}, {"scopedccs", Need::Unsupported, kNoCentralStore},                      \
    {"json", Need::Unsupported, kNoJson},                                                                              \
    {"verifyclientcertrevocation", Need::Unsupported, "revocation is checked whenever a list of the CA is there"},     \
    {"verifyrevocationwithcachedclientcertonly", Need::Unsupported, kNoCertificateUrls},                               \
    {"usagecheck", Need::Unsupported, "a wrong usage is always reported to the program, which decides"},               \
    {"revocationfreshnesstime", Need::Unsupported, kNoCertificateUrls},                                                \
    {"urlretrievaltimeout", Need::Unsupported, kNoCertificateUrls},                                                    \
    {"sslctlidentifier", Need::Unsupported, kNoTrustLists}, {"sslctlstorename", Need::Unsupported, kNoTrustLists},     \
    {"dsmapperusage", Need::Unsupported, "certificates are not mapped to accounts"},                                   \
    {"reject", Need::Unsupported, "an address without a record is refused as it is"},                                  \
    {"disablehttp2", Need::Unsupported, "HTTP/2 is not offered"},                                                      \
    {"disablequic", Need::Unsupported, "QUIC is not offered"}, {"disablelegacytls", Need::Unsupported, kAlwaysTls12},  \
    {"disabletls12", Need::Unsupported, kAlwaysTls12},                                                                 \
    {"disableocspstapling", Need::Unsupported, "OCSP responses are not stapled"},                                      \
    {"enabletokenbinding", Need::Unsupported, "token binding is not offered"},                                         \
    {"logextendedevents", Need::Unsupported, "a failed handshake is always logged"},                                   \
    {"enablesessionticket", Need::Unsupported, "tickets are always offered"},                                          \
    {"disablesessionid", Need::Unsupported, "sessions are resumed by tickets alone"},                                  \
  {                                                                                                                    \
    "enablecachingclienthello", Need::Unsupported, "the client's hello is not kept"                                    \
  }

constexpr Tag kAddBinding[] = {{"ipport", Need::Key},
                               {"hostnameport", Need::Key},
                               {"certhash", Need::Required},
                               {"appid", Need::Required},
                               {"certstorename", Need::Optional},
                               {"clientcertnegotiation", Need::Optional},
                               {"disabletls13", Need::Optional},
                               NETSH_SSL_TAGS};
constexpr Tag kUpdateBinding[] = {{"ipport", Need::Key},
                                  {"hostnameport", Need::Key},
                                  {"certhash", Need::Optional},
                                  {"appid", Need::Optional},
                                  {"certstorename", Need::Optional},
                                  {"clientcertnegotiation", Need::Optional},
                                  {"disabletls13", Need::Optional},
                                  NETSH_SSL_TAGS};
#undef NETSH_SSL_TAGS
constexpr Tag kDeleteBinding[] = {{"ipport", Need::Key},
                                  {"hostnameport", Need::Key},
                                  {"ccs", Need::Unsupported, kNoCentralStore},
                                  {"scopedccs", Need::Unsupported, kNoCentralStore}};
constexpr Tag kShowBindings[] = {{"ipport", Need::OptionalKey},
                                 {"hostnameport", Need::OptionalKey},
                                 {"ccs", Need::Unsupported, kNoCentralStore},
                                 {"scopedccs", Need::Unsupported, kNoCentralStore},
                                 {"json", Need::Unsupported, "the list is plain text"}};
constexpr Tag kImportCertificate[] = {
  {"certfile", Need::Required}, {"keyfile", Need::Required}, {"storename", Need::Optional}};
constexpr Tag kImportAuthorities[] = {{"certfile", Need::Required}};
constexpr Tag kImportRevocations[] = {{"crlfile", Need::Required}};
constexpr Tag kOneHash[] = {{"certhash", Need::Required}};
constexpr Tag kMaybeHash[] = {{"certhash", Need::Optional}};
constexpr Tag kOneList[] = {{"crlhash", Need::Required}};
constexpr Tag kMaybeList[] = {{"crlhash", Need::Optional}};

constexpr std::string_view kCertificateFiles[] = {"certfile", "keyfile"};
constexpr std::string_view kAuthorityFiles[] = {"certfile"};
constexpr std::string_view kRevocationFiles[] = {"crlfile"};

constexpr std::string_view kNoReservations =
  "there are no URL reservations yet, ports from 1024 are open to every program "
  "that can connect and lower ones to uid 0 and httpsysd's own uid";
constexpr std::string_view kNoListenList = "httpsysd listens on the addresses of the URLs that programs register";
constexpr std::string_view kTimesInFile = "times are set in [timeouts] of httpsysd's configuration file";
constexpr std::string_view kNoCache = "there is no response cache";
constexpr std::string_view kNoThrottle = "there is no TLS throttle";

constexpr Rule kRules[] = {
  {CommandId::AddBinding, "add", "sslcert", kAddBinding},
  {CommandId::UpdateBinding, "update", "sslcert", kUpdateBinding},
  {CommandId::DeleteBinding, "delete", "sslcert", kDeleteBinding},
  {CommandId::ShowBindings, "show", "sslcert", kShowBindings},
  {CommandId::ImportCertificate, "import", "cert", kImportCertificate, kCertificateFiles},
  {CommandId::ImportAuthorities, "import", "ca", kImportAuthorities, kAuthorityFiles},
  {CommandId::ImportRevocations, "import", "crl", kImportRevocations, kRevocationFiles},
  {CommandId::ShowCertificates, "show", "cert", kMaybeHash},
  {CommandId::ShowAuthorities, "show", "ca", kMaybeHash},
  {CommandId::ShowRevocations, "show", "crl", kMaybeList},
  {CommandId::ShowStatistics, "show", "statistics"},
  {CommandId::DeleteCertificate, "delete", "cert", kOneHash},
  {CommandId::DeleteAuthority, "delete", "ca", kOneHash},
  {CommandId::DeleteRevocations, "delete", "crl", kOneList},
  {CommandId::Unsupported, "add", "urlacl", {}, {}, kNoReservations},
  {CommandId::Unsupported, "delete", "urlacl", {}, {}, kNoReservations},
  {CommandId::Unsupported, "show", "urlacl", {}, {}, kNoReservations},
  {CommandId::Unsupported, "add", "iplisten", {}, {}, kNoListenList},
  {CommandId::Unsupported, "delete", "iplisten", {}, {}, kNoListenList},
  {CommandId::Unsupported, "show", "iplisten", {}, {}, kNoListenList},
  {CommandId::Unsupported, "add", "timeout", {}, {}, kTimesInFile},
  {CommandId::Unsupported, "delete", "timeout", {}, {}, kTimesInFile},
  {CommandId::Unsupported, "show", "timeout", {}, {}, kTimesInFile},
  {CommandId::Unsupported,
   "show",
   "servicestate",
   {},
   {},
   "this version of httpsysd does not list sessions and queues"},
  {CommandId::Unsupported, "add", "cacheparam", {}, {}, kNoCache},
  {CommandId::Unsupported, "show", "cacheparam", {}, {}, kNoCache},
  {CommandId::Unsupported, "show", "cachestate", {}, {}, kNoCache},
  {CommandId::Unsupported, "delete", "cache", {}, {}, kNoCache},
  {CommandId::Unsupported, "add", "setting", {}, {}, kNoThrottle},
  {CommandId::Unsupported, "delete", "setting", {}, {}, kNoThrottle},
  {CommandId::Unsupported, "show", "setting", {}, {}, kNoThrottle},
  {CommandId::Unsupported, "update", "sslpropertyex", {}, {}, "HTTP/2 is not offered"},
  {CommandId::Unsupported, "flush", "logbuffer", {}, {}, "log lines are not held back"},
  {CommandId::Unsupported, "dump", "", {}, {}, "use \"show sslcert\", \"show cert\", \"show ca\" and \"show crl\""},
};

// Each once, in the order of the table; empty objects are left out.
std::vector<std::string_view> distinct(std::string_view Rule::*member, std::string_view verb = {})
{
  std::vector<std::string_view> words;
  for (const Rule &rule : kRules)
    if ((verb.empty() || rule.verb == verb) && !(rule.*member).empty() &&
        std::find(words.begin(), words.end(), rule.*member) == words.end())
      words.push_back(rule.*member);
  return words;
}

// Objects that really work are the better advice.
std::vector<std::string_view> supported_objects(std::string_view verb)
{
  std::vector<std::string_view> words;
  for (const Rule &rule : kRules)
    if (rule.verb == verb && rule.id != CommandId::Unsupported)
      words.push_back(rule.object);
  return words.empty() ? distinct(&Rule::object, verb) : words;
}

std::vector<std::string_view> supported_verbs()
{
  std::vector<std::string_view> verbs = distinct(&Rule::verb);
  std::erase_if(verbs, [](std::string_view verb) {
    return std::none_of(std::begin(kRules), std::end(kRules),
                        [&](const Rule &rule) { return rule.verb == verb && rule.id != CommandId::Unsupported; });
  });
  return verbs;
}

bool contains(std::span<const std::string_view> words, std::string_view word)
{
  return std::find(words.begin(), words.end(), word) != words.end();
}

struct BareWords {
  std::string verb, object;
  std::vector<std::string> others;
};

// Sorts the words without '=' into the command's two and what is left.
BareWords sort_bare_words(Words words)
{
  BareWords sorted;
  for (const std::string &word : words) {
    if (word.find('=') != word.npos)
      continue;
    std::string lower = lower_ascii(word);
    if (sorted.verb.empty() && contains(distinct(&Rule::verb), lower))
      sorted.verb = lower;
    else if (sorted.object.empty() && contains(distinct(&Rule::object), lower))
      sorted.object = lower;
    else
      sorted.others.push_back(word);
  }
  return sorted;
}

AdminAnswer no_such_command(const BareWords &bare)
{
  std::vector<std::string_view> verbs = distinct(&Rule::verb);
  if (bare.verb.empty() && !bare.others.empty())
    return unknown_word(fmt::format("unknown command {} (did you mean \"{}\"?)", quoted(bare.others[0]),
                                    nearest_word(bare.others[0], verbs)));
  if (bare.verb.empty())
    return unknown_word(fmt::format("no command was given: {} are there", joined(supported_verbs())));
  std::vector<std::string_view> objects = supported_objects(bare.verb);
  if (objects.empty())
    return unknown_word(fmt::format("\"{}\" takes no \"{}\" after it", bare.verb, bare.object));
  if (!bare.object.empty())
    return unknown_word(fmt::format("\"{0} {1}\" is no command (did you mean \"{0} {2}\"?)", bare.verb, bare.object,
                                    nearest_word(bare.object, objects)));
  if (bare.others.empty())
    return unknown_word(fmt::format("\"{}\" needs {} after it", bare.verb, joined(objects, " or ")));
  std::vector<std::string_view> all = distinct(&Rule::object, bare.verb);
  return unknown_word(fmt::format("unknown word {} after \"{}\" (did you mean \"{}\"?)", quoted(bare.others[0]),
                                  bare.verb, nearest_word(bare.others[0], all)));
}

std::string command_name(const Rule &rule)
{
  return rule.object.empty() ? std::string(rule.verb) : fmt::format("{} {}", rule.verb, rule.object);
}

AdminAnswer no_such_tag(const Rule &rule, const std::string &word)
{
  std::vector<std::string_view> tags, longer;
  std::string written = lower_ascii(std::string_view(word).substr(0, word.find('=')));
  for (const Tag &tag : rule.tags) {
    tags.push_back(tag.name);
    if (tag.need != Need::Unsupported && tag.name.starts_with(written))
      longer.push_back(tag.name); // netsh takes such abbreviations
  }
  if (tags.empty())
    return unknown_word(
      fmt::format("unknown word {}: \"{}\" takes no words after it", quoted(word), command_name(rule)));
  return unknown_word(fmt::format("unknown word {} for \"{}\" (did you mean \"{}=\"?)", quoted(word),
                                  command_name(rule), nearest_word(written, longer.empty() ? tags : longer)));
}

// Takes "tag=value" into the command.
bool take_tag(const Rule &rule, const std::string &word, Command &command, AdminAnswer &answer)
{
  size_t equals = word.find('=');
  std::string name = lower_ascii(std::string_view(word).substr(0, equals));
  auto tag = std::find_if(rule.tags.begin(), rule.tags.end(), [&](const Tag &known) { return known.name == name; });
  if (tag == rule.tags.end()) {
    answer = no_such_tag(rule, word);
    return false;
  }
  if (tag->need == Need::Unsupported) {
    answer = refuse(win32::kNotSupported, fmt::format("\"{}\" does not take {}=: {}; leave the word out",
                                                      command_name(rule), tag->name, tag->note));
    return false;
  }
  if (equals + 1 == word.size()) {
    answer = refuse(win32::kInvalidParameter, fmt::format("{}= has no value: write it directly after the '='", name));
    return false;
  }
  if (!command.values.emplace(name, word.substr(equals + 1)).second) {
    answer = refuse(win32::kInvalidParameter, fmt::format("{}= is given twice: leave one out", name));
    return false;
  }
  return true;
}

// netsh: "One or more essential parameters were not entered."
bool check_complete(const Rule &rule, const Command &command, AdminAnswer &answer)
{
  std::vector<std::string> missing;
  size_t keys_given = 0;
  bool needs_key = false;
  for (const Tag &tag : rule.tags) {
    if (tag.need == Need::Required && !command.has(tag.name))
      missing.push_back(std::string(tag.name) + '=');
    if (tag.need == Need::Key || tag.need == Need::OptionalKey)
      keys_given += command.has(tag.name) ? 1 : 0;
    needs_key = needs_key || tag.need == Need::Key;
  }
  if (keys_given > 1) {
    answer = refuse(
      win32::kInvalidParameter,
      fmt::format("\"{}\" takes one of ipport= and hostnameport=: give one command for each", command_name(rule)));
    return false;
  }
  if (needs_key && keys_given == 0)
    missing.insert(missing.begin(), "ipport= or hostnameport=");
  if (!missing.empty()) {
    std::vector<std::string_view> views(missing.begin(), missing.end());
    answer =
      refuse(win32::kInvalidParameter, fmt::format("\"{}\" needs {}: one or more essential parameters were not entered",
                                                   command_name(rule), joined(views)));
    return false;
  }
  return true;
}

}

std::string_view Command::value(std::string_view tag) const
{
  auto found = values.find(tag);
  return found == values.end() ? std::string_view() : found->second;
}

std::optional<Command> parse_command(Words words, AdminAnswer &answer)
{
  BareWords bare = sort_bare_words(words);
  auto rule = std::find_if(std::begin(kRules), std::end(kRules),
                           [&](const Rule &known) { return known.verb == bare.verb && known.object == bare.object; });
  if (rule == std::end(kRules)) {
    answer = no_such_command(bare);
    return std::nullopt;
  }
  if (rule->id == CommandId::Unsupported) {
    answer = refuse(win32::kNotSupported, fmt::format("\"{}\" is not supported: {}", command_name(*rule), rule->note));
    return std::nullopt;
  }
  if (!bare.others.empty()) {
    answer = no_such_tag(*rule, bare.others[0]);
    return std::nullopt;
  }
  Command command{rule->id, {}};
  for (const std::string &word : words)
    if (word.find('=') != word.npos && !take_tag(*rule, word, command, answer))
      return std::nullopt;
  if (!check_complete(*rule, command, answer))
    return std::nullopt;
  return command;
}

std::span<const std::string_view> file_tags(CommandId id)
{
  for (const Rule &rule : kRules)
    if (rule.id == id)
      return rule.files;
  return {};
}

}
