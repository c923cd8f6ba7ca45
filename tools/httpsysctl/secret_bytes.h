// SPDX-License-Identifier: GPL-3.0-or-later
// SecretBytes: memory of a fixed size for a private key and the message that carries it: not swapped out where the
// system allows that, in no core file, and wiped at its end. It never grows, so that no copy is left behind.
#pragma once
#include <cstddef>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string_view>
#include <sys/mman.h>

namespace httpsys::ctl {

class SecretBytes {
public:
  explicit SecretBytes(size_t capacity) : m_capacity(capacity)
  {
    void *memory = mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
      throw std::runtime_error("no memory for a message");
    m_memory = static_cast<char *>(memory);
    mlock(m_memory, capacity); // an unprivileged user's limit may be too low: then it is memory like any other
    madvise(m_memory, capacity, MADV_DONTDUMP);
  }
  SecretBytes(const SecretBytes &) = delete;
  SecretBytes &operator=(const SecretBytes &) = delete;
  ~SecretBytes()
  {
    explicit_bzero(m_memory, m_capacity);
    munmap(m_memory, m_capacity);
  }

  // Whether it fitted; else nothing is added.
  bool append(const void *bytes, size_t count)
  {
    if (count > m_capacity - m_size)
      return false;
    std::memcpy(m_memory + m_size, bytes, count);
    m_size += count;
    return true;
  }
  // What is free, for a read(); then advance() by what came.
  std::span<char> rest() { return {m_memory + m_size, m_capacity - m_size}; }
  void advance(size_t count) { m_size += count; }
  void overwrite(size_t offset, const void *bytes, size_t count) { std::memcpy(m_memory + offset, bytes, count); }

  size_t size() const { return m_size; }
  std::string_view view() const { return {m_memory, m_size}; }

private:
  size_t m_capacity, m_size = 0;
  char *m_memory;
};

}
