// SPDX-License-Identifier: GPL-3.0-or-later
// RequestEnds: requests whose worker or queue has gone, thousands perhaps. They end some at a time, for each is a connection that is reset
// or a page that is sent; each on its own core, to which they are sent when this goes. One that has ended by itself meanwhile is not an
// error there. On the stack of any core.
#pragma once
#include "kernel/queue/request_owner.h"
#include <map>
#include <optional>

namespace httpsys::queue {

class RequestEnds {
public:
  RequestEnds() = default;
  RequestEnds(const RequestEnds &) = delete;
  RequestEnds &operator=(const RequestEnds &) = delete;
  ~RequestEnds();
  void abandon(uint64_t request_id, uint32_t uid) { add({request_id, std::nullopt, uid, {}}); }
  void refuse(QueuedRequest request, Refusal why) { add({request.request_id, why, 0, std::move(request.share)}); }

  struct Ending {
    uint64_t request_id;
    std::optional<Refusal> why; // else it is abandoned
    uint32_t uid;               // by whose worker
    RequestShare share;         // it holds its connection until it is refused
  };

private:
  void add(Ending ending) { m_by_core[ob::id_core(ending.request_id)].push_back(std::move(ending)); }
  std::map<ke::CoreId, std::vector<Ending>> m_by_core;
};

}
