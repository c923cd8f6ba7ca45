// SPDX-License-Identifier: GPL-3.0-or-later
// LoadWatch: sees every read of one client's half of a channel by the simulated daemon. What was read is written over with other bytes at
// once, until the core's turn is over, so that whoever reads it again decides by something else than what was checked; and a second read
// of the same bytes for the same operation is a finding by itself (trust rules T1, T2). A daemon that reads once cannot tell that this
// is done to it, and so it is done to honest clients too. The words of the first page are read again and again by the protocol: such a
// word is what it was once the daemon says that it looks anew, and a load of it without that is a second one of the same look.
#pragma once
#include "tools/fuzz/finding.h"
#include "tools/fuzz/target.h"
#include <set>

namespace httpsys::fuzz {

class LoadWatch {
public:
  explicit LoadWatch(const Mapping &mapping) : m_mapping(mapping) {}

  // Before the first load of this word in one look.
  void look_anew(uint64_t offset);
  void after_load(uint64_t offset, uint64_t bytes);
  // Puts back what was there, but for what somebody else has written meanwhile.
  void end_turn();
  const std::optional<Finding> &finding() const { return m_finding; }

private:
  struct Covered {
    uint64_t offset;
    std::vector<uint8_t> before, instead;
  };
  struct Ring {
    uint32_t tail = 0;       // as it was read last
    std::set<uint64_t> seen; // offsets of entries read since
  };
  const hsys_kpage &kpage() const { return *reinterpret_cast<const hsys_kpage *>(m_mapping.ktou); }
  void see_word(uint64_t offset);
  void see_entry(Ring &ring, uint64_t offset, uint32_t head, uint32_t entries, const char *what);
  void see_parameters(uint64_t offset, uint64_t bytes);
  void find(const char *kind, std::string text);
  void cover(uint64_t offset, uint64_t bytes);
  void uncover(uint64_t begin, uint64_t end);

  Mapping m_mapping;
  std::vector<Covered> m_covered;
  Ring m_entries, m_returns;
  std::set<uint64_t> m_words; // offsets of words of the first page that were read since the daemon looked anew
  std::vector<std::pair<uint64_t, uint64_t>> m_parameters; // begin and end, of the operation that was taken last
  uint8_t m_fill = 0;
  std::optional<Finding> m_finding;
};

}
