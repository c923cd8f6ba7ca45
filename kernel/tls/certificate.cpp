// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/certificate.h"
#include "kernel/limits.h"
#include "kernel/tls/client_trust.h"
#include "kernel/tls/key_pair.h"
#include "kernel/tls/pem.h"
#include "kernel/tls/wolfssl_library.h"
#include "kernel/tls/x509_fields.h"
#include <fmt/format.h>
#include <wolfssl/wolfcrypt/hash.h>

namespace httpsys::tls {

namespace {

std::string hex(std::span<const uint8_t> bytes)
{
  std::string text;
  for (uint8_t byte : bytes)
    text += fmt::format("{:02x}", byte);
  return text;
}

const char *key_type_text(KeyType type)
{
  switch (type) {
  case KeyType::Rsa:
    return "RSA";
  case KeyType::Ecdsa:
    return "ECDSA";
  case KeyType::Ed25519:
    return "Ed25519";
  case KeyType::Unknown:
    break;
  }
  return "unknown";
}

}

Result<CertificateFacts> certificate_facts(std::span<const uint8_t> der, std::string &reason)
{
  auto fields = X509Fields::parse(der);
  if (!fields) {
    reason = "the certificate cannot be read as X.509";
    return NtStatus::InvalidParameter;
  }
  CertificateFacts facts;
  facts.subject = name_text(fields->subject);
  facts.issuer = name_text(fields->issuer);
  facts.serial = hex(without_leading_zeros(fields->serial));
  if (facts.serial.empty())
    facts.serial = "00";
  facts.not_before = fields->not_before;
  facts.not_after = fields->not_after;
  facts.thumbprint = certificate_thumbprint(der);
  facts.key_type = key_type_text(fields->key_type);
  facts.key_bits = fields->key_bits;
  facts.version = fields->version;
  facts.is_authority = fields->is_authority;
  return facts;
}

std::string certificate_thumbprint(std::span<const uint8_t> der)
{
  std::array<uint8_t, WC_SHA_DIGEST_SIZE> digest{};
  VERIFY(wc_ShaHash(der.data(), static_cast<word32>(der.size()), digest.data()) == 0);
  return hex(digest);
}

Result<std::vector<Der>> certificates_from_pem(std::string_view pem, std::string &reason)
{
  std::vector<Der> certificates = TRY(pem_blocks(pem, "CERTIFICATE", reason));
  if (certificates.empty()) {
    reason = "there is no certificate in PEM form in it";
    return NtStatus::InvalidParameter;
  }
  return certificates;
}

std::string certificate_subject(std::span<const uint8_t> der)
{
  auto fields = X509Fields::parse(der);
  return fields ? name_text(fields->subject) : std::string();
}

std::string certificate_issuer(std::span<const uint8_t> der)
{
  auto fields = X509Fields::parse(der);
  return fields ? name_text(fields->issuer) : std::string();
}

Result<void> check_certificate_and_key(std::string_view chain_pem, std::string_view private_key_pem, std::string &reason)
{
  std::vector<Der> chain = TRY(certificates_from_pem(chain_pem, reason));
  ContextPointer context = make_server_context();
  if (!context)
    return NtStatus::NoMemory;
  return load_key_pair(context.get(), chain, private_key_pem, reason);
}

bool key_matches(std::string_view chain_pem, std::string_view private_key_pem, std::string &reason)
{
  return !check_certificate_and_key(chain_pem, private_key_pem, reason).is_error();
}

Result<std::vector<Der>> check_authorities(std::string_view pem, std::string &reason)
{
  std::vector<Der> authorities = TRY(certificates_from_pem(pem, reason));
  TRY(ClientTrust::check_authorities(authorities, reason));
  return authorities;
}

Result<uint32_t> check_revocations(std::string_view crl_pem, std::string_view authorities_pem, std::string &reason)
{
  std::vector<Der> authorities = TRY(pem_blocks(authorities_pem, "CERTIFICATE", reason));
  std::vector<Der> lists = TRY(pem_blocks(crl_pem, "X509 CRL", reason));
  if (lists.empty()) {
    reason = "there is no revocation list (X509 CRL) in PEM form in it";
    return NtStatus::InvalidParameter;
  }
  uint32_t count = static_cast<uint32_t>(lists.size());
  ClientTrust trust;
  TRY(trust.load(std::move(authorities), std::move(lists), reason));
  return count;
}

}
