// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/user_requests.h"
#include "kernel/base/canary.h"
#include "kernel/se/access.h"
#include "kernel/se/quota.h"
#include <map>

namespace httpsys::queue {

static uint64_t most_of(uint32_t uid)
{
  uint64_t most = se::shares().requests_per_user;
  return most == 0 || se::may_administer(uid) ? UINT64_MAX : most;
}

// Only what fits is ever counted: another core must not refuse one for what is about to be taken back.
RequestShare UserRequests::take()
{
  const uint64_t most = most_of(m_uid);
  uint64_t now = m_count.load(std::memory_order_relaxed);
  do {
    if (now >= most)
      return {};
  } while (!m_count.compare_exchange_weak(now, now + 1, std::memory_order_relaxed));
  return RequestShare(this);
}

// Core 0 may free this object when it sees that none is left.
void UserRequests::give()
{
  if (!is_broken(Canary::ShareNotGivenBack))
    m_count.fetch_sub(1, std::memory_order_release);
}

using Users = std::map<uint32_t, std::shared_ptr<UserRequests>>;

// Never freed: a queue or a request may end later than static objects.
static Users &users()
{
  static Users &all = *new Users;
  return all;
}

std::shared_ptr<UserRequests> requests_of_user(uint32_t uid)
{
  // Who has no queue gets no more requests; the last of those that it had are still under way perhaps.
  std::erase_if(users(), [](const auto &entry) {
    if (entry.second.use_count() != 1)
      return false;
    std::atomic_thread_fence(std::memory_order_acquire); // what a queue took before it ended
    return entry.second->count() == 0;
  });
  auto &user = users()[uid];
  if (!user)
    user = std::make_shared<UserRequests>(uid);
  return user;
}

uint64_t requests_of_users()
{
  uint64_t sum = 0;
  for (const auto &[uid, user] : users())
    sum += user->count();
  return sum;
}

}
