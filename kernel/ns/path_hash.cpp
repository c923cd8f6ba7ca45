// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ns/path_hash.h"
#include <algorithm>
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

void PathHash::add(uint64_t unit)
{
  m_value = reduce(multiply(m_value, s_place) + unit + 1);
}

uint64_t hash_path(std::u16string_view path)
{
  PathHash hash;
  for (char16_t unit : path)
    hash.add(unit);
  return hash.value();
}

uint64_t hash_bytes(std::string_view bytes)
{
  PathHash hash;
  for (; !bytes.empty(); bytes.remove_prefix(std::min<size_t>(bytes.size(), 7))) {
    uint64_t unit = 0;
    std::memcpy(&unit, bytes.data(), std::min<size_t>(bytes.size(), 7));
    hash.add(unit);
  }
  return hash.value();
}

static std::vector<PathBeginning> &emptied_beginnings()
{
  thread_local std::vector<PathBeginning> beginnings;
  beginnings.clear();
  return beginnings;
}

PathBeginnings::PathBeginnings(std::u16string_view path)
    : m_path(path), m_size(path.size() + !path.ends_with(u'/')), m_beginnings(emptied_beginnings())
{
}

const std::vector<PathBeginning> &PathBeginnings::up_to(size_t length)
{
  for (; m_done < std::min(length, m_size); m_done++) {
    char16_t unit = m_done < m_path.size() ? m_path[m_done] : u'/';
    m_hash.add(unit);
    if (unit == u'/')
      m_beginnings.push_back({m_path.substr(0, m_done), m_hash.value()});
  }
  return m_beginnings;
}

}
