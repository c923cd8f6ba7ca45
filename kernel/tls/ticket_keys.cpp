// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/ticket_keys.h"
#include "kernel/tls/tls_context.h"
#include "kernel/tls/wolfssl_library.h"
#include <algorithm>
#include <array>
#include <wolfssl/wolfcrypt/aes.h>

namespace httpsys::tls {

namespace {

constexpr size_t kIvSize = 12, kMacSize = 16; // of the 16 and 32 bytes that wolfSSL keeps in a ticket for them

struct TicketKey {
  TicketKey()
  {
    random_bytes(name);
    random_bytes(bytes);
  }
  std::array<uint8_t, WOLFSSL_TICKET_NAME_SZ> name;
  std::array<uint8_t, 32> bytes;
};

}

int ticket_callback(WOLFSSL *session, unsigned char *name, unsigned char *iv, unsigned char *mac, int encrypt, unsigned char *ticket,
                    int ticket_size, int *out_size, void *argument)
{
  static const TicketKey key;
  const TlsContext &context = *static_cast<const TlsContext *>(argument);
  if (context.asks_in_handshake() || ticket_size < 0)
    return WOLFSSL_TICKET_RET_REJECT;

  std::array<uint8_t, WOLFSSL_TICKET_NAME_SZ + 32> additional;
  auto rest = std::copy(key.name.begin(), key.name.end(), additional.begin());
  std::copy(context.ticket_binding().begin(), context.ticket_binding().end(), rest);
  Aes cipher;
  int result = wc_AesInit(&cipher, nullptr, INVALID_DEVID);
  if (result == 0)
    result = wc_AesGcmSetKey(&cipher, key.bytes.data(), static_cast<word32>(key.bytes.size()));
  if (result == 0 && encrypt) {
    std::copy(key.name.begin(), key.name.end(), name);
    std::fill_n(iv, WOLFSSL_TICKET_IV_SZ, uint8_t{0});
    std::fill_n(mac, WOLFSSL_TICKET_MAC_SZ, uint8_t{0});
    result = wc_RNG_GenerateBlock(wolfSSL_GetRNG(session), iv, kIvSize);
    if (result == 0)
      result = wc_AesGcmEncrypt(&cipher, ticket, ticket, static_cast<word32>(ticket_size), iv, kIvSize, mac, kMacSize,
                                additional.data(), static_cast<word32>(additional.size()));
  } else if (result == 0 && std::equal(key.name.begin(), key.name.end(), name)) {
    result = wc_AesGcmDecrypt(&cipher, ticket, ticket, static_cast<word32>(ticket_size), iv, kIvSize, mac, kMacSize,
                              additional.data(), static_cast<word32>(additional.size()));
  } else {
    result = WOLFSSL_TICKET_RET_REJECT; // a key of another process
  }
  wc_AesFree(&cipher);
  *out_size = ticket_size;
  return result == 0 ? WOLFSSL_TICKET_RET_OK : WOLFSSL_TICKET_RET_REJECT;
}

}
