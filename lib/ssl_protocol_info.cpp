// SPDX-License-Identifier: MIT
#include "lib/ssl_protocol_info.h"

namespace httpsys::lib {

namespace {

// SP_PROT_TLS1_2_SERVER, SP_PROT_TLS1_3_SERVER; ALG_ID values of wincrypt.h.
constexpr ULONG kTls12Server = 0x400, kTls13Server = 0x1000;
constexpr ULONG kAes128 = 0x660e, kAes256 = 0x6610, kSha256 = 0x800c, kSha384 = 0x800d, kEphemeralEcdh = 0xae06;

// ChaCha20 has no ALG_ID: type 0.
struct Suite {
  uint16_t number; // IANA
  ULONG cipher, cipher_bits, hash, hash_bits;
};
constexpr Suite kSuites[] = {
  {0x1301, kAes128, 128, kSha256, 256}, {0x1302, kAes256, 256, kSha384, 384}, {0x1303, 0, 256, kSha256, 256},
  {0xc02b, kAes128, 128, kSha256, 256}, {0xc02f, kAes128, 128, kSha256, 256}, {0xc02c, kAes256, 256, kSha384, 384},
  {0xc030, kAes256, 256, kSha384, 384}, {0xcca8, 0, 256, kSha256, 256},       {0xcca9, 0, 256, kSha256, 256},
};

}

HTTP_SSL_PROTOCOL_INFO ssl_protocol_info(uint16_t tls_version, uint16_t cipher_suite)
{
  HTTP_SSL_PROTOCOL_INFO info{};
  info.Protocol = tls_version == 0x0304 ? kTls13Server : kTls12Server;
  info.KeyExchangeType = kEphemeralEcdh;
  for (const Suite &suite : kSuites) {
    if (suite.number != cipher_suite)
      continue;
    info.CipherType = suite.cipher;
    info.CipherStrength = suite.cipher_bits;
    info.HashType = suite.hash;
    info.HashStrength = suite.hash_bits;
  }
  return info;
}

}
