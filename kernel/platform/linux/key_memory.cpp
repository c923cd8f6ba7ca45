// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/key_memory.h"
#include "kernel/base/log.h"
#include "kernel/base/verify.h"
#include "kernel/limits.h"
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace httpsys::platform {

using limits::kKeyMemoryBytes, limits::kKeyMemoryPiece;

namespace {

constexpr size_t kLeast = 512; // a whole key of an elliptic curve; sizes are powers of two from here to a piece
constexpr size_t kSizes = std::bit_width(kKeyMemoryPiece / kLeast);
constexpr size_t kPieces = kKeyMemoryBytes / kKeyMemoryPiece;
constexpr size_t kGuard = 4096;
constexpr size_t kPreparedSize = 2; // 2 KiB: an RSA key of 2048 bits as it is kept

class KeyMemory {
public:
  KeyMemory();
  KeyMemoryRange range() const { return {m_begin, m_begin + kKeyMemoryBytes}; }
  int prepare();
  void *allocate(size_t bytes);
  void free(void *memory);
  size_t size(const void *memory) const { return kLeast << m_size_of[piece_of(memory)]; }

private:
  struct Free {
    Free *next;
  };
  size_t piece_of(const void *memory) const { return static_cast<size_t>(static_cast<const char *>(memory) - m_begin) / kKeyMemoryPiece; }
  bool take_piece(size_t size);

  char *m_begin;
  std::mutex m_mutex;
  size_t m_pieces = 0;                          // taken so far
  std::array<uint8_t, kPieces> m_size_of{};     // of the blocks of each piece
  std::array<Free *, kSizes> m_free{};
  int m_lock_error = 0;                         // the last one of mlock
};

KeyMemory::KeyMemory()
{
  void *memory = mmap(nullptr, kKeyMemoryBytes + 2 * kGuard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  VERIFY(memory != MAP_FAILED);
  m_begin = static_cast<char *>(memory) + kGuard;
  madvise(m_begin, kKeyMemoryBytes, MADV_DONTDUMP);
  madvise(m_begin, kKeyMemoryBytes, MADV_DONTFORK);
}

// The lock is held.
bool KeyMemory::take_piece(size_t size)
{
  if (m_pieces == kPieces)
    return false;
  char *piece = m_begin + m_pieces * kKeyMemoryPiece;
  if (mprotect(piece, kKeyMemoryPiece, PROT_READ | PROT_WRITE) != 0)
    return false;
  if (mlock(piece, kKeyMemoryPiece) != 0 && std::exchange(m_lock_error, errno) == 0 && m_pieces > 0)
    log("private keys are in memory that may be swapped out: no more can be locked ({}; RLIMIT_MEMLOCK)", std::strerror(m_lock_error));
  m_size_of[m_pieces++] = static_cast<uint8_t>(size);
  for (size_t at = kKeyMemoryPiece; at > 0; at -= kLeast << size)
    m_free[size] = new (piece + at - (kLeast << size)) Free{m_free[size]};
  return true;
}

int KeyMemory::prepare()
{
  std::lock_guard lock(m_mutex);
  if (m_pieces == 0 && !take_piece(kPreparedSize))
    return ENOMEM;
  return m_lock_error;
}

void *KeyMemory::allocate(size_t bytes)
{
  if (bytes > kKeyMemoryPiece)
    return nullptr;
  size_t size = bytes <= kLeast ? 0 : std::bit_width((bytes - 1) / kLeast);
  std::lock_guard lock(m_mutex);
  if (!m_free[size] && !take_piece(size))
    while (size < kSizes && !m_free[size]) // the pieces are all taken: a larger place, if there is one
      size++;
  if (size == kSizes)
    return nullptr;
  Free *taken = m_free[size];
  m_free[size] = taken->next;
  return taken;
}

void KeyMemory::free(void *memory)
{
  const size_t size = m_size_of[piece_of(memory)];
  explicit_bzero(memory, kLeast << size);
  std::lock_guard lock(m_mutex);
  m_free[size] = new (memory) Free{m_free[size]};
}

KeyMemory &instance()
{
  static KeyMemory *memory = new KeyMemory; // static objects may hold keys to the end
  return *memory;
}

}

KeyMemoryRange key_memory_range()
{
  return instance().range();
}

int prepare_key_memory()
{
  return instance().prepare();
}

void *allocate_key_memory(size_t bytes)
{
  return instance().allocate(bytes);
}

void free_key_memory(void *memory)
{
  instance().free(memory);
}

size_t key_memory_size(const void *memory)
{
  return instance().size(memory);
}

}
