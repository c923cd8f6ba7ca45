/* SPDX-License-Identifier: MIT */
/* What libhttpapi has beyond Windows' API, for programs on Linux.
 *
 * The library has no thread of its own. Operations complete while some thread of the program is inside a call of the library or waits
 * in one (a blocking call, GetOverlappedResult, GetQueuedCompletionStatus, WaitForSingleObject, ...), or when it calls
 * httpsys_dispatch(). A program that neither calls nor waits makes no progress: its requests stay where they are.
 *
 * A program with an event loop polls httpsys_completion_fd() for reading and calls httpsys_dispatch() when it is readable, and once
 * before it polls for the first time. */
#ifndef HTTPSYS_HTTPSYS_H
#define HTTPSYS_HTTPSYS_H

#include "windef.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A descriptor that is readable when operations have completed. -1 before HttpInitialize. It belongs to the library: poll it, neither
 * read nor close it, and ask for it again after an HttpInitialize. */
HTTPSYS_API int httpsys_completion_fd(void);

/* Takes in what has completed: OVERLAPPEDs, events, ports. Never blocks; arms the descriptor and looks again before it returns.
 * NO_ERROR, or the error of a session that is dead. */
HTTPSYS_API ULONG httpsys_dispatch(void);

/* Why this thread's last call of the library failed, one English sentence; "" when there is nothing to say. Of an Http* function, or of an
 * operation that one has begun, it is "HttpReceiveClientCertificate: why (ERROR_NOT_FOUND 1168)". Valid until the thread's next call of
 * the library. */
HTTPSYS_API const char *httpsys_last_error_text(void);

/* A handle to a file for HttpDataChunkFromFileHandle. The descriptor is duplicated: the caller keeps its own. Close it with
 * CloseHandle. NULL with ERROR_INVALID_HANDLE when fd is no open descriptor, ERROR_INVALID_PARAMETER when it is no regular file. */
HTTPSYS_API HANDLE httpsys_file_from_fd(int fd);

#ifdef __cplusplus
}
#endif

#endif
