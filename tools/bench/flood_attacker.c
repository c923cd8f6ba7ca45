// SPDX-License-Identifier: MIT
// The attacks of tools/bench/flood and tests/system/test_flood.py, and the honest client beside them, on 127.0.0.1.
//   flood-attacker ATTACK PORT SECONDS [--connections N] [--threads N] [--list FILE ...]
// The last line is one JSON object. Attacks come from 127.1.x.y, the clients "honest" and "established" from 127.0.0.1.
// --list: PEM files, key and certificate list, that the attack "certificates" sends in turn.
#include "tools/bench/flood_attacker.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct options options = {.threads = 4};
struct tally tally;
double deadline;

double now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void set_times(int descriptor, int milliseconds)
{
  struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

int connect_plain(uint32_t from, int receive_buffer)
{
  int one = 1, descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options.port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr = {htonl(from)}};
  if (descriptor < 0)
    return -1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (receive_buffer > 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  set_times(descriptor, from == INADDR_LOOPBACK ? HONEST_MILLISECONDS : ATTACKER_MILLISECONDS);
  if (bind(descriptor, (struct sockaddr *)&source, sizeof source) == 0 &&
      connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0)
    return descriptor;
  close(descriptor);
  return -1;
}

uint32_t attacker_address(void)
{
  return (127u << 24 | 1u << 16) + 256 + (uint32_t)(atomic_fetch_add(&tally.attempts, 1) % 5000);
}

void close_with_reset(int descriptor)
{
  struct linger linger = {1, 0};
  setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close(descriptor);
}

SSL *secure(SSL_CTX *context, int descriptor, SSL_SESSION *session)
{
  SSL *ssl = SSL_new(context);
  SSL_set_fd(ssl, descriptor);
  SSL_set_tlsext_host_name(ssl, "localhost");
  if (session)
    SSL_set_session(ssl, session);
  if (SSL_connect(ssl) == 1) {
    atomic_fetch_add(&tally.secured, 1);
    return ssl;
  }
  SSL_free(ssl);
  return NULL;
}

void end_visit(SSL *ssl, int descriptor)
{
  if (ssl)
    SSL_set_quiet_shutdown(ssl, 1);
  SSL_free(ssl);
  if (descriptor >= 0)
    close_with_reset(descriptor);
}

SSL_CTX *new_context(int version)
{
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (version != 0) {
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
  }
  SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256");
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

bool is_closed(int descriptor)
{
  struct pollfd poller = {descriptor, POLLRDHUP, 0};
  return poll(&poller, 1, 0) == 1;
}

long read_some(SSL *ssl, int descriptor, char *buffer, int size)
{
  return ssl ? SSL_read(ssl, buffer, size) : recv(descriptor, buffer, (size_t)size, 0);
}

long write_some(SSL *ssl, int descriptor, const char *data, size_t size)
{
  return ssl ? SSL_write(ssl, data, (int)(size > 1 << 20 ? 1 << 20 : size)) : send(descriptor, data, size, MSG_NOSIGNAL);
}

// Crowds: so many connections at a time, each says its opening and then one byte a second, or nothing.

struct crowd {
  const char *opening;
  size_t opening_length;
  bool is_tls, is_half_hello;
  char drip;
  int receive_buffer;
};

struct member {
  int descriptor;
  SSL *ssl;
  size_t said;
  double next;
};

static void leave(struct member *member)
{
  end_visit(member->ssl, member->descriptor);
  member->descriptor = -1;
  member->ssl = NULL;
}

static void join(struct member *member, const struct crowd *crowd, SSL_CTX *context, const struct message *hello)
{
  member->said = 0;
  member->next = now() + 1;
  member->descriptor = connect_plain(attacker_address(), crowd->receive_buffer);
  if (member->descriptor < 0) {
    atomic_fetch_add(&tally.failed, 1);
    return;
  }
  atomic_fetch_add(&tally.connected, 1);
  if (crowd->is_tls && !(member->ssl = secure(context, member->descriptor, NULL))) {
    atomic_fetch_add(&tally.failed, 1);
    return leave(member);
  }
  if (crowd->is_half_hello && atomic_load(&tally.connected) % 2 == 0)
    send(member->descriptor, hello->bytes, hello->length / 2, MSG_NOSIGNAL);
  fcntl(member->descriptor, F_SETFL, O_NONBLOCK);
}

static void go_on(struct member *member, const struct crowd *crowd)
{
  while (member->said < crowd->opening_length) {
    long count = write_some(member->ssl, member->descriptor, crowd->opening + member->said, crowd->opening_length - member->said);
    if (count <= 0)
      return;
    member->said += (size_t)count;
  }
  if (crowd->drip && now() >= member->next) {
    member->next += 1;
    write_some(member->ssl, member->descriptor, &crowd->drip, 1);
  }
}

static void run_crowd(const struct crowd *crowd)
{
  int count = options.connections / options.threads;
  struct member *members = calloc((size_t)count, sizeof *members);
  SSL_CTX *context = new_context(0);
  struct message hello = client_hello(context);
  for (int i = 0; i < count; i++)
    members[i].descriptor = -1;
  do {
    for (int i = 0; i < count && now() < deadline; i++) {
      struct member *member = &members[i];
      if (member->descriptor < 0) {
        join(member, crowd, context, &hello);
      } else if (is_closed(member->descriptor)) {
        atomic_fetch_add(&tally.closed, 1);
        leave(member);
        continue;
      }
      if (member->descriptor >= 0)
        go_on(member, crowd);
    }
    usleep(20000);
  } while (now() < deadline);
  for (int i = 0; i < count; i++) {
    if (members[i].descriptor >= 0)
      atomic_fetch_add(is_closed(members[i].descriptor) ? &tally.closed : &tally.open, 1);
    leave(&members[i]);
  }
  free(members);
  SSL_CTX_free(context);
}

#define OPENING(text) .opening = text, .opening_length = sizeof text - 1

static void run_slow_head(void)
{
  run_crowd(&(struct crowd){OPENING("GET / HTTP/1.1\r\nHost: localhost\r\nX: "), .is_tls = true, .drip = 'a'});
}

static void run_slow_body(void)
{
  run_crowd(&(struct crowd){OPENING("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"), .is_tls = true, .drip = 'a'});
}

#define GET_1M "GET /1m HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void run_slow_read(void)
{
  // More than the server's socket takes.
  run_crowd(&(struct crowd){OPENING(GET_1M GET_1M GET_1M GET_1M GET_1M GET_1M GET_1M GET_1M), .is_tls = true, .receive_buffer = 4096});
}

static void run_idle(void)
{
  run_crowd(&(struct crowd){.opening = ""});
}

static void run_idle_tls(void)
{
  run_crowd(&(struct crowd){.opening = "", .is_tls = true});
}

static void run_half_open(void)
{
  run_crowd(&(struct crowd){.opening = "", .is_half_hello = true});
}

static void run_pipeline(void)
{
  static const char request[] = "GET /64k HTTP/1.1\r\nHost: localhost\r\n\r\n";
  enum { COUNT = 10000, LENGTH = sizeof request - 1 };
  char *all = malloc(COUNT * LENGTH);
  for (int i = 0; i < COUNT; i++)
    memcpy(all + i * LENGTH, request, LENGTH);
  run_crowd(&(struct crowd){.opening = all, .opening_length = COUNT * LENGTH, .is_tls = true, .receive_buffer = 4096});
  free(all);
}

// The honest client: a new connection for each GET, full handshake.

static int compare_times(const void *left, const void *right)
{
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static bool visit_honestly(SSL_CTX *context)
{
  static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  char answer[4096];
  int length = 0, count;
  int descriptor = connect_plain(INADDR_LOOPBACK, 0);
  SSL *ssl = descriptor >= 0 ? secure(context, descriptor, NULL) : NULL;
  if (ssl && SSL_write(ssl, request, sizeof request - 1) > 0)
    while (length < (int)sizeof answer - 1 && (count = SSL_read(ssl, answer + length, (int)sizeof answer - 1 - length)) > 0)
      length += count;
  answer[length] = 0;
  end_visit(ssl, descriptor);
  return strncmp(answer, "HTTP/1.1 200", 12) == 0 && strstr(answer, "\r\n\r\n");
}

// The established client: GETs on one connection without TLS, every 5 ms at most.
static int be_established(void)
{
  static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  char answer[4096];
  double worst = 0;
  int good = 0, descriptor = connect_plain(INADDR_LOOPBACK, 0);
  while (now() < deadline) {
    double begin = now();
    if (send(descriptor, request, sizeof request - 1, MSG_NOSIGNAL) < 0 || recv(descriptor, answer, sizeof answer, 0) <= 0)
      break;
    good++;
    if (now() - begin > worst)
      worst = now() - begin;
    usleep(5000);
  }
  printf("{\"good\": %d, \"max\": %.6f, \"ended\": %s}\n", good, worst, now() < deadline ? "true" : "false");
  return 0;
}

static int be_honest(void)
{
  enum { MOST = 100000 };
  double *times = calloc(MOST, sizeof *times);
  SSL_CTX *context = new_context(0);
  int good = 0, bad = 0;
  double bad_shortest = 0; // one that took long may be due to whoever took its time
  while (now() < deadline && good < MOST) {
    double begin = now();
    if (visit_honestly(context)) {
      times[good++] = now() - begin;
    } else {
      double took = now() - begin;
      if (bad++ == 0 || took < bad_shortest)
        bad_shortest = took;
    }
    double left = begin + 0.02 - now();
    if (left > 0)
      usleep((useconds_t)(left * 1e6));
  }
  qsort(times, (size_t)good, sizeof *times, compare_times);
  printf("{\"good\": %d, \"bad\": %d, \"bad_shortest\": %.6f, \"p50\": %.6f, \"p99\": %.6f, \"max\": %.6f}\n", good, bad,
         bad_shortest, good ? times[good / 2] : 0, good ? times[good * 99 / 100] : 0, good ? times[good - 1] : 0);
  return 0;
}

// All attacks.

static const struct attack {
  const char *name;
  void (*run)(void);
  int connections;
} attacks[] = {
  {"slow-head", run_slow_head, 500},       {"slow-body", run_slow_body, 200},     {"slow-read", run_slow_read, 200},
  {"idle", run_idle, 5000},                {"idle-tls", run_idle_tls, 1000},      {"half-open", run_half_open, 5000},
  {"pipeline", run_pipeline, 40},          {"handshakes", run_handshakes, 0},     {"renegotiation", run_renegotiation, 0},
  {"key-update", run_key_update, 0},       {"key-update-unread", run_key_update_unread, 0}, {"certificates", run_certificates, 0},
  {"tickets", run_tickets, 0},             {"headers", run_headers, 0},           {"chunk-extensions", run_chunk_extensions, 0},
  {"handshake-burst", run_handshake_burst, 3000},
};

static void *run_attack(void *attack)
{
  ((const struct attack *)attack)->run();
  return NULL;
}

static int usage(void)
{
  fprintf(stderr, "usage: flood-attacker ATTACK PORT SECONDS [--connections N] [--threads N] [--list FILE ...]\n"
          "attacks: honest established");
  for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
    fprintf(stderr, " %s", attacks[i].name);
  fprintf(stderr, "\n");
  return 2;
}

static bool read_options(int argc, char **argv)
{
  static const struct option known[] = {
    {"connections", required_argument, NULL, 'c'}, {"threads", required_argument, NULL, 't'}, {"list", required_argument, NULL, 'l'}, {0}};
  for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (option == 'c')
      options.connections = atoi(optarg);
    else if (option == 't')
      options.threads = atoi(optarg);
    else if (option == 'l' && options.list_count < MOST_LISTS)
      options.lists[options.list_count++] = optarg;
    else
      return false;
  }
  if (argc - optind != 3 || options.threads < 1)
    return false;
  options.port = (uint16_t)atoi(argv[optind + 1]);
  options.seconds = atof(argv[optind + 2]);
  return true;
}

int main(int argc, char **argv)
{
  struct rlimit files;
  if (!read_options(argc, argv))
    return usage();
  signal(SIGPIPE, SIG_IGN);
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  deadline = now() + options.seconds;
  if (strcmp(argv[optind], "honest") == 0)
    return be_honest();
  if (strcmp(argv[optind], "established") == 0)
    return be_established();
  const struct attack *attack = NULL;
  for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
    if (strcmp(argv[optind], attacks[i].name) == 0)
      attack = &attacks[i];
  if (!attack)
    return usage();
  if (options.connections == 0)
    options.connections = attack->connections;
  pthread_t *threads = calloc((size_t)options.threads, sizeof *threads);
  for (int i = 0; i < options.threads; i++)
    pthread_create(&threads[i], NULL, run_attack, (void *)attack);
  for (int i = 0; i < options.threads; i++)
    pthread_join(threads[i], NULL);
  printf("{\"attempts\": %lu, \"connected\": %lu, \"secured\": %lu, \"failed\": %lu, \"closed\": %lu, \"open\": %lu, \"refused\": %lu, "
         "\"resumed\": %lu, \"messages\": %lu}\n",
         atomic_load(&tally.attempts), atomic_load(&tally.connected), atomic_load(&tally.secured), atomic_load(&tally.failed),
         atomic_load(&tally.closed), atomic_load(&tally.open), atomic_load(&tally.refused), atomic_load(&tally.resumed),
         atomic_load(&tally.messages));
  return 0;
}
