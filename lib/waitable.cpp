// SPDX-License-Identifier: MIT
#include "lib/waitable.h"
#include "lib/include/windows.h"
#include "lib/reaper.h"

namespace httpsys::lib {

class ObjectWaiter : public Waiter {
public:
  ObjectWaiter(const Ref<WaitableObject> *objects, uint32_t count, bool wait_all)
    : m_objects(objects), m_count(count), m_wait_all(wait_all)
  {
  }

  uint32_t result() const { return m_result; }

  // Whether the wait is fulfilled now; then it has taken what it takes.
  bool try_objects(DispatcherGuard &guard)
  {
    for (uint32_t i = 0; i < m_count; i++) {
      if (m_objects[i]->is_signalled(guard) == m_wait_all)
        continue;
      if (m_wait_all)
        return false;
      m_objects[i]->consume(guard);
      m_result = i;
      return true;
    }
    for (uint32_t i = 0; m_wait_all && i < m_count; i++)
      m_objects[i]->consume(guard);
    return m_wait_all;
  }

  void add_blocks()
  {
    for (uint32_t i = 0; i < m_count; i++) {
      m_blocks[i].waiter = this;
      m_blocks[i].index = i;
      m_objects[i]->m_waits.append(m_blocks[i]);
    }
  }

  void remove_blocks()
  {
    for (uint32_t i = 0; i < m_count; i++)
      m_objects[i]->m_waits.remove(m_blocks[i]);
  }

  // An object of the wait was signalled.
  void offer(DispatcherGuard &guard, WaitBlock &block)
  {
    if (is_satisfied())
      return;
    if (m_wait_all) {
      if (!try_objects(guard))
        return;
    } else {
      m_objects[block.index]->consume(guard);
      m_result = block.index;
    }
    satisfy(guard);
  }

private:
  const Ref<WaitableObject> *m_objects;
  uint32_t m_count;
  bool m_wait_all;
  uint32_t m_result = 0;
  WaitBlock m_blocks[MAXIMUM_WAIT_OBJECTS];
};

void WaitableObject::signal(DispatcherGuard &guard)
{
  m_is_signalled = true;
  for (WaitBlock *block = m_waits.first(); block && m_is_signalled; block = m_waits.next(*block))
    block->waiter->offer(guard, *block);
}

uint32_t wait_for_objects(const Ref<WaitableObject> *objects, uint32_t count, bool wait_all, const Deadline &deadline)
{
  ObjectWaiter waiter(objects, count, wait_all);
  DispatcherGuard guard;
  if (waiter.try_objects(guard))
    return waiter.result();
  waiter.add_blocks();
  bool is_satisfied = Reaper::instance().wait(guard, waiter, deadline);
  waiter.remove_blocks();
  return is_satisfied ? waiter.result() : WAIT_TIMEOUT;
}

}
