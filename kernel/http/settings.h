// SPDX-License-Identifier: GPL-3.0-or-later
// What the configuration file says to the http layer ([limits], [timeouts], [compat]). Set once by main before any core runs,
// read-only afterwards.
#pragma once
#include "kernel/http1/request_parser.h"
#include "kernel/limits.h"
#include "kernel/platform/platform.h"
#include "kernel/url/path.h"

namespace httpsys::http {

struct Settings {
  http1::ParserOptions parser;
  url::PathLimits path;
  platform::Milliseconds handshake = 30'000;
  platform::Milliseconds idle_connection = 120'000;
  platform::Milliseconds header_wait = 120'000;
  platform::Milliseconds entity_body = 120'000;
  uint64_t entity_body_bytes = limits::kEntityBodyBytes;   // so many must come for entity_body to begin anew
  platform::Milliseconds drain_entity_body = 120'000;
  platform::Milliseconds ssl_renegotiation = 120'000;
  uint64_t certificate_wait_body_bytes = 16u << 20;        // kept for one connection while a certificate is awaited
  uint64_t certificate_wait_body_bytes_total = 128u << 20; // of all connections
  uint64_t connection_buffer_bytes_total = 256u << 20;     // beyond it each connection may keep less
  uint64_t multishot_receives = UINT64_MAX;                // of all connections
  uint32_t handshake_steps_per_turn = limits::kHandshakeStepsPerTurn; // of a core; fewer only in tests
};

const Settings &settings();
void set_settings(const Settings &settings);

}
