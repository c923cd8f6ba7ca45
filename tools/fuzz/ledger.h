// SPDX-License-Identifier: GPL-3.0-or-later
// Ledger: what a running daemon says that it holds (STATS, for uid 0 and the daemon's own user), before an attack and afterwards. One
// session asks all along, so that it counts in every value alike.
#pragma once
#include "tools/fuzz/finding.h"
#include "tools/fuzz/ring_client.h"

namespace httpsys::fuzz {

// What has to come down again to the value that it had before and has not; nullopt: nothing. A daemon that has been used keeps some memory
// for the next time, by the number of its cores.
std::optional<Finding> find_leak(const hsys_control_stats &before, const hsys_control_stats &now, uint32_t cores);

class Ledger {
public:
  // Says HELLO on that link, which nobody has used.
  explicit Ledger(std::unique_ptr<Link> link);

  // Remembers what the daemon holds now, and prints how much memory that is. False: it does not tell this user. What others have in
  // progress comes and goes, so it is the most that is seen within half a second: a server that answers waits for less than one that rests.
  bool take_first_value();
  // When all other sessions have been closed: waits for two seconds, and throws "leaked" for what stays above the first value for half a
  // second from then on.
  void compare();

private:
  std::optional<hsys_control_stats> ask();
  template <typename Choose>
  hsys_control_stats look(Choose choose);

  RingClient m_client;
  uint32_t m_cores = 0;
  std::optional<hsys_control_stats> m_first;
};

}
