// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/slow_rings.h"
#include "kernel/io/per_core.h"
#include <algorithm>
#include <unordered_map>

namespace httpsys::io {

static constexpr platform::Milliseconds kSecond = 1000;

static PerCore<std::unordered_map<uint32_t, std::weak_ptr<SlowRings>>> s_users;

std::shared_ptr<SlowRings> SlowRings::of(uint32_t uid)
{
  auto &users = s_users.here();
  std::erase_if(users, [](const auto &user) { return user.second.expired(); });
  auto &known = users[uid];
  auto rings = known.lock();
  if (!rings)
    known = rings = std::make_shared<SlowRings>();
  return rings;
}

bool SlowRings::note(platform::Milliseconds now, uint64_t nanoseconds)
{
  if (nanoseconds <= limits::kRingNanoseconds)
    return false;
  if (are_watched(now)) {
    m_nanoseconds -= std::min(m_nanoseconds, (now - m_last) * limits::kSlowRingNanoseconds / kSecond);
    m_nanoseconds += nanoseconds;
  } else {
    m_nanoseconds = 0;
  }
  m_last = now;
  m_watched_until = now + kSecond;
  return m_nanoseconds > limits::kSlowRingNanoseconds;
}

}
