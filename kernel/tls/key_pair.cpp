// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/key_pair.h"
#include "kernel/limits.h"
#include "kernel/tls/pem.h"
#include "kernel/tls/x509_fields.h"
#include <array>
#include <cstring>
#include <fmt/format.h>

namespace httpsys::tls {

namespace {

Result<void> refuse(std::string &reason, std::string text)
{
  reason = std::move(text);
  return NtStatus::InvalidParameter;
}

// Whether this certificate alone goes with the key that is given.
bool belongs_to(const Der &certificate, std::string_view key_block)
{
  ContextPointer context = make_server_context();
  return context &&
         wolfSSL_CTX_use_certificate_buffer(context.get(), certificate.data(), static_cast<long>(certificate.size()),
                                            WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS &&
         wolfSSL_CTX_use_PrivateKey_buffer(context.get(), reinterpret_cast<const unsigned char *>(key_block.data()),
                                           static_cast<long>(key_block.size()), WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS &&
         wolfSSL_CTX_check_private_key(context.get()) == WOLFSSL_SUCCESS;
}

Result<void> check_leaf(const Der &leaf, std::string &reason)
{
  auto fields = X509Fields::parse(leaf);
  if (!fields)
    return refuse(reason, "the first certificate cannot be read as X.509");
  if (fields->key_type == KeyType::Unknown)
    return refuse(reason, "the certificate's key is of a kind that is not supported; RSA, ECDSA and Ed25519 are");
  if (fields->is_pss_key) // in TLS 1.2 wolfSSL signs as with a plain key, which clients refuse (RFC 8446 4.2.3); TLS 1.3 would work
    return refuse(reason, "the certificate's key is one for RSA-PSS alone, which cannot serve TLS 1.2; make a plain RSA key "
                          "(openssl genpkey -algorithm RSA) or an ECDSA key, and have a certificate issued for that");
  uint32_t least = fields->key_type == KeyType::Rsa ? limits::kMinRsaKeyBits : limits::kMinEcKeyBits;
  if (fields->key_bits < least)
    return refuse(reason, fmt::format("the certificate's key has {} bits, fewer than the {} that are required ({})", fields->key_bits,
                                      least, fields->key_type == KeyType::Rsa ? "kMinRsaKeyBits" : "kMinEcKeyBits"));
  return {};
}

// wolfSSL leaves an elliptic key's scalar on the stack when it has computed the public key from it. Twice what a whole handshake takes.
[[gnu::noinline]] void wipe_stack()
{
  std::array<uint8_t, 32768> below;
  explicit_bzero(below.data(), below.size());
}

Result<void> load(WOLFSSL_CTX *context, const std::vector<Der> &chain, std::string_view private_key_pem, std::string &reason);

}

ContextPointer make_server_context(bool tls12_only)
{
  initialize_library();
  // v23: the highest version that both sides know
  ContextPointer context(wolfSSL_CTX_new(tls12_only ? wolfTLSv1_2_server_method() : wolfSSLv23_server_method()));
  if (!context)
    return nullptr;
  wolfSSL_CTX_SetMinVersion(context.get(), WOLFSSL_TLSV1_2);
  wolfSSL_CTX_SetMinRsaKey_Sz(context.get(), static_cast<short>(limits::kMinRsaKeyBits));
  wolfSSL_CTX_SetMinEccKey_Sz(context.get(), static_cast<short>(limits::kMinEcKeyBits));
  return context;
}

Result<void> load_key_pair(WOLFSSL_CTX *context, const std::vector<Der> &chain, std::string_view private_key_pem, std::string &reason)
{
  auto result = load(context, chain, private_key_pem, reason);
  wipe_stack();
  return result;
}

namespace {

Result<void> load(WOLFSSL_CTX *context, const std::vector<Der> &chain, std::string_view private_key_pem, std::string &reason)
{
  TRY(check_leaf(chain[0], reason));
  PemKey key = pem_private_key(private_key_pem);
  if (key.block.empty())
    return refuse(reason, "there is no private key in PEM form in it");
  if (key.is_encrypted)
    return refuse(reason, "the private key is encrypted: remove the passphrase first, for example with openssl pkey");
  Der all;
  for (const Der &certificate : chain) {
    if (!X509Fields::parse(certificate))
      return refuse(reason, fmt::format("certificate number {} cannot be read as X.509", &certificate - chain.data() + 1));
    all.insert(all.end(), certificate.begin(), certificate.end());
  }
  int loaded = wolfSSL_CTX_use_certificate_chain_buffer_format(context, all.data(), static_cast<long>(all.size()), WOLFSSL_FILETYPE_ASN1);
  if (loaded != WOLFSSL_SUCCESS)
    return refuse(reason, fmt::format("the certificate cannot be used: {}", wolfssl_error_text(loaded)));
  loaded = wolfSSL_CTX_use_PrivateKey_buffer(context, reinterpret_cast<const unsigned char *>(key.block.data()),
                                             static_cast<long>(key.block.size()), WOLFSSL_FILETYPE_PEM);
  bool readable = loaded == WOLFSSL_SUCCESS;
  if (readable && wolfSSL_CTX_check_private_key(context) == WOLFSSL_SUCCESS)
    return {};
  for (size_t i = 1; i < chain.size(); i++)
    if (belongs_to(chain[i], key.block))
      return refuse(reason, fmt::format("the private key belongs to certificate number {}: that one must come first", i + 1));
  // wolfSSL tells a key of another type than the certificate's already when it loads it, with the code of an unreadable one.
  ContextPointer other = make_server_context();
  if (!readable && other &&
      wolfSSL_CTX_use_PrivateKey_buffer(other.get(), reinterpret_cast<const unsigned char *>(key.block.data()),
                                        static_cast<long>(key.block.size()), WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
    return refuse(reason, fmt::format("the private key cannot be read: {}", wolfssl_error_text(loaded)));
  return refuse(reason, "the private key does not belong to the certificate");
}

}

}
