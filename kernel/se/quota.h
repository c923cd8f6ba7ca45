// SPDX-License-Identifier: GPL-3.0-or-later
// Quota: how many of a kind of object there are, altogether and of each uid, so that no user takes all there can be from the
// others. uid 0 and the daemon's own are bound by the whole alone. Owned by whoever keeps the objects, on its core.
#pragma once
#include "kernel/base/verify.h"
#include "kernel/limits.h"
#include "kernel/se/access.h"
#include <unordered_map>

namespace httpsys::se {

class Quota {
public:
  explicit Quota(uint32_t most) : m_most(most) {}

  bool has_room(uint32_t uid) const
  {
    auto user = m_users.find(uid);
    return m_count < m_most && (may_administer(uid) || user == m_users.end() || user->second < m_most / limits::kUserPart);
  }
  void take(uint32_t uid)
  {
    m_count++;
    m_users[uid]++;
  }
  void give(uint32_t uid)
  {
    auto user = m_users.find(uid);
    VERIFY(user != m_users.end());
    m_count--;
    if (--user->second == 0)
      m_users.erase(user);
  }

private:
  uint32_t m_most;
  uint32_t m_count = 0;
  std::unordered_map<uint32_t, uint32_t> m_users;
};

}
