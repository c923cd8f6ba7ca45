/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client of the ring ABI in plain C11, written against uapi/ alone: what anybody can do without libhttpapi, and what
 * tests use to see the daemon without the library's help. One thread per client; nothing is hidden, so that a test can
 * break every rule by hand. */
#ifndef HTTPSYS_TESTS_RING_CLIENT_H
#define HTTPSYS_TESTS_RING_CLIENT_H

#include "uapi/control.h"
#include "uapi/ops.h"
#include "uapi/response.h"
#include "uapi/ring.h"
#include "uapi/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What functions return beside 0 or a count. */
enum ring_error {
  RING_SYSTEM = -1,   /* see errno */
  RING_CLOSED = -2,   /* the daemon has gone or has cut us off */
  RING_PROTOCOL = -3, /* the daemon broke the ABI */
  RING_TIMEOUT = -4,
  RING_REFUSED = -5 /* see client.status */
};

struct ring_client {
  int control;
  int kick, bell;
  int ktou_fd, utok_fd; /* kept open for tests of the seals */
  uint32_t sequence;    /* of control messages */
  uint32_t status;      /* NTSTATUS of the last refused control request */
  uint32_t revoked;     /* hsys_revocation, when REVOKED came */
  int goodbye;          /* GOODBYE came */
  int leaves_unsealed;  /* to be set before ring_open_channel: what no client may do */
  struct hsys_control_welcome welcome;
  struct hsys_geometry geometry; /* the private copy */
  const uint8_t *ktou;
  uint8_t *utok;
  uint32_t sq_tail, sq_published, cq_head, ret_tail;
  uint16_t next_slot, next_sequence;
  uint64_t kicks, sleeps; /* how often we rang, and waited for the bell */
};

/* Connects to the control socket, which must be there within the time. */
int ring_connect(struct ring_client *client, const char *path, int timeout_ms);
/* HELLO and WELCOME. */
int ring_hello(struct ring_client *client, const char *program);
/* CHANNEL_OPEN and CHANNEL_OPENED; maps the channel and checks its seals. Entries and bytes: 0 asks for the default. */
int ring_open_channel(struct ring_client *client, uint32_t sq_entries, uint32_t cq_entries, uint32_t rx_bytes, uint32_t tx_bytes);
/* All three, with default sizes. */
int ring_start(struct ring_client *client, const char *path, const char *program);
void ring_close(struct ring_client *client);

/* One message of the control socket. The head is filled in: magic, size, sequence. */
int ring_control_send(struct ring_client *client, uint16_t type, void *message, uint32_t size);
/* Its size, or an error. Up to four descriptors that come with it are stored in fds (-1: none). REVOKED and GOODBYE are noted. */
int ring_control_receive(struct ring_client *client, void *buffer, uint32_t size, int fds[4], int timeout_ms);

static inline const struct hsys_kpage *ring_kpage(const struct ring_client *client)
{
  return (const struct hsys_kpage *)(const void *)client->ktou;
}
static inline struct hsys_upage *ring_upage(struct ring_client *client)
{
  return (struct hsys_upage *)(void *)client->utok;
}

/* The next irp_id: slots in turn, so that one is reused only after all others. */
uint32_t ring_next_irp(struct ring_client *client);
/* Puts an entry into the ring; 0 when it is full, else 1. Not visible to the daemon before ring_submit. */
int ring_push(struct ring_client *client, const struct hsys_sqe *entry);
/* Publishes what was pushed and kicks when the daemon asked for it. */
void ring_submit(struct ring_client *client);
/* Sleeps until there is room for an entry. */
int ring_wait_space(struct ring_client *client, int timeout_ms);

/* Takes one completion; 0 when there is none, else 1. It counts as received (cq_head) at once. */
int ring_pop(struct ring_client *client, struct hsys_cqe *entry);
/* Sleeps until there is a completion. */
int ring_wait(struct ring_client *client, int timeout_ms);
/* ring_pop, after ring_wait where needed. */
int ring_next(struct ring_client *client, struct hsys_cqe *entry, int timeout_ms);
/* Bytes of a completion's block. */
const uint8_t *ring_block(const struct ring_client *client, const struct hsys_cqe *entry);
/* Hands a block back. */
void ring_return(struct ring_client *client, uint32_t block);
void ring_kick(struct ring_client *client);

/* Submits one operation and waits for its completion; completions of others are dropped, their blocks handed back. */
int ring_call(struct ring_client *client, struct hsys_sqe *entry, struct hsys_cqe *completion, int timeout_ms);
/* Place in the send arena; the client's owner decides what lies where. */
uint8_t *ring_arena(struct ring_client *client, uint32_t offset);

#ifdef __cplusplus
}
#endif
#endif
