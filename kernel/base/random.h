// SPDX-License-Identifier: GPL-3.0-or-later
// Random: numbers that a seed decides, the same in every build and on every machine (splitmix64, public domain, S. Vigna). For the
// simulator, the fuzz harness and tests; nothing secret may come from it.
#pragma once
#include <cstddef>
#include <cstdint>

namespace httpsys {

class Random {
public:
  explicit Random(uint64_t seed) : m_state(seed) {}

  uint64_t next()
  {
    uint64_t value = m_state += 0x9e3779b97f4a7c15;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return value ^ value >> 31;
  }
  // From 0 to bound - 1; bound is not 0. The bias of a remainder does not matter here.
  uint64_t below(uint64_t bound) { return next() % bound; }
  // True with a chance of `numerator` in `denominator`.
  bool chance(uint64_t numerator, uint64_t denominator) { return below(denominator) < numerator; }

private:
  uint64_t m_state;
};

}
