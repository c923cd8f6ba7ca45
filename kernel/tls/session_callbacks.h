// SPDX-License-Identifier: GPL-3.0-or-later
// The callbacks that a TlsContext gives to wolfSSL for the connections made from it. Inside kernel/tls only; they run inside a library call
// of the TlsStream that owns the session, on its core.
#pragma once
#include "kernel/tls/wolfssl_library.h"

namespace httpsys::tls {

// The session's IO contexts and certificate callback context are the TlsStream (tls_stream.cpp).
int stream_receive_callback(WOLFSSL *session, char *buffer, int size, void *stream);
int stream_send_callback(WOLFSSL *session, char *buffer, int size, void *stream);
// Runs for every ClientHello, with or without server name, before any key is computed.
int stream_hello_callback(WOLFSSL *session, int *alert, void *argument);
int stream_verify_callback(int preverified, WOLFSSL_X509_STORE_CTX *store);

}
