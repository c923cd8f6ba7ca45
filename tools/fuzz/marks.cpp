// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/marks.h"
#include <algorithm>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <string_view>

namespace httpsys::fuzz {

static constexpr std::string_view kMarkBeginning = "HSYSmark"; // of every mark; its number in 8 digits follows
// Numbers one after the other are far from one another, so that a damaged mark is nobody else's; an odd factor can be taken back.
static constexpr uint32_t kFactor = 0x9e3779b1;
static constexpr uint32_t kMarksRemembered = 4096;

// Newton's: each step doubles the bits that are right, of which an odd number has 3 at once.
static constexpr uint32_t inverse(uint32_t odd)
{
  uint32_t result = odd;
  for (int step = 0; step < 4; step++)
    result *= 2 - odd * result;
  return result;
}
static_assert(inverse(kFactor) * kFactor == 1);

static std::string text_of(uint32_t number)
{
  return fmt::format("{}{:08x}", kMarkBeginning, number * kFactor);
}

std::string Marks::make()
{
  return text_of(++m_last);
}

static bool read_number(std::string_view digits, uint32_t &number)
{
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  number *= inverse(kFactor);
  return error == std::errc() && end == digits.data() + digits.size();
}

bool Marks::has_foreign(const std::string &own, std::span<const uint8_t> bytes) const
{
  const char *begin = reinterpret_cast<const char *>(bytes.data()), *end = begin + bytes.size();
  while (static_cast<size_t>(end - begin) >= kBytes) {
    auto *found = static_cast<const char *>(memmem(begin, static_cast<size_t>(end - begin), kMarkBeginning.data(), kMarkBeginning.size()));
    if (!found || static_cast<size_t>(end - found) < kBytes)
      return false;
    std::string mark(found, kBytes); // copied: the bytes may be changing
    uint32_t number = 0, last = m_last;
    bool is_mark = read_number(std::string_view(mark).substr(kMarkBeginning.size()), number);
    // Other spellings of a number are damage, done to the own one.
    if (is_mark && mark != own && mark == text_of(number) && last - number < std::min(last, kMarksRemembered))
      return true;
    begin = found + 1;
  }
  return false;
}

}
