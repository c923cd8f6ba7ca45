// SPDX-License-Identifier: MIT
// What httpsys_last_error_text() says, in the one form that it has: "HttpReceiveClientCertificate: why (ERROR_NOT_FOUND 1168)". Any thread.
#pragma once
#include "lib/error_text.h"
#include <cstdint>
#include <string_view>

namespace httpsys::lib {

// Whether the code is one that callers go on with, and that wants no explanation.
bool is_usual_code(uint32_t code);
// why: one sentence, or empty for what is known of the code alone.
ErrorText error_sentence(const char *function, uint32_t code, std::string_view why);

}
