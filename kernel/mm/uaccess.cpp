// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/mm/uaccess.h"
#include "kernel/base/canary.h"
#include "kernel/base/checked_math.h"
#include <cstring>

namespace httpsys::mm {

#ifdef HTTPSYS_SIMULATOR
void (*UserMemory::after_load_hook)(SharedRegion &region, uint64_t offset, uint64_t bytes) = nullptr;
void (*UserMemory::look_anew_hook)(SharedRegion &region, uint64_t offset) = nullptr;
#define AFTER_LOAD(region, offset, bytes) (after_load_hook ? after_load_hook(region, offset, bytes) : void())
#else
#define AFTER_LOAD(region, offset, bytes) ((void)(region))
#endif

UserMemory::UserMemory(RefPtr<SharedRegion> region) : m_region(std::move(region))
{
  ASSERT(m_region && m_region->writer() == SharedRegion::Writer::Client);
}

uint32_t UserMemory::load_index(uint64_t offset) const
{
  uint32_t value = __atomic_load_n(m_region->client_word(offset), __ATOMIC_ACQUIRE);
  AFTER_LOAD(*m_region, offset, sizeof value);
  return value;
}

uint32_t UserMemory::load_index_seq_cst(uint64_t offset) const
{
  uint32_t value = __atomic_load_n(m_region->client_word(offset), __ATOMIC_SEQ_CST);
  AFTER_LOAD(*m_region, offset, sizeof value);
  return value;
}

void UserMemory::look_anew([[maybe_unused]] uint64_t offset) const
{
#ifdef HTTPSYS_SIMULATOR
  if (look_anew_hook)
    look_anew_hook(*m_region, offset);
#endif
}

Result<void> UserMemory::copy_in(uint64_t offset, std::span<uint8_t> bytes) const
{
  if (!range_fits(offset, bytes.size(), m_region->size()))
    return NtStatus::InvalidParameter;
  if (bytes.empty())
    return {};
  std::memcpy(bytes.data(), m_region->m_memory.base + offset, bytes.size());
  // Without this the compiler, once it has inlined us, may use the shared bytes again in place of the copy (trust rule T2).
  asm volatile("" : : "r"(bytes.data()) : "memory");
  AFTER_LOAD(*m_region, offset, bytes.size());
  return {};
}

std::optional<std::span<const uint8_t>> UserMemory::body_span(uint64_t area, uint64_t area_size, uint64_t offset, uint64_t length) const
{
  bool is_inside = range_fits(area, area_size, m_region->size()) && offset >= area && range_fits(offset - area, length, area_size);
  if (!is_inside && !is_broken(Canary::LengthsNotClamped))
    return std::nullopt;
  return std::span<const uint8_t>(m_region->m_memory.base + offset, length);
}

}
