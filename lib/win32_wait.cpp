// SPDX-License-Identifier: MIT
// Exported: events and waits (winbase.h).
#include "lib/event_object.h"
#include "lib/include/windows.h"
#include "lib/last_error.h"

using namespace httpsys::lib;

namespace {

HANDLE create_event(const SECURITY_ATTRIBUTES *attributes, BOOL manual_reset, BOOL initial_state, bool is_named)
{
  begin_call();
  if (is_named) {
    fail(ERROR_NOT_SUPPORTED, "CreateEvent: there are no events with names.");
  } else if (attributes && attributes->lpSecurityDescriptor) {
    fail(ERROR_NOT_SUPPORTED, "CreateEvent: there are no security descriptors.");
  } else if (Ref<EventObject> event = EventObject::create(manual_reset, initial_state)) {
    if (HANDLE handle = HandleMap::instance().insert(*event))
      return handle;
    fail(ERROR_NOT_ENOUGH_MEMORY, "CreateEvent: no memory for a handle.");
  } else {
    fail(ERROR_NOT_ENOUGH_MEMORY, "CreateEvent: no memory for an event.");
  }
  return nullptr;
}

DWORD wait_failed(uint32_t code, const char *why, DWORD index)
{
  fail(code, "WaitForMultipleObjects: %s (object %u).", why, index);
  return WAIT_FAILED;
}

}

HANDLE CreateEventA(LPSECURITY_ATTRIBUTES attributes, BOOL manual_reset, BOOL initial_state, LPCSTR name)
{
  return create_event(attributes, manual_reset, initial_state, name != nullptr);
}

HANDLE CreateEventW(LPSECURITY_ATTRIBUTES attributes, BOOL manual_reset, BOOL initial_state, LPCWSTR name)
{
  return create_event(attributes, manual_reset, initial_state, name != nullptr);
}

BOOL SetEvent(HANDLE event)
{
  begin_call();
  Ref<EventObject> object = HandleMap::instance().find<EventObject>(event);
  if (!object)
    return fail(ERROR_INVALID_HANDLE, "SetEvent: %p is no event.", event);
  DispatcherGuard guard;
  object->signal(guard);
  return TRUE;
}

BOOL ResetEvent(HANDLE event)
{
  begin_call();
  Ref<EventObject> object = HandleMap::instance().find<EventObject>(event);
  if (!object)
    return fail(ERROR_INVALID_HANDLE, "ResetEvent: %p is no event.", event);
  DispatcherGuard guard;
  object->reset(guard);
  return TRUE;
}

DWORD WaitForSingleObject(HANDLE object, DWORD milliseconds)
{
  return WaitForMultipleObjects(1, &object, FALSE, milliseconds);
}

DWORD WaitForMultipleObjects(DWORD count, const HANDLE *objects, BOOL wait_all, DWORD milliseconds)
{
  begin_call();
  if (count == 0 || count > MAXIMUM_WAIT_OBJECTS || !objects) {
    fail(ERROR_INVALID_PARAMETER, "WaitForMultipleObjects: %u objects; 1 to %d are possible.", count, MAXIMUM_WAIT_OBJECTS);
    return WAIT_FAILED;
  }
  Ref<WaitableObject> found[MAXIMUM_WAIT_OBJECTS];
  for (DWORD i = 0; i < count; i++) {
    Ref<HandleObject> object = HandleMap::instance().find(objects[i]);
    WaitableObject *waitable = object ? object->as_waitable() : nullptr;
    if (!waitable)
      return wait_failed(ERROR_INVALID_HANDLE, "neither an event nor a request queue", i);
    for (DWORD j = 0; wait_all && j < i; j++) {
      if (found[j].get() == waitable)
        return wait_failed(ERROR_INVALID_PARAMETER, "can't wait for one object twice", i);
    }
    found[i] = Ref<WaitableObject>(waitable);
  }
  // Waiting for all of one is waiting for one.
  return WAIT_OBJECT_0 + wait_for_objects(found, count, wait_all && count > 1, Deadline::after(milliseconds));
}
