/* SPDX-License-Identifier: MIT */
/* What a completed RECEIVE_REQUEST or RECEIVE_CERTIFICATE puts into its block. Offsets count from the image's first
 * byte; every string is followed by a NUL of its width, which its length does not count. */
#ifndef HTTPSYS_UAPI_REQUEST_H
#define HTTPSYS_UAPI_REQUEST_H

#include "uapi/abi.h"

/* Known headers of a request: HTTP_HEADER_ID 0 to 40. */
#define HSYS_REQUEST_HEADERS_KNOWN 41u

struct hsys_text {
  uint32_t offset, length; /* length in bytes; offset 0 = not there */
};
HSYS_ASSERT_SIZE(hsys_text, 8);

struct hsys_address {
  uint16_t family; /* 2 = IPv4, 10 = IPv6 (Linux's numbers), 0 = none */
  uint16_t port;   /* host order */
  uint8_t bytes[16];
  uint32_t reserved0;
};
HSYS_ASSERT_SIZE(hsys_address, 24);

struct hsys_request_header {
  struct hsys_text name; /* as received; absent for known ids */
  struct hsys_text value;
};
HSYS_ASSERT_SIZE(hsys_request_header, 16);

/* hsys_request.flags */
#define HSYS_REQUEST_MORE_BODY 1u /* = HTTP_REQUEST_FLAG_MORE_ENTITY_BODY_EXISTS */
#define HSYS_REQUEST_IP_ROUTED 2u /* = HTTP_REQUEST_FLAG_IP_ROUTED */
#define HSYS_REQUEST_TLS 0x10000u /* the ssl members are valid */
#define HSYS_REQUEST_CLIENT_CERTIFICATE 0x20000u

struct hsys_request {
  uint32_t size;    /* of the whole image */
  uint32_t version; /* 1 */
  uint64_t connection_id, request_id, url_context, raw_connection_id;
  uint64_t bytes_received; /* head and body bytes seen so far */
  uint32_t flags;
  uint32_t verb; /* HTTP_VERB */
  uint16_t version_major, version_minor;
  uint32_t native_size; /* exact bytes of the native HTTP_REQUEST image without body bytes (layout.h) */
  struct hsys_text unknown_verb, raw_url;
  struct hsys_text url;                      /* cooked URL, UTF-16 */
  uint32_t host_offset, host_length;         /* bytes within url; host_length includes the port */
  uint32_t path_offset, path_length;
  uint32_t query_offset, query_length;       /* 0, 0 without a query */
  struct hsys_address remote, local;
  struct hsys_text known[HSYS_REQUEST_HEADERS_KNOWN]; /* offset 0 = header absent; a present empty one has length 0 */
  uint32_t unknown_count, unknown_offset;             /* struct hsys_request_header[], 8-aligned */
  struct hsys_text body;                              /* bytes that came with the head, when asked for */
  uint32_t server_key_bits, connection_key_bits;
  struct hsys_text server_issuer, server_subject;
  struct hsys_text client_certificate; /* leaf, DER */
  uint32_t client_certificate_flags;   /* CertFlags */
  uint16_t tls_version;                /* 0x0303 or 0x0304 on TLS connections: HTTP_SSL_PROTOCOL_INFO (V2 only) */
  uint16_t tls_cipher_suite;           /* IANA's number */
};
HSYS_ASSERT_SIZE(hsys_request, 544);
HSYS_ASSERT_OFFSET(hsys_request, tls_version, 540);
HSYS_ASSERT_OFFSET(hsys_request, tls_cipher_suite, 542);
HSYS_ASSERT_OFFSET(hsys_request, connection_id, 8);
HSYS_ASSERT_OFFSET(hsys_request, bytes_received, 40);
HSYS_ASSERT_OFFSET(hsys_request, flags, 48);
HSYS_ASSERT_OFFSET(hsys_request, native_size, 60);
HSYS_ASSERT_OFFSET(hsys_request, unknown_verb, 64);
HSYS_ASSERT_OFFSET(hsys_request, url, 80);
HSYS_ASSERT_OFFSET(hsys_request, host_offset, 88);
HSYS_ASSERT_OFFSET(hsys_request, query_offset, 104);
HSYS_ASSERT_OFFSET(hsys_request, remote, 112);
HSYS_ASSERT_OFFSET(hsys_request, local, 136);
HSYS_ASSERT_OFFSET(hsys_request, known, 160);
HSYS_ASSERT_OFFSET(hsys_request, unknown_count, 488);
HSYS_ASSERT_OFFSET(hsys_request, body, 496);
HSYS_ASSERT_OFFSET(hsys_request, server_key_bits, 504);
HSYS_ASSERT_OFFSET(hsys_request, server_issuer, 512);
HSYS_ASSERT_OFFSET(hsys_request, client_certificate, 528);
HSYS_ASSERT_OFFSET(hsys_request, client_certificate_flags, 536);

/* RECEIVE_CERTIFICATE without HSYS_CERTIFICATE_CHANNEL_TOKEN; with it the block holds the token alone. */
struct hsys_certificate {
  uint32_t size;    /* of the whole image */
  uint32_t version; /* 1 */
  uint32_t cert_flags; /* CertFlags: 0 or one status value */
  uint32_t way;        /* hsys_certificate_way */
  struct hsys_text data; /* leaf, DER; with HSYS_CERTIFICATE_FULL_CHAIN followed by the issuers as sent */
};
HSYS_ASSERT_SIZE(hsys_certificate, 24);
HSYS_ASSERT_OFFSET(hsys_certificate, cert_flags, 8);
HSYS_ASSERT_OFFSET(hsys_certificate, way, 12);
HSYS_ASSERT_OFFSET(hsys_certificate, data, 16);

enum hsys_certificate_way {
  HSYS_CERTIFICATE_HANDSHAKE = 1,
  HSYS_CERTIFICATE_POST_HANDSHAKE = 2,
  HSYS_CERTIFICATE_RENEGOTIATION = 3
};

#endif
