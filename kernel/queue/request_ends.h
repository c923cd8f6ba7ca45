// SPDX-License-Identifier: GPL-3.0-or-later
// Requests whose worker or queue has gone, thousands perhaps, end some at a time: each is a connection that is reset or a page that is
// sent. Called on any core; each request ends on its own. One that has ended by itself meanwhile is not an error there.
#pragma once
#include "kernel/queue/request_owner.h"

namespace httpsys::queue {

struct RefusedRequest {
  explicit RefusedRequest(QueuedRequest request) : request_id(request.request_id), share(std::move(request.share)) {}
  uint64_t request_id;
  RequestShare share; // it holds its connection until it is refused
};

// uid: whose worker it was.
void abandon_later(std::vector<uint64_t> requests, uint32_t uid);
void refuse_later(std::vector<RefusedRequest> requests, Refusal why);
void refuse_later(QueuedRequest request, Refusal why);

}
