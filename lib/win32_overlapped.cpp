// SPDX-License-Identifier: MIT
// Exported: results and cancelling of overlapped operations (winbase.h).
#include "lib/include/windows.h"
#include "lib/last_error.h"
#include "lib/overlapped.h"
#include "lib/reasons.h"
#include "lib/status_map.h"

using namespace httpsys::lib;

namespace {

BOOL report(const OVERLAPPED *overlapped, uint32_t status, uint64_t count, LPDWORD bytes)
{
  if (bytes)
    *bytes = static_cast<DWORD>(count);
  if (is_success(status))
    return TRUE;
  set_last_error_text(Reasons::of(overlapped).c_str());
  set_last_error(win32_of_status(status));
  return FALSE;
}

// No refusal, so there is nothing to explain.
BOOL not_yet(uint32_t code)
{
  set_last_error(code);
  return FALSE;
}

}

BOOL GetOverlappedResult(HANDLE file, LPOVERLAPPED overlapped, LPDWORD bytes, BOOL wait)
{
  return GetOverlappedResultEx(file, overlapped, bytes, wait ? INFINITE : 0, FALSE);
}

// As on Windows the handle counts only where there is no event to wait for: results may be fetched after the queue was closed.
BOOL GetOverlappedResultEx(HANDLE file, LPOVERLAPPED overlapped, LPDWORD bytes, DWORD milliseconds, BOOL alertable)
{
  static_cast<void>(alertable);
  begin_call();
  if (!overlapped)
    return fail(ERROR_INVALID_PARAMETER, "GetOverlappedResult: the OVERLAPPED is NULL.");
  uint32_t status = 0;
  uint64_t count = 0;
  if (PendingOperation::result_of(*overlapped, status, count))
    return report(overlapped, status, count, bytes);
  if (milliseconds == 0)
    return not_yet(ERROR_IO_INCOMPLETE);
  HANDLE handle = reinterpret_cast<HANDLE>(reinterpret_cast<ULONG_PTR>(overlapped->hEvent) & ~static_cast<ULONG_PTR>(1));
  if (!handle && !HandleMap::instance().find<QueueObject>(file))
    return fail(ERROR_INVALID_HANDLE, "GetOverlappedResult: %p is no request queue.", file);
  Ref<EventObject> event = HandleMap::instance().find<EventObject>(handle);
  switch (PendingOperation::wait_for(*overlapped, Deadline::after(milliseconds), status, count)) {
  case PendingOperation::Waited::NotPending:
    return fail(ERROR_INVALID_PARAMETER, "GetOverlappedResult: no operation with this OVERLAPPED is in flight.");
  case PendingOperation::Waited::TimedOut:
    return not_yet(WAIT_TIMEOUT);
  case PendingOperation::Waited::Completed:
    break;
  }
  if (event) {
    // Windows would have waited for the event, and so have taken the signal of one that resets itself.
    DispatcherGuard guard;
    event->consume(guard);
  }
  return report(overlapped, status, count, bytes);
}

BOOL httpsys_has_overlapped_io_completed(const OVERLAPPED *overlapped)
{
  begin_call();
  uint32_t status;
  uint64_t bytes;
  return overlapped && PendingOperation::result_of(*overlapped, status, bytes);
}

BOOL CancelIo(HANDLE file)
{
  begin_call();
  Ref<QueueObject> queue = HandleMap::instance().find<QueueObject>(file);
  if (!queue)
    return fail(ERROR_INVALID_HANDLE, "CancelIo: %p is no request queue.", file);
  queue->cancel(nullptr, QueueObject::Whose::ThisThread);
  return TRUE;
}

BOOL CancelIoEx(HANDLE file, LPOVERLAPPED overlapped)
{
  begin_call();
  Ref<QueueObject> queue = HandleMap::instance().find<QueueObject>(file);
  if (!queue)
    return fail(ERROR_INVALID_HANDLE, "CancelIoEx: %p is no request queue.", file);
  if (queue->cancel(overlapped, QueueObject::Whose::AllThreads) == 0)
    return fail(ERROR_NOT_FOUND, "CancelIoEx: no such operation is in flight on this queue.");
  return TRUE;
}
