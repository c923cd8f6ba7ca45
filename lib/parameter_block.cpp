// SPDX-License-Identifier: MIT
#include "lib/parameter_block.h"
#include <algorithm>
#include <cstring>
#include <new>

namespace httpsys::lib {

ParameterBlock::Growth ParameterBlock::reserve(uint32_t bytes, uint32_t alignment, uint32_t &offset)
{
  uint32_t begin = (m_size + alignment - 1) & ~(alignment - 1);
  if (begin > HSYS_PARAMETERS_MAX || bytes > HSYS_PARAMETERS_MAX - begin)
    return Growth::TooLong;
  if (begin + bytes > m_capacity) {
    uint32_t capacity = std::min(HSYS_PARAMETERS_MAX, std::max(2 * m_capacity, begin + bytes));
    std::unique_ptr<uint8_t[]> grown(new (std::nothrow) uint8_t[capacity]);
    if (!grown)
      return Growth::NoMemory;
    memcpy(grown.get(), data(), m_size);
    m_heap = std::move(grown);
    m_capacity = capacity;
  }
  memset(&at<uint8_t>(m_size), 0, begin + bytes - m_size);
  m_size = begin + bytes;
  offset = begin;
  return Growth::Done;
}

ParameterBlock::Growth ParameterBlock::append(const void *bytes, uint32_t length, uint32_t &offset)
{
  Growth growth = reserve(length, 1, offset);
  if (growth == Growth::Done && length)
    memcpy(&at<uint8_t>(offset), bytes, length);
  return growth;
}

}
