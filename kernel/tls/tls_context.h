// SPDX-License-Identifier: GPL-3.0-or-later
// TlsContext: what one binding (an sslcert record) gives to its TLS connections: server certificate and key, CAs and CRLs for client
// certificates, versions, suites, tickets. Immutable after create(), shared by all cores; a connection holds a reference, so that a
// binding can be replaced while connections of the old one live on. create() reads PEM and does arithmetic: helper thread only.
#pragma once
#include "kernel/base/refptr.h"
#include "kernel/base/result.h"
#include "kernel/limits.h"
#include "kernel/platform/secret_memory.h"
#include "kernel/tls/certificate.h"
#include "kernel/tls/client_trust.h"
#include <array>
#include <cstdint>
#include <span>
#include <string>

struct WOLFSSL_CTX;

namespace httpsys::tls {

struct ContextSettings {
  std::string certificate_chain_pem;        // leaf first, then its issuers
  platform::SecretText private_key_pem;     // not encrypted
  std::string authorities_pem;              // CAs for client certificates; may be empty: then none verifies
  std::string revocations_pem;              // CRLs; may be empty: then revocation is not checked
  bool ask_in_handshake = false;            // netsh's clientcertnegotiation=enable: ask every client in the handshake; optional for it
  bool disable_tls13 = false;               // netsh's disabletls13=enable
  std::string identity;                     // names the binding in ticket keys and logs, for example "0.0.0.0:443" or "www.example.org:443"
  uint32_t max_client_certificate_bytes = limits::kMaxClientCertificateBytes; // the client's list as sent (RFC 8446 4.4.2)
};

class TlsContext final : public AtomicRefCounted<TlsContext> {
public:
  // Errors: InvalidParameter with a one-sentence reason (unreadable PEM, key of another certificate, weak key, unreadable CA or CRL),
  // NoMemory. An expired certificate is no error.
  static Result<RefPtr<TlsContext>> create(const ContextSettings &settings, std::string &reason);

  // The SEC_CHANNEL_BINDINGS block of RFC 5929 tls-server-end-point: 32 bytes header, "tls-server-end-point:", hash of the leaf.
  std::span<const uint8_t> endpoint_binding() const { return m_endpoint_binding; }
  uint32_t server_certificate_key_bits() const { return m_server.key_bits; }
  const std::string &server_certificate_issuer() const { return m_server.issuer; }
  const std::string &server_certificate_subject() const { return m_server.subject; }
  const CertificateFacts &server_certificate() const { return m_server; }
  const std::string &identity() const { return m_identity; }
  bool asks_in_handshake() const { return m_asks_in_handshake; }
  bool tls13_disabled() const { return m_tls13_disabled; }
  uint32_t max_client_certificate_bytes() const { return m_max_client_certificate_bytes; }

  // For TlsStream and the ticket callback only.
  WOLFSSL_CTX *native() const { return m_native; }
  std::span<const uint8_t> ticket_binding() const { return m_ticket_binding; }
  const ClientTrust &client_trust() const { return m_client_trust; }

private:
  friend class AtomicRefCounted<TlsContext>;
  explicit TlsContext(const ContextSettings &settings);
  ~TlsContext();
  Result<void> load(const ContextSettings &settings, std::string &reason);
  void configure();

  WOLFSSL_CTX *m_native = nullptr;
  CertificateFacts m_server;
  ClientTrust m_client_trust;
  std::vector<uint8_t> m_endpoint_binding;
  std::array<uint8_t, 32> m_ticket_binding{}; // hash of identity and leaf: a ticket of another binding or certificate does not open
  std::string m_identity;
  bool m_asks_in_handshake;
  bool m_tls13_disabled;
  uint32_t m_max_client_certificate_bytes;
};

}
