// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ns/path_hash.h"
#include <cstring>
#include <sys/auxv.h>

namespace httpsys::ns {

static constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;

static uint64_t reduce(uint64_t number)
{
  number = (number & kPrime) + (number >> 61);
  return number >= kPrime ? number - kPrime : number;
}

static uint64_t multiply(uint64_t one, uint64_t other)
{
  auto product = static_cast<unsigned __int128>(one) * other;
  return reduce(static_cast<uint64_t>(product & kPrime) + static_cast<uint64_t>(product >> 61));
}

// Of the bytes that the kernel gives each process; nothing that can be seen depends on them.
static uint64_t secret_place()
{
  uint64_t words[2];
  std::memcpy(words, reinterpret_cast<const void *>(getauxval(AT_RANDOM)), sizeof words);
  // One way only: the words guard the stack, too.
  uint64_t place = multiply(multiply(reduce(words[0]), reduce(words[1])), reduce(words[0] ^ words[1] >> 7));
  return place < kPrime / 4 ? place + kPrime / 2 : place;
}

static const uint64_t s_place = secret_place();

void PathHash::add(char16_t unit)
{
  m_value = reduce(multiply(m_value, s_place) + unit + 1);
}

size_t hash_path(std::u16string_view path)
{
  PathHash hash;
  for (char16_t unit : path)
    hash.add(unit);
  return hash.value();
}

}
