// SPDX-License-Identifier: MIT
#include "lib/iocp.h"
#include "lib/reaper.h"
#include <new>

namespace httpsys::lib {

class PortWaiter : public Waiter, public ListLink<PortWaiter> {
public:
  Packet *packet = nullptr; // null with the wait satisfied: the port was closed
};

Ref<CompletionPort> CompletionPort::create()
{
  return Ref<CompletionPort>::adopt(new (std::nothrow) CompletionPort);
}

CompletionPort::~CompletionPort()
{
  while (Packet *packet = m_packets.take_first())
    delete packet;
}

void CompletionPort::post(DispatcherGuard &guard, Packet &packet)
{
  if (m_is_closed) {
    delete &packet;
  } else if (PortWaiter *waiter = m_waiters.last()) {
    m_waiters.remove(*waiter);
    waiter->packet = &packet;
    waiter->satisfy(guard);
  } else {
    m_packets.append(packet);
  }
}

uint32_t CompletionPort::take(OVERLAPPED_ENTRY *entries, ULONG count, ULONG &taken, const Deadline &deadline)
{
  List<Packet> packets;
  ULONG found = 0;
  {
    DispatcherGuard guard;
    Packet *packet = m_packets.take_first();
    if (!packet && m_is_closed)
      return ERROR_ABANDONED_WAIT_0;
    if (!packet) {
      PortWaiter waiter;
      m_waiters.append(waiter);
      bool is_satisfied = Reaper::instance().wait(guard, waiter, deadline);
      m_waiters.remove(waiter);
      if (!waiter.packet)
        return is_satisfied ? ERROR_ABANDONED_WAIT_0 : WAIT_TIMEOUT;
      packet = waiter.packet;
    }
    do {
      packets.append(*packet);
      found++;
    } while (found < count && (packet = m_packets.take_first()));
  }
  taken = found;
  while (Packet *packet = packets.take_first()) {
    *entries++ = packet->entry;
    delete packet;
  }
  return NO_ERROR;
}

void CompletionPort::close()
{
  List<Packet> packets;
  {
    DispatcherGuard guard;
    m_is_closed = true;
    while (PortWaiter *waiter = m_waiters.take_first())
      waiter->satisfy(guard);
    while (Packet *packet = m_packets.take_first())
      packets.append(*packet);
  }
  while (Packet *packet = packets.take_first())
    delete packet;
}

}
