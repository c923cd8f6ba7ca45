// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/request_ends.h"
#include "kernel/io/per_core.h"
#include "kernel/limits.h"
#include <deque>
#include <map>
#include <optional>

namespace httpsys::queue {

namespace {

struct Ending {
  uint64_t request_id;
  std::optional<Refusal> why; // else it is abandoned
  uint32_t uid;               // by whose worker
  RequestShare share;
};

using Endings = std::vector<Ending>;

}

// Of the core; while there are some a message of its own is on its way.
static io::PerCore<std::deque<Ending>> s_endings;

static void end_some()
{
  auto &endings = s_endings.here();
  for (size_t count = 0; count < limits::kRequestsEndedPerTurn && !endings.empty(); count++) {
    Ending &ending = endings.front();
    ending.share = {}; // its connection may bring the next request at once
    if (ending.why)
      request_owner().refuse(ending.request_id, *ending.why, 0);
    else
      request_owner().abandon(ending.request_id, ending.uid);
    endings.pop_front(); // not before: what comes meanwhile is not the first
  }
  if (!endings.empty())
    ke::Cores::instance().post(ke::Core::current().id(), end_some);
}

static void end_later(Endings all)
{
  std::map<ke::CoreId, std::unique_ptr<Endings>> by_core;
  for (Ending &ending : all) {
    auto &its = by_core[ob::id_core(ending.request_id)];
    if (!its)
      its = std::make_unique<Endings>();
    its->push_back(std::move(ending));
  }
  for (auto &[core, its] : by_core) {
    ke::Cores::instance().run_on(core, [sent = std::move(its)] {
      auto &endings = s_endings.here();
      bool is_first = endings.empty();
      for (Ending &ending : *sent)
        endings.push_back(std::move(ending));
      if (is_first)
        ke::Cores::instance().post(ke::Core::current().id(), end_some);
    });
  }
}

void abandon_later(std::vector<uint64_t> requests, uint32_t uid)
{
  Endings endings;
  for (uint64_t id : requests)
    endings.push_back({id, std::nullopt, uid, {}});
  end_later(std::move(endings));
}

void refuse_later(std::vector<RefusedRequest> requests, Refusal why)
{
  Endings endings;
  for (RefusedRequest &request : requests)
    endings.push_back({request.request_id, why, 0, std::move(request.share)});
  end_later(std::move(endings));
}

void refuse_later(QueuedRequest request, Refusal why)
{
  std::vector<RefusedRequest> requests;
  requests.emplace_back(std::move(request));
  refuse_later(std::move(requests), why);
}

}
