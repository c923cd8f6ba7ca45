/* SPDX-License-Identifier: MIT */
/* Handles, last errors, events, waits, overlapped I/O and completion ports: the functions of libhttpapi that are not the HTTP Server
 * API's own. They know the handles that this library made: events, completion ports, request queues, files of
 * httpsys_file_from_fd(). Every other value fails with ERROR_INVALID_HANDLE. Any thread may call any of them.
 *
 * The library has no thread of its own: overlapped operations complete while some thread of the program is in a call or a wait of
 * this library, or calls httpsys_dispatch() (httpsys.h). */
#ifndef HTTPSYS_WINBASE_H
#define HTTPSYS_WINBASE_H

#include "windef.h"
#include "winerror.h"
#include "winnt.h"

#ifdef __cplusplus
extern "C" {
#endif

#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)

#define INFINITE 0xFFFFFFFFu
#define WAIT_OBJECT_0 0
#define WAIT_ABANDONED 0x80
#define WAIT_ABANDONED_0 0x80
#define WAIT_IO_COMPLETION 0xC0
#define WAIT_FAILED ((DWORD)0xFFFFFFFFu)
#define STILL_ACTIVE 259

/* Modes of SetFileCompletionNotificationModes. */
#define FILE_SKIP_COMPLETION_PORT_ON_SUCCESS 0x1
#define FILE_SKIP_SET_EVENT_ON_HANDLE 0x2

/* lpSecurityDescriptor must be NULL: a descriptor is ERROR_NOT_SUPPORTED. bInheritHandle means nothing, handles are of one process. */
typedef struct _SECURITY_ATTRIBUTES {
  DWORD nLength;
  LPVOID lpSecurityDescriptor;
  BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

/* One operation. Of what the caller sets only hEvent is read: an event that is set at completion, or NULL; its lowest bit set keeps
 * the operation's packet off the completion port. Internal is the NTSTATUS (STATUS_PENDING until completion), InternalHigh the
 * number of bytes. */
typedef struct _OVERLAPPED {
  ULONG_PTR Internal;
  ULONG_PTR InternalHigh;
  HTTPSYS_NAMELESS union {
    HTTPSYS_NAMELESS struct {
      DWORD Offset;
      DWORD OffsetHigh;
    } DUMMYSTRUCTNAME;
    PVOID Pointer;
  } DUMMYUNIONNAME;
  HANDLE hEvent;
} OVERLAPPED, *LPOVERLAPPED;

/* One packet of a completion port. Internal is the operation's NTSTATUS. */
typedef struct _OVERLAPPED_ENTRY {
  ULONG_PTR lpCompletionKey;
  LPOVERLAPPED lpOverlapped;
  ULONG_PTR Internal;
  DWORD dwNumberOfBytesTransferred;
} OVERLAPPED_ENTRY, *LPOVERLAPPED_ENTRY;

/* Each thread's own. A function that succeeds may leave it as it was. */
WINBASEAPI DWORD WINAPI GetLastError(void);
WINBASEAPI void WINAPI SetLastError(DWORD code);

/* Any handle of this library. Threads that wait on an event or a port when its handle is closed: those of a port return
 * ERROR_ABANDONED_WAIT_0; those of an event go on waiting, and end by their time-out alone. */
WINBASEAPI BOOL WINAPI CloseHandle(HANDLE object);

/* Events without a name: a name that is not NULL fails with ERROR_NOT_SUPPORTED, attributes may only say how long they are. */
WINBASEAPI HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES attributes, BOOL manual_reset, BOOL initial_state, LPCSTR name);
WINBASEAPI HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES attributes, BOOL manual_reset, BOOL initial_state, LPCWSTR name);
#define CreateEvent CreateEventW /* as TCHAR is wide */
WINBASEAPI BOOL WINAPI SetEvent(HANDLE event);
WINBASEAPI BOOL WINAPI ResetEvent(HANDLE event);

/* Times in milliseconds; INFINITE. Events, and request queues: a queue's handle is signalled whenever an operation without an event
 * of its own completes, and reset when one starts. Results are Windows': WAIT_OBJECT_0 + index, WAIT_TIMEOUT, WAIT_FAILED. */
WINBASEAPI DWORD WINAPI WaitForSingleObject(HANDLE object, DWORD milliseconds);
WINBASEAPI DWORD WINAPI WaitForMultipleObjects(DWORD count, const HANDLE *objects, BOOL wait_all, DWORD milliseconds);
WINBASEAPI void WINAPI Sleep(DWORD milliseconds);
WINBASEAPI ULONGLONG WINAPI GetTickCount64(void);

/* The result of an operation on a queue. FALSE with ERROR_IO_INCOMPLETE when it is pending and the caller does not wait; with the
 * operation's error otherwise. Ex waits for the given time (0: ERROR_IO_INCOMPLETE, else WAIT_TIMEOUT when it passes); there are no
 * alertable waits, so that alertable changes nothing. */
WINBASEAPI BOOL WINAPI GetOverlappedResult(HANDLE file, LPOVERLAPPED overlapped, LPDWORD bytes, BOOL wait);
WINBASEAPI BOOL WINAPI GetOverlappedResultEx(HANDLE file, LPOVERLAPPED overlapped, LPDWORD bytes, DWORD milliseconds,
  BOOL alertable);

/* A function, where Windows has a macro that reads Internal: it takes in what has completed first. */
WINBASEAPI BOOL WINAPI httpsys_has_overlapped_io_completed(const OVERLAPPED *overlapped);
#define HasOverlappedIoCompleted(overlapped) httpsys_has_overlapped_io_completed(overlapped)

/* Cancel operations on a queue: those that this thread began (TRUE even when there is none); one, or all (NULL) of this process
 * (ERROR_NOT_FOUND when there is none). A cancelled operation completes as ever, with ERROR_OPERATION_ABORTED if it was in time. */
WINBASEAPI BOOL WINAPI CancelIo(HANDLE file);
WINBASEAPI BOOL WINAPI CancelIoEx(HANDLE file, LPOVERLAPPED overlapped);

/* Makes a port (file INVALID_HANDLE_VALUE), adds a queue to one, or both. threads is accepted and means nothing: every thread that
 * waits gets a packet when there is one. */
WINBASEAPI HANDLE WINAPI CreateIoCompletionPort(HANDLE file, HANDLE port, ULONG_PTR key, DWORD threads);
WINBASEAPI BOOL WINAPI GetQueuedCompletionStatus(HANDLE port, LPDWORD bytes, ULONG_PTR *key, LPOVERLAPPED *overlapped,
  DWORD milliseconds);
WINBASEAPI BOOL WINAPI GetQueuedCompletionStatusEx(HANDLE port, LPOVERLAPPED_ENTRY entries, ULONG count, PULONG removed,
  DWORD milliseconds, BOOL alertable);
WINBASEAPI BOOL WINAPI PostQueuedCompletionStatus(HANDLE port, DWORD bytes, ULONG_PTR key, LPOVERLAPPED overlapped);
WINBASEAPI BOOL WINAPI SetFileCompletionNotificationModes(HANDLE file, UCHAR modes);

#ifdef __cplusplus
}
#endif

#endif
