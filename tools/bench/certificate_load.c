// SPDX-License-Identifier: MIT
// A client that asks for /whoami with a certificate, each time on a new connection, full handshake: the load of tools/bench/certificates.
//   certificate-load PORT 1.2|1.3 THREADS SECONDS CERT KEY
// Prints the number of good answers per second.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static SSL_CTX *context;
static struct sockaddr_in address;
static double deadline;
static atomic_ulong good, bad;

static double now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int visit(void)
{
  static const char request[] = "GET /whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  char answer[8192];
  int one = 1, length = 0, count, result = 0;
  int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  SSL *ssl = SSL_new(context);
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  SSL_set_fd(ssl, descriptor);
  SSL_set_tlsext_host_name(ssl, "localhost");
  if (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0 && SSL_connect(ssl) == 1 &&
      SSL_write(ssl, request, sizeof request - 1) > 0) {
    while (length < (int)sizeof answer - 1 && (count = SSL_read(ssl, answer + length, (int)sizeof answer - 1 - length)) > 0)
      length += count;
    answer[length] = 0;
    result = strncmp(answer, "HTTP/1.1 200", 12) == 0 && strstr(answer, "subject") != NULL;
  }
  SSL_free(ssl);
  close(descriptor);
  return result;
}

static void *run(void *unused)
{
  while (now() < deadline)
    atomic_fetch_add(visit() ? &good : &bad, 1);
  return unused;
}

int main(int argc, char **argv)
{
  if (argc != 7)
    return fprintf(stderr, "usage: certificate-load PORT 1.2|1.3 THREADS SECONDS CERT KEY\n"), 2;
  int version = strcmp(argv[2], "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION, threads = atoi(argv[3]);
  context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, version);
  SSL_CTX_set_post_handshake_auth(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (SSL_CTX_use_certificate_chain_file(context, argv[5]) != 1 || SSL_CTX_use_PrivateKey_file(context, argv[6], SSL_FILETYPE_PEM) != 1)
    return ERR_print_errors_fp(stderr), 1;
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)atoi(argv[1]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  double begin = now();
  deadline = begin + atof(argv[4]);
  pthread_t *thread = calloc((size_t)threads, sizeof *thread);
  for (int i = 0; i < threads; i++)
    pthread_create(&thread[i], NULL, run, NULL);
  for (int i = 0; i < threads; i++)
    pthread_join(thread[i], NULL);
  printf("%lu %.1f %lu\n", atomic_load(&good), (double)atomic_load(&good) / (now() - begin), atomic_load(&bad));
  return atomic_load(&bad) > 0;
}
