/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Proof that the ring ABI is complete: a server in plain C11 that knows nothing but uapi/. It opens a channel, registers a URL,
 * receives requests, answers them. ring_answer SOCKET URL COUNT     prints "ready", then one line per request */
#include "tests/abi/ring_client.h"
#include "uapi/request.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT = 30000, BODY_AT = 0, BLOCK_AT = 65536 };

static struct ring_client client;

static struct hsys_cqe call(struct hsys_sqe entry, const char *what)
{
  struct hsys_cqe done;
  int error = ring_call(&client, &entry, &done, TIMEOUT);
  if (error != 0 || done.status != HSYS_STATUS_SUCCESS) {
    fprintf(stderr, "ring_answer: %s: error %d, status %08x\n", what, error, error ? 0 : done.status);
    exit(1);
  }
  return done;
}

static struct hsys_sqe operation(uint8_t op, uint64_t handle, uint64_t object)
{
  struct hsys_sqe entry;
  memset(&entry, 0, sizeof entry);
  entry.op = op;
  entry.handle = handle;
  entry.object_id = object;
  return entry;
}

/* Puts a parameter block into the send arena. */
static void parameters(struct hsys_sqe *entry, const void *block, size_t size)
{
  memcpy(ring_arena(&client, BLOCK_AT), block, size);
  entry->in_offset = BLOCK_AT;
  entry->in_length = (uint32_t)size;
}

static void add_url(uint64_t group, const char *text)
{
  struct {
    struct hsys_url head;
    uint16_t text[256];
  } block;
  struct hsys_sqe entry = operation(HSYS_OP_ADD_URL, 0, group);
  size_t length = strlen(text);
  memset(&block, 0, sizeof block);
  for (size_t i = 0; i < length && i < 256; i++)
    block.text[i] = (unsigned char)text[i];
  block.head.url_context = 7;
  block.head.url_bytes = (uint32_t)(2 * length);
  parameters(&entry, &block, sizeof block.head + 2 * length);
  call(entry, text);
}

static void answer(uint64_t queue, uint64_t request)
{
  struct {
    struct hsys_response head;
    struct hsys_header type;
    struct hsys_extent body;
    char text[16];
  } block;
  struct hsys_sqe entry = operation(HSYS_OP_SEND_RESPONSE, queue, request);
  memset(&block, 0, sizeof block);
  memcpy(block.text, "OKtext/plain", 12);
  memcpy(ring_arena(&client, BODY_AT), "answered in C\n", 14);
  block.head.size = sizeof block;
  block.head.version = 1;
  block.head.status_code = 200;
  block.head.reason_length = 2;
  block.head.reason_offset = (uint32_t)((char *)block.text - (char *)&block);
  block.head.header_count = 1;
  block.head.header_offset = (uint32_t)((char *)&block.type - (char *)&block);
  block.head.extent_count = 1;
  block.head.extent_offset = (uint32_t)((char *)&block.body - (char *)&block);
  block.head.content_bytes = 14;
  block.type.id = 12; /* Content-Type */
  block.type.value_length = 10;
  block.type.value_offset = block.head.reason_offset + 2;
  block.body.offset = BODY_AT;
  block.body.length = 14;
  parameters(&entry, &block, sizeof block);
  call(entry, "SEND_RESPONSE");
}

int main(int argc, char **argv)
{
  uint64_t session, group, queue;
  struct hsys_sqe entry;
  struct hsys_queue_name no_name = {0, 0};
  if (argc != 4)
    return 2;
  if (ring_start(&client, argv[1], "ring_answer") != 0)
    return fprintf(stderr, "ring_answer: cannot connect to %s\n", argv[1]), 1;
  session = call(operation(HSYS_OP_CREATE_SERVER_SESSION, 0, 0), "CREATE_SERVER_SESSION").object_id;
  group = call(operation(HSYS_OP_CREATE_URL_GROUP, 0, session), "CREATE_URL_GROUP").object_id;
  entry = operation(HSYS_OP_CREATE_REQUEST_QUEUE, 0, 0);
  parameters(&entry, &no_name, sizeof no_name);
  queue = call(entry, "CREATE_REQUEST_QUEUE").object_id;
  call(operation(HSYS_OP_BIND_URL_GROUP, queue, group), "BIND_URL_GROUP");
  add_url(group, argv[2]);
  puts("ready");
  fflush(stdout);
  for (int i = 0; i < atoi(argv[3]); i++) {
    struct hsys_cqe done;
    struct hsys_request image;
    const uint8_t *block;
    entry = operation(HSYS_OP_RECEIVE_REQUEST, queue, 0);
    entry.out_length = 65536;
    done = call(entry, "RECEIVE_REQUEST");
    block = ring_block(&client, &done);
    memcpy(&image, block, sizeof image);
    printf("request %.*s context %d\n", (int)image.raw_url.length, (const char *)block + image.raw_url.offset,
           (int)image.url_context);
    fflush(stdout);
    if (done.flags & HSYS_CQE_BLOCK)
      ring_return(&client, done.block);
    answer(queue, image.request_id);
  }
  call(operation(HSYS_OP_CLOSE_HANDLE, queue, 0), "CLOSE_HANDLE");
  ring_close(&client);
  return 0;
}
