/* SPDX-License-Identifier: MIT */
/* The operations of the submission ring, from ops.def, and the parameter blocks of the configuration operations. */
#ifndef HTTPSYS_UAPI_OPS_H
#define HTTPSYS_UAPI_OPS_H

#include "uapi/abi.h"

enum hsys_op {
#define HSYS_OP(name, number, handle, object, in_min, in_max, op_flags, traits) HSYS_OP_##name = number,
#include "uapi/ops.def"
#undef HSYS_OP
  HSYS_OP_COUNT_MAX = 128 /* operation numbers are below it */
};

enum hsys_op_trait {
  HSYS_OP_CANCELLABLE = 1,
  HSYS_OP_RESERVE = 2,
  HSYS_OP_OUTPUT = 4,
  HSYS_OP_EXTENTS = 8
};

/* sqe.op_flags. Numbers equal the API's flags where there is one (http.h). */
#define HSYS_RECEIVE_COPY_BODY 1u
#define HSYS_RECEIVE_FLUSH_BODY 2u
#define HSYS_SEND_DISCONNECT 1u
#define HSYS_SEND_MORE_DATA 2u
#define HSYS_SEND_BUFFER_DATA 4u
#define HSYS_SEND_NAGLING 8u
#define HSYS_CERTIFICATE_CHANNEL_TOKEN 1u
#define HSYS_CERTIFICATE_FULL_CHAIN 2u
#define HSYS_URL_REMOVE_ALL 1u
#define HSYS_QUEUE_OPEN_EXISTING 1u
/* The queue reads and writes V1 structures (HttpCreateHttpHandle): native sizes of requests are those of HTTP_REQUEST_V1. */
#define HSYS_QUEUE_VERSION_1 0x100u

/* Bytes of a prefix or queue name in UTF-16 that a parameter block may carry. */
#define HSYS_URL_BYTES_MAX 32768u
#define HSYS_QUEUE_NAME_BYTES_MAX 520u
#define HSYS_URL_PARAMETERS_MAX (16u + HSYS_URL_BYTES_MAX)
#define HSYS_QUEUE_PARAMETERS_MAX (8u + HSYS_QUEUE_NAME_BYTES_MAX)

/* ADD_URL, REMOVE_URL: followed by url_bytes of UTF-16, without NUL. REMOVE_URL with HSYS_URL_REMOVE_ALL has none. */
struct hsys_url {
  uint64_t url_context;
  uint32_t url_bytes;
  uint32_t reserved0;
};
HSYS_ASSERT_SIZE(hsys_url, 16);
HSYS_ASSERT_OFFSET(hsys_url, url_context, 0);
HSYS_ASSERT_OFFSET(hsys_url, url_bytes, 8);
HSYS_ASSERT_OFFSET(hsys_url, reserved0, 12);

/* CREATE_REQUEST_QUEUE: followed by name_bytes of UTF-16, without NUL; 0 bytes make a queue without a name. */
struct hsys_queue_name {
  uint32_t name_bytes;
  uint32_t reserved0;
};
HSYS_ASSERT_SIZE(hsys_queue_name, 8);
HSYS_ASSERT_OFFSET(hsys_queue_name, name_bytes, 0);
HSYS_ASSERT_OFFSET(hsys_queue_name, reserved0, 4);

#endif
