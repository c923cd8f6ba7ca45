// SPDX-License-Identifier: GPL-3.0-or-later
// The store's commands for certificates, CAs and revocation lists.
#include "kernel/base/log.h"
#include "kernel/base/text.h"
#include "kernel/cm/show.h"
#include "kernel/cm/store.h"
#include "kernel/tls/pem.h"
#include <map>
#include <vector>

namespace httpsys::cm {

namespace {

bool touches_all(const SslRecord &)
{
  return true;
}

// Nothing was changed: the disk said no.
AdminAnswer not_written(const std::string &reason)
{
  return refuse(win32::kWriteFault, reason + "; nothing was changed");
}

AdminAnswer too_many(std::string_view what)
{
  return refuse(win32::kNoSystemResources,
                fmt::format("{} {} are stored, as many as may be (kMaxStoredEntries): delete some", limits::kMaxStoredEntries, what));
}

// What "show" without and with a hash lists. nullopt: there is none with the hash.
template <typename Entries>
std::optional<std::vector<const typename Entries::mapped_type *>> select(const Entries &entries, std::string_view hash)
{
  std::vector<const typename Entries::mapped_type *> selected;
  for (const auto &[name, entry] : entries)
    if (hash.empty() || name == hash)
      selected.push_back(&entry);
  if (selected.empty() && !hash.empty())
    return std::nullopt;
  return selected;
}

// Sees to it that what is in `next` is on disk: what is new, all or none, and first what is present and may have got lost, by a change
// that failed, or by somebody else if the command has named it: nobody may have noticed that yet.
template <typename Entries>
Result<void> save_texts(StateFiles &files, Kind kind, const State &next, const Entries State::*entries, const Entries &present,
                        const std::vector<std::string> &named, std::string &reason)
{
  std::map<std::string, std::string> new_texts, present_texts;
  for (const auto &[name, entry] : next.*entries)
    (present.count(name) ? present_texts : new_texts)[name] = entry.pem;
  TRY(files.make_safe(kind, reason));
  TRY(files.save_unsettled(kind, present_texts, reason));
  for (const std::string &name : named)
    if (present_texts.contains(name) && !files.is_good(kind, name, next))
      TRY(files.save(kind, name, present_texts[name], reason));
  TRY(files.save_new(kind, new_texts, reason));
  return files.is_in_place(kind, reason); // also what nothing had to be written for
}

// The hash that a command names, "" if it names none. False: `answer` says what is wrong with it.
bool read_hash(const Command &command, std::string_view tag, std::string &hash, AdminAnswer &answer)
{
  if (!command.has(tag))
    return true;
  std::string reason;
  auto parsed = parse_thumbprint(tag, command.value(tag), reason);
  if (!parsed) {
    answer = refuse(win32::kInvalidParameter, reason);
    return false;
  }
  hash = *parsed;
  return true;
}

AdminAnswer not_there(std::string_view what, std::string_view hash, std::string_view advice)
{
  return refuse(win32::kFileNotFound, fmt::format("no {} {} is there: {}", what, quoted(hash), advice));
}

const std::string kSeeAuthorities = "\"httpsysctl show ca\" lists the CAs";
const std::string kSeeRevocations = "\"httpsysctl show crl\" lists the revocation lists";

}

AdminAnswer Store::would_not_work(std::string reason) const
{
  const uint32_t code = refusal_code(reason);
  return refuse(code, reason);
}

AdminAnswer Store::import_certificate(const Command &command, const AdminCommand &admin)
{
  if (command.has("storename") && !equal_ignoring_case(command.value("storename"), "MY"))
    return refuse(win32::kNotSupported,
                  fmt::format("storename {} is not there: MY is the only store; leave the word out",
                              quoted(command.value("storename"))));
  const platform::SecretText &chain = admin.files.at("certfile"), &keys = admin.files.at("keyfile");
  std::string reason;
  auto certificate = read_certificate(chain, reason);
  if (certificate.is_error())
    return refuse(win32::kInvalidParameter,
                  fmt::format("certfile {} cannot be imported: {}", quoted(command.value("certfile")), reason));
  if (tls::check_certificate_and_key(chain, keys, reason).is_error())
    return refuse(win32::kInvalidParameter,
                  fmt::format("certfile {} with keyfile {} cannot be imported: {}", quoted(command.value("certfile")),
                              quoted(command.value("keyfile")), reason));
  std::string thumbprint = certificate->leaf().thumbprint;
  if (m_state.certificates.size() >= limits::kMaxStoredEntries && !m_state.certificates.count(thumbprint))
    return too_many("certificates");
  State next = m_state;
  next.certificates[thumbprint] = *certificate;
  const platform::SecretText key = platform::SecretText(tls::pem_private_key(keys).block) + '\n';
  Rebuild rebuild{[&](const SslRecord &record) { return record.certificate == thumbprint; }, nullptr, &key};
  auto contexts = build_contexts(next, rebuild, reason);
  if (!contexts)
    return would_not_work(reason);
  if (m_files.save(Kind::Certificates, thumbprint, platform::SecretText(certificate->pem) + key, reason).is_error())
    return not_written(reason);
  commit(std::move(next), std::move(*contexts));
  return {win32::kSuccess, kExitDone, thumbprint + '\n'};
}

AdminAnswer Store::import_authorities(const Command &command, const AdminCommand &admin)
{
  std::string reason;
  auto authorities = read_authorities(admin.files.at("certfile"), reason);
  if (authorities.is_error())
    return refuse(win32::kInvalidParameter,
                  fmt::format("certfile {} cannot be imported: {}", quoted(command.value("certfile")), reason));
  State next = m_state;
  std::string text;
  std::vector<std::string> named;
  for (const Authority &authority : *authorities) {
    named.push_back(authority.facts.thumbprint);
    next.authorities[authority.facts.thumbprint] = authority;
    text += authority.facts.thumbprint + '\n';
  }
  if (next.authorities.size() > limits::kMaxStoredEntries)
    return too_many("CAs");
  auto contexts = build_contexts(next, {touches_all}, reason);
  if (!contexts)
    return would_not_work(reason);
  // Lists that nobody wanted any more would come back with their CA.
  if (remove_stale_revocations(reason).is_error() ||
      save_texts(m_files, Kind::Authorities, next, &State::authorities, m_state.authorities, named, reason).is_error())
    return not_written(reason);
  commit(std::move(next), std::move(*contexts));
  return {win32::kSuccess, kExitDone, text};
}

bool Store::put_revocations(State &next, RevocationList list, std::string &reason) const
{
  for (auto old = next.revocations.begin(); old != next.revocations.end();) {
    if (!have_one_signer(old->second, list, next)) {
      ++old;
      continue;
    }
    if (old->second.this_update > list.this_update) {
      reason =
          fmt::format("its list of {}, issued {}, is older than the one of {} that is stored: fetch the current one",
                      quoted(list.issuer), time_text(list.this_update), time_text(old->second.this_update));
      return false;
    }
    old = next.revocations.erase(old);
  }
  std::string hash = list.hash;
  next.revocations.emplace(std::move(hash), std::move(list));
  return true;
}

AdminAnswer Store::import_revocations(const Command &command, const AdminCommand &admin)
{
  auto refused = [&](const std::string &why) {
    return refuse(win32::kInvalidParameter,
                  fmt::format("crlfile {} cannot be imported: {}", quoted(command.value("crlfile")), why));
  };
  std::string reason;
  auto lists = read_revocations(admin.files.at("crlfile"), reason);
  if (lists.is_error())
    return refused(reason);
  if (tls::check_revocations(admin.files.at("crlfile"), m_state.authorities_pem(), reason).is_error())
    return refused(reason);
  State next = m_state;
  std::string text;
  std::vector<std::string> named;
  for (RevocationList &list : *lists) {
    named.push_back(list.hash);
    text += list.hash + '\n';
    if (!put_revocations(next, std::move(list), reason))
      return refused(reason);
  }
  // There is one list of each CA, so that as many CAs are refused before.
  if (next.revocations.size() > limits::kMaxStoredEntries)
    return too_many("revocation lists");
  auto contexts = build_contexts(next, {touches_all}, reason);
  if (!contexts)
    return would_not_work(reason);
  if (save_texts(m_files, Kind::Revocations, next, &State::revocations, m_state.revocations, named, reason).is_error())
    return not_written(reason);
  remove_old_revocations(next);
  commit(std::move(next), std::move(*contexts));
  return {win32::kSuccess, kExitDone, text};
}

void Store::remove_old_revocations(const State &next)
{
  for (const auto &[hash, list] : m_state.revocations)
    m_stale_revocations.insert(hash);
  for (const auto &[hash, list] : next.revocations)
    m_stale_revocations.erase(hash);
  std::string reason;
  if (remove_stale_revocations(reason).is_error())
    log("a revocation list that is not used any more stays: {}", reason);
}

Result<void> Store::remove_stale_revocations(std::string &reason)
{
  while (!m_stale_revocations.empty()) {
    TRY(m_files.remove(Kind::Revocations, *m_stale_revocations.begin(), reason));
    m_stale_revocations.erase(m_stale_revocations.begin());
  }
  return {};
}

AdminAnswer Store::show_certificates(const Command &command)
{
  std::string hash;
  AdminAnswer answer;
  if (!read_hash(command, "certhash", hash, answer))
    return answer;
  auto selected = select(m_state.certificates, hash);
  if (!selected)
    return not_there("certificate", hash, known_certificates());
  return {win32::kSuccess, kExitDone, cm::show_certificates(*selected, m_state)};
}

AdminAnswer Store::show_authorities(const Command &command)
{
  std::string hash;
  AdminAnswer answer;
  if (!read_hash(command, "certhash", hash, answer))
    return answer;
  auto selected = select(m_state.authorities, hash);
  if (!selected)
    return not_there("CA certificate", hash, kSeeAuthorities);
  return {win32::kSuccess, kExitDone, cm::show_authorities(*selected)};
}

AdminAnswer Store::show_revocations(const Command &command)
{
  std::string hash;
  AdminAnswer answer;
  if (!read_hash(command, "crlhash", hash, answer))
    return answer;
  auto selected = select(m_state.revocations, hash);
  if (!selected)
    return not_there("revocation list", hash, kSeeRevocations);
  return {win32::kSuccess, kExitDone, cm::show_revocations(*selected)};
}

AdminAnswer Store::delete_certificate(const Command &command)
{
  std::string hash, reason;
  AdminAnswer answer;
  if (!read_hash(command, "certhash", hash, answer))
    return answer;
  if (auto users = m_state.records_with(hash); !users.empty())
    return refuse(
        win32::kBusy,
        fmt::format("the certificate {} is used by {}: \"httpsysctl delete sslcert {}={}\" or give that another one",
                    hash, users[0]->key.text, users[0]->key.tag(), users[0]->key.text));
  if (!m_state.certificates.count(hash) && !m_files.damage(Kind::Certificates, hash))
    return not_there("certificate", hash, known_certificates());
  if (m_files.remove(Kind::Certificates, hash, reason).is_error())
    return not_written(reason);
  m_state.certificates.erase(hash);
  return {win32::kSuccess, kExitDone, message("Certificate successfully deleted")};
}

const SslRecord *Store::user_of(const Authority &authority) const
{
  for (const auto &[key, record] : m_state.records) {
    if (record.ask_in_handshake)
      return &record;
    auto certificate = m_state.certificates.find(record.certificate);
    if (certificate == m_state.certificates.end())
      continue;
    for (const tls::CertificateFacts &link : certificate->second.chain)
      if (link.issuer == authority.facts.subject)
        return &record;
  }
  return nullptr;
}

AdminAnswer Store::delete_authority(const Command &command)
{
  std::string hash, reason;
  AdminAnswer answer;
  if (!read_hash(command, "certhash", hash, answer))
    return answer;
  auto authority = m_state.authorities.find(hash);
  if (authority == m_state.authorities.end() && !m_files.damage(Kind::Authorities, hash))
    return not_there("CA certificate", hash, kSeeAuthorities);
  State next = m_state;
  if (authority != m_state.authorities.end()) {
    if (const SslRecord *user = user_of(authority->second))
      return refuse(
          win32::kBusy,
          fmt::format("the CA {} is used by {}, which {}", hash, user->key.text,
                      user->ask_in_handshake
                          ? fmt::format("asks its clients for certificates: \"httpsysctl update sslcert {}={} "
                                        "clientcertnegotiation=disable\" ends that",
                                        user->key.tag(), user->key.text)
                          : "has a certificate of that CA: give it another one first"));
    next.authorities.erase(hash);
  }
  // A list of no known CA could not be checked any more.
  std::erase_if(next.revocations, [&](const auto &entry) {
    return tls::check_revocations(entry.second.pem, next.authorities_pem(), reason).is_error();
  });
  auto contexts = build_contexts(next, {touches_all}, reason);
  if (!contexts)
    return would_not_work(reason);
  if (m_files.remove(Kind::Authorities, hash, reason).is_error())
    return not_written(reason);
  remove_old_revocations(next);
  commit(std::move(next), std::move(*contexts));
  return {win32::kSuccess, kExitDone, message("CA certificate successfully deleted")};
}

AdminAnswer Store::delete_revocations(const Command &command)
{
  std::string hash, reason;
  AdminAnswer answer;
  if (!read_hash(command, "crlhash", hash, answer))
    return answer;
  if (!m_state.revocations.count(hash) && !m_files.damage(Kind::Revocations, hash))
    return not_there("revocation list", hash, kSeeRevocations);
  State next = m_state;
  next.revocations.erase(hash);
  auto contexts = build_contexts(next, {touches_all}, reason);
  if (!contexts)
    return would_not_work(reason);
  // First those that this one has superseded: the next start would use them again.
  if (remove_stale_revocations(reason).is_error() || m_files.remove(Kind::Revocations, hash, reason).is_error())
    return not_written(reason);
  commit(std::move(next), std::move(*contexts));
  return {win32::kSuccess, kExitDone, message("Certificate revocation list successfully deleted")};
}

}
