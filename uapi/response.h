/* SPDX-License-Identifier: MIT */
/* Parameter blocks of SEND_RESPONSE and SEND_BODY. Offsets count from the block's first byte. The daemon copies the
 * block whole, checks it, and uses the copy; only the bytes that extents name are read in place. */
#ifndef HTTPSYS_UAPI_RESPONSE_H
#define HTTPSYS_UAPI_RESPONSE_H

#include "uapi/abi.h"

#define HSYS_HEADER_UNKNOWN 0xffffu

/* flags of hsys_response and hsys_send_body */
#define HSYS_SEND_CONTINUES 1u /* a SEND_BODY with the rest of the same call's bytes follows: this operation ends no response */

/* Body bytes of a SEND_RESPONSE that the daemon takes at once, also when the client reads nothing; and of a SEND_BODY once one without
 * bytes (no extents, HSYS_SEND_CONTINUES) has completed, which it does when the connection takes some, while no other send of the request
 * is outstanding. How many it would take after the send that completes, some of these, is aux of each; where that is not 0, these are taken
 * even if there is less room by then. Larger operations may stand for minutes, and their extents with them: who answers many clients from
 * one arena keeps some of it for these. Only while a client is asked for its certificate (TLS 1.2) everything waits. */
#define HSYS_SEND_AT_ONCE 16384u

/* One header line, in the order in which it goes out within its kind. */
struct hsys_header {
  uint16_t id; /* HTTP_HEADER_ID of a response, or HSYS_HEADER_UNKNOWN */
  uint16_t name_length;  /* bytes, 0 with a known id */
  uint16_t value_length; /* bytes */
  uint16_t reserved0;
  uint32_t name_offset, value_offset;
};
HSYS_ASSERT_SIZE(hsys_header, 16);
HSYS_ASSERT_OFFSET(hsys_header, name_length, 2);
HSYS_ASSERT_OFFSET(hsys_header, value_length, 4);
HSYS_ASSERT_OFFSET(hsys_header, name_offset, 8);
HSYS_ASSERT_OFFSET(hsys_header, value_offset, 12);

/* Body bytes in the send arena. They must stay unchanged until the operation completes; a client that changes them
 * garbles its own response only. */
struct hsys_extent {
  uint32_t offset, length;
};
HSYS_ASSERT_SIZE(hsys_extent, 8);

struct hsys_response {
  uint32_t size;    /* of the whole block, = sqe.in_length */
  uint32_t version; /* 1 */
  uint16_t status_code;
  uint16_t reason_length; /* bytes */
  uint32_t reason_offset;
  uint32_t flags;         /* HSYS_SEND_CONTINUES */
  uint32_t header_count, header_offset; /* struct hsys_header[], 4-aligned */
  uint32_t extent_count, extent_offset; /* struct hsys_extent[], 4-aligned */
  uint32_t reserved0;
  uint64_t content_bytes; /* all body bytes of the API call, this operation's extents and those of its continuations */
};
HSYS_ASSERT_SIZE(hsys_response, 48);
HSYS_ASSERT_OFFSET(hsys_response, status_code, 8);
HSYS_ASSERT_OFFSET(hsys_response, reason_length, 10);
HSYS_ASSERT_OFFSET(hsys_response, reason_offset, 12);
HSYS_ASSERT_OFFSET(hsys_response, flags, 16);
HSYS_ASSERT_OFFSET(hsys_response, header_count, 20);
HSYS_ASSERT_OFFSET(hsys_response, header_offset, 24);
HSYS_ASSERT_OFFSET(hsys_response, extent_count, 28);
HSYS_ASSERT_OFFSET(hsys_response, extent_offset, 32);
HSYS_ASSERT_OFFSET(hsys_response, content_bytes, 40);

struct hsys_send_body {
  uint32_t size;    /* of the whole block, = sqe.in_length */
  uint32_t version; /* 1 */
  uint32_t flags;   /* HSYS_SEND_CONTINUES */
  uint32_t extent_count, extent_offset;
  uint32_t reserved0;
};
HSYS_ASSERT_SIZE(hsys_send_body, 24);
HSYS_ASSERT_OFFSET(hsys_send_body, flags, 8);
HSYS_ASSERT_OFFSET(hsys_send_body, extent_count, 12);
HSYS_ASSERT_OFFSET(hsys_send_body, extent_offset, 16);

#endif
