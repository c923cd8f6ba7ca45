// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/request_ends.h"
#include "kernel/io/per_core.h"
#include "kernel/limits.h"
#include <deque>

namespace httpsys::queue {

// Of the core; while there are some a message of its own is on its way.
static io::PerCore<std::deque<RequestEnds::Ending>> s_endings;

static void end_some()
{
  auto &endings = s_endings.here();
  for (size_t count = 0; count < limits::kRequestsEndedPerTurn && !endings.empty(); count++) {
    RequestEnds::Ending &ending = endings.front();
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

RequestEnds::~RequestEnds()
{
  for (auto &[core, its] : m_by_core) {
    ke::Cores::instance().run_on(core, [sent = std::move(its)]() mutable {
      auto &endings = s_endings.here();
      bool is_first = endings.empty();
      for (Ending &ending : sent)
        endings.push_back(std::move(ending));
      if (is_first)
        ke::Cores::instance().post(ke::Core::current().id(), end_some);
    });
  }
}

}
