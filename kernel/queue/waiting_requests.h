// SPDX-License-Identifier: GPL-3.0-or-later
// WaitingRequests: requests in the order in which they are delivered, each found by its id: what sessions give back when they end has no
// limit, and each client of it may leave. Of a queue, on its home core; when that has gone they are refused (refused_requests.h).
#pragma once
#include "kernel/base/intrusive_list.h"
#include "kernel/queue/request_owner.h"
#include <optional>
#include <unordered_map>

namespace httpsys::queue {

class WaitingRequests {
public:
  WaitingRequests() = default;
  ~WaitingRequests();
  void append(QueuedRequest request) { m_order.append(enter(std::move(request))); }
  void prepend(QueuedRequest request) { m_order.prepend(enter(std::move(request))); }
  std::optional<QueuedRequest> take_first();
  // Whether it was one of them.
  bool remove(uint64_t request_id);
  size_t count() const { return m_requests.size(); }

private:
  struct Waiting : ListLink<Waiting> {
    QueuedRequest request;
  };
  Waiting &enter(QueuedRequest request);
  std::unordered_map<uint64_t, Waiting> m_requests;
  IntrusiveList<Waiting> m_order; // the next one first
};

}
