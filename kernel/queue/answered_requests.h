// SPDX-License-Identifier: GPL-3.0-or-later
// AnsweredRequests: requests of a session whose responses ended by themselves: all that they declared was sent, so the connection went on,
// but the session has not said yet that this was all. So its last, empty send succeeds. Only the latest are known, so that one that never
// says so costs no more. Part of a session's DeliveredRequests, on its channel's core.
#pragma once
#include "kernel/queue/request_owner.h"
#include <list>
#include <unordered_map>

namespace httpsys::queue {

class AnsweredRequests {
public:
  void add(uint64_t request_id, const AnsweredRequest &request);
  // Null: it is not one of them.
  const AnsweredRequest *find(uint64_t request_id, uint64_t queue_id) const;
  void remove(uint64_t request_id);
  void remove_queue(uint64_t queue_id);
  void clear();
  size_t count() const { return m_requests.size(); }

private:
  using Requests = std::list<std::pair<uint64_t, AnsweredRequest>>; // oldest first
  Requests m_requests;
  std::unordered_map<uint64_t, Requests::iterator> m_places;
};

}
