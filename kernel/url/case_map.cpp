// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/url/case_map.h"
#include <cstdint>

namespace httpsys::url {

namespace {

// Lower-case letters first, first + step, ... last; upper = lower + delta.
struct CaseRange {
  char16_t first;
  char16_t last;
  uint8_t step;
  int16_t delta;
};

// In order of `first`.
constexpr CaseRange kRanges[] = {
  {0x0061, 0x007a, 1, -32}, {0x00b5, 0x00b5, 1, 743}, {0x00e0, 0x00f6, 1, -32}, {0x00f8, 0x00fe, 1, -32},
  {0x00ff, 0x00ff, 1, 121}, {0x0101, 0x012f, 2, -1}, {0x0133, 0x0137, 2, -1}, {0x013a, 0x0148, 2, -1},
  {0x014b, 0x0177, 2, -1}, {0x017a, 0x017e, 2, -1}, {0x03ac, 0x03ac, 1, -38}, {0x03ad, 0x03af, 1, -37},
  {0x03b1, 0x03c1, 1, -32}, {0x03c2, 0x03c2, 1, -31}, {0x03c3, 0x03cb, 1, -32}, {0x03cc, 0x03cc, 1, -64},
  {0x03cd, 0x03ce, 1, -63}, {0x0430, 0x044f, 1, -32}, {0x0450, 0x045f, 1, -80}, {0x0461, 0x0481, 2, -1},
  {0x048b, 0x04bf, 2, -1}, {0x04c2, 0x04ce, 2, -1}, {0x04cf, 0x04cf, 1, -15}, {0x04d1, 0x052f, 2, -1},
  {0x0561, 0x0586, 1, -48}, {0x1e01, 0x1e95, 2, -1}, {0x1ea1, 0x1eff, 2, -1}, {0xff41, 0xff5a, 1, -32},
};

constexpr bool contains(const CaseRange &range, int lower)
{
  return lower >= range.first && lower <= range.last && (lower - range.first) % range.step == 0;
}

}

char16_t to_upper(char16_t unit)
{
  if (unit < 0x80)
    return unit >= 'a' && unit <= 'z' ? static_cast<char16_t>(unit - 32) : unit;
  for (const CaseRange &range : kRanges)
    if (contains(range, unit))
      return static_cast<char16_t>(unit + range.delta);
  return unit;
}

char16_t to_lower(char16_t unit)
{
  if (unit < 0x80)
    return unit >= 'A' && unit <= 'Z' ? static_cast<char16_t>(unit + 32) : unit;
  for (const CaseRange &range : kRanges) {
    // U+00B5 and U+03C2 are second lower-case forms of letters that have a regular one.
    if (range.first != 0x00b5 && range.first != 0x03c2 && contains(range, unit - range.delta))
      return static_cast<char16_t>(unit - range.delta);
  }
  return unit;
}

std::u16string to_upper(std::u16string_view text)
{
  std::u16string upper(text);
  for (char16_t &unit : upper)
    unit = to_upper(unit);
  return upper;
}

}
