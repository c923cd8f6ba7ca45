// SPDX-License-Identifier: GPL-3.0-or-later
// Heartbeat: a session that does nothing but send PING, ten times a second, on a thread of its own, as long as a running daemon is
// attacked. A hang is one that is not answered for five seconds, and nothing else is.
#pragma once
#include "tools/fuzz/attached_target.h"
#include "tools/fuzz/finding.h"
#include <condition_variable>
#include <mutex>
#include <thread>

namespace httpsys::fuzz {

class Heartbeat {
public:
  // Stops the target's users when it has found something.
  explicit Heartbeat(AttachedTarget &target);
  ~Heartbeat();

  // What there is to say after a whole PING that begins now: whoever waits in vain for something else asks first whether the daemon
  // hangs or is gone.
  std::optional<Finding> verdict();

private:
  void beat();
  AttachedTarget &m_target;
  std::mutex m_mutex; // of the next four
  std::condition_variable m_changed;
  bool m_is_over = false;
  uint64_t m_begun = 0, m_answered = 0;
  std::optional<Finding> m_found;
  std::thread m_thread;
};

}
