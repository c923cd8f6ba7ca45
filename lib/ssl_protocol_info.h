/* SPDX-License-Identifier: MIT */
// HTTP_SSL_PROTOCOL_INFO from the protocol version and cipher suite of a request image, in Schannel's numbers (httpapi:
// HTTP_SSL_PROTOCOL_INFO; http-server-api.md 3.5). Pure function.
#pragma once
#include "lib/include/http.h"
#include <cstdint>

namespace httpsys::lib {

// What httpsysd negotiates: TLS 1.2 and 1.3, AEAD suites, ephemeral ECDH. The curve is not known here: KeyExchangeStrength is 0.
HTTP_SSL_PROTOCOL_INFO ssl_protocol_info(uint16_t tls_version, uint16_t cipher_suite);

}
