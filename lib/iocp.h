// SPDX-License-Identifier: MIT
// CompletionPort: packets first in, first out; threads last in, first out, as on Windows: the thread that waited last has the warmest
// cache. A port whose handle is closed lets its waiting threads go and keeps no packets.
#pragma once
#include "lib/deadline.h"
#include "lib/dispatcher.h"
#include "lib/handle_map.h"
#include "lib/include/winbase.h"

namespace httpsys::lib {

// One completion for a port. Allocated when its operation begins, so that a completion cannot fail for want of memory.
class Packet : public ListLink<Packet> {
public:
  OVERLAPPED_ENTRY entry{}; // Internal: NTSTATUS
};

class PortWaiter;

class CompletionPort final : public HandleObject {
public:
  static constexpr HandleKind kKind = HandleKind::CompletionPort;
  // Null without memory.
  static Ref<CompletionPort> create();

  // Takes the packet over: the thread that waited last gets it, or the end of the queue.
  void post(DispatcherGuard &guard, Packet &packet);

  // Takes up to count packets, at least one: waits for it until the deadline. NO_ERROR, WAIT_TIMEOUT, or ERROR_ABANDONED_WAIT_0 when
  // the port's handle is closed.
  uint32_t take(OVERLAPPED_ENTRY *entries, ULONG count, ULONG &taken, const Deadline &deadline);

  void close() override;
  ~CompletionPort() override;

private:
  CompletionPort() : HandleObject(kKind) {}
  List<Packet> m_packets;
  List<PortWaiter> m_waiters;
  bool m_is_closed = false;
};

}
