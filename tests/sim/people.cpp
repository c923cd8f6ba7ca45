// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/people.h"
#include <iterator>

namespace httpsys::sim {

// Such that the seeds of seeds.txt that are older than this have one user, and do what they always did.
static constexpr uint64_t kOfPeople = 184'399'994;
static constexpr uint32_t kFirstUid = 1000, kFirstPid = 4711;

People::People(uint64_t seed) : m_random(seed + kOfPeople), m_are_several(m_random.chance(1, 2)), m_have_few_sessions(chance(1, 3)) {}

static platform::PeerCredentials person(uint32_t uid, uint32_t pid)
{
  return {pid, uid, uid, "fuzz"};
}

platform::PeerCredentials People::next()
{
  static constexpr uint32_t kUids[] = {kFirstUid, kFirstUid, kFirstUid + 1, kFirstUid + 1, kFirstUid + 2, 0};
  static constexpr uint32_t kPids[] = {kFirstPid, kFirstPid, kFirstPid + 1, kFirstPid + 2, 0}; // 0: of another pid namespace
  if (!m_are_several)
    return person(kFirstUid, kFirstPid);
  uint32_t uid = kUids[m_random.below(std::size(kUids))];
  uint32_t pid = kPids[m_random.below(std::size(kPids))];
  return person(uid, pid == 0 ? 0 : pid + uid * 10); // the administrator of the store is a process of its own
}

platform::PeerCredentials People::next_stranger()
{
  if (!m_are_several || m_strangers++ == 0)
    return person(kFirstUid, kFirstPid);
  auto other = static_cast<uint32_t>(1 + m_random.below(2));
  return person(kFirstUid + other, kFirstPid + static_cast<uint32_t>(m_random.below(3)));
}

}
