// SPDX-License-Identifier: GPL-3.0-or-later
// What the fuzz targets share: bytes taken one after the other, and the end of the process when something does not hold.
#pragma once
#include "tools/fuzz/finding.h"
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace httpsys::fuzz {

inline void require(bool holds, const char *what)
{
  if (holds)
    return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// Runs it, so that a Finding ends the process as a crash does.
template <typename Function>
void run_or_die(Function function)
{
  try {
    function();
  } catch (const Finding &finding) {
    std::fprintf(stderr, "finding: %s: %s\n", finding.kind, finding.text.c_str());
    std::abort();
  }
}

// Zeros behind the end.
class Input {
public:
  Input(const uint8_t *data, size_t size) : m_bytes(data, size) {}
  bool is_empty() const { return m_bytes.empty(); }
  uint8_t byte()
  {
    uint8_t value = m_bytes.empty() ? 0 : m_bytes[0];
    m_bytes = m_bytes.subspan(m_bytes.empty() ? 0 : 1);
    return value;
  }
  uint64_t number(unsigned bytes)
  {
    uint64_t value = 0;
    for (unsigned at = 0; at < bytes; at++)
      value |= uint64_t{byte()} << (8 * at);
    return value;
  }
  std::span<const uint8_t> take(size_t count)
  {
    auto taken = m_bytes.first(std::min(count, m_bytes.size()));
    m_bytes = m_bytes.subspan(taken.size());
    return taken;
  }
  // With two bytes of length in front.
  std::span<const uint8_t> piece() { return take(number(2)); }
  std::span<const uint8_t> rest() { return take(m_bytes.size()); }
  std::string_view rest_text()
  {
    auto bytes = rest();
    return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
  }

private:
  std::span<const uint8_t> m_bytes;
};

}
