// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/cm/store.h"
#include "kernel/base/log.h"
#include "kernel/base/text.h"
#include "kernel/cm/show.h"
#include <algorithm>
#include <vector>

namespace httpsys::cm {

Store::Store(const Config &config) : m_max_client_certificate_bytes(config.limits.max_client_certificate_bytes) {}

Result<void> Store::load(const std::string &directory, std::string &reason)
{
  TRY(m_files.open(directory, reason));
  State state = m_files.load();
  m_watch.begin(m_files);
  drop_superseded_revocations(state);
  // Nothing works yet, so nothing can stop working: failures are logged one by one.
  std::string ignored;
  auto contexts = build_contexts(state, {[](const SslRecord &) { return true; }}, ignored);
  VERIFY(contexts.has_value());
  commit(std::move(state), std::move(*contexts));
  return {};
}

namespace {

bool only_shows(CommandId id)
{
  switch (id) {
  case CommandId::ShowCertificates:
  case CommandId::ShowAuthorities:
  case CommandId::ShowRevocations:
  case CommandId::ShowBindings:
  case CommandId::ShowStatistics: return true;
  default: return false;
  }
}

}

AdminAnswer Store::execute(const AdminCommand &admin)
{
  AdminAnswer answer;
  auto command = parse_command(admin.words, answer);
  if (!command)
    return answer;
  for (std::string_view tag : file_tags(command->id))
    if (admin.files.find(std::string(tag)) == admin.files.end())
      return refuse(win32::kInvalidParameter,
                    fmt::format("{}= came without the file's contents: httpsysctl sends them", tag));
  if (!only_shows(command->id))
    m_files.find_folders();
  switch (command->id) {
  case CommandId::ImportCertificate: return import_certificate(*command, admin);
  case CommandId::ImportAuthorities: return import_authorities(*command, admin);
  case CommandId::ImportRevocations: return import_revocations(*command, admin);
  case CommandId::ShowCertificates: return show_certificates(*command);
  case CommandId::ShowAuthorities: return show_authorities(*command);
  case CommandId::ShowRevocations: return show_revocations(*command);
  case CommandId::ShowBindings: return show_bindings(*command);
  case CommandId::ShowStatistics: return {win32::kSuccess, kExitDone, cm::show_statistics(m_statistics ? m_statistics() : std::string())};
  case CommandId::DeleteCertificate: return delete_certificate(*command);
  case CommandId::DeleteAuthority: return delete_authority(*command);
  case CommandId::DeleteRevocations: return delete_revocations(*command);
  case CommandId::AddBinding: return add_binding(*command);
  case CommandId::UpdateBinding: return update_binding(*command);
  case CommandId::DeleteBinding: return delete_binding(*command);
  case CommandId::Unsupported: break;
  }
  return refuse(win32::kNotSupported, "the command is not supported");
}

RefPtr<tls::TlsContext> Store::make_context(const State &state, const SslRecord &record, const platform::SecretText *private_key,
                                            std::string &reason) const
{
  auto certificate = state.certificates.find(record.certificate);
  if (certificate == state.certificates.end()) {
    const std::string *damage = m_files.damage(Kind::Certificates, record.certificate);
    reason = fmt::format("its certificate {} {}", record.certificate, damage ? "is damaged" : "is not imported");
    return nullptr;
  }
  tls::ContextSettings settings;
  if (private_key) {
    settings.private_key_pem = *private_key;
  } else {
    auto stored = m_files.private_key(record.certificate, reason);
    if (stored.is_error())
      return nullptr;
    settings.private_key_pem = stored.release_value();
  }
  settings.certificate_chain_pem = certificate->second.pem;
  settings.authorities_pem = state.authorities_pem();
  settings.revocations_pem = state.revocations_pem();
  settings.ask_in_handshake = record.ask_in_handshake;
  settings.disable_tls13 = record.disable_tls13;
  settings.identity = record.key.text;
  settings.max_client_certificate_bytes = m_max_client_certificate_bytes;
  auto context = tls::TlsContext::create(settings, reason);
  return context.is_error() ? nullptr : context.release_value();
}

std::optional<Store::Contexts> Store::build_contexts(const State &next, const Rebuild &rebuild,
                                                     std::string &reason) const
{
  Contexts contexts;
  for (const auto &[key, record] : next.records) {
    auto existing = m_contexts.find(key);
    bool works = existing != m_contexts.end();
    // One that does not serve yet is tried again at every change: its certificate may have come.
    if (works && !rebuild.touches(record)) {
      contexts.emplace(key, existing->second);
      continue;
    }
    std::string why;
    bool new_key = rebuild.private_key && rebuild.touches(record);
    if (auto context = make_context(next, record, new_key ? rebuild.private_key : nullptr, why)) {
      contexts.emplace(key, std::move(context));
      continue;
    }
    if (works || (rebuild.must_work && *rebuild.must_work == key)) {
      reason = fmt::format("the binding {} would not work: {}", key.text, why);
      return std::nullopt;
    }
    log("sslcert {} does not serve: {}", key.text, why);
  }
  return contexts;
}

uint32_t Store::refusal_code(std::string &reason) const
{
  std::string ignored;
  if (!m_files.is_in_place(Kind::Certificates, ignored).is_error())
    return win32::kInvalidParameter;
  reason += "; nothing was changed";
  return win32::kWriteFault;
}

void Store::commit(State next, Contexts contexts)
{
  std::vector<tls::BindingTable::AddressRecord> addresses;
  std::vector<tls::BindingTable::NameRecord> names;
  for (const auto &[key, context] : contexts) {
    if (key.is_name)
      names.push_back({key.host, key.port, context});
    else
      addresses.push_back({key.endpoint, context});
  }
  m_state = std::move(next);
  m_contexts = std::move(contexts);
  m_bindings = tls::BindingTable::create(std::move(addresses), std::move(names));
}

std::string Store::known_certificates() const
{
  if (m_state.certificates.empty())
    return "none is imported yet, use \"httpsysctl import cert certfile=FILE keyfile=FILE\"";
  std::string text = "known: ";
  size_t shown = 0;
  for (const auto &[thumbprint, certificate] : m_state.certificates) {
    if (shown++ == limits::kMaxCertificatesNamed)
      return text + fmt::format(" and {} more, see \"httpsysctl show cert\"",
                                m_state.certificates.size() - limits::kMaxCertificatesNamed);
    text += fmt::format("{}{} ({}, expires {})", shown > 1 ? ", " : "", thumbprint, quoted(certificate.leaf().subject),
                        date_text(certificate.leaf().not_after));
  }
  return text;
}

bool Store::have_one_signer(const RevocationList &one, const RevocationList &other, const State &state) const
{
  if (one.issuer_der != other.issuer_der)
    return false;
  std::string ignored;
  return std::any_of(state.authorities.begin(), state.authorities.end(), [&](const auto &entry) {
    const std::string &authority = entry.second.pem;
    return !tls::check_revocations(one.pem, authority, ignored).is_error() &&
           !tls::check_revocations(other.pem, authority, ignored).is_error();
  });
}

void Store::drop_superseded_revocations(State &state)
{
  // A crash between writing a list and removing the one that it replaces leaves both.
  for (auto old = state.revocations.begin(); old != state.revocations.end();) {
    auto newer = std::find_if(state.revocations.begin(), state.revocations.end(), [&](const auto &entry) {
      return entry.second.this_update > old->second.this_update && have_one_signer(entry.second, old->second, state);
    });
    if (newer == state.revocations.end()) {
      ++old;
      continue;
    }
    log("{} is not used: {} is newer", quoted(m_files.path_of(Kind::Revocations, old->first)),
        quoted(m_files.path_of(Kind::Revocations, newer->first)));
    m_stale_revocations.insert(old->first);
    old = state.revocations.erase(old);
  }
}

}
