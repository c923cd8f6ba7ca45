// SPDX-License-Identifier: MIT
// Enumeration members of callers' structures as the numbers that they are: a caller may put any number there, which as a value of the
// enumeration would be undefined behaviour. Pure functions.
#pragma once
#include <cstdint>
#include <cstring>

namespace httpsys::lib {

template <typename Enumeration>
uint32_t number_of(const Enumeration &member)
{
  static_assert(sizeof member == sizeof(uint32_t));
  uint32_t number;
  memcpy(&number, &member, sizeof number);
  return number;
}

}
