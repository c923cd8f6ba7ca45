// SPDX-License-Identifier: MIT
// URLs of a URL group, for the functions of both versions. What a prefix must look like is the daemon's to say: it quotes it.
#pragma once
#include "lib/api_call.h"

namespace httpsys::lib {

// NULL, or longer than a parameter block: ERROR_INVALID_PARAMETER.
bool require_url(ApiCall &call, PCWSTR url);
ULONG add_url(ApiCall &call, uint64_t group, PCWSTR url, uint64_t context);
// url NULL: all of the group.
ULONG remove_url(ApiCall &call, uint64_t group, PCWSTR url);

// UTF-16 units before the NUL, looking at most + 1 of them.
size_t length_of(PCWSTR text, size_t most);

}
