// SPDX-License-Identifier: GPL-3.0-or-later
// How many of the process's descriptors connections may have, so that sessions, httpsysctl's and applications', are always let in.
#pragma once
#include <cstdint>
#include <optional>

namespace httpsys::net {

// limit: RLIMIT_NOFILE. open: descriptors that the daemon has when it begins to listen. Listening sockets are to be taken off the result.
// nullopt: so few that the daemon should not start.
std::optional<uint64_t> descriptors_for_connections(uint64_t limit, uint64_t open);

}
