// SPDX-License-Identifier: MIT
// Exported: completion ports (winbase.h).
#include "lib/include/windows.h"
#include "lib/iocp.h"
#include "lib/last_error.h"
#include "lib/overlapped.h"
#include "lib/reasons.h"
#include "lib/status_map.h"
#include <new>

using namespace httpsys::lib;

namespace {

int no_port(const char *function, HANDLE port)
{
  return fail(ERROR_INVALID_HANDLE, "%s: %p is no completion port.", function, port);
}

// A new port with a handle, or the one behind `existing`; `handle` is NULL when there is none, with the last error.
Ref<CompletionPort> port_for(HANDLE existing, HANDLE &handle)
{
  handle = nullptr;
  Ref<CompletionPort> port = existing ? HandleMap::instance().find<CompletionPort>(existing) : CompletionPort::create();
  if (port)
    handle = existing ? existing : HandleMap::instance().insert(*port);
  else if (existing)
    no_port("CreateIoCompletionPort", existing);
  if (!handle && !existing)
    fail(ERROR_NOT_ENOUGH_MEMORY, "CreateIoCompletionPort: no memory for a port.");
  return port;
}

}

HANDLE CreateIoCompletionPort(HANDLE file, HANDLE port, ULONG_PTR key, DWORD threads)
{
  static_cast<void>(threads);
  begin_call();
  Ref<QueueObject> queue;
  if (file != INVALID_HANDLE_VALUE) {
    Ref<HandleObject> object = HandleMap::instance().find(file);
    if (object && object->kind() == HandleKind::File) {
      fail(ERROR_INVALID_PARAMETER, "CreateIoCompletionPort: files complete nothing; only request queues do.");
      return nullptr;
    }
    queue = HandleMap::instance().find<QueueObject>(file);
    if (!queue) {
      fail(ERROR_INVALID_HANDLE, "CreateIoCompletionPort: %p is no request queue.", file);
      return nullptr;
    }
  } else if (port) {
    fail(ERROR_INVALID_PARAMETER, "CreateIoCompletionPort: a port, but nothing to add to it.");
    return nullptr;
  }
  HANDLE handle;
  Ref<CompletionPort> object = port_for(port, handle);
  if (handle && queue && queue->associate(*object, key) != NO_ERROR) {
    if (!port)
      HandleMap::instance().close(handle);
    fail(ERROR_INVALID_PARAMETER, "CreateIoCompletionPort: this request queue has a completion port already.");
    return nullptr;
  }
  return handle;
}

BOOL GetQueuedCompletionStatus(HANDLE port, LPDWORD bytes, ULONG_PTR *key, LPOVERLAPPED *overlapped, DWORD milliseconds)
{
  begin_call();
  if (!overlapped)
    return fail(ERROR_INVALID_PARAMETER, "GetQueuedCompletionStatus: nowhere to put the OVERLAPPED.");
  *overlapped = nullptr;
  Ref<CompletionPort> object = HandleMap::instance().find<CompletionPort>(port);
  if (!object)
    return no_port("GetQueuedCompletionStatus", port);
  OVERLAPPED_ENTRY entry;
  ULONG taken;
  uint32_t code = object->take(&entry, 1, taken, Deadline::after(milliseconds));
  if (code != NO_ERROR) {
    set_last_error(code);
    return FALSE;
  }
  if (bytes)
    *bytes = entry.dwNumberOfBytesTransferred;
  if (key)
    *key = entry.lpCompletionKey;
  *overlapped = entry.lpOverlapped;
  uint32_t status = static_cast<uint32_t>(entry.Internal);
  if (is_success(status))
    return TRUE;
  set_last_error_text(Reasons::of(entry.lpOverlapped).c_str());
  set_last_error(win32_of_status(status));
  return FALSE;
}

BOOL GetQueuedCompletionStatusEx(HANDLE port, LPOVERLAPPED_ENTRY entries, ULONG count, PULONG removed, DWORD milliseconds,
  BOOL alertable)
{
  static_cast<void>(alertable);
  begin_call();
  if (!entries || !removed || count == 0)
    return fail(ERROR_INVALID_PARAMETER, "GetQueuedCompletionStatusEx: nowhere to put entries, or to say how many.");
  *removed = 0;
  Ref<CompletionPort> object = HandleMap::instance().find<CompletionPort>(port);
  if (!object)
    return no_port("GetQueuedCompletionStatusEx", port);
  uint32_t code = object->take(entries, count, *removed, Deadline::after(milliseconds));
  if (code == NO_ERROR)
    return TRUE;
  set_last_error(code);
  return FALSE;
}

BOOL PostQueuedCompletionStatus(HANDLE port, DWORD bytes, ULONG_PTR key, LPOVERLAPPED overlapped)
{
  begin_call();
  Ref<CompletionPort> object = HandleMap::instance().find<CompletionPort>(port);
  if (!object)
    return no_port("PostQueuedCompletionStatus", port);
  Packet *packet = new (std::nothrow) Packet;
  if (!packet)
    return fail(ERROR_NOT_ENOUGH_MEMORY, "PostQueuedCompletionStatus: no memory for a packet.");
  packet->entry.lpCompletionKey = key;
  packet->entry.lpOverlapped = overlapped;
  packet->entry.dwNumberOfBytesTransferred = bytes;
  DispatcherGuard guard;
  object->post(guard, *packet);
  return TRUE;
}

BOOL SetFileCompletionNotificationModes(HANDLE file, UCHAR modes)
{
  begin_call();
  if (modes & ~(FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE))
    return fail(ERROR_INVALID_PARAMETER, "SetFileCompletionNotificationModes: unknown mode in %u.", modes);
  Ref<QueueObject> queue = HandleMap::instance().find<QueueObject>(file);
  if (!queue)
    return fail(ERROR_INVALID_HANDLE, "SetFileCompletionNotificationModes: %p is no request queue.", file);
  queue->add_modes(modes);
  return TRUE;
}
