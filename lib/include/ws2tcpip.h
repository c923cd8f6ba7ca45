/* SPDX-License-Identifier: MIT */
/* Addresses as text (inet_ntop, inet_pton) and names (getaddrinfo): the C library's own. */
#ifndef HTTPSYS_WS2TCPIP_H
#define HTTPSYS_WS2TCPIP_H

#include "winsock2.h"

#include <arpa/inet.h>
#include <netdb.h>

#endif
