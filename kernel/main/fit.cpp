// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/fit.h"
#include <algorithm>

namespace httpsys::main {

Config fit(const Config &config, uint64_t memory, uint32_t cores)
{
  Config fitted = config;
  if (fitted.clients.channel_bytes_total == 0)
    fitted.clients.channel_bytes_total = std::max<uint64_t>(memory / 2, 1);
  auto &limits = fitted.limits;
  const uint64_t part = memory / limits::kMemoryPart;
  if (fitted.clients.waiting_output_bytes_total == 0)
    fitted.clients.waiting_output_bytes_total = std::max<uint64_t>(part, 1);
  if (limits.connection_buffer_bytes_total == 0)
    limits.connection_buffer_bytes_total = std::min(limits::kConnectionBufferBytesTotal, part);
  // Each core counts its own; many cores must not make more of it than there is.
  const uint64_t least = std::min(cores * limits::kConnectionBufferLeast, part);
  limits.connection_buffer_bytes_total = std::max(limits.connection_buffer_bytes_total, least);
  if (limits.max_connections == 0)
    limits.max_connections = std::max(memory / limits::kMemoryPerConnection, limits::kConnectionsLeast);
  limits.multishot_receives = part / limits::kMultishotBytes;
  limits.certificate_wait_body_bytes_total = std::min(limits.certificate_wait_body_bytes_total, part);
  return fitted;
}

uint64_t requests_per_user(const Config &fitted, uint64_t connections)
{
  if (fitted.clients.requests_per_user != 0)
    return fitted.clients.requests_per_user;
  return std::max<uint64_t>(std::min(fitted.limits.max_connections, connections) / limits::kRequestsPerUserPart, 1);
}

}
