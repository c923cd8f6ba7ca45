// SPDX-License-Identifier: MIT
#include "lib/handle_map.h"
#include "lib/reaper.h"
#include <new>

namespace httpsys::lib {

constinit HandleMap HandleMap::s_instance;

HandleMap::Slot *HandleMap::slot_of(HANDLE handle)
{
  uint64_t value = reinterpret_cast<uint64_t>(handle);
  uint64_t index = (value & ((1ull << kGenerationShift) - 1)) >> kIndexShift;
  if (value & ((1u << kIndexShift) - 1) || index >= m_slots)
    return nullptr;
  Slot &found = slot(static_cast<uint32_t>(index));
  return found.object && found.generation == value >> kGenerationShift ? &found : nullptr;
}

void HandleMap::append_free(uint32_t index)
{
  slot(index).next_free = kNone;
  if (m_last_free == kNone)
    m_first_free = index;
  else
    slot(m_last_free).next_free = index;
  m_last_free = index;
}

bool HandleMap::grow()
{
  if (m_slots == kMaxHandles)
    return false;
  Slot *chunk = new (std::nothrow) Slot[kChunk];
  if (!chunk)
    return false;
  m_chunks[m_slots >> kChunkBits] = chunk;
  m_slots += kChunk;
  for (uint32_t i = m_slots - kChunk; i < m_slots; i++)
    append_free(i);
  return true;
}

HANDLE HandleMap::insert(HandleObject &object)
{
  Reaper::watch_forks();
  std::lock_guard lock(m_mutex);
  if (m_first_free == kNone && !grow())
    return nullptr;
  uint32_t index = m_first_free;
  Slot &taken = slot(index);
  m_first_free = taken.next_free;
  if (m_first_free == kNone)
    m_last_free = kNone;
  // From 1, so that no handle is 0; without the highest bits, so that none is INVALID_HANDLE_VALUE.
  taken.generation = taken.generation % ((1ull << kGenerationBits) - 1) + 1;
  taken.object = &object;
  object.ref();
  m_size++;
  return reinterpret_cast<HANDLE>(taken.generation << kGenerationShift | static_cast<uint64_t>(index) << kIndexShift);
}

Ref<HandleObject> HandleMap::find(HANDLE handle)
{
  std::lock_guard lock(m_mutex);
  Slot *found = slot_of(handle);
  return found ? Ref<HandleObject>(found->object) : Ref<HandleObject>();
}

bool HandleMap::close(HANDLE handle)
{
  return close_if(handle, nullptr);
}

bool HandleMap::close(HANDLE handle, HandleKind kind)
{
  return close_if(handle, &kind);
}

bool HandleMap::close_if(HANDLE handle, const HandleKind *kind)
{
  Ref<HandleObject> object;
  {
    std::lock_guard lock(m_mutex);
    Slot *found = slot_of(handle);
    if (!found || (kind && found->object->kind() != *kind))
      return false;
    object = Ref<HandleObject>::adopt(found->object);
    found->object = nullptr;
    append_free(static_cast<uint32_t>((reinterpret_cast<uint64_t>(handle) & ((1ull << kGenerationShift) - 1)) >> kIndexShift));
    m_size--;
  }
  object->close();
  return true;
}

uint32_t HandleMap::size()
{
  std::lock_guard lock(m_mutex);
  return m_size;
}

void HandleMap::after_fork(bool is_child)
{
  if (is_child) {
    for (uint32_t i = 0; i < m_slots; i++) {
      if (!slot(i).object)
        continue;
      slot(i).object = nullptr;
      append_free(i);
    }
    m_size = 0;
  }
  m_mutex.unlock();
}

}
