// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/channel_memory.h"
#include "tools/fuzz/finding.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace httpsys::fuzz {

static uint8_t *map(int descriptor, int access, uint64_t &bytes)
{
  if (descriptor < 0)
    throw Hindered{"this program's descriptors have run out"};
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || status.st_size < HSYS_PAGE)
    throw Finding{"mixed", "a channel's memory is shorter than a page"};
  bytes = static_cast<uint64_t>(status.st_size);
  void *base = mmap(nullptr, bytes, access, MAP_SHARED, descriptor, 0);
  if (base == MAP_FAILED)
    throw Hindered{"this program has no room for a channel's memory"};
  return static_cast<uint8_t *>(base);
}

ChannelMemory::ChannelMemory(int ktou, int utok) : m_descriptors{dup(ktou), dup(utok)}
{
  m_mapping.ktou = map(m_descriptors[0], PROT_READ, m_mapping.ktou_bytes);
  m_mapping.utok = map(m_descriptors[1], PROT_READ | PROT_WRITE, m_mapping.utok_bytes);
  if (fcntl(m_descriptors[1], F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0)
    throw Finding{"sealed", "a client could not seal its half of a channel"};
}

ChannelMemory::~ChannelMemory()
{
  munmap(const_cast<uint8_t *>(m_mapping.ktou), m_mapping.ktou_bytes);
  munmap(m_mapping.utok, m_mapping.utok_bytes);
  for (int descriptor : m_descriptors)
    close(descriptor);
}

const char *ChannelMemory::try_seals(unsigned region, unsigned how, uint64_t value)
{
  int descriptor = m_descriptors[region];
  uint64_t bytes = region == 0 ? m_mapping.ktou_bytes : m_mapping.utok_bytes;
  switch (how % 6) {
  case 0: return ftruncate(descriptor, static_cast<off_t>(value % bytes)) == 0 ? "shrink a channel's memory" : nullptr;
  case 1: return ftruncate(descriptor, static_cast<off_t>(bytes + 1 + value % (1 << 20))) == 0 ? "grow a channel's memory" : nullptr;
  case 2: {
    void *base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m_descriptors[0], 0);
    if (base == MAP_FAILED)
      return nullptr;
    munmap(base, bytes);
    return "map the daemon's half writable";
  }
  case 3: {
    bool could = pwrite(m_descriptors[0], &value, sizeof value, static_cast<off_t>(value % bytes)) > 0;
    return could ? "write into the daemon's half" : nullptr;
  }
  case 4: return fcntl(descriptor, F_ADD_SEALS, F_SEAL_WRITE) == 0 ? "add a seal" : nullptr;
  default: {
    bool could = fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HSYS_PAGE) == 0;
    return could ? "take pages of a channel's memory away" : nullptr;
  }
  }
}

}
