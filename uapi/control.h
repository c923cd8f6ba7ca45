/* SPDX-License-Identifier: MIT */
/* Messages of the control socket (SOCK_SEQPACKET, one message per packet). A client says HELLO first; a short, long or
 * unknown message, or one with a file descriptor, ends the session. Replies carry the request's sequence number. */
#ifndef HTTPSYS_UAPI_CONTROL_H
#define HTTPSYS_UAPI_CONTROL_H

#include "uapi/abi.h"

#define HSYS_CONTROL_MESSAGE_MAX 1024u
#define HSYS_ADMIN_MESSAGE_MAX 65536u /* ADMIN and ADMIN_ANSWER */
#define HSYS_ADMIN_WORDS_MAX 32u
#define HSYS_ADMIN_FILES_MAX 4u

enum hsys_control_type {
  HSYS_CONTROL_HELLO = 1,          /* client to daemon */
  HSYS_CONTROL_WELCOME = 2,        /* daemon to client */
  HSYS_CONTROL_CHANNEL_OPEN = 3,   /* client to daemon */
  HSYS_CONTROL_CHANNEL_OPENED = 4, /* daemon to client, with the descriptors ktou, utok, kick (eventfd), bell (pollable, becomes
                                    * readable), in this order. The client maps both halves, then adds F_SEAL_FUTURE_WRITE and
                                    * F_SEAL_SEAL to utok (fcntl), and only then kicks for the first time */
  HSYS_CONTROL_PING = 5,           /* client to daemon */
  HSYS_CONTROL_PONG = 6,           /* daemon to client */
  HSYS_CONTROL_GOODBYE = 7,        /* daemon to client: it drains and will end */
  HSYS_CONTROL_REVOKED = 8,        /* daemon to client, last message: hsys_control_revoked */
  HSYS_CONTROL_ADMIN = 9,          /* client to daemon: hsys_control_admin; uid 0 and the daemon's own uid only */
  HSYS_CONTROL_ADMIN_ANSWER = 10,  /* daemon to client: hsys_control_admin_answer */
  HSYS_CONTROL_STATS = 11,         /* client to daemon; the same people */
  HSYS_CONTROL_STATS_ANSWER = 12   /* daemon to client: hsys_control_stats */
};

/* Head of every message. */
struct hsys_control {
  uint32_t magic; /* HSYS_CONTROL_MAGIC */
  uint16_t type;
  uint16_t reserved0;
  uint32_t size;     /* of the whole message */
  uint32_t sequence; /* chosen by the client */
  uint32_t status;   /* NTSTATUS in answers, 0 in requests */
  uint32_t reserved1;
};
HSYS_ASSERT_SIZE(hsys_control, 24);
HSYS_ASSERT_OFFSET(hsys_control, type, 4);
HSYS_ASSERT_OFFSET(hsys_control, size, 8);
HSYS_ASSERT_OFFSET(hsys_control, sequence, 12);
HSYS_ASSERT_OFFSET(hsys_control, status, 16);

struct hsys_control_hello {
  struct hsys_control head;
  uint32_t abi_major, minor_min, minor_max, reserved0;
  uint64_t want, need; /* feature bits: need must all be granted */
  char program[32];    /* for logs, NUL-padded */
};
HSYS_ASSERT_SIZE(hsys_control_hello, 88);

struct hsys_control_welcome {
  struct hsys_control head;
  uint32_t abi_major, abi_minor;
  uint64_t features;
  uint64_t epoch; /* differs for every run of the daemon */
  uint64_t session;
  uint32_t daemon_pid, cores;
};
HSYS_ASSERT_SIZE(hsys_control_welcome, 64);

/* 0 in a member asks for the default. */
struct hsys_control_channel_open {
  struct hsys_control head;
  uint32_t sq_entries, cq_entries;
  uint32_t rx_bytes, tx_bytes;
  uint64_t reserved0;
};
HSYS_ASSERT_SIZE(hsys_control_channel_open, 48);

struct hsys_control_channel_opened {
  struct hsys_control head;
  uint64_t ktou_bytes, utok_bytes; /* the geometry is in the first page of ktou */
};
HSYS_ASSERT_SIZE(hsys_control_channel_opened, 40);

struct hsys_control_revoked {
  struct hsys_control head;
  uint32_t reason; /* hsys_revocation */
  uint32_t reserved0;
};
HSYS_ASSERT_SIZE(hsys_control_revoked, 32);

/* Followed by word_count words and file_count files. A word: uint32_t bytes, then the bytes (UTF-8). A file: uint32_t
 * bytes of its tag, the tag ("certfile"), uint32_t bytes of its contents, the contents. No padding. The daemon receives
 * the message into locked memory that it wipes. */
struct hsys_control_admin {
  struct hsys_control head;
  uint32_t word_count, file_count;
};
HSYS_ASSERT_SIZE(hsys_control_admin, 32);

/* Followed by the text (UTF-8, no NUL): for stdout when exit_code is 0, one sentence for stderr otherwise. A text that
 * does not fit ends at its last whole line. */
struct hsys_control_admin_answer {
  struct hsys_control head;
  uint32_t win32_code;
  uint32_t exit_code; /* design.md 6: 0 done, 1 refused, 2 unknown command or word, 4 not permitted */
};
HSYS_ASSERT_SIZE(hsys_control_admin_answer, 32);

struct hsys_control_stats {
  struct hsys_control head;
  uint64_t sessions, channels;
  uint64_t irps_pending, irps_total;
  uint64_t blocks_lent;
  uint64_t handles;
  uint64_t connections, connections_total;
  uint64_t requests_queued, requests_delivered, requests_total;
  uint64_t request_queues, url_groups, urls;
  uint64_t descriptors;
  uint64_t resident_bytes;
};
HSYS_ASSERT_SIZE(hsys_control_stats, 152);

#endif
