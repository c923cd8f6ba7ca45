// SPDX-License-Identifier: GPL-3.0-or-later
// Ledger: what a running daemon says that it holds (STATS, for uid 0 and the daemon's own user), before an attack and afterwards. One
// session asks all along, so that it counts in every value alike.
#pragma once
#include "tools/fuzz/finding.h"
#include "tools/fuzz/ring_client.h"

namespace httpsys::fuzz {

// What is counted and has not come down again to the value that it had before; nullopt: nothing.
std::optional<Finding> find_leak(const hsys_control_stats &before, const hsys_control_stats &now);

// Memory is not counted: of a daemon that has been used the allocator keeps some for the next time, the more the more threads have used
// it, and how much is nobody's promise. But that ends, and a leak does not: a part of an attack is compared with one before it that was as
// long, and when memory has grown then, with more of them.
class MemoryGrowth {
public:
  explicit MemoryGrowth(uint32_t cores) : m_cores(cores) {}
  // After each part.
  void add(uint64_t resident_bytes);
  // Only another part can tell.
  bool is_in_doubt() const;
  // It has grown with every part.
  std::optional<Finding> leak() const;

private:
  uint32_t m_cores;
  std::vector<uint64_t> m_values; // the last, and those before it from which it has grown
  size_t m_looks = 0;
  bool m_has_grown = false;
};

class Ledger {
public:
  // Says HELLO on that link, which nobody has used.
  explicit Ledger(std::unique_ptr<Link> link);

  // Remembers what the daemon holds now, and prints how much memory that is. False: it does not tell this user. What others have in
  // progress comes and goes, so it is the most that is seen within half a second: a server that answers waits for less than one that rests.
  bool take_first_value();
  // After each part of an attack, when all other sessions have been closed: waits for two seconds, and throws "leaked" for what stays above
  // the first value for half a second from then on, and for memory that has grown with every part.
  void compare();
  bool is_in_doubt() const { return m_first && m_growth.is_in_doubt(); }

private:
  std::optional<hsys_control_stats> ask();
  template <typename Choose>
  hsys_control_stats look(Choose choose);

  RingClient m_client;
  std::optional<hsys_control_stats> m_first;
  MemoryGrowth m_growth{0};
  unsigned m_parts = 0;
};

}
