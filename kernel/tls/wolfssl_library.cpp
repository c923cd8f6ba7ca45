// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/wolfssl_library.h"
#include "kernel/base/verify.h"
#include "kernel/platform/key_memory.h"
#include <httpsys_wolfssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/wc_mlkem.h>

namespace httpsys::tls {

// The first use of each algorithm makes wolfSSL look what the CPU can do and note it where all threads read it, without a lock.
static void use_each_algorithm_once()
{
  const byte key[CHACHA20_POLY1305_AEAD_KEYSIZE] = {}, nonce[CHACHA20_POLY1305_AEAD_IV_SIZE] = {};
  byte output[WC_MAX_DIGEST_SIZE], tag[CHACHA20_POLY1305_AEAD_AUTHTAG_SIZE];
  for (wc_HashType hash : {WC_HASH_TYPE_SHA256, WC_HASH_TYPE_SHA384, WC_HASH_TYPE_SHA512, WC_HASH_TYPE_SHA3_256})
    VERIFY(wc_Hash(hash, key, sizeof key, output, static_cast<word32>(wc_HashGetDigestSize(hash))) == 0);
  VERIFY(wc_ChaCha20Poly1305_Encrypt(key, nonce, nullptr, 0, key, sizeof key, output, tag) == 0);
  Aes aes;
  VERIFY(wc_AesInit(&aes, nullptr, INVALID_DEVID) == 0 && wc_AesGcmSetKey(&aes, key, AES_128_KEY_SIZE) == 0);
  wc_AesFree(&aes);
  MlKemKey kem;
  VERIFY(wc_MlKemKey_Init(&kem, WC_ML_KEM_768, nullptr, INVALID_DEVID) == 0);
  wc_MlKemKey_Free(&kem);
}

static int initialize()
{
  const auto range = platform::key_memory_range();
  const httpsys_key_memory keys = {range.begin, range.end, platform::allocate_key_memory, platform::free_key_memory,
                                   platform::key_memory_size};
  httpsys_wolfssl_set_key_memory(&keys);
  if (int result = wolfSSL_Init(); result != WOLFSSL_SUCCESS)
    return result;
  use_each_algorithm_once();
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
