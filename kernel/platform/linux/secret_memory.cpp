// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/secret_memory.h"
#include "kernel/base/log.h"
#include "kernel/base/verify.h"
#include <atomic>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>

namespace httpsys::platform {

void *allocate_secret(size_t bytes)
{
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  VERIFY(memory != MAP_FAILED);
  static std::atomic<bool> is_told{false};
  if (mlock(memory, bytes) != 0 && !is_told.exchange(true))
    log("messages and files that may bring a private key are in memory that may be swapped out: no more can be locked ({}; RLIMIT_MEMLOCK)",
        std::strerror(errno));
  madvise(memory, bytes, MADV_DONTDUMP);
  madvise(memory, bytes, MADV_DONTFORK);
  return memory;
}

void free_secret(void *memory, size_t bytes)
{
  explicit_bzero(memory, bytes);
  munmap(memory, bytes); // unlocks as well
}

}
