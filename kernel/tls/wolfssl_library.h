// SPDX-License-Identifier: GPL-3.0-or-later
// wolfSSL's start, and owners for its objects. The only include of wolfSSL's headers for the files of kernel/tls: settings.h comes first,
// or structure sizes differ without a warning. Nothing outside kernel/tls includes this file.
#pragma once
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/ssl.h>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace httpsys::tls {

// Initialises the library once per process; any thread. Ends the process if that fails: there is no randomness or no memory then.
void initialize_library();

// Fills the span from the system's random generator, through wolfSSL's DRBG. VERIFYs success.
void random_bytes(std::span<uint8_t> bytes);

// wolfSSL's text for a code, for example "ASN no signer error to confirm failure".
std::string wolfssl_error_text(int code);

struct ContextDeleter {
  void operator()(WOLFSSL_CTX *context) const { wolfSSL_CTX_free(context); }
};
struct SessionDeleter {
  void operator()(WOLFSSL *session) const { wolfSSL_free(session); }
};
struct CertManagerDeleter {
  void operator()(WOLFSSL_CERT_MANAGER *manager) const { wolfSSL_CertManagerFree(manager); }
};
using ContextPointer = std::unique_ptr<WOLFSSL_CTX, ContextDeleter>;
using SessionPointer = std::unique_ptr<WOLFSSL, SessionDeleter>;
using CertManagerPointer = std::unique_ptr<WOLFSSL_CERT_MANAGER, CertManagerDeleter>;

}
