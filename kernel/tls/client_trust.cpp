// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/client_trust.h"
#include "kernel/base/text.h"
#include "kernel/limits.h"
#include "kernel/tls/wolfssl_library.h"
#include "kernel/tls/x509_fields.h"
#include <algorithm>
#include <fmt/format.h>
#include <httpsys_wolfssl.h>
#include <optional>
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

// Whoever has made the certificate has chosen it.
std::string quoted_name(Bytes name)
{
  return quoted(name_text(name));
}

std::string named(const X509Fields &fields)
{
  return "the certificate " + quoted_name(fields.subject);
}

std::string list_key(const X509Fields &authority)
{
  return copy(authority.subject) + copy(authority.key);
}

}

// The leaf first, the anchor last.
struct ClientTrust::Path {
  std::vector<const X509Fields *> fields;
  std::vector<const Der *> certificates;

  size_t anchor() const { return fields.size() - 1; }
};

int64_t verification_time()
{
  return wc_Time(nullptr); // what wolfSSL itself looks at
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
      reason = fmt::format("certificate number {}, {}, is not a CA's: {}", i + 1, quoted_name(fields->subject),
                           fields->is_authority ? "its key usage forbids signing certificates" : "it lacks basicConstraints CA:TRUE");
      return NtStatus::InvalidParameter;
    }
    initialize_library();
    CertManagerPointer manager(wolfSSL_CertManagerNew());
    if (!manager)
      return NtStatus::NoMemory;
    if (!load_authority(manager.get(), authorities[i])) {
      reason = fmt::format("certificate number {}, {}, cannot be used as a CA", i + 1, quoted_name(fields->subject));
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
    std::string key;
    for (auto anchor = first; anchor != last && code != WOLFSSL_SUCCESS; ++anchor) { // one manager each: two CAs may have one name
      CertManagerPointer manager(wolfSSL_CertManagerNew());
      if (!manager)
        return NtStatus::NoMemory;
      wolfSSL_CertManagerEnableCRL(manager.get(), 0);
      load_authority(manager.get(), anchor->second);
      key = list_key(*X509Fields::parse(anchor->second));
      code = wolfSSL_CertManagerLoadCRLBuffer(manager.get(), lists[i].data(), static_cast<long>(lists[i].size()), WOLFSSL_FILETYPE_ASN1);
    }
    // Out of date: wolfSSL has not looked at its signature then. It only makes certificates of the CAs of this name "offline" until a newer
    // one comes.
    if (code == WC_NO_ERR_TRACE(CRL_CERT_DATE_ERR)) {
      for (auto anchor = first; anchor != last; ++anchor)
        m_revocations[list_key(*X509Fields::parse(anchor->second))];
      continue;
    }
    if (code != WOLFSSL_SUCCESS) {
      reason = code == WC_NO_ERR_TRACE(ASN_CRL_NO_SIGNER_E) ?
                 fmt::format("revocation list number {}: its issuer {} is not among the CAs; import the CA first", i + 1,
                             quoted_name(fields->issuer)) :
                 fmt::format("revocation list number {} cannot be used: {}", i + 1, wolfssl_error_text(code));
      return NtStatus::InvalidParameter;
    }
    Revocations &revocations = m_revocations[key];
    revocations.good_until = std::max(revocations.good_until, fields->next_update.value_or(INT64_MAX));
    for (Bytes serial : fields->serials)
      revocations.serials.insert(copy(serial));
  }
  return {};
}

// Depth first from the leaf over the client's other certificates to an anchor, by names: the first path that verifies counts. When none
// does, the verdict on the first one whose signatures are right is told.
class ClientTrust::PathSearch {
public:
  PathSearch(const ClientTrust &trust, std::span<const Der> chain, std::span<const X509Fields> fields)
    : m_trust(trust), m_chain(chain), m_fields(fields)
  {
  }

  TrustVerdict run()
  {
    push(0);
    go_on();
    if (m_verdict)
      return *m_verdict;
    const X509Fields &leaf = m_fields[0];
    if (leaf.is_self_issued())
      return {cert_flags::kUntrustedRoot, fmt::format("{} is self-signed and not a trusted CA", named(leaf))};
    return {cert_flags::kUntrustedRoot, fmt::format("no trusted CA for {}, the issuer of {}", quoted_name(leaf.issuer), named(leaf))};
  }

private:
  void push(size_t index)
  {
    m_path.fields.push_back(&m_fields[index]);
    m_path.certificates.push_back(&m_chain[index]);
  }
  void pop()
  {
    m_path.fields.pop_back();
    m_path.certificates.pop_back();
  }
  bool is_in_path(size_t index) const
  {
    return std::find(m_path.fields.begin(), m_path.fields.end(), &m_fields[index]) != m_path.fields.end();
  }

  // Whether a path that begins with the present one is good.
  bool go_on()
  {
    Bytes issuer = m_path.fields.back()->issuer;
    auto [first, last] = m_trust.m_anchors.equal_range(copy(issuer));
    for (auto anchor = first; anchor != last && take_step(); ++anchor)
      if (is_good_below(anchor->second))
        return true;
    for (size_t next = 1; next < m_fields.size(); next++) {
      if (is_in_path(next) || !equal(m_fields[next].subject, issuer))
        continue;
      if (!take_step())
        return false;
      push(next);
      if (go_on())
        return true;
      pop();
    }
    return false;
  }

  bool is_good_below(const Der &anchor)
  {
    auto fields = X509Fields::parse(anchor);
    m_path.fields.push_back(&*fields);
    m_path.certificates.push_back(&anchor);
    TrustVerdict verdict = m_trust.judge_path(m_path);
    pop();
    if (!m_verdict || verdict.flags == cert_flags::kGood || is_of_a_namesake(*m_verdict))
      m_verdict = verdict;
    return verdict.flags == cert_flags::kGood;
  }

  // The path led to a CA that has the name alone: another one's verdict says more.
  static bool is_of_a_namesake(const TrustVerdict &verdict)
  {
    return verdict.flags == cert_flags::kUntrustedRoot || verdict.flags == cert_flags::kBadSignature;
  }

  bool take_step() { return m_steps++ < limits::kMaxPathSteps; }

  const ClientTrust &m_trust;
  std::span<const Der> m_chain;
  std::span<const X509Fields> m_fields;
  Path m_path;
  size_t m_steps = 0;
  std::optional<TrustVerdict> m_verdict;
};

TrustVerdict ClientTrust::judge(std::span<const Der> chain) const
{
  if (chain.size() > limits::kMaxClientChain)
    return {cert_flags::kChaining,
            fmt::format("the list has {} certificates, more than {} (kMaxClientChain)", chain.size(), limits::kMaxClientChain)};
  std::vector<X509Fields> fields;
  for (const Der &der : chain) {
    auto parsed = X509Fields::parse(der);
    if (!parsed)
      return {cert_flags::kChaining, fmt::format("certificate number {} of the list cannot be read", fields.size() + 1)};
    fields.push_back(*parsed);
  }
  return PathSearch(*this, chain, fields).run();
}

namespace {

// RFC 5280 6.1.4 (g): a CA's name constraints bind all that is below it. first: the nearest of these CAs.
int check_names(std::span<const X509Fields *const> fields, std::span<const Der *const> certificates, size_t step, size_t first)
{
  for (size_t above = first; above < fields.size(); above++) {
    if (!fields[above]->has_name_constraints)
      continue;
    CertManagerPointer manager(wolfSSL_CertManagerNew());
    if (!manager || !load_authority(manager.get(), *certificates[above]))
      return WC_NO_ERR_TRACE(MEMORY_E);
    const Der &der = *certificates[step];
    if (int code = httpsys_wolfssl_check_names(manager.get(), der.data(), static_cast<int>(der.size())); code != 0)
      return code;
  }
  return 0;
}

// RFC 5280 6.1.4 (l), (m). wolfSSL loads a certificate that has its issuer's name without a look at what that one allows.
TrustVerdict judge_path_length(std::span<const X509Fields *const> fields)
{
  uint32_t left = fields.back()->path_length.value_or(UINT32_MAX);
  for (size_t step = fields.size() - 1; step-- > 1;) {
    const X509Fields &authority = *fields[step];
    if (!authority.is_self_issued() && left-- == 0)
      return {cert_flags::kChaining, fmt::format("{} may not be an issuer here (path length)", named(authority))};
    left = std::min(left, authority.path_length.value_or(UINT32_MAX));
  }
  return {};
}

// Signature, dates and names of one certificate. wolfSSL sees to the names that its issuer allows, but in its own way: when it says no, the
// signature is good and the dates have not been looked at.
int check_certificate(WOLFSSL_CERT_MANAGER *manager, std::span<const X509Fields *const> fields, std::span<const Der *const> certificates,
                      size_t step)
{
  const Der &der = *certificates[step];
  int code = wolfSSL_CertManagerVerifyBuffer(manager, der.data(), static_cast<long>(der.size()), WOLFSSL_FILETYPE_ASN1);
  if (code == WOLFSSL_SUCCESS)
    return check_names(fields, certificates, step, step + 2);
  if (code != WC_NO_ERR_TRACE(ASN_NAME_INVALID_E))
    return code;
  if (verification_time() > fields[step]->not_after)
    return WC_NO_ERR_TRACE(ASN_AFTER_DATE_E);
  if (verification_time() < fields[step]->not_before)
    return WC_NO_ERR_TRACE(ASN_BEFORE_DATE_E);
  return check_names(fields, certificates, step, step + 1);
}

TrustVerdict judge_key(const X509Fields &certificate)
{
  if (certificate.key_type == KeyType::Unknown)
    return {cert_flags::kUntrustedRoot, fmt::format("the key of {} is of an unsupported kind", named(certificate))};
  if (is_weak(certificate))
    return {cert_flags::kUntrustedRoot, fmt::format("the key of {} is too weak: {} bits", named(certificate), certificate.key_bits)};
  return {};
}

TrustVerdict judge_usage(const X509Fields &certificate, bool is_leaf)
{
  if (is_leaf && certificate.version != 3)
    return {cert_flags_of(WC_NO_ERR_TRACE(ASN_VERSION_E)), fmt::format("{} is not an X.509 v3 certificate", named(certificate))};
  if (is_leaf && certificate.key_usage && !(*certificate.key_usage & kUsageDigitalSignature))
    return {cert_flags::kWrongUsage, fmt::format("the key usage of {} does not allow signatures", named(certificate))};
  // Of an issuer it limits what that may issue, as Windows and OpenSSL have it: CAs for web servers carry serverAuth alone.
  if (!certificate.allows_client)
    return {cert_flags::kWrongUsage,
            fmt::format("the extended key usage of {} does not allow client authentication", named(certificate))};
  return {};
}

}

// RFC 5280 6.1 from the anchor down. wolfSSL checks signature, dates, name constraints and path length of one certificate against the CAs
// of the manager; a certificate becomes a CA there only after it has passed.
TrustVerdict ClientTrust::judge_path(const Path &path) const
{
  CertManagerPointer manager(wolfSSL_CertManagerNew());
  const X509Fields &anchor = *path.fields[path.anchor()];
  if (!manager || !load_authority(manager.get(), *path.certificates[path.anchor()]))
    return {cert_flags::kUntrustedRoot, "the CA cannot be loaded"};
  if (verification_time() > anchor.not_after || verification_time() < anchor.not_before)
    return {cert_flags::kExpired, fmt::format("the CA certificate {} is out of date", quoted_name(anchor.subject))};
  for (size_t step = path.anchor(); step-- > 0;) {
    const X509Fields &certificate = *path.fields[step];
    const Der &der = *path.certificates[step];
    bool is_leaf = step == 0;
    if (TrustVerdict verdict = judge_key(certificate); verdict.flags != cert_flags::kGood)
      return verdict;
    if (!is_leaf && !may_sign(certificate))
      return {cert_flags::kChaining, fmt::format("{} is not a CA's and has signed another one", named(certificate))};
    if (int code = check_certificate(manager.get(), path.fields, path.certificates, step); code != 0)
      return {cert_flags_of(code), code_reason(code, named(certificate))};
    if (!is_leaf && !load_authority(manager.get(), der)) // for its path length, as a rule
      return {cert_flags::kChaining, fmt::format("{} may not be an issuer here (path length)", named(certificate))};
  }
  if (TrustVerdict verdict = judge_path_length(path.fields); verdict.flags != cert_flags::kGood)
    return verdict;
  for (size_t step = path.anchor(); step-- > 0;)
    if (TrustVerdict verdict = judge_usage(*path.fields[step], step == 0); verdict.flags != cert_flags::kGood)
      return verdict;
  TrustVerdict verdict = judge_revocation(path);
  if (verdict.flags == cert_flags::kGood)
    verdict.good_until = earliest_end(path);
  return verdict;
}

int64_t ClientTrust::earliest_end(const Path &path) const
{
  int64_t end = path.fields[path.anchor()]->not_after;
  for (size_t step = path.anchor(); step-- > 0;) {
    end = std::min(end, path.fields[step]->not_after);
    if (auto list = m_revocations.find(list_key(*path.fields[step + 1])); list != m_revocations.end())
      end = std::min(end, list->second.good_until);
  }
  return end;
}

// Each certificate by the list of its issuer. That one is revoked counts more than that another cannot be checked.
TrustVerdict ClientTrust::judge_revocation(const Path &path) const
{
  if (m_revocations.empty()) // no lists at all: revocation is not checked
    return {};
  TrustVerdict unknown;
  for (size_t step = path.anchor(); step-- > 0;) {
    const X509Fields &certificate = *path.fields[step];
    auto list = m_revocations.find(list_key(*path.fields[step + 1]));
    if (list == m_revocations.end())
      unknown = {cert_flags::kNoRevocationCheck, fmt::format("there is no revocation list of {}", quoted_name(certificate.issuer))};
    else if (list->second.serials.contains(copy(without_leading_zeros(certificate.serial))))
      return {cert_flags::kRevoked, fmt::format("{} is revoked", named(certificate))};
    else if (verification_time() > list->second.good_until)
      unknown = {cert_flags::kRevocationOffline,
                 fmt::format("the revocation list of {} is out of date", quoted_name(certificate.issuer))};
  }
  return unknown;
}

}
