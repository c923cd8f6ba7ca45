/* SPDX-License-Identifier: MIT */
/* As much of Windows' API as programs that use the HTTP Server API need around it: types, error codes, handles, events, waits,
 * overlapped I/O and completion ports. Everything that is declared here is in libhttpapi; there is no more of Win32 than this. */
#ifndef HTTPSYS_WINDOWS_H
#define HTTPSYS_WINDOWS_H

#include "windef.h"
#include "winnt.h"
#include "winerror.h"
#include "winbase.h"

#include <string.h>

#ifndef RtlZeroMemory
#define RtlZeroMemory(destination, bytes) memset((destination), 0, (bytes))
#define RtlFillMemory(destination, bytes, value) memset((destination), (value), (bytes))
#define RtlCopyMemory(destination, source, bytes) memcpy((destination), (source), (bytes))
#define RtlMoveMemory(destination, source, bytes) memmove((destination), (source), (bytes))
#define ZeroMemory RtlZeroMemory
#define FillMemory RtlFillMemory
#define CopyMemory RtlCopyMemory
#define MoveMemory RtlMoveMemory
#endif

/* Windows leaves its first socket header out of a lean windows.h; winsock2.h is ours for both. */
#ifndef WIN32_LEAN_AND_MEAN
#include "winsock2.h"
#endif

#endif
