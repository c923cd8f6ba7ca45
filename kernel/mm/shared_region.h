// SPDX-License-Identifier: GPL-3.0-or-later
// SharedRegion: a memfd that the daemon makes, maps, populates and seals, half of a channel. References are held by
// several cores (sends in flight name its bytes), so it counts atomically; it is unmapped with the last one. Creation
// is slow (it populates): on a memory helper.
#pragma once
#include "kernel/base/refptr.h"
#include "kernel/base/result.h"
#include "kernel/platform/shared_memory.h"
#include <cstdint>
#include <span>

namespace httpsys::mm {

class SharedRegion : public AtomicRefCounted<SharedRegion> {
public:
  // Daemon: ktou, sealed with F_SEAL_FUTURE_WRITE, clients can only ever map it read-only. Client: utok, of which the size is sealed; the
  // client seals the rest when it has mapped it. The daemon maps it read-only.
  using Writer = platform::SharedWriter;
  // bytes: multiple of the page size. contents: what it begins with, the rest is zero. NoMemory, TooManyOpenedFiles.
  static Result<RefPtr<SharedRegion>> create(const char *name, uint64_t bytes, Writer writer, std::span<const uint8_t> contents = {});
  // Makes, seals and tries to map writable what a client must not be able to: NotSupported when the kernel allows it.
  // The daemon refuses to run then.
  static Result<void> self_test();

  // Whether there is no memory for one that is asked for: what ENOSPC becomes. The simulator's build alone has it.
  static bool (*is_out_of_memory_hook)();

  int descriptor() const { return m_memory.descriptor; }
  uint64_t size() const { return m_memory.bytes; }
  Writer writer() const { return m_writer; }
  bool is_sealed_by_client() const { return platform::is_sealed_by_client(m_memory); }
  // So that no client can have its pages moved, for which whoever touches one waits. create() has done that for Writer::Daemon. Of a
  // client's once, when it has sealed it: before that it can put others in the places of those that are pinned. Can wait for the client: on
  // a memory helper.
  Result<void> pin() { return platform::pin_shared_memory(m_memory, m_writer); }
  // Only for a region that the daemon writes; client-written memory is reached through uaccess alone (trust rule T1).
  std::span<uint8_t> daemon_bytes();

private:
  friend class AtomicRefCounted<SharedRegion>;
  friend class UserMemory;
  SharedRegion(const platform::SharedMemory &memory, Writer writer);
  ~SharedRegion();
  const uint32_t *client_word(uint64_t offset) const;
  platform::SharedMemory m_memory;
  Writer m_writer;
};

}
