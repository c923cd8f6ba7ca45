/* SPDX-License-Identifier: MIT */
/* The constants that Windows keeps in winnt.h. */
#ifndef HTTPSYS_WINNT_H
#define HTTPSYS_WINNT_H

#include "windef.h"

#define MAXIMUM_WAIT_OBJECTS 64

/* A source that includes ntstatus.h defines WIN32_NO_STATUS first, so that these have one definition. */
#ifndef WIN32_NO_STATUS
#ifndef STATUS_WAIT_0
#define STATUS_WAIT_0 ((DWORD)0x00000000u)
#endif
#ifndef STATUS_ABANDONED_WAIT_0
#define STATUS_ABANDONED_WAIT_0 ((DWORD)0x00000080u)
#endif
#ifndef STATUS_USER_APC
#define STATUS_USER_APC ((DWORD)0x000000C0u)
#endif
#ifndef STATUS_TIMEOUT
#define STATUS_TIMEOUT ((DWORD)0x00000102u)
#endif
#ifndef STATUS_PENDING
#define STATUS_PENDING ((DWORD)0x00000103u)
#endif
#ifndef STATUS_INVALID_HANDLE
#define STATUS_INVALID_HANDLE ((DWORD)0xC0000008u)
#endif
#ifndef STATUS_INVALID_PARAMETER
#define STATUS_INVALID_PARAMETER ((DWORD)0xC000000Du)
#endif
#endif

#endif
