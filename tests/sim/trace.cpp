// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/trace.h"
#include <algorithm>
#include <cstdio>
#include <cstring>

namespace httpsys::sim {

void Trace::add(const std::string &line)
{
  uint64_t hash = m_memory.hash;
  for (char letter : line)
    hash = (hash ^ static_cast<uint8_t>(letter)) * 0x100000001b3;
  m_memory.hash = (hash ^ (m_memory.step + 1)) * 0x100000001b3;
  std::string shown = fmt::format("{:6} {}", m_memory.step, line);
  std::strncpy(m_memory.lines[m_memory.count++ % TraceMemory::kLines], shown.c_str(), TraceMemory::kLineBytes - 1);
  if (heard)
    *heard += line + '\n';
  if (m_tells)
    std::fprintf(stderr, "%s\n", shown.c_str());
}

std::string to_text(const TraceMemory &memory)
{
  std::string text;
  uint64_t most = std::min<uint64_t>(memory.count, TraceMemory::kLines);
  for (uint64_t line = memory.count - most; line < memory.count; line++)
    text += memory.lines[line % TraceMemory::kLines] + std::string("\n");
  return text;
}

}
