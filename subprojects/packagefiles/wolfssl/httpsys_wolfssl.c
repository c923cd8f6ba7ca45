/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/internal.h>
#include "httpsys_wolfssl.h"

static httpsys_key_memory keys;

void httpsys_wolfssl_set_key_memory(const httpsys_key_memory *memory)
{
    keys = *memory;
}

/* Without the setting the range is empty. */
static int is_key(const void *memory)
{
    return (const char *)memory >= keys.begin && (const char *)memory < keys.end;
}

void *httpsys_wolfssl_malloc(size_t size, int type)
{
    return type == DYNAMIC_TYPE_KEY && keys.allocate != NULL ? keys.allocate(size) : malloc(size);
}

void httpsys_wolfssl_free(void *memory)
{
    if (is_key(memory))
        keys.release(memory);
    else
        free(memory);
}

void *httpsys_wolfssl_realloc(void *memory, size_t size, int type)
{
    void *larger;
    if (memory == NULL)
        return httpsys_wolfssl_malloc(size, type);
    if (!is_key(memory))
        return realloc(memory, size);
    if (size <= keys.usable(memory))
        return memory;
    if ((larger = keys.allocate(size)) != NULL) {
        memcpy(larger, memory, keys.usable(memory));
        keys.release(memory);
    }
    return larger;
}

void httpsys_wolfssl_forget_hello_answers(WOLFSSL *ssl)
{
    TLSX_Remove(&ssl->extensions, TLSX_APPLICATION_LAYER_PROTOCOL, ssl->heap);
    TLSX_Remove(&ssl->extensions, TLSX_STATUS_REQUEST, ssl->heap);
    ssl->status_request = 0;
}

void httpsys_wolfssl_ask_without_judging(WOLFSSL *ssl, VerifyCallback callback)
{
    wolfSSL_set_verify(ssl, WOLFSSL_VERIFY_PEER, callback);
    ssl->options.verifyNone = 1;
}

void httpsys_wolfssl_forget_peer_certificate(WOLFSSL *ssl)
{
    ssl->options.havePeerCert = 0;
    ssl->options.havePeerVerify = 0;
    ssl->options.cacheMessages = 1;   /* an Ed25519 CertificateVerify of TLS 1.2 needs the transcript itself */
}

int httpsys_wolfssl_certificate_verified(const WOLFSSL *ssl)
{
    return ssl->options.havePeerCert && ssl->options.havePeerVerify;
}

void httpsys_wolfssl_restart_ticket_nonce(WOLFSSL *ssl)
{
    ssl->session->ticketNonce.len = 0;
}

int httpsys_wolfssl_rewind_transcript(WOLFSSL *ssl, void **saved)
{
    HS_Hashes *copy = *saved;
    int ret;
    if (copy == NULL) {
        ret = InitHandshakeHashesAndCopy(ssl, ssl->hsHashes, &copy);
        *saved = copy;
        return ret;
    }
    FreeHandshakeHashes(ssl);
    return InitHandshakeHashesAndCopy(ssl, copy, &ssl->hsHashes);
}

void httpsys_wolfssl_free_transcript(WOLFSSL *ssl, void **saved)
{
    HS_Hashes *own = ssl->hsHashes;
    ssl->hsHashes = *saved;
    FreeHandshakeHashes(ssl);
    ssl->hsHashes = own;
    *saved = NULL;
}

int httpsys_wolfssl_request_certificate(WOLFSSL *ssl, int number)
{
    CertReqCtx earlier;
    int lend = number > 0 && ssl->certReqCtx == NULL, ret;
    if (lend) {   /* wolfSSL counts on from the newest open request: there is none, so show it the last one of ours */
        XMEMSET(&earlier, 0, sizeof(earlier));
        earlier.len = 1;
        earlier.ctx = (byte)(number - 1);
        ssl->certReqCtx = &earlier;
    }
    ret = wolfSSL_request_certificate(ssl);
    if (lend && ssl->certReqCtx == &earlier)
        ssl->certReqCtx = NULL;
    else if (lend)
        ssl->certReqCtx->next = NULL;
    return ret;
}

void httpsys_wolfssl_allow_key_update(WOLFSSL *ssl, int on)
{
    ssl->msgsReceived.got_finished = on ? 1 : 0;
}

void httpsys_wolfssl_alert(WOLFSSL *ssl, int fatal, int code)
{
    if (ssl->alert_history.last_tx.level != alert_fatal)
        SendAlert(ssl, fatal ? alert_fatal : alert_warning, code);
}

int httpsys_wolfssl_peek(WOLFSSL *ssl, const unsigned char *record, int size, int *first)
{
    word32 hi = ssl->keys.peer_sequence_number_hi, lo = ssl->keys.peer_sequence_number_lo;
    int n = size - RECORD_HEADER_SZ, type = 0;
    byte *plain;
    if (!ssl->options.tls1_3 || !IsEncryptionOn(ssl, 0))
        return -1;
    if (n <= ssl->specs.aead_mac_size || n > MAX_TLS13_ENC_SZ)
        return 0;
    if ((plain = (byte *)XMALLOC((size_t)n, ssl->heap, DYNAMIC_TYPE_TMP_BUFFER)) == NULL)
        return 0;
    if (DecryptTls13(ssl, plain, record + RECORD_HEADER_SZ, (word16)n, record, RECORD_HEADER_SZ) == 0) {
        for (n -= ssl->specs.aead_mac_size; n > 0 && plain[n - 1] == 0; n--) {}
        type = n > 0 ? plain[n - 1] : 0;
        *first = n > 1 ? plain[0] : -1;
        wc_ForceZero(plain, (size_t)(n > 0 ? n : 0));
    }
    ssl->keys.peer_sequence_number_hi = hi;
    ssl->keys.peer_sequence_number_lo = lo;
    XFREE(plain, ssl->heap, DYNAMIC_TYPE_TMP_BUFFER);
    return type;
}

int httpsys_wolfssl_message_pending(const WOLFSSL *ssl)
{
    return ssl->arrays != NULL && ssl->arrays->pendingMsgSz != 0;
}

/* As OpenSSL has it: a dot in it, and nothing that host names have not. */
static int looks_like_host(const char *name, int size)
{
    int i, dots = 0;
    for (i = 0; i < size; i++) {
        char c = name[i];
        if (c == '.')
            dots++;
        else if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return 0;
    }
    return dots > 0;
}

/* Moves the constraints on DNS names from one list to the front of another. */
static void move_dns_names(Base_entry **from, Base_entry **to)
{
    while (*from != NULL) {
        Base_entry *entry = *from;
        if (entry->type != ASN_DNS_TYPE) {
            from = &entry->next;
            continue;
        }
        *from = entry->next;
        entry->next = *to;
        *to = entry;
    }
}

int httpsys_wolfssl_check_names(WOLFSSL_CERT_MANAGER *manager, const unsigned char *certificate, int size)
{
    DecodedCert cert;
    Signer *signer = NULL;
    Base_entry *permitted = NULL, *excluded = NULL;
    int row = 0, i, ret;
    for (i = 0; i < CA_TABLE_SIZE; i++) {
        if (manager->caTable[i] != NULL && (signer != NULL || manager->caTable[i]->next != NULL))
            return BAD_FUNC_ARG;
        if (manager->caTable[i] != NULL) {
            signer = manager->caTable[i];
            row = i;
        }
    }
    if (signer == NULL)
        return BAD_FUNC_ARG;
    InitDecodedCert(&cert, certificate, (word32)size, NULL);
    ret = ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL);
    if (ret == 0) {   /* the CA takes the place of the issuer, in whichever row the library looks for that */
        XMEMCPY(signer->subjectNameHash, cert.issuerHash, sizeof(signer->subjectNameHash));
        if (cert.extAuthKeyIdSet)
            XMEMCPY(signer->subjectKeyIdHash, cert.extAuthKeyId, sizeof(signer->subjectKeyIdHash));
        for (i = 0; i < CA_TABLE_SIZE; i++)
            manager->caTable[i] = signer;
        if (cert.altNames == NULL && !looks_like_host(cert.subjectCN, cert.subjectCNLen)) {
            move_dns_names(&signer->permittedNames, &permitted);
            move_dns_names(&signer->excludedNames, &excluded);
        }
    }
    FreeDecodedCert(&cert);
    if (ret == 0) {
        InitDecodedCert(&cert, certificate, (word32)size, NULL);
        ret = ParseCert(&cert, CERT_TYPE, VERIFY_NAME, manager);
        FreeDecodedCert(&cert);
    }
    for (i = 0; i < CA_TABLE_SIZE; i++)
        manager->caTable[i] = i == row ? signer : NULL;
    move_dns_names(&permitted, &signer->permittedNames);
    move_dns_names(&excluded, &signer->excludedNames);
    return ret;
}

void httpsys_wolfssl_skip_record(WOLFSSL *ssl)
{
    if (++ssl->keys.peer_sequence_number_lo == 0)
        ssl->keys.peer_sequence_number_hi++;
}
