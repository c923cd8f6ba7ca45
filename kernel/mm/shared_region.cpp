// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/mm/shared_region.h"
#include "kernel/base/checked_math.h"

namespace httpsys::mm {

#ifdef HTTPSYS_SIMULATOR
bool (*SharedRegion::is_out_of_memory_hook)() = nullptr;
#endif

Result<RefPtr<SharedRegion>> SharedRegion::create(const char *name, uint64_t bytes, Writer writer, std::span<const uint8_t> contents)
{
#ifdef HTTPSYS_SIMULATOR
  if (is_out_of_memory_hook && is_out_of_memory_hook())
    return NtStatus::NoMemory;
#endif
  auto memory = TRY(platform::create_shared_memory(name, bytes, writer, contents));
  auto region = RefPtr<SharedRegion>::adopt(new SharedRegion(memory, writer));
  if (writer == Writer::Daemon)
    TRY(region->pin());
  return region;
}

SharedRegion::SharedRegion(const platform::SharedMemory &memory, Writer writer) : m_memory(memory), m_writer(writer) {}

SharedRegion::~SharedRegion()
{
  platform::release_shared_memory(m_memory);
}

std::span<uint8_t> SharedRegion::daemon_bytes()
{
  VERIFY(m_writer == Writer::Daemon);
  return {m_memory.base, m_memory.bytes};
}

// The places of shared words are the daemon's own choice, so a wrong one is its own mistake.
const uint32_t *SharedRegion::client_word(uint64_t offset) const
{
  VERIFY(m_writer == Writer::Client && offset % sizeof(uint32_t) == 0 && range_fits(offset, sizeof(uint32_t), m_memory.bytes));
  return reinterpret_cast<const uint32_t *>(m_memory.base + offset);
}

Result<void> SharedRegion::self_test()
{
  for (Writer writer : {Writer::Daemon, Writer::Client}) {
    auto region = TRY(create("httpsys-self-test", platform::shared_page_bytes(), writer));
    if (platform::client_can_change(region->m_memory, writer))
      return NtStatus::NotSupported;
  }
  return {};
}

}
