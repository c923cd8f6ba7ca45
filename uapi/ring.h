/* SPDX-License-Identifier: MIT */
/* A channel: two sealed memfds made by the daemon. `ktou` is written by the daemon alone (a client can only map it
 * read-only), `utok` by the client alone. Every shared word has one writer and a cache line pair of its own. The geometry
 * in ktou says where everything lies; both sides copy it once and never read it again.
 *
 *   ktou: hsys_kpage | hsys_cqe cq[cq_entries] | receive arena
 *   utok: hsys_upage | hsys_sqe sq[sq_entries] | uint32_t ret[ret_entries] | send arena
 */
#ifndef HTTPSYS_UAPI_RING_H
#define HTTPSYS_UAPI_RING_H

#include "uapi/abi.h"

#define HSYS_PAGE 4096u
#define HSYS_WORD_SPACING 128u /* two lines: the neighbour-line prefetcher would join them */

enum hsys_channel_state {
  HSYS_CHANNEL_RUNNING = 1,
  HSYS_CHANNEL_DRAINING = 2, /* the daemon is about to end: no new operations */
  HSYS_CHANNEL_REVOKED = 3,  /* the client broke the protocol; kpage.reason tells how */
  HSYS_CHANNEL_ENDED = 4     /* the session has ended otherwise */
};

/* Why a session was revoked: the protocol errors of trust rule T6. */
enum hsys_revocation {
  HSYS_REVOKED_SQ_INDEX = 1,      /* sq_tail further ahead of sq_head than the ring is long */
  HSYS_REVOKED_CQ_INDEX = 2,      /* cq_head moved back or past cq_tail */
  HSYS_REVOKED_RET_INDEX = 3,     /* ret_tail further ahead of ret_head than the ring is long */
  HSYS_REVOKED_BLOCK = 4,         /* a returned block was not on loan */
  HSYS_REVOKED_IRP_IN_USE = 5,    /* an entry named an IRP slot that is in use */
  HSYS_REVOKED_CONTROL = 6,       /* malformed control message */
  HSYS_REVOKED_HELLO_TIMEOUT = 7, /* no HELLO in time */
  HSYS_REVOKED_OUTPUT = 8,        /* no blocks were handed back, and too many results waited for some */
  HSYS_REVOKED_UNSEALED = 9,      /* it kicked before it had sealed utok (HSYS_CONTROL_CHANNEL_OPENED), or there
                                     was no memory for what it had taken out of utok before it sealed that */
  HSYS_REVOKED_BELL = 10          /* to ring its bell took too long, again and again: it is watched in too many places */
};

struct hsys_geometry {
  uint64_t magic; /* HSYS_CHANNEL_MAGIC */
  uint32_t abi_major, abi_minor;
  uint64_t epoch; /* of this run of the daemon, as in WELCOME */
  uint64_t features;
  uint64_t session; /* as in WELCOME */
  uint32_t sq_entries, cq_entries, ret_entries;
  uint32_t reserved0;
  uint64_t ktou_bytes, utok_bytes;
  uint64_t cq_offset, rx_offset, rx_bytes;             /* in ktou */
  uint64_t sq_offset, ret_offset, tx_offset, tx_bytes; /* in utok */
};
HSYS_ASSERT_SIZE(hsys_geometry, 128);
HSYS_ASSERT_OFFSET(hsys_geometry, abi_major, 8);
HSYS_ASSERT_OFFSET(hsys_geometry, abi_minor, 12);
HSYS_ASSERT_OFFSET(hsys_geometry, epoch, 16);
HSYS_ASSERT_OFFSET(hsys_geometry, features, 24);
HSYS_ASSERT_OFFSET(hsys_geometry, session, 32);
HSYS_ASSERT_OFFSET(hsys_geometry, sq_entries, 40);
HSYS_ASSERT_OFFSET(hsys_geometry, cq_entries, 44);
HSYS_ASSERT_OFFSET(hsys_geometry, ret_entries, 48);
HSYS_ASSERT_OFFSET(hsys_geometry, ktou_bytes, 56);
HSYS_ASSERT_OFFSET(hsys_geometry, utok_bytes, 64);
HSYS_ASSERT_OFFSET(hsys_geometry, cq_offset, 72);
HSYS_ASSERT_OFFSET(hsys_geometry, rx_offset, 80);
HSYS_ASSERT_OFFSET(hsys_geometry, rx_bytes, 88);
HSYS_ASSERT_OFFSET(hsys_geometry, sq_offset, 96);
HSYS_ASSERT_OFFSET(hsys_geometry, ret_offset, 104);
HSYS_ASSERT_OFFSET(hsys_geometry, tx_offset, 112);
HSYS_ASSERT_OFFSET(hsys_geometry, tx_bytes, 120);

#define HSYS_WORD(name) \
  uint32_t name;        \
  uint32_t name##_pad[HSYS_WORD_SPACING / 4 - 1]

/* First page of ktou. */
struct hsys_kpage {
  struct hsys_geometry geometry;
  uint32_t geometry_pad[32];
  HSYS_WORD(sq_head);  /* entries below it are consumed */
  HSYS_WORD(cq_tail);  /* entries below it are published */
  HSYS_WORD(sq_wake);  /* kick when sq_tail passes it */
  HSYS_WORD(ret_head); /* entries below it are consumed */
  HSYS_WORD(ret_wake); /* kick when ret_tail passes it: a completion waits for a block */
  uint32_t state;      /* hsys_channel_state */
  uint32_t reason;     /* hsys_revocation */
  uint32_t state_pad[30];
  uint32_t reserved0[768];
};
HSYS_ASSERT_SIZE(hsys_kpage, HSYS_PAGE);
HSYS_ASSERT_OFFSET(hsys_kpage, sq_head, 256);
HSYS_ASSERT_OFFSET(hsys_kpage, cq_tail, 384);
HSYS_ASSERT_OFFSET(hsys_kpage, sq_wake, 512);
HSYS_ASSERT_OFFSET(hsys_kpage, ret_head, 640);
HSYS_ASSERT_OFFSET(hsys_kpage, ret_wake, 768);
HSYS_ASSERT_OFFSET(hsys_kpage, state, 896);
HSYS_ASSERT_OFFSET(hsys_kpage, reason, 900);

/* First page of utok. */
struct hsys_upage {
  HSYS_WORD(sq_tail);    /* entries below it are filled */
  HSYS_WORD(cq_head);    /* entries below it are received: see hsys_receive() */
  HSYS_WORD(cq_wake);    /* ring the bell when cq_tail passes it */
  HSYS_WORD(ret_tail);   /* block numbers below it are handed back */
  HSYS_WORD(space_wake); /* ring the bell when sq_head passes it: the client found the ring full */
  uint32_t reserved0[864];
};
HSYS_ASSERT_SIZE(hsys_upage, HSYS_PAGE);
HSYS_ASSERT_OFFSET(hsys_upage, sq_tail, 0);
HSYS_ASSERT_OFFSET(hsys_upage, cq_head, 128);
HSYS_ASSERT_OFFSET(hsys_upage, cq_wake, 256);
HSYS_ASSERT_OFFSET(hsys_upage, ret_tail, 384);
HSYS_ASSERT_OFFSET(hsys_upage, space_wake, 512);

/* Initial values of the wake words: a new channel is cold, so the first entry rings; the other three are not armed. */
#define HSYS_WAKE_INITIAL_SQ 0u
#define HSYS_WAKE_DISARMED 0xffffffffu

struct hsys_sqe {
  uint8_t op;         /* enum hsys_op */
  uint8_t flags;      /* 0 */
  uint16_t reserved0; /* 0 */
  /* Slot in the low half, below cq_entries; sequence in the high half; chosen by the client. A slot is free again when the
   * published cq_head has passed its completion entry. */
  uint32_t irp_id;
  uint64_t user_data; /* comes back untouched */
  uint64_t handle;    /* see ops.def; 0 = none */
  uint64_t object_id; /* see ops.def; 0 = none */
  /* Parameter block in the send arena. All blocks in flight together are at most as long as the arena (else INSUFFICIENT_RESOURCES). */
  uint32_t in_offset, in_length;
  uint32_t out_length;           /* size of the caller's buffer in bytes */
  uint32_t op_flags;
  uint64_t reserved1, reserved2; /* 0 */
};
HSYS_ASSERT_SIZE(hsys_sqe, 64);
HSYS_ASSERT_OFFSET(hsys_sqe, irp_id, 4);
HSYS_ASSERT_OFFSET(hsys_sqe, user_data, 8);
HSYS_ASSERT_OFFSET(hsys_sqe, handle, 16);
HSYS_ASSERT_OFFSET(hsys_sqe, object_id, 24);
HSYS_ASSERT_OFFSET(hsys_sqe, in_offset, 32);
HSYS_ASSERT_OFFSET(hsys_sqe, in_length, 36);
HSYS_ASSERT_OFFSET(hsys_sqe, out_length, 40);
HSYS_ASSERT_OFFSET(hsys_sqe, op_flags, 44);
HSYS_ASSERT_OFFSET(hsys_sqe, reserved1, 48);

#define HSYS_IRP_SLOT(irp_id) ((uint16_t)(irp_id))
#define HSYS_IRP_ID(slot, sequence) ((uint32_t)(slot) | (uint32_t)(sequence) << 16)

/* cqe.flags */
#define HSYS_CQE_BLOCK 1u  /* out_offset, out_length and block name a lent block, to be handed back through the return ring */
#define HSYS_CQE_REASON 2u /* with HSYS_CQE_BLOCK: the block holds a reason text (UTF-8, no NUL), not the operation's output */

struct hsys_cqe {
  uint64_t user_data;
  uint32_t irp_id;
  uint32_t status;      /* NTSTATUS */
  uint64_t information; /* OVERLAPPED.InternalHigh: bytes of the native output, or what the operation's comment says */
  uint64_t object_id;   /* RECEIVE_REQUEST: the request's id, with BUFFER_OVERFLOW too; CREATE_*: the new id or handle */
  uint32_t out_offset, out_length;
  uint32_t block;
  uint32_t flags;
  uint64_t aux; /* RECEIVE_REQUEST: connection id; RECEIVE_CERTIFICATE: bytes of certificate or token; sends: response.h */
  uint64_t reserved0;
};
HSYS_ASSERT_SIZE(hsys_cqe, 64);
HSYS_ASSERT_OFFSET(hsys_cqe, irp_id, 8);
HSYS_ASSERT_OFFSET(hsys_cqe, status, 12);
HSYS_ASSERT_OFFSET(hsys_cqe, information, 16);
HSYS_ASSERT_OFFSET(hsys_cqe, object_id, 24);
HSYS_ASSERT_OFFSET(hsys_cqe, out_offset, 32);
HSYS_ASSERT_OFFSET(hsys_cqe, out_length, 36);
HSYS_ASSERT_OFFSET(hsys_cqe, block, 40);
HSYS_ASSERT_OFFSET(hsys_cqe, flags, 44);
HSYS_ASSERT_OFFSET(hsys_cqe, aux, 48);

#endif
