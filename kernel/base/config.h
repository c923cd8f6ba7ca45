// SPDX-License-Identifier: GPL-3.0-or-later
// Config: what the configuration file can change, as plain values in the units that the code uses. main/ fills it once
// at the start; afterwards it is constant and every core may read it. A Config made anew holds the built-in defaults.
#pragma once
#include "kernel/limits.h"
#include "uapi/abi.h"
#include <cstdint>

namespace httpsys {

struct Config {
  // [limits], in bytes where nothing else is said.
  struct Limits {
    uint32_t max_request_line = limits::kMaxRequestLine;
    uint32_t max_request_bytes = limits::kMaxRequestBytes; // header lines together, without the request line
    uint32_t max_field_length = limits::kMaxFieldLength;
    uint32_t max_header_count = limits::kMaxHeaderCount;
    uint32_t url_segment_max_length = limits::kUrlSegmentMaxLength;             // UTF-16 units; 0: no limit
    uint32_t url_segment_max_count = limits::kUrlSegmentMaxCount;               // 0: no limit
    uint32_t max_client_certificate_bytes = limits::kMaxClientCertificateBytes; // the list as sent
    uint64_t entity_body_bytes = limits::kEntityBodyBytes;                       // that begin timeouts.entity_body anew
    uint64_t certificate_wait_body_bytes = limits::kCertificateWaitBodyBytes;   // of one connection
    uint64_t certificate_wait_body_bytes_total = limits::kCertificateWaitBodyBytesTotal;
    uint64_t connection_buffer_bytes_total = 0; // 0: limits::kConnectionBufferBytesTotal, or less where there is little memory
    uint64_t max_connections = 0;               // 0: what suits the memory
    // Not in the file: main has it from the memory. Connections whose sockets are read with multishot receives.
    uint64_t multishot_receives = UINT64_MAX;
  };

  // [timeouts], in milliseconds, never 0 but for shutdown.
  struct Timeouts {
    uint64_t handshake = limits::kHandshakeSeconds * 1000ull;
    uint64_t idle_connection = limits::kIdleConnectionSeconds * 1000ull;
    uint64_t header_wait = limits::kHeaderWaitSeconds * 1000ull;
    uint64_t entity_body = limits::kEntityBodySeconds * 1000ull;
    uint64_t drain_entity_body = limits::kDrainEntityBodySeconds * 1000ull;
    uint64_t ssl_renegotiation = limits::kSslRenegotiationSeconds * 1000ull;
    uint64_t shutdown = limits::kShutdownSeconds * 1000ull;
  };

  // [clients]: how much the processes of one uid together, and one process, may have at a time. Never 0.
  struct Share {
    uint64_t user, process;
  };
  struct Clients {
    Share sessions{limits::kSessionsPerUser, limits::kSessionsPerProcess};
    Share channel_bytes{limits::kChannelBytesPerUser, limits::kChannelBytesPerProcess};
    Share operations{limits::kOperationsPerUser, limits::kOperationsPerProcess}; // completion ring entries
    Share handles{limits::kHandlesPerUser, limits::kHandlesPerProcess};
    Share server_sessions{limits::kServerSessionsPerUser, limits::kServerSessionsPerProcess};
    Share url_groups{limits::kUrlGroupsPerUser, limits::kUrlGroupsPerProcess};
    Share urls{limits::kUrlsPerUser, limits::kUrlsPerProcess};
    Share request_queues{limits::kRequestQueuesPerUser, limits::kRequestQueuesPerProcess};
    Share ports{limits::kPortsPerUser, limits::kPortsPerProcess};
    uint64_t channel_bytes_total = 0; // of all users; 0: half of the memory that the process may have
    Share waiting_output_bytes{limits::kWaitingOutputBytesPerUser, limits::kWaitingOutputBytesPerProcess};
    uint64_t waiting_output_bytes_total = 0; // of all users; 0: what suits the memory that the process may have
    uint64_t requests_per_user = 0;          // under way; 0: a part of the connections, and no bound before main has set it
    // Of all users, not in the file: main has them from RLIMIT_NOFILE.
    uint64_t sessions_total = limits::kSessions;
    uint64_t ports_total = limits::kPorts;
  };

  // [compat]: HTTP.sys' leniency where RFC 9112 wants a refusal.
  struct Compat {
    bool accept_bare_lf = false;
    bool accept_obs_fold = false;
    bool accept_transfer_encoding_with_content_length = false; // chunked wins, the connection closes afterwards
  };

  Limits limits;
  Timeouts timeouts;
  Clients clients;
  Compat compat;
};

// The largest head, twice as a URL (raw, and cooked in UTF-16), with a structure for each header, and the client's
// certificate; 4 KiB are for the fixed part and the names in the server's certificate.
static_assert(limits::kRequestLineCeiling * 3ull + limits::kRequestBytesCeiling + limits::kHeaderCountCeiling * 16ull +
                      limits::kClientCertificateCeiling + 4096 <=
                  HSYS_BLOCK_MAX,
              "the largest request must fit one block");

}
