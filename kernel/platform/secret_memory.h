// SPDX-License-Identifier: GPL-3.0-or-later
// Memory for private keys and passwords on their way through the daemon: pages of its own, locked, left out of core
// files and of children, wiped when it is freed. Any thread. Locking is best effort: RLIMIT_MEMLOCK may be small, and a
// swapped key is better than a daemon that cannot import one; the log says so once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace httpsys::platform {

// Never null: out of address space ends the daemon, as operator new does.
void *allocate_secret(size_t bytes);
void free_secret(void *memory, size_t bytes);

// Costs a few system calls and a page each: for few and short-lived buffers.
template <typename T>
struct SecretAllocator {
  using value_type = T;
  SecretAllocator() = default;
  template <typename U>
  SecretAllocator(const SecretAllocator<U> &)
  {
  }
  T *allocate(size_t count) { return static_cast<T *>(allocate_secret(count * sizeof(T))); }
  void deallocate(T *memory, size_t count) { free_secret(memory, count * sizeof(T)); }
  bool operator==(const SecretAllocator &) const = default;
};

using SecretBytes = std::vector<uint8_t, SecretAllocator<uint8_t>>;
// A private key in PEM form, or a file that may hold one. What fits into the object itself (15 bytes) is no key.
using SecretText = std::basic_string<char, std::char_traits<char>, SecretAllocator<char>>;

}
