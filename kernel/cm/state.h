// SPDX-License-Identifier: GPL-3.0-or-later
// State: everything that httpsysctl has configured, as a value. The store copies it, changes the copy, and puts it into
// its place when disk and TLS contexts have followed. Private keys are not in it: they stay on disk and are read when a
// context is built.
#pragma once
#include "kernel/base/result.h"
#include "kernel/cm/ssl_record.h"
#include "kernel/tls/certificate.h"
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::cm {

// A server's certificate; its thumbprint is the leaf's.
struct Certificate {
  std::vector<tls::CertificateFacts> chain; // leaf first, then the issuers that came with it; never empty
  std::string pem;                          // the same, as TLS wants it

  const tls::CertificateFacts &leaf() const { return chain[0]; }
};

// A CA for client certificates.
struct Authority {
  tls::CertificateFacts facts;
  std::string pem;
};

struct RevocationList {
  std::string hash;                // SHA-1 of the DER, 40 lower-case hex digits
  std::string issuer;              // as text
  std::vector<uint8_t> issuer_der; // the whole Name
  int64_t this_update = 0;         // seconds since 1970
  std::optional<int64_t> next_update;
  size_t entries = 0;
  std::string pem;
};

struct State {
  std::map<std::string, Certificate, std::less<>> certificates; // by thumbprint, as authorities
  std::map<std::string, Authority, std::less<>> authorities;
  std::map<std::string, RevocationList, std::less<>> revocations; // by hash
  std::map<BindingKey, SslRecord> records;

  // What a TlsContext takes: all of them in one text.
  std::string authorities_pem() const;
  std::string revocations_pem() const;
  // Records that name the certificate, in the order of their texts.
  std::vector<const SslRecord *> records_with(std::string_view thumbprint) const;
};

// A certificate with its issuers, out of a text that may hold other things, too (a key, comments). Error:
// InvalidParameter, InsufficientResources.
Result<Certificate> read_certificate(std::string_view pem, std::string &reason);
// All CAs of a text; each must be one.
Result<std::vector<Authority>> read_authorities(std::string_view pem, std::string &reason);
// All revocation lists of a text; signatures are not checked.
Result<std::vector<RevocationList>> read_revocations(std::string_view pem, std::string &reason);

// "2027-02-01 00:00:00 UTC", "2027-02-01".
std::string time_text(int64_t seconds);
std::string date_text(int64_t seconds);

}
