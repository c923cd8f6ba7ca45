// SPDX-License-Identifier: GPL-3.0-or-later
// X509Fields: where the parts of a certificate (RFC 5280 4.1) or revocation list (5.1) lie in its DER. Read by us because wolfSSL gives
// names as text cut at 330 bytes, keeps no raw issuer and no list of revoked serials in our build. Pure functions; nothing is verified.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace httpsys::tls {

enum class KeyType : uint8_t { Unknown, Rsa, Ecdsa, Ed25519 };
// Of SHA-2, by its size; the names Sha256 and so on are macros of wolfSSL.
enum class SignatureHash : uint8_t { Bits224, Bits256, Bits384, Bits512 };

struct X509Fields {
  uint32_t version = 1;
  std::span<const uint8_t> serial;  // content of the INTEGER
  std::span<const uint8_t> issuer;  // whole Name
  std::span<const uint8_t> subject; // whole Name
  std::span<const uint8_t> key;     // whole SubjectPublicKeyInfo
  int64_t not_before = 0;           // seconds since 1970
  int64_t not_after = 0;
  KeyType key_type = KeyType::Unknown;
  bool is_pss_key = false; // RSA, for RSASSA-PSS alone (RFC 4055 1.2)
  uint32_t key_bits = 0;
  // RFC 5929 4.1: hash of the signature algorithm, SHA-256 in the place of MD5, SHA-1 and of algorithms without a single hash.
  SignatureHash signature_hash = SignatureHash::Bits256;
  bool is_authority = false;
  std::optional<uint32_t> path_length; // basicConstraints' pathLenConstraint; one that is no small number is 0
  std::optional<uint16_t> key_usage; // bits as RFC 5280 numbers them: bit 0 digitalSignature, 5 keyCertSign, 6 cRLSign
  bool has_extended_usage = false;
  bool allows_client = true; // no extendedKeyUsage, or clientAuth or anyExtendedKeyUsage in it
  bool allows_server = true;
  bool has_name_constraints = false;

  // Exactly one certificate: bytes behind it, and in it what its signature leaves open, are an error, or one certificate could be shown
  // under many hashes. (Of an ECDSA signature anybody can make a second one: what is signed is the same, the hash is not.)
  static std::optional<X509Fields> parse(std::span<const uint8_t> certificate);
  bool is_self_issued() const;
};

inline constexpr uint16_t kUsageDigitalSignature = 1u << 0;
inline constexpr uint16_t kUsageCertSign = 1u << 5;

struct RevocationListFields {
  std::span<const uint8_t> issuer; // whole Name
  int64_t this_update = 0;
  std::optional<int64_t> next_update;
  std::vector<std::span<const uint8_t>> serials; // content of the INTEGERs, as listed
  bool is_delta = false;                         // lists changes only (RFC 5280 5.2.4)

  static std::optional<RevocationListFields> parse(std::span<const uint8_t> list);
};

// The INTEGER's bytes without leading zeros.
std::span<const uint8_t> without_leading_zeros(std::span<const uint8_t> integer);

// A Name as people write it: "CN=a, O=b", most specific first; values with special characters in quotes, control characters as "\xNN",
// bytes that are no text as "#" and hex. "" for what is no Name. At most limits::kMaxNameText bytes, then "...".
std::string name_text(std::span<const uint8_t> name);

}
