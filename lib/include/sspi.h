/* SPDX-License-Identifier: MIT */
/* The two types of Windows' security interface that the HTTP Server API hands out. */
#ifndef HTTPSYS_SSPI_H
#define HTTPSYS_SSPI_H

#include "windef.h"

typedef LONG SECURITY_STATUS;
#define SEC_ENTRY

#ifndef SEC_E_OK
#define SEC_E_OK ((SECURITY_STATUS)0)
#endif

/* What ChannelToken of HTTP_REQUEST_CHANNEL_BIND_STATUS points to: this header, then the application's data (sspi:
 * SEC_CHANNEL_BINDINGS). Lengths and offsets in bytes, offsets from the header's start. */
typedef struct _SEC_CHANNEL_BINDINGS {
  ULONG dwInitiatorAddrType;
  ULONG cbInitiatorLength;
  ULONG dwInitiatorOffset;
  ULONG dwAcceptorAddrType;
  ULONG cbAcceptorLength;
  ULONG dwAcceptorOffset;
  ULONG cbApplicationDataLength;
  ULONG dwApplicationDataOffset;
} SEC_CHANNEL_BINDINGS, *PSEC_CHANNEL_BINDINGS;
HTTPSYS_STATIC_ASSERT(sizeof(SEC_CHANNEL_BINDINGS) == 32);

#endif
