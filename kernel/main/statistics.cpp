// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/statistics.h"
#include "kernel/http/counters.h"
#include "kernel/ns/namespace.h"
#include "kernel/platform/linux/process_info.h"
#include "kernel/queue/queue_registry.h"

namespace httpsys::main {

void fill_stats(hsys_control_stats &stats)
{
  const http::Counters &counters = http::counters();
  auto load = [](const std::atomic<uint64_t> &counter) { return counter.load(std::memory_order_relaxed); };
  stats.connections = load(counters.connections);
  stats.connections_total = load(counters.connections_total);
  stats.requests_total = load(counters.requests_total);
  stats.requests_delivered = load(counters.requests_delivered);
  stats.requests_queued = load(counters.requests) - load(counters.requests_delivered);
  stats.request_queues = queue::QueueRegistry::instance().count();
  stats.url_groups = ns::Namespace::instance().group_count();
  stats.urls = ns::Namespace::instance().url_count();
  stats.descriptors = platform::open_descriptors();
  stats.resident_bytes = platform::resident_bytes();
}

}
