// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/secret_memory.h"
#include "kernel/base/verify.h"
#include <cstring>
#include <sys/mman.h>

namespace httpsys::platform {

void *allocate_secret(size_t bytes)
{
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  VERIFY(memory != MAP_FAILED);
  mlock(memory, bytes);
  madvise(memory, bytes, MADV_DONTDUMP);
  madvise(memory, bytes, MADV_DONTFORK);
  return memory;
}

void free_secret(void *memory, size_t bytes)
{
  explicit_bzero(memory, bytes);
  munmap(memory, bytes); // unlocks as well
}

void wipe(std::span<uint8_t> bytes)
{
  explicit_bzero(bytes.data(), bytes.size());
}

}
