// SPDX-License-Identifier: GPL-3.0-or-later
// RefusedRequests: requests that waited in queues of a core that have gone, or when the daemon ends. Nobody receives them any more; some
// are refused in each turn, and one whose connection ends before that is taken out. Of the queues' home core; lives as long as the daemon.
#pragma once
#include "kernel/queue/return_work.h"
#include "kernel/queue/waiting_requests.h"
#include <map>

namespace httpsys::queue {

class RefusedRequests final : ReturnWork {
public:
  // Of the current core.
  static RefusedRequests &here();

  // Once for a queue: what is in it then.
  void add(uint64_t queue_id, std::unique_ptr<WaitingRequests> requests, Refusal why);
  void withdraw(uint64_t queue_id, uint64_t request_id);
  size_t count() const;

private:
  struct OfQueue {
    std::unique_ptr<WaitingRequests> requests; // never empty
    Refusal why;
  };
  bool return_some() override;
  std::map<uint64_t, OfQueue> m_queues; // by id, one after the other
};

}
