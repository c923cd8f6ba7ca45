/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HTTPSYS_WOLFSSL_H
#define HTTPSYS_WOLFSSL_H
#include <wolfssl/ssl.h>
#ifdef __cplusplus
extern "C" {
#endif
/* Where private keys are kept: what a context has of one (DYNAMIC_TYPE_KEY), and the parsed key while a handshake signs with it, which
 * route_keys.py gives the same type. Set once, before any other use of the library; without it they are on the heap. */
typedef struct httpsys_key_memory {
    const char *begin, *end;
    void *(*allocate)(size_t size);   /* NULL: there is no more, and what needs the key fails */
    void (*release)(void *memory);
    size_t (*usable)(const void *memory);
} httpsys_key_memory;
void httpsys_wolfssl_set_key_memory(const httpsys_key_memory *memory);
/* Before a TLS 1.2 renegotiation: its server flight must not repeat the first handshake's answers to ALPN and status_request. */
void httpsys_wolfssl_forget_hello_answers(WOLFSSL *ssl);
/* Ask for a client's certificate, prove the possession of its key, and leave the judgement of the list to the callback's caller: the
 * certificate manager that all connections share neither checks nor learns anything (wolfSSL adds the CAs of a list to it for which the
 * verify callback said "go on"). The callback gets the whole list. */
void httpsys_wolfssl_ask_without_judging(WOLFSSL *ssl, VerifyCallback callback);
/* Before every request for a certificate after the handshake: an earlier CertificateVerify must not vouch for a later Certificate. */
void httpsys_wolfssl_forget_peer_certificate(WOLFSSL *ssl);
/* Whether the peer has proved possession of the key of the certificate that it sent last. */
int httpsys_wolfssl_certificate_verified(const WOLFSSL *ssl);
/* Before the first ticket of a resumed TLS 1.3 connection: wolfSSL goes on counting from the old ticket and fails at 255. */
void httpsys_wolfssl_restart_ticket_nonce(WOLFSSL *ssl);
/* Before every TLS 1.3 request for a certificate: the first call saves the handshake's transcript, later ones restore it, because
 * RFC 8446 4.4 counts no earlier request. *saved starts as NULL; free it before the object. */
int httpsys_wolfssl_rewind_transcript(WOLFSSL *ssl, void **saved);
void httpsys_wolfssl_free_transcript(WOLFSSL *ssl, void **saved);
/* wolfSSL_request_certificate with a request context that is new on this connection: number counts the requests from 0. */
int httpsys_wolfssl_request_certificate(WOLFSSL *ssl, int number);
/* While a TLS 1.3 request for a certificate is open: 1 before the record of a KeyUpdate, 0 after it. */
void httpsys_wolfssl_allow_key_update(WOLFSSL *ssl, int on);
/* Sends an alert under the keys in force, unless a fatal one has gone out already. */
void httpsys_wolfssl_alert(WOLFSSL *ssl, int fatal, int code);
/* Decrypts a whole TLS 1.3 record on the side and leaves the connection as it was: -1 no read keys yet, 0 not for these keys, else
 * the inner content type; *first is the first byte of the content, or -1. */
int httpsys_wolfssl_peek(WOLFSSL *ssl, const unsigned char *record, int size, int *first);
/* Whether a part of a handshake message has come and the rest has not. */
int httpsys_wolfssl_message_pending(const WOLFSSL *ssl);
/* Counts a TLS 1.2 record that is thrown away unread. */
void httpsys_wolfssl_skip_record(WOLFSSL *ssl);
/* 0 when the names of a certificate are within the name constraints of the manager's only CA, which need not be its issuer: wolfSSL looks
 * at those of the issuer alone, and RFC 5280 6.1.4 (g) binds everything below. Nor does wolfSSL know that "CN=Alice" is no host's name,
 * which a constraint on DNS names would bind. Else wolfSSL's code, -198 when they are not. */
int httpsys_wolfssl_check_names(WOLFSSL_CERT_MANAGER *manager, const unsigned char *certificate, int size);
#ifdef __cplusplus
}
#endif
#endif
