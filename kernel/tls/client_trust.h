// SPDX-License-Identifier: GPL-3.0-or-later
// ClientTrust judges a client's certificate list against a binding's CAs and revocation lists. Part of a TlsContext: immutable after
// load(), shared by all cores, lives as long as the context.
//
// wolfSSL could judge inside the handshake, but only with the certificate manager that all connections of a context share, and it adds to
// that manager every CA certificate of a client's list for which the verify callback said "go on", whatever the error was. As we report
// instead of refusing, one client could plant a forged CA there that the next client is then trusted by. So the handshake only collects the
// list and proves the leaf's key; each list is judged here with a certificate manager of its own.
#pragma once
#include "kernel/base/result.h"
#include "kernel/tls/certificate.h"
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace httpsys::tls {

struct X509Fields;

// CertFlags of HTTP_SSL_CLIENT_CERT_INFO: one Windows status, 0 = the chain verifies.
namespace cert_flags {
inline constexpr uint32_t kGood = 0, kExpired = 0x800B0101, kUntrustedRoot = 0x800B0109, kChaining = 0x800B010A, kRevoked = 0x800B010C,
                          kWrongUsage = 0x800B0110, kBadSignature = 0x80096004, kNoRevocationCheck = 0x80092012,
                          kRevocationOffline = 0x80092013;
}

struct TrustVerdict {
  uint32_t flags = cert_flags::kGood;
  std::string reason; // why not, one phrase: "not an X.509 v3 certificate", "no trusted CA for CN=x"; "" when good
  int64_t good_until = INT64_MAX; // of a good one: when the first date on which it stands passes, seconds since 1970
};

// The clock that all dates of certificates and lists are checked with, seconds since 1970.
int64_t verification_time();

class ClientTrust {
public:
  // Whether every certificate can be a CA: what check_authorities() of certificate.h promises. Error: InvalidParameter.
  static Result<void> check_authorities(const std::vector<Der> &authorities, std::string &reason);

  // Once, before the first judge(). Errors: InvalidParameter with a reason, NoMemory.
  Result<void> load(std::vector<Der> authorities, std::vector<Der> revocation_lists, std::string &reason);

  // chain: as the client sent it, leaf first, not empty; hostile bytes. Costs one signature check per certificate, more only where names
  // leave it open who issued one. Any thread.
  TrustVerdict judge(std::span<const Der> chain) const;

private:
  struct Revocations {
    std::set<std::string> serials; // bytes without leading zeros
    int64_t good_until = 0;       // latest nextUpdate of the issuer's lists, seconds since 1970
  };

  struct Path; // from the leaf to an anchor (client_trust.cpp)
  class PathSearch;

  TrustVerdict judge_path(const Path &path) const;
  TrustVerdict judge_revocation(const Path &path) const;
  int64_t earliest_end(const Path &path) const;
  Result<void> load_revocations(const std::vector<Der> &lists, std::string &reason);

  std::multimap<std::string, Der> m_anchors;        // by subject: the bytes of the whole Name
  std::map<std::string, Revocations> m_revocations; // by the CA's subject and public key: two CAs may have one name
};

// CertFlags for wolfSSL's verification code.
uint32_t cert_flags_of(int wolfssl_code);

}
