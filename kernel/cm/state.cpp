// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/cm/state.h"
#include "kernel/tls/pem.h"
#include "kernel/tls/x509_fields.h"
#include <ctime>
#include <fmt/format.h>

namespace httpsys::cm {

namespace {

// The blocks of one label as they stand in the text; tls::pem_blocks() has found them whole.
std::vector<std::string> block_texts(std::string_view pem, std::string_view label)
{
  const std::string begin = fmt::format("-----BEGIN {}-----", label), end = fmt::format("-----END {}-----", label);
  std::vector<std::string> blocks;
  size_t first = pem.find(begin);
  while (first != pem.npos) {
    size_t last = pem.find(end, first);
    if (last == pem.npos)
      break;
    last += end.size();
    blocks.push_back(std::string(pem.substr(first, last - first)) + '\n');
    first = pem.find(begin, last);
  }
  return blocks;
}

template <typename Entries>
std::string all_pem(const Entries &entries)
{
  std::string pem;
  for (const auto &[name, entry] : entries)
    pem += entry.pem;
  return pem;
}

// nullopt for a year that the C library cannot tell, which a certificate may well name.
std::optional<std::string> format_time(int64_t seconds, const char *format)
{
  time_t time = seconds;
  tm parts;
  char text[40];
  if (!gmtime_r(&time, &parts) || strftime(text, sizeof text, format, &parts) == 0)
    return std::nullopt;
  return text;
}

}

std::string State::authorities_pem() const
{
  return all_pem(authorities);
}

std::string State::revocations_pem() const
{
  return all_pem(revocations);
}

std::vector<const SslRecord *> State::records_with(std::string_view thumbprint) const
{
  std::vector<const SslRecord *> found;
  for (const auto &[key, record] : records)
    if (record.certificate == thumbprint)
      found.push_back(&record);
  return found;
}

Result<Certificate> read_certificate(std::string_view pem, std::string &reason)
{
  Certificate certificate;
  for (const tls::Der &der : TRY(tls::certificates_from_pem(pem, reason)))
    certificate.chain.push_back(TRY(tls::certificate_facts(der, reason)));
  for (const std::string &block : block_texts(pem, "CERTIFICATE"))
    certificate.pem += block;
  return certificate;
}

Result<std::vector<Authority>> read_authorities(std::string_view pem, std::string &reason)
{
  std::vector<tls::Der> ders = TRY(tls::check_authorities(pem, reason));
  std::vector<std::string> blocks = block_texts(pem, "CERTIFICATE");
  std::vector<Authority> authorities;
  for (size_t index = 0; index < ders.size() && index < blocks.size(); index++)
    authorities.push_back({TRY(tls::certificate_facts(ders[index], reason)), std::move(blocks[index])});
  return authorities;
}

Result<std::vector<RevocationList>> read_revocations(std::string_view pem, std::string &reason)
{
  std::vector<tls::Der> ders = TRY(tls::pem_blocks(pem, "X509 CRL", reason));
  std::vector<std::string> blocks = block_texts(pem, "X509 CRL");
  if (ders.empty()) {
    reason = "there is no revocation list (X509 CRL) in PEM form in it";
    return NtStatus::InvalidParameter;
  }
  std::vector<RevocationList> lists;
  for (size_t index = 0; index < ders.size() && index < blocks.size(); index++) {
    auto fields = tls::RevocationListFields::parse(ders[index]);
    if (!fields) {
      reason = fmt::format("revocation list number {} cannot be read", index + 1);
      return NtStatus::InvalidParameter;
    }
    lists.push_back({tls::certificate_thumbprint(ders[index]),
                     tls::name_text(fields->issuer),
                     {fields->issuer.begin(), fields->issuer.end()},
                     fields->this_update,
                     fields->next_update,
                     fields->serials.size(),
                     std::move(blocks[index])});
  }
  return lists;
}

std::string time_text(int64_t seconds)
{
  return format_time(seconds, "%Y-%m-%d %H:%M:%S UTC").value_or(fmt::format("{} s after 1970", seconds));
}

std::string date_text(int64_t seconds)
{
  return format_time(seconds, "%Y-%m-%d").value_or(fmt::format("{} s after 1970", seconds));
}

}
