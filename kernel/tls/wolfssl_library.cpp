// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/wolfssl_library.h"
#include "kernel/base/verify.h"
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/random.h>

namespace httpsys::tls {

static int initialize()
{
  if (int result = wolfSSL_Init(); result != WOLFSSL_SUCCESS)
    return result;
  // The first key makes wolfSSL look what the CPU can do and note it where all threads read it, without a lock.
  Aes aes;
  const byte key[AES_128_KEY_SIZE] = {};
  VERIFY(wc_AesInit(&aes, nullptr, INVALID_DEVID) == 0);
  VERIFY(wc_AesGcmSetKey(&aes, key, sizeof key) == 0);
  wc_AesFree(&aes);
  return WOLFSSL_SUCCESS;
}

void initialize_library()
{
  static const int result = initialize(); // a function's static: threads wait for the first of them
  VERIFY(result == WOLFSSL_SUCCESS);
}

void random_bytes(std::span<uint8_t> bytes)
{
  WC_RNG generator;
  VERIFY(wc_InitRng(&generator) == 0);
  VERIFY(wc_RNG_GenerateBlock(&generator, bytes.data(), static_cast<word32>(bytes.size())) == 0);
  wc_FreeRng(&generator);
}

std::string wolfssl_error_text(int code)
{
  char text[WOLFSSL_MAX_ERROR_SZ] = {};
  wolfSSL_ERR_error_string_n(static_cast<unsigned long>(code), text, sizeof text);
  return text;
}

}
