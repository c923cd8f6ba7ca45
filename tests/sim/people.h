// SPDX-License-Identifier: GPL-3.0-or-later
// People: whose processes the clients are. For half of the seeds they are of several users, some with a bound of their own; for the others
// all are one process of one user. Draws come from a generator of its own, so that the others' stay as they are.
#pragma once
#include "kernel/base/random.h"
#include "kernel/platform/platform.h"

namespace httpsys::sim {

inline constexpr uint64_t kFewSessions = 2; // of a user, where they are bounded

class People {
public:
  explicit People(uint64_t seed);

  bool are_several() const { return m_are_several; }
  bool have_few_sessions() const { return m_have_few_sessions; }
  // Whose the next client is. For who may do everything there is uid 0.
  platform::PeerCredentials next();
  // The same where only one may be the first one's user, and nobody administrates.
  platform::PeerCredentials next_stranger();
  bool chance(uint64_t part, uint64_t all) { return m_are_several && m_random.chance(part, all); }
  uint64_t below(uint64_t bound) { return m_random.below(bound); }

private:
  Random m_random;
  bool m_are_several, m_have_few_sessions;
  uint32_t m_strangers = 0;
};

}
