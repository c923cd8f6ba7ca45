// SPDX-License-Identifier: MIT
// Attacks that come, do harm and go, again and again.
#include "tools/bench/flood_attacker.h"
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MOST_RECORDS = 2000, BOMB_BYTES = 4 << 20 };

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct message client_hello(SSL_CTX *context)
{
  struct message message = {.length = 0};
  SSL *ssl = SSL_new(context);
  BIO *output = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), output);
  SSL_set_tlsext_host_name(ssl, "localhost");
  SSL_connect(ssl);
  int length = BIO_read(output, message.bytes, sizeof message.bytes);
  message.length = length > 0 ? (size_t)length : 0;
  SSL_free(ssl);
  return message;
}

// Connected and, with a context, secured; counted. -1: not.
static int arrive(SSL_CTX *context, SSL_SESSION *session, SSL **ssl)
{
  int descriptor = connect_plain(attacker_address(), 0);
  *ssl = NULL;
  if (descriptor >= 0) {
    atomic_fetch_add(&tally.connected, 1);
    if (!context || (*ssl = secure(context, descriptor, session)))
      return descriptor;
    close_with_reset(descriptor);
  }
  atomic_fetch_add(&tally.failed, 1);
  return -1;
}

// Reads to the end: refused when the answer says so, closed when the server ends the connection. one_answer: an answer is enough.
static void see_end(SSL *ssl, int descriptor, bool one_answer)
{
  char buffer[16384];
  long count;
  bool first = true;
  while ((count = read_some(ssl, descriptor, buffer, sizeof buffer)) > 0) {
    if (first && count > 9 && (buffer[9] == '4' || buffer[9] == '5'))
      atomic_fetch_add(&tally.refused, 1);
    first = false;
    if (one_answer)
      return;
  }
  if (is_closed(descriptor))
    atomic_fetch_add(&tally.closed, 1);
}

// The same hello again and again; the server's work begins, its answer is not looked at.
void run_handshakes(void)
{
  SSL_CTX *context = new_context(0);
  struct message hello = client_hello(context);
  SSL *ssl;
  char answer[64];
  while (now() < deadline) {
    int descriptor = arrive(NULL, NULL, &ssl);
    if (descriptor < 0)
      continue;
    send(descriptor, hello.bytes, hello.length, MSG_NOSIGNAL);
    if (recv(descriptor, answer, sizeof answer, 0) > 5 && answer[0] == 22)
      atomic_fetch_add(&tally.messages, 1); // a ServerHello
    close_with_reset(descriptor);
  }
  SSL_CTX_free(context);
}

// All connect, then all say hello in one moment.
void run_handshake_burst(void)
{
  int count = options.connections / options.threads, *descriptors = calloc((size_t)count, sizeof *descriptors);
  SSL_CTX *context = new_context(0);
  struct message hello = client_hello(context);
  SSL *ssl;
  char answer[64];
  for (int i = 0; i < count; i++)
    descriptors[i] = arrive(NULL, NULL, &ssl);
  for (int i = 0; i < count; i++)
    send(descriptors[i], hello.bytes, hello.length, MSG_NOSIGNAL);
  for (int i = 0; i < count; i++) {
    while (now() < deadline && !is_closed(descriptors[i]))
      if (recv(descriptors[i], answer, sizeof answer, 0) > 5 && answer[0] == 22) {
        atomic_fetch_add(&tally.messages, 1); // a ServerHello
        break;
      }
    close_with_reset(descriptors[i]);
  }
  free(descriptors);
  SSL_CTX_free(context);
}

// OpenSSL stops at the first warning, so the records are made by hand, with its keys (RFC 5246 6.3, RFC 5288 3).

struct write_keys {
  unsigned char key[16], salt[4];
};

static bool derive_keys(SSL *ssl, struct write_keys *keys)
{
  unsigned char master[48], seed[64], block[40];
  SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master);
  SSL_get_server_random(ssl, seed, 32);
  SSL_get_client_random(ssl, seed + 32, 32);
  EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_PRF, NULL);
  EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
  OSSL_PARAM parameters[] = {OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
                             OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof master),
                             OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SEED, (char *)"key expansion", 13),
                             OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof seed), OSSL_PARAM_END};
  bool ok = EVP_KDF_derive(context, block, sizeof block, parameters) == 1;
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(kdf);
  memcpy(keys->key, block, 16);
  memcpy(keys->salt, block + 32, 4);
  return ok;
}

static size_t seal(const struct write_keys *keys, uint64_t sequence, const unsigned char *text, size_t length, unsigned char *record)
{
  unsigned char nonce[12], additional[13];
  int count;
  size_t sealed = 8 + length + 16;
  for (int i = 0; i < 8; i++)
    additional[i] = nonce[4 + i] = (unsigned char)(sequence >> (56 - 8 * i));
  memcpy(nonce, keys->salt, 4);
  const unsigned char head[5] = {22, 3, 3, (unsigned char)(length >> 8), (unsigned char)length};
  memcpy(additional + 8, head, 5);
  memcpy(record, head, 3);
  record[3] = (unsigned char)(sealed >> 8);
  record[4] = (unsigned char)sealed;
  memcpy(record + 5, nonce + 4, 8);
  EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, keys->key, nonce);
  EVP_EncryptUpdate(cipher, NULL, &count, additional, sizeof additional);
  EVP_EncryptUpdate(cipher, record + 13, &count, text, (int)length);
  EVP_EncryptFinal_ex(cipher, record + 13 + count, &count);
  EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16, record + 13 + length);
  EVP_CIPHER_CTX_free(cipher);
  return 5 + sealed;
}

void run_renegotiation(void)
{
  SSL_CTX *context = new_context(TLS1_2_VERSION);
  struct message hello = client_hello(context);
  struct write_keys keys;
  unsigned char record[MOST_HELLO + 64];
  SSL *ssl;
  while (now() < deadline) {
    int descriptor = arrive(context, NULL, &ssl);
    if (descriptor < 0)
      continue;
    derive_keys(ssl, &keys);
    for (uint64_t sequence = 1; sequence < MOST_RECORDS && now() < deadline; sequence++) { // 0 was Finished
      size_t length = seal(&keys, sequence, hello.bytes + 5, hello.length - 5, record);
      if (send(descriptor, record, length, MSG_NOSIGNAL) != (ssize_t)length)
        break;
      atomic_fetch_add(&tally.messages, 1);
    }
    char unread[4096];
    while (now() < deadline && recv(descriptor, unread, sizeof unread, 0) > 0)
      continue;
    if (is_closed(descriptor))
      atomic_fetch_add(&tally.closed, 1);
    end_visit(ssl, descriptor);
  }
  SSL_CTX_free(context);
}

static void update_keys(bool reads)
{
  SSL_CTX *context = new_context(TLS1_3_VERSION);
  char buffer[16384];
  SSL *ssl;
  while (now() < deadline) {
    int descriptor = arrive(context, NULL, &ssl);
    if (descriptor < 0)
      continue;
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    double begin = now();
    while (now() < deadline && !is_closed(descriptor) && now() < begin + 2) {
      if (SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1) {
        atomic_fetch_add(&tally.messages, 1);
      } else {
        struct pollfd poller = {descriptor, POLLOUT | POLLRDHUP, 0};
        if (!reads || SSL_get_error(ssl, 0) == SSL_ERROR_SSL)
          poll(&poller, 1, 100);
      }
      if (reads)
        SSL_read(ssl, buffer, sizeof buffer);
    }
    if (is_closed(descriptor))
      atomic_fetch_add(&tally.closed, 1);
    end_visit(ssl, descriptor);
  }
  SSL_CTX_free(context);
}

void run_key_update(void)
{
  update_keys(true);
}

void run_key_update_unread(void)
{
  update_keys(false);
}

void run_certificates(void)
{
  SSL_CTX *contexts[MOST_LISTS][2];
  SSL *ssl;
  for (int i = 0; i < options.list_count; i++)
    for (int k = 0; k < 2; k++) {
      contexts[i][k] = new_context(k ? TLS1_3_VERSION : TLS1_2_VERSION);
      SSL_CTX_set_security_level(contexts[i][k], 0);
      if (SSL_CTX_use_certificate_chain_file(contexts[i][k], options.lists[i]) != 1 ||
          SSL_CTX_use_PrivateKey_file(contexts[i][k], options.lists[i], SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "flood-attacker: %s cannot be used\n", options.lists[i]);
        exit(1);
      }
    }
  for (unsigned visit = 0; options.list_count > 0 && now() < deadline; visit++) {
    int descriptor = arrive(contexts[visit / 2 % (unsigned)options.list_count][visit % 2], NULL, &ssl);
    if (descriptor < 0)
      continue;
    if (SSL_write(ssl, request, sizeof request - 1) > 0)
      see_end(ssl, descriptor, true); // in TLS 1.3 the refusal comes behind the handshake
    end_visit(ssl, descriptor);
  }
}

// A session as the server gave it, whose ticket has been changed: in its middle, or all of it.
static SSL_SESSION *forge(SSL_SESSION *good, bool all)
{
  unsigned char *encoded = NULL;
  const unsigned char *ticket;
  size_t size;
  int length = i2d_SSL_SESSION(good, &encoded);
  SSL_SESSION_get0_ticket(good, &ticket, &size);
  unsigned char *found = length > 0 && size > 0 ? memmem(encoded, (size_t)length, ticket, size) : NULL;
  SSL_SESSION *forged = NULL;
  if (found) {
    RAND_bytes(all ? found : found + size / 2, all ? (int)size : 8);
    const unsigned char *read = encoded;
    forged = d2i_SSL_SESSION(NULL, &read, length);
  }
  OPENSSL_free(encoded);
  return forged;
}

static SSL_SESSION *earn_session(SSL_CTX *context)
{
  char answer[4096];
  SSL *ssl;
  int descriptor = arrive(context, NULL, &ssl);
  if (descriptor < 0)
    return NULL;
  SSL_write(ssl, request, sizeof request - 1);
  SSL_read(ssl, answer, sizeof answer); // in TLS 1.3 the ticket comes in front of it
  SSL_SESSION *session = SSL_get1_session(ssl);
  end_visit(ssl, descriptor);
  return session;
}

void run_tickets(void)
{
  SSL_CTX *contexts[2] = {new_context(TLS1_2_VERSION), new_context(TLS1_3_VERSION)};
  SSL_SESSION *good[2] = {earn_session(contexts[0]), earn_session(contexts[1])};
  SSL *ssl;
  for (unsigned visit = 0; now() < deadline; visit++) {
    SSL_SESSION *forged = good[visit % 2] ? forge(good[visit % 2], visit / 2 % 2 == 0) : NULL;
    if (!forged)
      continue;
    int descriptor = arrive(contexts[visit % 2], forged, &ssl);
    if (descriptor >= 0) {
      atomic_fetch_add(&tally.messages, 1);
      atomic_fetch_add(&tally.resumed, (unsigned)SSL_session_reused(ssl));
      end_visit(ssl, descriptor);
    }
    SSL_SESSION_free(forged);
  }
}

// Sends the opening and then the piece over and over, until the server has enough of it.
static void drop_bomb(SSL_CTX *context, const char *opening, const char *piece, size_t piece_length)
{
  SSL *ssl;
  int descriptor = arrive(context, NULL, &ssl);
  if (descriptor < 0)
    return;
  size_t sent = 0;
  if (write_some(ssl, descriptor, opening, strlen(opening)) > 0)
    while (sent < BOMB_BYTES && now() < deadline && !is_closed(descriptor)) {
      long count = write_some(ssl, descriptor, piece, piece_length);
      if (count <= 0)
        break;
      sent += (size_t)count;
    }
  see_end(ssl, descriptor, false);
  end_visit(ssl, descriptor);
}

static void drop_bombs(const char *const *openings, const char *const *pieces, unsigned count)
{
  SSL_CTX *context = new_context(0);
  for (unsigned visit = 0; now() < deadline; visit++)
    drop_bomb(context, openings[visit % count], pieces[visit % count], strlen(pieces[visit % count]));
  SSL_CTX_free(context);
}

static char *repeated(const char *text, size_t count)
{
  size_t length = strlen(text);
  char *all = malloc(length * count + 1);
  for (size_t i = 0; i < count; i++)
    memcpy(all + i * length, text, length);
  all[length * count] = 0;
  return all;
}

void run_headers(void)
{
  char *letters = repeated("a", 8000), *fields = repeated("a: b\r\n", 1500);
  const char *openings[] = {"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", "GET / HTTP/1.1\r\nHost: localhost\r\n", "GET /"};
  const char *pieces[] = {letters, fields, letters};
  drop_bombs(openings, pieces, 3);
  free(letters);
  free(fields);
}

void run_chunk_extensions(void)
{
  static const char post[] = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  char *letters = repeated("a", 8000), *name = repeated("a", 900);
  char first[256], chunk[1024];
  snprintf(first, sizeof first, "%s1;", post);
  snprintf(chunk, sizeof chunk, "1;%s\r\nx\r\n", name);
  const char *openings[] = {first, post}, *pieces[] = {letters, chunk};
  drop_bombs(openings, pieces, 2);
  free(letters);
  free(name);
}
