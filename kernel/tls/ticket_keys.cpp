// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/ticket_keys.h"
#include "kernel/ke/tally.h"
#include "kernel/limits.h"
#include "kernel/platform/secret_memory.h"
#include "kernel/tls/client_trust.h"
#include "kernel/tls/tls_context.h"
#include "kernel/tls/wolfssl_library.h"
#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <optional>
#include <vector>
#include <wolfssl/wolfcrypt/aes.h>

namespace httpsys::tls {

namespace {

constexpr size_t kIvSize = 12, kMacSize = 16; // of the 16 and 32 bytes that wolfSSL keeps in a ticket for them

struct TicketKey {
  TicketKey() = default;
  TicketKey(const TicketKey &) = default;
  TicketKey &operator=(const TicketKey &) = default;
  ~TicketKey() { explicit_bzero(bytes.data(), bytes.size()); }

  std::array<uint8_t, WOLFSSL_TICKET_NAME_SZ> name{};
  std::array<uint8_t, 32> bytes{};
  int64_t made = 0; // seconds since 1970
};

// Any core asks at every handshake; what is done under the lock is a copy, and once in a while a new key.
class TicketKeys {
public:
  TicketKey newest()
  {
    std::lock_guard lock(m_mutex);
    replace_old_ones();
    return m_keys[0];
  }
  std::optional<TicketKey> find(const unsigned char *name)
  {
    std::lock_guard lock(m_mutex);
    replace_old_ones();
    for (const TicketKey &key : m_keys)
      if (key.made != 0 && std::equal(key.name.begin(), key.name.end(), name))
        return key;
    return std::nullopt;
  }

private:
  void replace_old_ones()
  {
    int64_t now = verification_time(), age = now - m_keys[0].made;
    if (age >= 0 && age < limits::kTicketKeySeconds) // less than 0: the clock was set back, nobody knows how far
      return;
    m_keys[1] = age >= 0 && age < 2 * limits::kTicketKeySeconds ? m_keys[0] : TicketKey();
    random_bytes(m_keys[0].name);
    random_bytes(m_keys[0].bytes);
    m_keys[0].made = now;
  }

  std::mutex m_mutex;
  std::vector<TicketKey, platform::SecretAllocator<TicketKey>> m_keys{2}; // the newest first
};

TicketKeys &ticket_keys()
{
  static TicketKeys keys;
  return keys;
}

}

int ticket_callback(WOLFSSL *session, unsigned char *name, unsigned char *iv, unsigned char *mac, int encrypt, unsigned char *ticket,
                    int ticket_size, int *out_size, void *argument)
{
  const TlsContext &context = *static_cast<const TlsContext *>(argument);
  if (context.asks_in_handshake() || ticket_size < 0)
    return WOLFSSL_TICKET_RET_REJECT;
  std::optional<TicketKey> key = encrypt ? ticket_keys().newest() : ticket_keys().find(name);
  if (!key)
    return WOLFSSL_TICKET_RET_REJECT; // of another process, or too old

  std::array<uint8_t, WOLFSSL_TICKET_NAME_SZ + 32> additional;
  auto rest = std::copy(key->name.begin(), key->name.end(), additional.begin());
  std::copy(context.ticket_binding().begin(), context.ticket_binding().end(), rest);
  Aes cipher;
  int result = wc_AesInit(&cipher, nullptr, INVALID_DEVID);
  if (result == 0)
    result = wc_AesGcmSetKey(&cipher, key->bytes.data(), static_cast<word32>(key->bytes.size()));
  if (result == 0 && encrypt) {
    std::copy(key->name.begin(), key->name.end(), name);
    std::fill_n(iv, WOLFSSL_TICKET_IV_SZ, uint8_t{0});
    std::fill_n(mac, WOLFSSL_TICKET_MAC_SZ, uint8_t{0});
    result = wc_RNG_GenerateBlock(wolfSSL_GetRNG(session), iv, kIvSize);
    if (result == 0)
      result = wc_AesGcmEncrypt(&cipher, ticket, ticket, static_cast<word32>(ticket_size), iv, kIvSize, mac, kMacSize,
                                additional.data(), static_cast<word32>(additional.size()));
  } else if (result == 0) {
    result = wc_AesGcmDecrypt(&cipher, ticket, ticket, static_cast<word32>(ticket_size), iv, kIvSize, mac, kMacSize,
                              additional.data(), static_cast<word32>(additional.size()));
  }
  wc_AesFree(&cipher);
  if (result != 0 && !encrypt)
    ke::count(ke::Tally::BadTicket);
  *out_size = ticket_size;
  return result == 0 ? WOLFSSL_TICKET_RET_OK : WOLFSSL_TICKET_RET_REJECT;
}

}
