// SPDX-License-Identifier: GPL-3.0-or-later
// ByteQueue: bytes in at the end, out at the front, always in one piece. Its user keeps it within a limit; memory of a queue that has
// run empty is given back, so that an idle connection costs none.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace httpsys::tls {

class ByteQueue {
public:
  std::span<const uint8_t> bytes() const { return std::span<const uint8_t>(m_bytes).subspan(m_first); }
  std::span<uint8_t> bytes() { return std::span<uint8_t>(m_bytes).subspan(m_first); }
  size_t size() const { return m_bytes.size() - m_first; }
  bool is_empty() const { return size() == 0; }
  void append(std::span<const uint8_t> bytes)
  {
    // What has been taken out is dropped before it makes the vector grow; copying stays linear as at least half of it is free then.
    if (m_first > 0 && m_first >= size()) {
      m_bytes.erase(m_bytes.begin(), m_bytes.begin() + static_cast<std::ptrdiff_t>(m_first));
      m_first = 0;
    }
    m_bytes.insert(m_bytes.end(), bytes.begin(), bytes.end());
  }
  // count must not be more than size().
  void consume(size_t count)
  {
    m_first += count;
    if (m_first < m_bytes.size())
      return;
    m_first = 0;
    if (m_bytes.capacity() > kKept)
      std::vector<uint8_t>().swap(m_bytes);
    else
      m_bytes.clear();
  }
  // Drops bytes from the end, so that new_size (at most size()) remain.
  void truncate(size_t new_size)
  {
    m_bytes.resize(m_first + new_size);
    consume(0);
  }

private:
  static constexpr size_t kKept = 512; // bytes; a request's record often fits, and is worth no allocation
  std::vector<uint8_t> m_bytes;
  size_t m_first = 0;
};

}
