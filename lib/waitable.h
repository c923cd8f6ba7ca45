// SPDX-License-Identifier: MIT
// WaitableObject: what WaitForSingleObject takes, and the waits for one or several of them. State and lists are guarded by the
// dispatcher lock.
#pragma once
#include "lib/deadline.h"
#include "lib/dispatcher.h"
#include "lib/handle_map.h"

namespace httpsys::lib {

class ObjectWaiter;

// One object of a wait, in that object's list.
class WaitBlock : public ListLink<WaitBlock> {
public:
  ObjectWaiter *waiter = nullptr;
  uint32_t index = 0;
};

class WaitableObject : public HandleObject {
public:
  WaitableObject *as_waitable() override { return this; }

  bool is_signalled(const DispatcherGuard &) const { return m_is_signalled; }
  // Signals, and satisfies those who wait, oldest first, as far as the signal reaches.
  void signal(DispatcherGuard &guard);
  void reset(const DispatcherGuard &) { m_is_signalled = false; }
  // What a satisfied wait does to the object: an auto-reset event is not signalled any more.
  void consume(const DispatcherGuard &)
  {
    if (m_is_consumed)
      m_is_signalled = false;
  }

protected:
  // is_consumed: one signal satisfies one wait.
  WaitableObject(HandleKind kind, bool is_consumed, bool is_signalled)
    : HandleObject(kind), m_is_consumed(is_consumed), m_is_signalled(is_signalled)
  {
  }

private:
  friend class ObjectWaiter;
  const bool m_is_consumed;
  bool m_is_signalled;
  List<WaitBlock> m_waits;
};

// Waits for one of the objects, or for all at once. 1 to MAXIMUM_WAIT_OBJECTS of them. The index of the object, 0 for all, or
// WAIT_TIMEOUT.
uint32_t wait_for_objects(const Ref<WaitableObject> *objects, uint32_t count, bool wait_all, const Deadline &deadline);

}
