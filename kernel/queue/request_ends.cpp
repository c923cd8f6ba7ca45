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
};

}

// Of the core; while there are some a message of its own is on its way.
static io::PerCore<std::deque<Ending>> s_endings;

static void end_some()
{
  auto &endings = s_endings.here();
  for (size_t count = 0; count < limits::kRequestsEndedPerTurn && !endings.empty(); count++) {
    Ending ending = endings.front();
    if (ending.why)
      request_owner().refuse(ending.request_id, *ending.why, 0);
    else
      request_owner().abandon(ending.request_id, ending.uid);
    endings.pop_front(); // not before: what comes meanwhile is not the first
  }
  if (!endings.empty())
    ke::Cores::instance().post(ke::Core::current().id(), end_some);
}

static void end_later(std::vector<uint64_t> requests, std::optional<Refusal> why, uint32_t uid)
{
  std::map<ke::CoreId, std::unique_ptr<std::vector<uint64_t>>> by_core;
  for (uint64_t id : requests) {
    auto &its = by_core[ob::id_core(id)];
    if (!its)
      its = std::make_unique<std::vector<uint64_t>>();
    its->push_back(id);
  }
  for (auto &[core, its] : by_core) {
    ke::Cores::instance().run_on(core, [ids = std::move(its), why, uid] {
      auto &endings = s_endings.here();
      bool is_first = endings.empty();
      for (uint64_t id : *ids)
        endings.push_back({id, why, uid});
      if (is_first)
        ke::Cores::instance().post(ke::Core::current().id(), end_some);
    });
  }
}

void abandon_later(std::vector<uint64_t> requests, uint32_t uid) { end_later(std::move(requests), std::nullopt, uid); }
void refuse_later(std::vector<uint64_t> requests, Refusal why) { end_later(std::move(requests), why, 0); }

}
