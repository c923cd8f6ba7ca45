/* SPDX-License-Identifier: GPL-3.0-or-later */
// Options of the wolfSSL that httpsysd links; every translation unit that includes a wolfSSL header must see this file
// (the dependency's -DWOLFSSL_USER_SETTINGS does that), or structure sizes and prototypes differ.
#ifndef HTTPSYS_WOLFSSL_USER_SETTINGS_H
#define HTTPSYS_WOLFSSL_USER_SETTINGS_H

#ifndef __ASSEMBLER__
#include <sys/time.h> /* gettimeofday in src/tls13.c: clang takes no function that is not declared */
#endif

/* protocol */
#define WOLFSSL_TLS13
#define NO_OLD_TLS
#define HAVE_TLS_EXTENSIONS
#define HAVE_SUPPORTED_CURVES
#define HAVE_EXTENDED_MASTER
#define HAVE_ENCRYPT_THEN_MAC
#define HAVE_SNI
#define HAVE_ALPN
#define HAVE_SESSION_TICKET
#define SMALL_SESSION_CACHE
#define NO_SESSION_CACHE_REF
#define HAVE_SECURE_RENEGOTIATION
#define HAVE_SERVER_RENEGOTIATION_INFO
#define WOLFSSL_POST_HANDSHAKE_AUTH
#define HAVE_KEYING_MATERIAL
#define WOLFSSL_HAVE_TLS_UNIQUE
#define HAVE_CERTIFICATE_STATUS_REQUEST
#define HAVE_OCSP
#define HAVE_CRL
#define WOLFSSL_EXTRA_ALERTS
#define WOLFSSL_TLS13_MIDDLEBOX_COMPAT
#define WOLFSSL_NO_SERVER_GROUPS_EXT
#define MAX_HANDSHAKE_SZ 131400
#define MAX_CERTIFICATE_SZ 131400
#define MAX_PSK_ID_LEN 1024
#define WOLFSSL_MAX_SUITE_SZ 1024

/* certificates */
#define HAVE_GMTIME_R /* every core checks dates: gmtime()'s result would be all of theirs */
#define WOLFSSL_ALWAYS_VERIFY_CB
#define WOLFSSL_ALT_CERT_CHAINS
#define WOLFSSL_IP_ALT_NAME
#define WOLFSSL_ASN_TEMPLATE
#define WOLFSSL_PSS_LONG_SALT
#define WC_RSA_PSS
#define HAVE_EX_DATA

/* crypto */
#define HAVE_AESGCM
#define GCM_TABLE_4BIT
#define HAVE_CHACHA
#define HAVE_POLY1305
#define WOLFSSL_SHA224
#define WOLFSSL_SHA384
#define WOLFSSL_SHA512
#define WOLFSSL_SHA3
#define WOLFSSL_SHAKE128
#define WOLFSSL_SHAKE256
#define HAVE_HKDF
#define HAVE_HASHDRBG
#define HAVE_ECC
#define HAVE_ECC384
#define HAVE_ECC521
#define ECC_SHAMIR
#define ECC_MIN_KEY_SZ 224
#define HAVE_CURVE25519
#define HAVE_ED25519
#define WOLFSSL_HAVE_MLKEM
#define WOLFSSL_PQC_HYBRIDS
#define WOLFSSL_TLS_NO_MLKEM_STANDALONE
#define WOLFSSL_BASE64_ENCODE
#define NO_DH
#define NO_DSA
#define NO_RC4
#define NO_DES3
#define NO_DES3_TLS_SUITES
#define NO_MD4
#define NO_MD5
#define NO_PSK
#define TFM_TIMING_RESISTANT
#define ECC_TIMING_RESISTANT
#define WC_RSA_BLINDING

/* arithmetic */
#define WOLFSSL_SP_MATH_ALL
#define WOLFSSL_HAVE_SP_RSA
#define WOLFSSL_HAVE_SP_ECC
#define WOLFSSL_SP_LARGE_CODE
#define WOLFSSL_SP_4096
#define WOLFSSL_SP_384
#define WOLFSSL_SP_521
#define WOLFSSL_USE_ALIGN
#ifdef HTTPSYS_WOLFSSL_ASM
#define WOLFSSL_X86_64_BUILD
#define USE_INTEL_SPEEDUP
#define WOLFSSL_AESNI
#define WOLFSSL_SP_X86_64
#define WOLFSSL_SP_ASM
#define WOLFSSL_SP_X86_64_ASM
#endif

/* memory: what a private key is kept in is not the heap, see httpsys_wolfssl.h */
#ifndef __ASSEMBLER__
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
void *httpsys_wolfssl_malloc(size_t size, int type);
void *httpsys_wolfssl_realloc(void *memory, size_t size, int type);
void httpsys_wolfssl_free(void *memory);
#ifdef __cplusplus
}
#endif
#endif
#define XMALLOC_OVERRIDE
#define XMALLOC(s, h, t) ((void)(h), httpsys_wolfssl_malloc((size_t)(s), (t)))
#define XREALLOC(p, n, h, t) ((void)(h), httpsys_wolfssl_realloc((p), (size_t)(n), (t)))
#define XFREE(p, h, t) ((void)(h), (void)(t), httpsys_wolfssl_free((void *)(p)))

/* platform */
#define HAVE_GETRANDOM 1
#define WOLFSSL_HAVE_ATOMIC_H
#define HAVE_C___ATOMIC 1
#define HAVE___UINT128_T 1
#define HAVE_THREAD_LS
#define ERROR_QUEUE_PER_THREAD
#define HAVE_GETPID 1
#define NO_WOLFSSL_DIR
#define WOLFSSL_USER_IO
#define NO_CRYPT_TEST
#define NO_CRYPT_BENCHMARK
#ifndef NDEBUG
#define NDEBUG
#endif
#endif
