// SPDX-License-Identifier: GPL-3.0-or-later
// Seals and opens session tickets (RFC 5077 4, RFC 8446 4.6.1): AES-256-GCM under a random key of the process, shared by all cores. It is
// replaced after limits::kTicketKeySeconds and forgotten after twice that time (RFC 9325 3.4): whoever gets hold of one must not be able to
// read what was recorded before. A ticket is bound to what opened it by the additional data: binding identity and server certificate
// (TlsContext::ticket_binding()).
#pragma once
#include <cstdint>
#include <span>

struct WOLFSSL;

namespace httpsys::tls {

// wolfSSL's SessionTicketEncCb; argument is the TlsContext. Bindings that ask for a certificate in the handshake neither give nor take
// tickets: a resumed session has no client certificate and nobody would notice.
int ticket_callback(WOLFSSL *session, unsigned char *name, unsigned char *iv, unsigned char *mac, int encrypt, unsigned char *ticket,
                    int ticket_size, int *out_size, void *argument);

}
