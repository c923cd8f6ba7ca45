// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/answered_requests.h"
#include "kernel/limits.h"

namespace httpsys::queue {

void AnsweredRequests::add(uint64_t request_id, const AnsweredRequest &request)
{
  if (m_requests.size() == limits::kAnsweredRequests)
    remove(m_requests.front().first);
  m_requests.emplace_back(request_id, request);
  m_places[request_id] = std::prev(m_requests.end());
}

const AnsweredRequest *AnsweredRequests::find(uint64_t request_id, uint64_t queue_id) const
{
  auto found = m_places.find(request_id);
  return found != m_places.end() && found->second->second.queue_id == queue_id ? &found->second->second : nullptr;
}

void AnsweredRequests::remove(uint64_t request_id)
{
  auto found = m_places.find(request_id);
  if (found == m_places.end())
    return;
  m_requests.erase(found->second);
  m_places.erase(found);
}

void AnsweredRequests::remove_queue(uint64_t queue_id)
{
  for (auto request = m_requests.begin(); request != m_requests.end();) {
    auto next = std::next(request);
    if (request->second.queue_id == queue_id)
      remove(request->first);
    request = next;
  }
}

void AnsweredRequests::clear()
{
  m_places.clear();
  m_requests.clear();
}

}
