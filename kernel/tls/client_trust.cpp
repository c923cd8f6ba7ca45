// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/client_trust.h"
#include "kernel/limits.h"
#include "kernel/tls/wolfssl_library.h"
#include "kernel/tls/x509_fields.h"
#include <algorithm>
#include <fmt/format.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

namespace httpsys::tls {

namespace {

using Bytes = std::span<const uint8_t>;

std::string copy(Bytes bytes)
{
  return {bytes.begin(), bytes.end()};
}

bool equal(Bytes a, Bytes b)
{
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// The clock that wolfSSL checks dates with, so that both see the same time.
int64_t now()
{
  return wc_Time(nullptr);
}

bool is_weak(const X509Fields &fields)
{
  return fields.key_bits < (fields.key_type == KeyType::Rsa ? limits::kMinRsaKeyBits : limits::kMinEcKeyBits);
}

// Whether this certificate may sign others (RFC 5280 6.1.4 k, n).
bool may_sign(const X509Fields &fields)
{
  return fields.is_authority && (!fields.key_usage || (*fields.key_usage & kUsageCertSign));
}

// A version 1 certificate has no basicConstraints; as a root that an administrator names it is accepted.
bool can_be_anchor(const X509Fields &fields)
{
  return may_sign(fields) || (fields.version == 1 && fields.is_self_issued());
}

bool load_authority(WOLFSSL_CERT_MANAGER *manager, const Der &der)
{
  return wolfSSL_CertManagerLoadCABuffer_ex(manager, der.data(), static_cast<long>(der.size()), WOLFSSL_FILETYPE_ASN1, 0,
                                            WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY) == WOLFSSL_SUCCESS;
}

std::string code_reason(int code, const std::string &subject)
{
  switch (code) {
  case WC_NO_ERR_TRACE(ASN_BEFORE_DATE_E):
    return fmt::format("{} is not valid yet", subject);
  case WC_NO_ERR_TRACE(ASN_AFTER_DATE_E):
    return fmt::format("{} has expired", subject);
  case WC_NO_ERR_TRACE(ASN_SIG_CONFIRM_E):
    return fmt::format("the signature on {} is not its issuer's", subject);
  case WC_NO_ERR_TRACE(ASN_NO_SIGNER_E):
    return fmt::format("the trusted CA with the issuer's name has another key than the one that signed {}", subject);
  case WC_NO_ERR_TRACE(ASN_NAME_INVALID_E):
    return fmt::format("{} is outside of its CA's name constraints", subject);
  case WC_NO_ERR_TRACE(KEYUSAGE_E):
    return fmt::format("{} has a key usage that is for CAs only", subject);
  default:
    return fmt::format("{} does not verify: {} ({})", subject, wolfssl_error_text(code), code);
  }
}

std::string named(const X509Fields &fields)
{
  return fmt::format("the certificate \"{}\"", name_text(fields.subject));
}

// From the leaf over the client's other certificates to one whose issuer is an anchor. Indexes into the list; empty when there is none.
template <typename HasAnchor>
std::vector<size_t> find_path(std::span<const X509Fields> fields, HasAnchor has_anchor)
{
  std::vector<size_t> path{0};
  while (!has_anchor(fields[path.back()].issuer)) {
    size_t next = 1;
    while (next < fields.size() && (std::find(path.begin(), path.end(), next) != path.end() ||
                                    !equal(fields[next].subject, fields[path.back()].issuer)))
      next++;
    if (next == fields.size())
      return {};
    path.push_back(next);
  }
  return path;
}

}

uint32_t cert_flags_of(int wolfssl_code)
{
  switch (wolfssl_code) {
  case 0:
    return cert_flags::kGood;
  case WC_NO_ERR_TRACE(ASN_BEFORE_DATE_E):
  case WC_NO_ERR_TRACE(ASN_AFTER_DATE_E):
    return cert_flags::kExpired;
  case WC_NO_ERR_TRACE(CRL_CERT_REVOKED):
    return cert_flags::kRevoked;
  case WC_NO_ERR_TRACE(KEYUSE_SIGNATURE_E):
  case WC_NO_ERR_TRACE(EXTKEYUSE_AUTH_E):
  case WC_NO_ERR_TRACE(KEYUSAGE_E):
    return cert_flags::kWrongUsage;
  case WC_NO_ERR_TRACE(ASN_SIG_CONFIRM_E):
    return cert_flags::kBadSignature;
  case WC_NO_ERR_TRACE(CRL_MISSING):
    return cert_flags::kNoRevocationCheck;
  case WC_NO_ERR_TRACE(CRL_CERT_DATE_ERR):
    return cert_flags::kRevocationOffline;
  case WC_NO_ERR_TRACE(ASN_VERSION_E):
  case WC_NO_ERR_TRACE(ASN_NAME_INVALID_E):
  case WC_NO_ERR_TRACE(ASN_PATHLEN_INV_E):
  case WC_NO_ERR_TRACE(ASN_PARSE_E):
  case WC_NO_ERR_TRACE(MAX_CHAIN_ERROR):
    return cert_flags::kChaining;
  default:
    return cert_flags::kUntrustedRoot;
  }
}

Result<void> ClientTrust::check_authorities(const std::vector<Der> &authorities, std::string &reason)
{
  for (size_t i = 0; i < authorities.size(); i++) {
    auto fields = X509Fields::parse(authorities[i]);
    if (!fields) {
      reason = fmt::format("certificate number {} cannot be read as X.509", i + 1);
      return NtStatus::InvalidParameter;
    }
    if (!can_be_anchor(*fields)) {
      reason = fmt::format("certificate number {}, \"{}\", is not a CA's: {}", i + 1, name_text(fields->subject),
                           fields->is_authority ? "its key usage forbids signing certificates" : "it lacks basicConstraints CA:TRUE");
      return NtStatus::InvalidParameter;
    }
    initialize_library();
    CertManagerPointer manager(wolfSSL_CertManagerNew());
    if (!manager)
      return NtStatus::NoMemory;
    if (!load_authority(manager.get(), authorities[i])) {
      reason = fmt::format("certificate number {}, \"{}\", cannot be used as a CA", i + 1, name_text(fields->subject));
      return NtStatus::InvalidParameter;
    }
  }
  return {};
}

Result<void> ClientTrust::load(std::vector<Der> authorities, std::vector<Der> revocation_lists, std::string &reason)
{
  TRY(check_authorities(authorities, reason));
  for (Der &authority : authorities) {
    std::string subject = copy(X509Fields::parse(authority)->subject);
    m_anchors.emplace(std::move(subject), std::move(authority));
  }
  return load_revocations(revocation_lists, reason);
}

Result<void> ClientTrust::load_revocations(const std::vector<Der> &lists, std::string &reason)
{
  for (size_t i = 0; i < lists.size(); i++) {
    auto fields = RevocationListFields::parse(lists[i]);
    if (!fields || fields->is_delta) {
      reason = fmt::format("revocation list number {} {}", i + 1,
                           fields ? "is a delta list: a complete one is needed" : "cannot be read");
      return NtStatus::InvalidParameter;
    }
    std::string issuer = copy(fields->issuer);
    auto [first, last] = m_anchors.equal_range(issuer);
    int code = WC_NO_ERR_TRACE(ASN_CRL_NO_SIGNER_E);
    for (auto anchor = first; anchor != last && code != WOLFSSL_SUCCESS; ++anchor) { // one manager each: two CAs may have one name
      CertManagerPointer manager(wolfSSL_CertManagerNew());
      if (!manager)
        return NtStatus::NoMemory;
      wolfSSL_CertManagerEnableCRL(manager.get(), 0);
      load_authority(manager.get(), anchor->second);
      code = wolfSSL_CertManagerLoadCRLBuffer(manager.get(), lists[i].data(), static_cast<long>(lists[i].size()), WOLFSSL_FILETYPE_ASN1);
    }
    // Out of date: wolfSSL has not looked at its signature then. It only makes certificates of this CA "offline" until a newer one comes.
    if (code == WC_NO_ERR_TRACE(CRL_CERT_DATE_ERR)) {
      m_revocations[issuer];
      continue;
    }
    if (code != WOLFSSL_SUCCESS) {
      reason = code == WC_NO_ERR_TRACE(ASN_CRL_NO_SIGNER_E) ?
                 fmt::format("revocation list number {}: its issuer \"{}\" is not among the CAs; import the CA first", i + 1,
                             name_text(fields->issuer)) :
                 fmt::format("revocation list number {} cannot be used: {}", i + 1, wolfssl_error_text(code));
      return NtStatus::InvalidParameter;
    }
    Revocations &revocations = m_revocations[issuer];
    revocations.good_until = std::max(revocations.good_until, fields->next_update.value_or(INT64_MAX));
    for (Bytes serial : fields->serials)
      revocations.serials.insert(copy(serial));
  }
  return {};
}

TrustVerdict ClientTrust::judge(std::span<const Der> chain) const
{
  if (chain.size() > limits::kMaxClientChain)
    return {cert_flags::kChaining, fmt::format("the list has {} certificates, more than {}", chain.size(), limits::kMaxClientChain)};
  std::vector<X509Fields> fields;
  for (const Der &der : chain) {
    auto parsed = X509Fields::parse(der);
    if (!parsed)
      return {cert_flags::kChaining, fmt::format("certificate number {} of the list cannot be read", fields.size() + 1)};
    fields.push_back(*parsed);
  }
  auto anchors_of = [this](Bytes name) { return m_anchors.equal_range(copy(name)); };
  auto has_anchor = [&](Bytes name) {
    auto [first, last] = anchors_of(name);
    return first != last;
  };
  std::vector<size_t> path = find_path(fields, has_anchor);
  if (path.empty()) {
    if (fields[0].is_self_issued())
      return {cert_flags::kUntrustedRoot, fmt::format("{} is self-signed and not a trusted CA", named(fields[0]))};
    return {cert_flags::kUntrustedRoot,
            fmt::format("no trusted CA for \"{}\", the issuer of {}", name_text(fields[0].issuer), named(fields[0]))};
  }
  TrustVerdict verdict;
  auto [first, last] = anchors_of(fields[path.back()].issuer);
  for (auto anchor = first; anchor != last; ++anchor) {
    verdict = judge_path(chain, fields, path, anchor->second);
    if (verdict.flags == cert_flags::kGood)
      break;
  }
  if (verdict.flags == cert_flags::kGood)
    verdict = judge_leaf_usage(fields[0]);
  return verdict.flags == cert_flags::kGood ? judge_revocation(fields[0]) : verdict;
}

// RFC 5280 6.1 from the anchor down. wolfSSL checks signature, dates, name constraints and path length of one certificate against the CAs
// of the manager; a certificate becomes a CA there only after it has passed.
TrustVerdict ClientTrust::judge_path(std::span<const Der> chain, std::span<const X509Fields> fields, std::span<const size_t> path,
                                     const Der &anchor) const
{
  CertManagerPointer manager(wolfSSL_CertManagerNew());
  auto anchor_fields = X509Fields::parse(anchor);
  if (!manager || !anchor_fields || !load_authority(manager.get(), anchor))
    return {cert_flags::kUntrustedRoot, "the CA cannot be loaded"};
  if (now() > anchor_fields->not_after || now() < anchor_fields->not_before)
    return {cert_flags::kExpired, fmt::format("the CA certificate \"{}\" is out of date", name_text(anchor_fields->subject))};
  for (size_t step = path.size(); step-- > 0;) {
    const X509Fields &certificate = fields[path[step]];
    const Der &der = chain[path[step]];
    bool is_leaf = step == 0;
    if (certificate.key_type == KeyType::Unknown)
      return {cert_flags::kUntrustedRoot, fmt::format("the key of {} is of an unsupported kind", named(certificate))};
    if (is_weak(certificate))
      return {cert_flags::kUntrustedRoot, fmt::format("the key of {} is too weak: {} bits", named(certificate), certificate.key_bits)};
    if (!is_leaf && !may_sign(certificate))
      return {cert_flags::kChaining, fmt::format("{} is not a CA's and has signed another one", named(certificate))};
    int code = wolfSSL_CertManagerVerifyBuffer(manager.get(), der.data(), static_cast<long>(der.size()), WOLFSSL_FILETYPE_ASN1);
    if (code != WOLFSSL_SUCCESS)
      return {cert_flags_of(code), code_reason(code, named(certificate))};
    if (!is_leaf && !load_authority(manager.get(), der))
      return {cert_flags::kChaining, fmt::format("{} may not be an issuer here (path length)", named(certificate))};
  }
  return {};
}

TrustVerdict ClientTrust::judge_leaf_usage(const X509Fields &leaf) const
{
  if (leaf.version != 3)
    return {cert_flags_of(WC_NO_ERR_TRACE(ASN_VERSION_E)), fmt::format("{} is not an X.509 v3 certificate", named(leaf))};
  if (leaf.key_usage && !(*leaf.key_usage & kUsageDigitalSignature))
    return {cert_flags::kWrongUsage, fmt::format("the key usage of {} does not allow signatures", named(leaf))};
  if (!leaf.allows_client)
    return {cert_flags::kWrongUsage, fmt::format("the extended key usage of {} does not allow client authentication", named(leaf))};
  return {};
}

TrustVerdict ClientTrust::judge_revocation(const X509Fields &leaf) const
{
  if (m_revocations.empty()) // no lists at all: revocation is not checked
    return {};
  auto found = m_revocations.find(copy(leaf.issuer));
  if (found == m_revocations.end())
    return {cert_flags::kNoRevocationCheck, fmt::format("there is no revocation list of \"{}\"", name_text(leaf.issuer))};
  if (found->second.serials.contains(copy(without_leading_zeros(leaf.serial))))
    return {cert_flags::kRevoked, fmt::format("{} is revoked", named(leaf))};
  if (now() > found->second.good_until)
    return {cert_flags::kRevocationOffline, fmt::format("the revocation list of \"{}\" is out of date", name_text(leaf.issuer))};
  return {};
}

}
