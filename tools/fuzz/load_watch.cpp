// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/load_watch.h"
#include "uapi/ring_inline.h"
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <fmt/format.h>

namespace httpsys::fuzz {

static constexpr uint64_t kSqTail = offsetof(hsys_upage, sq_tail), kRetTail = offsetof(hsys_upage, ret_tail);

void LoadWatch::after_load(uint64_t offset, uint64_t bytes)
{
  const hsys_geometry &geometry = kpage().geometry;
  if (offset < HSYS_PAGE) {
    see_word(offset);
  } else if (offset < geometry.ret_offset) {
    see_entry(m_entries, offset, kpage().sq_head, geometry.sq_entries, "an entry");
    m_parameters.clear();
  } else if (offset < geometry.tx_offset) {
    see_entry(m_returns, offset, kpage().ret_head, geometry.ret_entries, "a returned block's number");
  } else {
    see_parameters(offset, bytes);
  }
  cover(offset, bytes);
}

void LoadWatch::look_anew(uint64_t offset)
{
  uncover(offset, offset + 1);
  m_words.erase(offset);
}

// A tail that is read begins a new look at its ring: an entry for which there was no credit is read again then, and not before.
void LoadWatch::see_word(uint64_t offset)
{
  const hsys_geometry &geometry = kpage().geometry;
  if (!m_words.insert(offset).second)
    find("read twice", fmt::format("the word at {} of a client's memory is read twice in one look", offset));
  uint32_t value = 0;
  std::memcpy(&value, m_mapping.utok + offset, sizeof value);
  if (offset == kSqTail) {
    m_entries = {value, {}};
    uncover(geometry.sq_offset, geometry.ret_offset);
  } else if (offset == kRetTail) {
    m_returns = {value, {}};
    uncover(geometry.ret_offset, geometry.tx_offset);
  }
}

// An entry is read once, and only when the tail that was read last is one that can be believed: it is what was checked then.
void LoadWatch::see_entry(Ring &ring, uint64_t offset, uint32_t head, uint32_t entries, const char *what)
{
  if (!ring.seen.insert(offset).second)
    find("read twice", fmt::format("{} at {} of a client's memory is read twice", what, offset));
  if (!hsys_tail_is_sane(ring.tail, head, entries))
    find("accepted", fmt::format("{} is taken, and the tail that was read last says {} when {} are consumed", what, ring.tail, head));
}

// Operations may name the same bytes, each once.
void LoadWatch::see_parameters(uint64_t offset, uint64_t bytes)
{
  for (auto [begin, end] : m_parameters)
    if (offset < end && begin < offset + bytes)
      find("read twice", fmt::format("parameters at {} of a client's memory are read twice for one operation", std::max(begin, offset)));
  m_parameters.emplace_back(offset, offset + bytes);
}

// Nothing may be thrown through the daemon. What comes first is nearest to the cause.
void LoadWatch::find(const char *kind, std::string text)
{
  if (!m_finding)
    m_finding = Finding{kind, std::move(text)};
}

void LoadWatch::cover(uint64_t offset, uint64_t bytes)
{
  uint8_t *place = m_mapping.utok + offset;
  Covered &covered = m_covered.emplace_back(Covered{offset, {place, place + bytes}, std::vector<uint8_t>(bytes)});
  // No two reads see the same, and no byte what it was.
  m_fill = static_cast<uint8_t>(m_fill * 5 + 1);
  for (uint64_t index = 0; index < bytes; index++)
    covered.instead[index] = static_cast<uint8_t>(covered.before[index] ^ (m_fill | 1));
  std::memcpy(place, covered.instead.data(), bytes);
}

// The last first, as one may lie over another.
void LoadWatch::uncover(uint64_t begin, uint64_t end)
{
  for (size_t at = m_covered.size(); at-- > 0;) {
    const Covered &covered = m_covered[at];
    if (covered.offset < begin || covered.offset >= end)
      continue;
    uint8_t *place = m_mapping.utok + covered.offset;
    for (size_t index = 0; index < covered.before.size(); index++)
      if (place[index] == covered.instead[index])
        place[index] = covered.before[index];
    m_covered.erase(m_covered.begin() + static_cast<ptrdiff_t>(at));
  }
}

void LoadWatch::end_turn()
{
  uncover(0, UINT64_MAX);
  m_entries.seen.clear();
  m_returns.seen.clear();
  m_words.clear();
  m_parameters.clear();
}

}
