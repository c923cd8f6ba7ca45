// SPDX-License-Identifier: MIT
// What the parts of flood-attacker share: flood_attacker.c (crowds, the honest client, main), flood_visits.c (one visit after the other).
#pragma once
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { HONEST_MILLISECONDS = 5000, ATTACKER_MILLISECONDS = 2000, MOST_LISTS = 4, MOST_HELLO = 4096 };

struct options {
  uint16_t port;
  double seconds;
  int connections, threads, list_count;
  const char *lists[MOST_LISTS];
};

// attempts: connections tried. secured: TLS handshakes that succeeded. failed: connections or handshakes that did not. closed: by the
// server while the attack went on. open: at the end. refused: answered with a status of 4xx or 5xx. resumed: forged tickets that the server
// took. messages: records inside of connections, or what each attack says.
struct tally {
  atomic_ulong attempts, connected, secured, failed, closed, open, refused, resumed, messages;
};

struct message {
  unsigned char bytes[MOST_HELLO];
  size_t length;
};

extern struct options options;
extern struct tally tally;
extern double deadline;

double now(void);
// Counts an attempt.
uint32_t attacker_address(void);
// -1: not connected. Nothing that blocks on it takes longer than the milliseconds above.
int connect_plain(uint32_t from, int receive_buffer);
SSL_CTX *new_context(int version);
// NULL: the handshake has failed.
SSL *secure(SSL_CTX *context, int descriptor, SSL_SESSION *session);
void close_with_reset(int descriptor);
void end_visit(SSL *ssl, int descriptor);
bool is_closed(int descriptor);
long read_some(SSL *ssl, int descriptor, char *buffer, int size);
long write_some(SSL *ssl, int descriptor, const char *data, size_t size);
// A first record of a client of this context.
struct message client_hello(SSL_CTX *context);

void run_handshakes(void);
void run_handshake_burst(void);
void run_renegotiation(void);
void run_key_update(void);
void run_key_update_unread(void);
void run_certificates(void);
void run_tickets(void);
void run_headers(void);
void run_chunk_extensions(void);
