/* SPDX-License-Identifier: MIT */
/* NTSTATUS and what is asked of it. */
#ifndef HTTPSYS_WINTERNL_H
#define HTTPSYS_WINTERNL_H

#include "windef.h"

#ifndef NT_SUCCESS
#define NT_SUCCESS(status) (((NTSTATUS)(status)) >= 0)
#endif
#define NT_INFORMATION(status) ((((ULONG)(status)) >> 30) == 1u)
#define NT_WARNING(status) ((((ULONG)(status)) >> 30) == 2u)
#define NT_ERROR(status) ((((ULONG)(status)) >> 30) == 3u)

#endif
