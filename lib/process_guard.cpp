// SPDX-License-Identifier: MIT
#include "lib/process_guard.h"
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace httpsys::lib {

bool ProcessGuard::mark()
{
  std::atomic<uint32_t> *page = m_page.load(std::memory_order_acquire);
  if (!page) {
    size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
      return false;
    if (madvise(memory, size, MADV_WIPEONFORK) != 0) {
      munmap(memory, size);
      return false;
    }
    page = new (memory) std::atomic<uint32_t>(0);
    m_page.store(page, std::memory_order_release);
  }
  page->store(1, std::memory_order_release);
  return true;
}

bool ProcessGuard::is_marked() const
{
  std::atomic<uint32_t> *page = m_page.load(std::memory_order_acquire);
  return page && page->load(std::memory_order_acquire) != 0;
}

}
