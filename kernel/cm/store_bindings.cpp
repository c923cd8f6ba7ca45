// SPDX-License-Identifier: GPL-3.0-or-later
// The store's commands for sslcert records.
#include "kernel/base/log.h"
#include "kernel/base/text.h"
#include "kernel/cm/show.h"
#include "kernel/cm/store.h"
#include <vector>

namespace httpsys::cm {

namespace {

// netsh's words (http-wire-and-netsh D.4), which scripts look for, then the reason.
AdminAnswer failed(std::string_view what, uint32_t win32_code, const std::string &sentence)
{
  return {win32_code, kExitRefused,
          fmt::format("SSL Certificate {} failed, Error: {}: {}", what, win32_code, sentence)};
}

std::optional<BindingKey> read_key(const Command &command, std::string &reason)
{
  if (command.has("hostnameport"))
    return parse_name_key(command.value("hostnameport"), reason);
  return parse_address_key(command.value("ipport"), reason);
}

bool read_switch(const Command &command, std::string_view tag, bool &value, std::string &reason)
{
  if (!command.has(tag))
    return true;
  auto parsed = parse_switch(tag, command.value(tag), reason);
  value = parsed.value_or(value);
  return parsed.has_value();
}

}

std::string Store::no_record(const BindingKey &key) const
{
  if (const std::string *damage = m_files.damage(Kind::Records, key.text))
    return fmt::format(
        "the record of {} cannot be used ({}): \"httpsysctl add sslcert\" or \"delete sslcert\" sets its file {} aside",
        key.text, *damage, quoted(m_files.path_of(Kind::Records, key.text)));
  return fmt::format("there is no record for {}: \"httpsysctl show sslcert\" lists those that are there", key.text);
}

bool Store::apply_words(const Command &command, SslRecord &record, std::string &reason, uint32_t &win32_code) const
{
  win32_code = win32::kInvalidParameter;
  if (command.has("appid")) {
    auto application = parse_guid("appid", command.value("appid"), reason);
    if (!application)
      return false;
    record.application = *application;
  }
  if (!read_switch(command, "clientcertnegotiation", record.ask_in_handshake, reason) ||
      !read_switch(command, "disabletls13", record.disable_tls13, reason))
    return false;
  if (command.has("certstorename") && !equal_ignoring_case(command.value("certstorename"), "MY")) {
    win32_code = win32::kNotSupported;
    reason = fmt::format("certstorename {} is not there: MY is the only store; leave the word out",
                         quoted(command.value("certstorename")));
    return false;
  }
  if (!command.has("certhash"))
    return true;
  auto thumbprint = parse_thumbprint("certhash", command.value("certhash"), reason);
  if (!thumbprint) {
    reason += "; " + known_certificates();
    return false;
  }
  if (!m_state.certificates.count(*thumbprint)) {
    win32_code = win32::kNoSuchLogonSession;
    reason = fmt::format("no certificate {} is imported: {}", quoted(*thumbprint), known_certificates());
    return false;
  }
  record.certificate = *thumbprint;
  return true;
}

AdminAnswer Store::save_binding(SslRecord record, std::string_view what, std::string_view done)
{
  BindingKey key = record.key;
  State next = m_state;
  next.records[key] = record;
  std::string reason;
  Rebuild rebuild{[&](const SslRecord &other) { return other.key == key; }, &key};
  auto contexts = build_contexts(next, rebuild, reason);
  if (!contexts) {
    const uint32_t code = refusal_code(reason);
    return failed(what, code, reason);
  }
  if (m_files.save(Kind::Records, key.text, record.serialise(), reason).is_error())
    return failed(what, win32::kWriteFault, reason + "; nothing was changed");
  commit(std::move(next), std::move(*contexts));
  return {win32::kSuccess, kExitDone, message(done)};
}

AdminAnswer Store::add_binding(const Command &command)
{
  constexpr std::string_view what = "add";
  std::string reason;
  auto key = read_key(command, reason);
  if (!key)
    return failed(what, win32::kInvalidParameter, reason);
  if (auto existing = m_state.records.find(*key); existing != m_state.records.end())
    return failed(what, win32::kAlreadyExists,
                  fmt::format("{} has a record already, with certificate {}: \"httpsysctl update sslcert\" changes it",
                              key->text, existing->second.certificate));
  if (m_state.records.size() >= limits::kMaxStoredEntries)
    return failed(what, win32::kNoSystemResources,
                  fmt::format("{} records are stored, as many as may be (kMaxStoredEntries): delete some", limits::kMaxStoredEntries));
  SslRecord record;
  record.key = *key;
  uint32_t win32_code = 0;
  if (!apply_words(command, record, reason, win32_code))
    return failed(what, win32_code, reason);
  return save_binding(std::move(record), what, "SSL Certificate successfully added");
}

AdminAnswer Store::update_binding(const Command &command)
{
  constexpr std::string_view what = "update";
  std::string reason;
  auto key = read_key(command, reason);
  if (!key)
    return failed(what, win32::kInvalidParameter, reason);
  auto existing = m_state.records.find(*key);
  if (existing == m_state.records.end())
    return failed(what, win32::kFileNotFound, no_record(*key));
  SslRecord record = existing->second; // what the words do not name stays as it is
  uint32_t win32_code = 0;
  if (!apply_words(command, record, reason, win32_code))
    return failed(what, win32_code, reason);
  return save_binding(std::move(record), what, "SSL Certificate successfully updated");
}

AdminAnswer Store::delete_binding(const Command &command)
{
  constexpr std::string_view what = "deletion";
  std::string reason;
  auto key = read_key(command, reason);
  if (!key)
    return failed(what, win32::kInvalidParameter, reason);
  if (!m_state.records.count(*key) && !m_files.damage(Kind::Records, key->text))
    return failed(what, win32::kFileNotFound, no_record(*key));
  if (m_files.remove(Kind::Records, key->text, reason).is_error())
    return failed(what, win32::kWriteFault, reason + "; nothing was changed");
  State next = m_state;
  next.records.erase(*key);
  Contexts contexts = m_contexts;
  contexts.erase(*key);
  commit(std::move(next), std::move(contexts));
  return {win32::kSuccess, kExitDone, message("SSL Certificate successfully deleted")};
}

AdminAnswer Store::show_bindings(const Command &command)
{
  std::vector<const SslRecord *> records;
  if (!command.has("ipport") && !command.has("hostnameport")) {
    for (const auto &[key, record] : m_state.records)
      records.push_back(&record);
    return {win32::kSuccess, kExitDone, cm::show_bindings(records)};
  }
  std::string reason;
  auto key = read_key(command, reason);
  if (!key)
    return refuse(win32::kInvalidParameter, reason);
  auto found = m_state.records.find(*key);
  if (found == m_state.records.end())
    return refuse(win32::kFileNotFound, no_record(*key));
  records.push_back(&found->second);
  return {win32::kSuccess, kExitDone, cm::show_bindings(records)};
}

}
