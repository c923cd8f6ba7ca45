/* SPDX-License-Identifier: MIT */
/* Windows' names for the system's own socket types: nothing is converted, AF_INET6 is Linux' 10, functions are those of the C
 * library (close, not closesocket; errno, not WSAGetLastError). */
#ifndef HTTPSYS_WINSOCK2_H
#define HTTPSYS_WINSOCK2_H

#include "windef.h"
#include "winerror.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* As wide as on Windows. Compare with INVALID_SOCKET, never with < 0. */
typedef UINT_PTR SOCKET;
#define INVALID_SOCKET ((SOCKET)~(SOCKET)0)
#define SOCKET_ERROR (-1)

typedef USHORT ADDRESS_FAMILY;
typedef struct sockaddr SOCKADDR, *PSOCKADDR, *LPSOCKADDR;
typedef struct sockaddr_in SOCKADDR_IN, *PSOCKADDR_IN, *LPSOCKADDR_IN;
typedef struct sockaddr_in6 SOCKADDR_IN6, *PSOCKADDR_IN6, *LPSOCKADDR_IN6;
typedef struct sockaddr_storage SOCKADDR_STORAGE, *PSOCKADDR_STORAGE, *LPSOCKADDR_STORAGE;
typedef struct in_addr IN_ADDR, *PIN_ADDR, *LPIN_ADDR;
typedef struct in6_addr IN6_ADDR, *PIN6_ADDR, *LPIN6_ADDR;

#define SD_RECEIVE SHUT_RD
#define SD_SEND SHUT_WR
#define SD_BOTH SHUT_RDWR

#endif
