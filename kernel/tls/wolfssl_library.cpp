// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/wolfssl_library.h"
#include "kernel/base/verify.h"
#include <wolfssl/wolfcrypt/random.h>

namespace httpsys::tls {

void initialize_library()
{
  static const int result = wolfSSL_Init(); // a function's static: threads wait for the first of them
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
