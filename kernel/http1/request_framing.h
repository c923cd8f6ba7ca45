// SPDX-License-Identifier: GPL-3.0-or-later
// What the header fields of a complete request head mean for the connection: host, body framing, persistence, Expect (RFC 9112 3.2, 6,
// 9.3; RFC 9110 10.1.1). This is where requests could be smuggled, so all of it is in one place. Pure function of the head's bytes.
#pragma once
#include "kernel/http1/request_parser.h"

namespace httpsys::http1 {

// head.fields are linked, verb, version, target are set. Fills host (unless the absolute target gave one), framing, content_length,
// keep_alive, asked_keep_alive and expect_continue.
Refusal interpret_fields(std::string_view bytes, const ParserOptions &options, RequestHead &head);

}
