/* SPDX-License-Identifier: MIT */
/* The native layout that a request image becomes in the caller's buffer, and its exact size, which the API reports.
 * Daemon and library compile the same calculation. Order: HTTP_REQUEST_V1 or _V2, HTTP_REQUEST_INFO and HTTP_SSL_PROTOCOL_INFO (V2
 * on TLS only), unknown header array, HTTP_SSL_INFO, HTTP_SSL_CLIENT_CERT_INFO, remote and local SOCKADDR, HTTP_DATA_CHUNK (only with
 * body bytes), cooked URL (UTF-16), byte strings, certificate, body bytes. Everything before the cooked URL is 8-aligned. */
#ifndef HTTPSYS_UAPI_LAYOUT_H
#define HTTPSYS_UAPI_LAYOUT_H

#include "uapi/request.h"

/* Sizes of Windows' x86_64 structures (abi-x86_64-windows.csv). */
#define HSYS_NATIVE_REQUEST_V1 848u
#define HSYS_NATIVE_REQUEST_V2 864u
#define HSYS_NATIVE_UNKNOWN_HEADER 24u
#define HSYS_NATIVE_SSL_INFO 48u
#define HSYS_NATIVE_CLIENT_CERT_INFO 32u
#define HSYS_NATIVE_CHANNEL_BIND_STATUS 24u
#define HSYS_NATIVE_DATA_CHUNK 32u
#define HSYS_NATIVE_REQUEST_INFO 16u
#define HSYS_NATIVE_SSL_PROTOCOL_INFO 32u /* HTTP_SSL_PROTOCOL_INFO is 28 bytes */

/* Bytes that a V1 image does not have: the longer structure and, on TLS, HTTP_SSL_PROTOCOL_INFO as a request info record. */
static inline uint32_t hsys_native_version_2_bytes(uint32_t request_flags)
{
  uint32_t tls_bytes = request_flags & HSYS_REQUEST_TLS ? HSYS_NATIVE_REQUEST_INFO + HSYS_NATIVE_SSL_PROTOCOL_INFO : 0u;
  return HSYS_NATIVE_REQUEST_V2 - HSYS_NATIVE_REQUEST_V1 + tls_bytes;
}

/* SOCKADDR_IN is 16 bytes, SOCKADDR_IN6 28, which takes 32 here. */
static inline uint32_t hsys_native_address_size(const struct hsys_address *address)
{
  return address->family == 2 ? 16u : address->family == 10 ? 32u : 0u;
}

static inline uint32_t hsys_native_text_size(struct hsys_text text, uint32_t terminator)
{
  return text.offset ? text.length + terminator : 0u;
}

/* Exact bytes of the native image without a data chunk. headers: the image's unknown headers, image->unknown_count of them. */
static inline uint32_t hsys_native_request_size(const struct hsys_request *image, const struct hsys_request_header *headers, int version_1)
{
  uint32_t i, size = HSYS_NATIVE_REQUEST_V1 + (version_1 ? 0u : hsys_native_version_2_bytes(image->flags));
  size += image->unknown_count * HSYS_NATIVE_UNKNOWN_HEADER;
  if (image->flags & HSYS_REQUEST_TLS)
    size += HSYS_NATIVE_SSL_INFO;
  if (image->flags & HSYS_REQUEST_CLIENT_CERTIFICATE)
    size += HSYS_NATIVE_CLIENT_CERT_INFO + image->client_certificate.length;
  size += hsys_native_address_size(&image->remote) + hsys_native_address_size(&image->local);
  size += hsys_native_text_size(image->url, 2) + hsys_native_text_size(image->unknown_verb, 1) + hsys_native_text_size(image->raw_url, 1);
  for (i = 0; i < HSYS_REQUEST_HEADERS_KNOWN; i++)
    size += hsys_native_text_size(image->known[i], 1);
  for (i = 0; i < image->unknown_count; i++)
    size += hsys_native_text_size(headers[i].name, 1) + hsys_native_text_size(headers[i].value, 1);
  if (image->flags & HSYS_REQUEST_TLS)
    size += hsys_native_text_size(image->server_issuer, 1) + hsys_native_text_size(image->server_subject, 1);
  return size;
}

/* Body bytes that a receive with HSYS_RECEIVE_COPY_BODY delivers into a buffer of out_length bytes when `available`
 * have come: they fill the buffer. */
static inline uint32_t hsys_native_body_room(uint32_t native_size, uint32_t out_length, uint32_t available)
{
  uint32_t room;
  if (out_length <= native_size || out_length - native_size <= HSYS_NATIVE_DATA_CHUNK)
    return 0;
  room = out_length - native_size - HSYS_NATIVE_DATA_CHUNK;
  return available < room ? available : room;
}

#endif
