// SPDX-License-Identifier: GPL-3.0-or-later
// Loads a server's certificate chain and private key into a wolfSSL context, with a reason for every refusal. Stateless; what
// is made of the key on the way is in key memory (kernel/platform/key_memory.h), or on the stack and wiped.
#pragma once
#include "kernel/base/result.h"
#include "kernel/tls/certificate.h"
#include "kernel/tls/wolfssl_library.h"
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::tls {

// A context without certificate that load_key_pair() can fill: versions and least key sizes are set. Null without memory.
ContextPointer make_server_context(bool tls12_only = false);

// chain: leaf first, not empty. Errors: InvalidParameter, NoMemory.
Result<void> load_key_pair(WOLFSSL_CTX *context, const std::vector<Der> &chain, std::string_view private_key_pem, std::string &reason);

}
