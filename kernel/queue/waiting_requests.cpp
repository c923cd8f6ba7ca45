// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/waiting_requests.h"

namespace httpsys::queue {

WaitingRequests::~WaitingRequests()
{
  while (m_order.take_first())
    ;
}

std::optional<QueuedRequest> WaitingRequests::take_first()
{
  Waiting *waiting = m_order.take_first();
  if (!waiting)
    return std::nullopt;
  std::optional<QueuedRequest> request = std::move(waiting->request);
  m_requests.erase(request->request_id);
  return request;
}

bool WaitingRequests::remove(uint64_t request_id)
{
  auto found = m_requests.find(request_id);
  if (found == m_requests.end())
    return false;
  m_order.remove(found->second);
  m_requests.erase(found);
  return true;
}

WaitingRequests::Waiting &WaitingRequests::enter(QueuedRequest request)
{
  auto [entered, is_new] = m_requests.try_emplace(request.request_id);
  VERIFY(is_new); // each is in one place
  entered->second.request = std::move(request);
  return entered->second;
}

}
