// SPDX-License-Identifier: MIT
// ProcessGuard: whether this process is the one that connected. A child of fork() has no session: its parent's rings are
// unmapped in it (MADV_DONTFORK), so every call asks here before it touches them. The answer is one load of a page that the
// kernel wipes at fork (MADV_WIPEONFORK), whichever way the fork was made. One for the process, made at the first
// HttpInitialize, never freed.
#pragma once
#include <atomic>
#include <cstdint>

namespace httpsys::lib {

class ProcessGuard {
public:
  // In a child: forgets the parent's mark and sets the child's own. False without memory.
  bool mark();
  // False before mark(), and in a child of the process that called it.
  bool is_marked() const;

private:
  std::atomic<std::atomic<uint32_t> *> m_page{nullptr};
};

}
