// SPDX-License-Identifier: GPL-3.0-or-later
// ChannelMemory: both halves of a channel as a client maps them, and what it may try with their descriptors.
#pragma once
#include "tools/fuzz/target.h"

namespace httpsys::fuzz {

class ChannelMemory {
public:
  // The descriptors stay the caller's; they are duplicated. Throws a Finding when they cannot be mapped as the ABI says.
  ChannelMemory(int ktou, int utok);
  ~ChannelMemory();
  ChannelMemory(const ChannelMemory &) = delete;

  const Mapping &mapping() const { return m_mapping; }
  // As Link::try_seals. how: 0 shrink, 1 grow, 2 map ktou writable, 3 write into ktou, 4 more seals, 5 punch a hole.
  const char *try_seals(unsigned region, unsigned how, uint64_t value);

private:
  int m_descriptors[2];
  Mapping m_mapping;
};

}
