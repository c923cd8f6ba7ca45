// SPDX-License-Identifier: GPL-3.0-or-later
// Trace: what has happened in a simulation, as a hash of all and as text of the last lines. Two runs of a seed have the same hash, or
// something else than the seed decides. It lies in memory that outlives the process. One thread.
#pragma once
#include <cstdint>
#include <fmt/format.h>
#include <string>

namespace httpsys::sim {

// All zeros are a beginning.
struct TraceMemory {
  static constexpr size_t kLines = 64, kLineBytes = 256;
  uint64_t step;
  uint64_t hash; // FNV-1a without its offset, which would not be zero
  uint64_t count;
  char lines[kLines][kLineBytes]; // the last ones, round
};

class Trace {
public:
  // Tells: each line goes to stderr too, at once.
  Trace(TraceMemory &memory, bool tells) : m_memory(memory), m_tells(tells) {}

  template <typename... Arguments>
  void note(fmt::format_string<Arguments...> format, Arguments &&...arguments)
  {
    add(fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  void begin_step(uint64_t step) { m_memory.step = step; }
  // When set, what is noted goes there too.
  std::string *heard = nullptr;

private:
  void add(const std::string &line);
  TraceMemory &m_memory;
  bool m_tells;
};

// The last lines, oldest first.
std::string to_text(const TraceMemory &memory);

}
