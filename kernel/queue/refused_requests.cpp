// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/refused_requests.h"
#include "kernel/io/per_core.h"
#include "kernel/queue/request_ends.h"

namespace httpsys::queue {

RefusedRequests &RefusedRequests::here()
{
  static auto &all = *new io::PerCore<RefusedRequests>; // never freed: queues may end later than static objects
  return all.here();
}

void RefusedRequests::add(uint64_t queue_id, std::unique_ptr<WaitingRequests> requests, Refusal why)
{
  if (requests->count() == 0)
    return;
  bool is_new = m_queues.try_emplace(queue_id, OfQueue{std::move(requests), why}).second;
  VERIFY(is_new); // nothing waits in one that has gone, or while the daemon ends
  run();
}

void RefusedRequests::withdraw(uint64_t queue_id, uint64_t request_id)
{
  auto found = m_queues.find(queue_id);
  if (found == m_queues.end() || !found->second.requests->remove(request_id) || found->second.requests->count() > 0)
    return;
  m_queues.erase(found);
  if (m_queues.empty())
    end();
}

size_t RefusedRequests::count() const
{
  size_t count = 0;
  for (const auto &[id, queue] : m_queues)
    count += queue.requests->count();
  return count;
}

bool RefusedRequests::return_some()
{
  RequestEnds ends;
  while (!m_queues.empty()) {
    auto queue = m_queues.begin();
    while (queue->second.requests->count() > 0 && take())
      ends.refuse(*queue->second.requests->take_first(), queue->second.why);
    if (queue->second.requests->count() > 0)
      return true;
    m_queues.erase(queue);
  }
  return false;
}

}
