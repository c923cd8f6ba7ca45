// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/parked_table.h"

namespace httpsys::io {

static constexpr size_t kFirstSize = 256;

static uint64_t s_secret = 0;

void ParkedTable::set_secret(uint64_t secret)
{
  s_secret = secret;
}

// MurmurHash3's finalizer: every bit of the key and of the secret reaches every bit of the place.
size_t ParkedTable::home(uint64_t key) const
{
  key += s_secret;
  key = (key ^ key >> 33) * 0xff51afd7ed558ccdull;
  key = (key ^ key >> 33) * 0xc4ceb9fe1a85ec53ull;
  return static_cast<size_t>(key ^ key >> 33) & (m_slots.size() - 1);
}

size_t ParkedTable::position(uint64_t wanted) const
{
  size_t at = home(wanted);
  while (m_slots[at] && key(*m_slots[at]) != wanted)
    at = (at + 1) & (m_slots.size() - 1);
  return at;
}

void ParkedTable::grow()
{
  std::vector<Irp *> old = std::move(m_slots);
  m_slots.assign(old.empty() ? kFirstSize : old.size() * 2, nullptr);
  for (Irp *irp : old)
    if (irp)
      m_slots[position(key(*irp))] = irp;
}

void ParkedTable::insert(Irp &irp)
{
  if ((m_count + 1) * 2 > m_slots.size())
    grow();
  size_t at = position(key(irp));
  VERIFY(!m_slots[at]);
  m_slots[at] = &irp;
  m_count++;
}

void ParkedTable::remove(Irp &irp)
{
  size_t gap = position(key(irp));
  VERIFY(m_slots[gap] == &irp);
  m_slots[gap] = nullptr;
  m_count--;
  // Entries behind the gap that could not lie at home move into it, so that searches need no tombstones.
  size_t mask = m_slots.size() - 1;
  for (size_t at = (gap + 1) & mask; m_slots[at]; at = (at + 1) & mask) {
    size_t wanted = home(key(*m_slots[at]));
    if (((at - wanted) & mask) < ((at - gap) & mask))
      continue;
    m_slots[gap] = m_slots[at];
    m_slots[at] = nullptr;
    gap = at;
  }
}

size_t ParkedTable::steps_to(uint32_t channel, uint32_t irp_id) const
{
  uint64_t wanted = key(channel, irp_id);
  return ((position(wanted) - home(wanted)) & (m_slots.size() - 1)) + 1;
}

Irp *ParkedTable::find(uint32_t channel, uint32_t irp_id) const
{
  return m_slots.empty() ? nullptr : m_slots[position(key(channel, irp_id))];
}

}
