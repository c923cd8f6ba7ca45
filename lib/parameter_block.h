// SPDX-License-Identifier: MIT
// ParameterBlock: the bytes of a parameter block while it is made, before they go into the send arena. Small blocks need no memory of
// their own; growing can fail, and stops at HSYS_PARAMETERS_MAX. Belongs to one call.
#pragma once
#include "uapi/abi.h"
#include <cstddef>
#include <memory>

namespace httpsys::lib {

class ParameterBlock {
public:
  static constexpr uint32_t kInline = 1024; // bytes

  enum class Growth { Done, TooLong, NoMemory };

  const uint8_t *data() const { return m_heap ? m_heap.get() : m_inline; }
  uint32_t size() const { return m_size; }
  void clear() { m_size = 0; }
  // Adds zero bytes at the end; offset is where they begin, a multiple of `alignment`.
  Growth reserve(uint32_t bytes, uint32_t alignment, uint32_t &offset);
  // Adds a copy of the bytes.
  Growth append(const void *bytes, uint32_t length, uint32_t &offset);
  // What lies at an offset that reserve() gave; until the block grows.
  template <typename T>
  T &at(uint32_t offset, uint32_t index = 0)
  {
    return reinterpret_cast<T *>((m_heap ? m_heap.get() : m_inline) + offset)[index];
  }

private:
  alignas(8) uint8_t m_inline[kInline];
  std::unique_ptr<uint8_t[]> m_heap;
  uint32_t m_size = 0, m_capacity = kInline;
};

}
