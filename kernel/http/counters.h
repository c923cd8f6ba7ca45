// SPDX-License-Identifier: GPL-3.0-or-later
// Counts of all cores for STATS and for the end of the daemon. Each is changed with relaxed atomics where its object begins and
// ends.
#pragma once
#include <atomic>
#include <cstdint>

namespace httpsys::http {

struct Counters {
  std::atomic<uint64_t> connections{0}, connections_total{0};
  std::atomic<uint64_t> requests{0}, requests_total{0}; // routed and not ended
  std::atomic<uint64_t> requests_delivered{0};          // of requests: with a worker
  std::atomic<uint64_t> sending{0};                     // connections with bytes that the socket has not taken yet
};

Counters &counters();

}
