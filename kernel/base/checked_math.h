// SPDX-License-Identifier: GPL-3.0-or-later
// Arithmetic on numbers that come from outside: nullopt instead of wrapping (trust rule T4).
#pragma once
#include <cstdint>
#include <optional>

namespace httpsys {

template <typename T>
constexpr std::optional<T> checked_add(T a, T b)
{
  T sum{};
  if (__builtin_add_overflow(a, b, &sum))
    return std::nullopt;
  return sum;
}

template <typename T>
constexpr std::optional<T> checked_mul(T a, T b)
{
  T product{};
  if (__builtin_mul_overflow(a, b, &product))
    return std::nullopt;
  return product;
}

// Whether [offset, offset + length) lies in [0, size).
constexpr bool range_fits(uint64_t offset, uint64_t length, uint64_t size)
{
  return offset <= size && length <= size - offset;
}

}
