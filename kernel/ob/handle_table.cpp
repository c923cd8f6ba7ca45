// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ob/handle_table.h"

namespace httpsys::ob {

HandleTable::HandleTable(uint32_t maximum, uint32_t first_generation)
    : m_maximum(maximum), m_first_generation(static_cast<uint16_t>(first_generation))
{
  VERIFY(maximum <= 0xffff); // the index is 16 bits of the value
}

Result<uint64_t> HandleTable::add(const HandleTarget &target)
{
  if (m_count >= m_maximum)
    return NtStatus::InsufficientResources;
  uint32_t index;
  if (!m_free.empty()) {
    index = m_free.back();
    m_free.pop_back();
  } else {
    index = static_cast<uint32_t>(m_slots.size());
    m_slots.push_back({m_first_generation, false, {}});
  }
  m_slots[index].used = true;
  m_slots[index].target = target;
  m_queues[target.queue]++;
  m_count++;
  return value(index);
}

HandleTable::Slot *HandleTable::slot(uint64_t handle)
{
  uint64_t index = (handle & 0xffff) - 1;
  if (index >= m_slots.size() || !m_slots[index].used || handle != value(static_cast<uint32_t>(index)))
    return nullptr;
  return &m_slots[index];
}

Result<HandleTarget *> HandleTable::find(uint64_t handle)
{
  Slot *found = slot(handle);
  if (!found)
    return NtStatus::InvalidHandle;
  return &found->target;
}

Result<HandleTarget> HandleTable::remove(uint64_t handle)
{
  Slot *found = slot(handle);
  if (!found)
    return NtStatus::InvalidHandle;
  HandleTarget target = found->target;
  if (auto queue = m_queues.find(target.queue); --queue->second == 0)
    m_queues.erase(queue);
  found->used = false;
  found->target = {};
  found->generation++;
  m_free.push_back(static_cast<uint32_t>(found - m_slots.data()));
  m_count--;
  return target;
}

}
