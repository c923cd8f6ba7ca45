// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/tls_context.h"
#include "kernel/tls/key_pair.h"
#include "kernel/tls/pem.h"
#include "kernel/tls/session_callbacks.h"
#include "kernel/tls/ticket_keys.h"
#include "kernel/tls/x509_fields.h"
#include <algorithm>
#include <string_view>
#include <wolfssl/wolfcrypt/hash.h>

namespace httpsys::tls {

namespace {

// AEAD and forward secrecy only, our order; wolfSSL drops those that the certificate's key cannot serve.
constexpr char kSuites13[] = "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256";
constexpr char kSuites12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                             "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

// SEC_CHANNEL_BINDINGS: eight ULONGs, of which only cbApplicationDataLength [6] and dwApplicationDataOffset [7] are set.
std::vector<uint8_t> make_endpoint_binding(const Der &leaf, SignatureHash hash)
{
  constexpr std::string_view prefix = "tls-server-end-point:";
  constexpr size_t header = 32;
  enum wc_HashType type = hash == SignatureHash::Bits512 ? WC_HASH_TYPE_SHA512 :
                          hash == SignatureHash::Bits384 ? WC_HASH_TYPE_SHA384 :
                          hash == SignatureHash::Bits224 ? WC_HASH_TYPE_SHA224 :
                                                          WC_HASH_TYPE_SHA256;
  size_t digest_size = static_cast<size_t>(wc_HashGetDigestSize(type));
  std::vector<uint8_t> block(header + prefix.size() + digest_size);
  block[24] = static_cast<uint8_t>(prefix.size() + digest_size);
  block[28] = header;
  auto digest = std::copy(prefix.begin(), prefix.end(), block.begin() + header);
  VERIFY(wc_Hash(type, leaf.data(), static_cast<word32>(leaf.size()), &*digest, static_cast<word32>(digest_size)) == 0);
  return block;
}

std::array<uint8_t, 32> make_ticket_binding(const std::string &identity, const Der &leaf)
{
  std::vector<uint8_t> bytes(identity.begin(), identity.end());
  bytes.push_back(0);
  bytes.insert(bytes.end(), leaf.begin(), leaf.end());
  std::array<uint8_t, 32> digest{};
  VERIFY(wc_Sha256Hash(bytes.data(), static_cast<word32>(bytes.size()), digest.data()) == 0);
  return digest;
}

}

Result<RefPtr<TlsContext>> TlsContext::create(const ContextSettings &settings, std::string &reason)
{
  RefPtr<TlsContext> context = RefPtr<TlsContext>::adopt(new TlsContext(settings));
  TRY(context->load(settings, reason));
  return context;
}

TlsContext::TlsContext(const ContextSettings &settings)
  : m_identity(settings.identity)
  , m_asks_in_handshake(settings.ask_in_handshake)
  , m_tls13_disabled(settings.disable_tls13)
  , m_max_client_certificate_bytes(settings.max_client_certificate_bytes)
{
}

TlsContext::~TlsContext()
{
  wolfSSL_CTX_free(m_native); // connections hold a reference to this object, so none uses it any more
}

Result<void> TlsContext::load(const ContextSettings &settings, std::string &reason)
{
  std::vector<Der> chain = TRY(certificates_from_pem(settings.certificate_chain_pem, reason));
  ContextPointer native = make_server_context(m_tls13_disabled);
  if (!native)
    return NtStatus::NoMemory;
  TRY(load_key_pair(native.get(), chain, settings.private_key_pem, reason));
  std::vector<Der> authorities = TRY(pem_blocks(settings.authorities_pem, "CERTIFICATE", reason));
  std::vector<Der> lists = TRY(pem_blocks(settings.revocations_pem, "X509 CRL", reason));
  TRY(m_client_trust.load(std::move(authorities), std::move(lists), reason));
  m_server = TRY(certificate_facts(chain[0], reason));
  m_endpoint_binding = make_endpoint_binding(chain[0], X509Fields::parse(chain[0])->signature_hash);
  m_ticket_binding = make_ticket_binding(m_identity, chain[0]);
  m_native = native.release();
  configure();
  return {};
}

void TlsContext::configure()
{
  std::string suites = m_tls13_disabled ? kSuites12 : std::string(kSuites13) + ':' + kSuites12;
  VERIFY(wolfSSL_CTX_set_cipher_list(m_native, suites.c_str()) == WOLFSSL_SUCCESS);
  wolfSSL_CTX_SetIORecv(m_native, stream_receive_callback);
  wolfSSL_CTX_SetIOSend(m_native, stream_send_callback);
  wolfSSL_CTX_set_servername_callback(m_native, stream_hello_callback);
  wolfSSL_CTX_set_session_cache_mode(m_native, WOLFSSL_SESS_CACHE_OFF);
  wolfSSL_CTX_set_TicketEncCb(m_native, ticket_callback);
  wolfSSL_CTX_set_TicketEncCtx(m_native, this);
  wolfSSL_CTX_set_num_tickets(m_native, 0); // TlsStream sends them itself: wolfSSL would go on counting an old ticket's nonce
  if (m_asks_in_handshake)
    wolfSSL_CTX_NoTicketTLSv12(m_native);
  VERIFY(wolfSSL_CTX_UseSecureRenegotiation(m_native) == WOLFSSL_SUCCESS);
  wolfSSL_CTX_set_verify(m_native, WOLFSSL_VERIFY_NONE, nullptr); // raised per connection by httpsys_wolfssl_ask_without_judging
}

}
