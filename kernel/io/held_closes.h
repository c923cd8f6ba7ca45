// SPDX-License-Identifier: GPL-3.0-or-later
// HeldClosesWatch: looks now and then who holds up closes of what his ended sessions had, says so, and has such a user get no more sessions
// when they are many. On core 0.
#pragma once
#include "kernel/ke/core.h"
#include "kernel/platform/platform.h"
#include <map>
#include <optional>
#include <string>

namespace httpsys::io {

class HeldClosesWatch final : ke::Timer {
public:
  // When something is to be closed.
  void look_soon();
  void stop();
  // Why such a user gets no session.
  std::optional<std::string> refusal(uint32_t uid) const;

private:
  void on_timer() override;
  std::map<uint32_t, platform::Milliseconds> m_holders; // by uid, since when they are known
  bool m_is_stopped = false;
};

}
