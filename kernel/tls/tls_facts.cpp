// SPDX-License-Identifier: GPL-3.0-or-later
// TlsStream: what was negotiated, in Schannel's numbers (http-server-api 3.5, HTTP_SSL_PROTOCOL_INFO).
#include "kernel/tls/tls_stream.h"
#include "kernel/tls/wolfssl_library.h"
#include <algorithm>

namespace httpsys::tls {

namespace {

enum Algorithm : uint32_t { kAes128 = 0x660e, kAes256 = 0x6610, kSha256 = 0x800c, kSha384 = 0x800d, kEcdhEphemeral = 0xae06 };

struct Suite {
  uint16_t number;
  uint32_t cipher;
  uint32_t cipher_bits;
  uint32_t hash;
  uint32_t hash_bits;
};

// The suites that TlsContext offers.
constexpr Suite kSuites[] = {
  {0x1301, kAes128, 128, kSha256, 256}, {0x1302, kAes256, 256, kSha384, 384}, {0x1303, 0, 256, kSha256, 256},
  {0xc02b, kAes128, 128, kSha256, 256}, {0xc02c, kAes256, 256, kSha384, 384}, {0xc02f, kAes128, 128, kSha256, 256},
  {0xc030, kAes256, 256, kSha384, 384}, {0xcca8, 0, 256, kSha256, 256},       {0xcca9, 0, 256, kSha256, 256},
};

uint32_t group_bits(std::string_view group)
{
  if (group.find("521") != std::string_view::npos)
    return 521;
  if (group.find("384") != std::string_view::npos)
    return 384;
  return group.empty() ? 0 : 256; // P-256, X25519 and the hybrids with them
}

}

void TlsStream::note_facts()
{
  m_facts.protocol = is_tls13() ? 0x1000 : 0x400;
  m_facts.cipher_suite = static_cast<uint16_t>(wolfSSL_get_current_cipher_suite(m_session));
  const char *name = wolfSSL_get_cipher_name_iana_from_suite(static_cast<uint8_t>(m_facts.cipher_suite >> 8),
                                                             static_cast<uint8_t>(m_facts.cipher_suite));
  m_facts.cipher_suite_name = name ? name : "";
  auto suite = std::find_if(std::begin(kSuites), std::end(kSuites),
                            [this](const Suite &entry) { return entry.number == m_facts.cipher_suite; });
  if (suite != std::end(kSuites)) {
    m_facts.cipher_type = suite->cipher;
    m_facts.cipher_strength = suite->cipher_bits;
    m_facts.hash_type = suite->hash;
    m_facts.hash_strength = suite->hash_bits;
  }
  const char *group = wolfSSL_get_curve_name(m_session);
  m_facts.group = group ? group : "";
  m_facts.key_exchange_type = kEcdhEphemeral;
  m_facts.key_exchange_strength = group_bits(m_facts.group);
  m_facts.resumed = wolfSSL_session_reused(m_session) == 1;
}

}
