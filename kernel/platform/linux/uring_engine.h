// SPDX-License-Identifier: GPL-3.0-or-later
// The IoEngine on io_uring (liburing 2.15, Linux 6.1): one ring and one set of receive buffers per core. It belongs to
// the thread that makes it; only wake() may come from others. Lives as long as its core.
#pragma once
#include "kernel/limits.h"
#include "kernel/platform/platform.h"
#include <memory>
#include <netinet/in.h>

namespace httpsys::platform {

struct UringSettings {
  uint32_t submission_entries = limits::kSubmissionEntries;
  uint32_t completion_entries = limits::kCompletionEntries;
  uint32_t receive_buffers = limits::kReceiveBuffers; // power of two
  uint32_t receive_buffer_bytes = limits::kReceiveBufferBytes;
  uint32_t completions_per_turn = limits::kCompletionsPerTurn; // of receives and sends
};

// On the thread that will run it. On failure reason is a sentence that names the cause and, where there is one, the remedy.
Result<std::unique_ptr<IoEngine>> make_uring_engine(const UringSettings &settings, std::string &reason);

// A ring of an engine does the engine's operations and no others, whoever asks it: so many.
uint32_t uring_operations();
// Whether this kernel keeps such a ring to them: makes one, and asks it for another. When it does not, engines work without.
Result<void> try_restricted_ring(std::string &reason);
// Another operation on such a ring: 0 when it was done or nothing limits a ring, otherwise why it was not: EACCES. An error: no ring.
Result<int> try_other_operation();
// The same for connecting the socket, or sending with the address (TCP fast open): 0 when one was done, otherwise why the last was not.
Result<int> try_connecting_through_ring(int socket, const sockaddr_in &address);

// Why io_uring_setup failed. disabled: what /proc/sys/kernel/io_uring_disabled says, empty when there is no such file
// (before Linux 6.6); filtered: the process runs under a seccomp filter.
std::string describe_uring_failure(int error, const std::string &disabled, bool filtered);

}
