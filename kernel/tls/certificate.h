// SPDX-License-Identifier: GPL-3.0-or-later
// Certificates as values: PEM bundles taken apart, the facts that people and the API want of a certificate, and the checks of what an
// administrator hands in. Pure functions of bytes, no state: any thread may call them. They cost up to milliseconds, so slow jobs only.
// Functions that can refuse set `reason` to one sentence that says what is wrong (no full stop, no key material), ready for a user.
#pragma once
#include "kernel/base/result.h"
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::tls {

// One certificate, DER.
using Der = std::vector<uint8_t>;

struct CertificateFacts {
  std::string subject;    // "CN=www.example.org, O=Example": most specific first, UTF-8, values quoted as Windows does; may be empty
  std::string issuer;     // same form
  std::string serial;     // lower-case hex, at least two digits, no leading zero bytes
  int64_t not_before = 0; // seconds since 1970-01-01 00:00 UTC, may be negative
  int64_t not_after = 0;
  std::string thumbprint; // SHA-1 of the DER, 40 lower-case hex digits: netsh's certhash
  std::string key_type;   // "RSA", "ECDSA", "Ed25519" or "unknown"
  uint32_t key_bits = 0;  // size of the public key, 0 if unknown
  uint32_t version = 0;   // 1 or 3 (X.509)
  bool is_authority = false; // basicConstraints CA:TRUE
};

// Facts of one DER certificate. Signature and dates are not checked. Error: InvalidParameter.
Result<CertificateFacts> certificate_facts(std::span<const uint8_t> der, std::string &reason);

// SHA-1 of the DER, 40 lower-case hex digits.
std::string certificate_thumbprint(std::span<const uint8_t> der);

// All CERTIFICATE blocks of a PEM text in their order, at least one; other blocks and text between them are skipped.
// Errors: InvalidParameter (nothing in it, a broken block), InsufficientResources (more than limits::kMaxPemCertificates).
Result<std::vector<Der>> certificates_from_pem(std::string_view pem, std::string &reason);

// Subject or issuer of a DER certificate without the other facts, "" if it cannot be read. Safe on hostile bytes, for log lines.
std::string certificate_subject(std::span<const uint8_t> der);
std::string certificate_issuer(std::span<const uint8_t> der);

// What `import cert` needs to know: the chain's first certificate is usable by a TLS server and the key belongs to it.
// Refuses: no certificate, unreadable or encrypted key, key of another certificate (or of one that is not the first), key too weak
// (limits::kMinRsaKeyBits, kMinEcKeyBits). An expired certificate is no error. Errors: InvalidParameter, NoMemory.
Result<void> check_certificate_and_key(std::string_view chain_pem, std::string_view private_key_pem, std::string &reason);

// Whether the key is the leaf's, for "key_matches" style questions; unreadable input is false with a reason.
bool key_matches(std::string_view chain_pem, std::string_view private_key_pem, std::string &reason);

// CA files for client certificates: every block must be a readable certificate with basicConstraints CA (or a self-issued v1 one) and may
// not forbid signing certificates. An expired one is no error: it is kept and trusted by nobody. Returns the certificates.
Result<std::vector<Der>> check_authorities(std::string_view pem, std::string &reason);

// CRL files: every "X509 CRL" block must be readable, complete (no delta list) and signed by one of the authorities; one that is out of
// date is no error. Returns how many lists there are.
Result<uint32_t> check_revocations(std::string_view crl_pem, std::string_view authorities_pem, std::string &reason);

}
