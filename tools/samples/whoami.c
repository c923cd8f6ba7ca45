// SPDX-License-Identifier: MIT
// whoami: tells a client who it is. What a porter would read first: the HTTP Server API as on Windows, overlapped on a completion
// port, with a client certificate that is asked for on demand, on /whoami alone, on a connection that is already up.
//
//   whoami https://localhost:8443/ [URL-PREFIX...]        gcc whoami.c $(pkg-config --cflags --libs httpapi libcrypto)
#include <http.h>
#include <httpsys.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECEIVES = 16, REQUEST_SIZE = 4096, CERTIFICATE_SIZE = 1500, BODY_SIZE = 4096, SP_PROT_TLS1_3_SERVER = 0x1000 };

// One request on its way through the program. The OVERLAPPED comes first, so that a packet's pointer is the whole.
static struct work {
  OVERLAPPED overlapped;
  enum { RECEIVING, ASKING, SENDING } step;
  HTTP_REQUEST *request;
  HTTP_SSL_CLIENT_CERT_INFO *certificate;
  ULONGLONG asked_at; // 0: not at all
  char body[BODY_SIZE];
} works[RECEIVES];

static HANDLE queue;

static void check(const char *what, ULONG code)
{
  if (code == NO_ERROR || code == ERROR_IO_PENDING)
    return;
  fprintf(stderr, "whoami: %s failed with %u: %s\n", what, (unsigned)code, httpsys_last_error_text());
  exit(1);
}

static void *prepare(struct work *work, int step, void *buffer, ULONG size)
{
  work->overlapped = (OVERLAPPED){0};
  work->step = step;
  buffer = realloc(buffer, size);
  check("realloc", buffer ? NO_ERROR : ERROR_NOT_ENOUGH_MEMORY);
  return buffer;
}

static void receive(struct work *work, HTTP_REQUEST_ID id, ULONG size)
{
  work->request = prepare(work, RECEIVING, work->request, size);
  check("HttpReceiveHttpRequest", HttpReceiveHttpRequest(queue, id, 0, work->request, size, NULL, &work->overlapped));
}

// What the structures name is copied before the call returns, but for the body, which has to stay until the packet comes.
static void answer(struct work *work, USHORT status, const char *reason)
{
  HTTP_DATA_CHUNK chunk = {HttpDataChunkFromMemory, {.FromMemory = {work->body, (ULONG)strlen(work->body)}}};
  HTTP_RESPONSE response = {.StatusCode = status, .EntityChunkCount = 1, .pEntityChunks = &chunk};
  response.ReasonLength = (USHORT)strlen(response.pReason = reason);
  response.Headers.KnownHeaders[HttpHeaderContentType] = (HTTP_KNOWN_HEADER){25, "text/plain; charset=utf-8"};
  work->overlapped = (OVERLAPPED){0};
  work->step = SENDING;
  ULONG code = HttpSendHttpResponse(queue, work->request->RequestId, 0, &response, NULL, NULL, NULL, 0, &work->overlapped, NULL);
  if (code != NO_ERROR && code != ERROR_IO_PENDING)
    receive(work, HTTP_NULL_ID, REQUEST_SIZE); // no packet comes; the client has gone
}

static void refuse(struct work *work, ULONG code)
{
  snprintf(work->body, BODY_SIZE, "error %u: %s\n", (unsigned)code, httpsys_last_error_text());
  answer(work, 403, "Forbidden");
}

static void ask(struct work *work, ULONG size)
{
  work->certificate = prepare(work, ASKING, work->certificate, size);
  ULONG code = HttpReceiveClientCertificate(queue, work->request->ConnectionId, 0, work->certificate, size, NULL, &work->overlapped);
  if (code != NO_ERROR && code != ERROR_IO_PENDING)
    refuse(work, code);
}

static void print_hex(FILE *page, const char *label, const unsigned char *bytes, size_t count)
{
  fprintf(page, "%-16s ", label);
  for (size_t i = 0; i < count; i++)
    fprintf(page, i + 1 < count ? "%02x" : "%02x\n", bytes[i]);
}

static const char *way(const struct work *work)
{
  if (!work->asked_at)
    return "in the handshake, or by an earlier request of the connection";
  for (USHORT i = 0; i < work->request->RequestInfoCount; i++) {
    const HTTP_SSL_PROTOCOL_INFO *tls = work->request->pRequestInfo[i].pInfo;
    if (work->request->pRequestInfo[i].InfoType == HttpRequestInfoTypeSslProtocol && tls->Protocol == SP_PROT_TLS1_3_SERVER)
      return "on demand, TLS 1.3 post-handshake authentication";
  }
  return "on demand, TLS 1.2 renegotiation";
}

// A call that blocks, beside the overlapped ones: the client has no part in it.
static void print_channel_binding(FILE *page, HTTP_CONNECTION_ID connection)
{
  union { HTTP_SSL_CLIENT_CERT_INFO any; HTTP_REQUEST_CHANNEL_BIND_STATUS status; UCHAR room[256]; } token;
  const ULONG hash_at = sizeof(SEC_CHANNEL_BINDINGS) + sizeof "tls-server-end-point:" - 1;
  ULONG bytes, flags = HTTP_RECEIVE_SECURE_CHANNEL_TOKEN;
  ULONG code = HttpReceiveClientCertificate(queue, connection, flags, &token.any, sizeof token, &bytes, NULL);
  if (code == NO_ERROR && token.status.ChannelTokenSize > hash_at)
    print_hex(page, "channel binding", token.status.ChannelToken + hash_at, token.status.ChannelTokenSize - hash_at);
}

static void tell(struct work *work, const HTTP_SSL_CLIENT_CERT_INFO *certificate)
{
  const unsigned char *der = certificate->pCertEncoded;
  X509 *x509 = d2i_X509(NULL, &der, (long)certificate->CertEncodedSize);
  FILE *page = fmemopen(memset(work->body, 0, BODY_SIZE), BODY_SIZE - 1, "w");
  check("fmemopen", page ? NO_ERROR : ERROR_NOT_ENOUGH_MEMORY);
  fprintf(page, "%-16s ", "subject");
  X509_NAME_print_ex_fp(page, x509 ? X509_get_subject_name(x509) : NULL, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  fprintf(page, "\n%-16s ", "issuer");
  X509_NAME_print_ex_fp(page, x509 ? X509_get_issuer_name(x509) : NULL, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  fputc('\n', page);
  print_hex(page, "thumbprint", SHA1(certificate->pCertEncoded, certificate->CertEncodedSize, NULL), SHA_DIGEST_LENGTH);
  fprintf(page, certificate->CertFlags ? "%-16s 0x%08x\n" : "%-16s verified\n", "chain", (unsigned)certificate->CertFlags);
  fprintf(page, "%-16s %s\n", "obtained", way(work));
  if (work->asked_at)
    fprintf(page, "%-16s %u ms\n", "answered in", (unsigned)(GetTickCount64() - work->asked_at));
  print_channel_binding(page, work->request->ConnectionId);
  fclose(page);
  X509_free(x509);
  answer(work, 200, "OK");
}

static void serve(struct work *work)
{
  static const WCHAR wanted[] = u"/whoami";
  const HTTP_COOKED_URL *url = &work->request->CookedUrl; // its lengths are in bytes
  const HTTP_SSL_INFO *tls = work->request->pSslInfo;
  work->asked_at = 0;
  if (url->AbsPathLength != sizeof wanted - sizeof(WCHAR) || memcmp(url->pAbsPath, wanted, url->AbsPathLength) != 0) {
    snprintf(work->body, BODY_SIZE, "Hello from pid %d. /whoami asks for your certificate.\n", (int)getpid());
    answer(work, 200, "OK");
  } else if (tls && tls->pClientCertInfo) {
    tell(work, tls->pClientCertInfo);
  } else {
    work->asked_at = GetTickCount64();
    ask(work, CERTIFICATE_SIZE);
  }
}

static void completed(struct work *work, ULONG code, ULONG bytes)
{
  if (code == ERROR_OPERATION_ABORTED || code == ERROR_INVALID_HANDLE)
    check("httpsysd", code);
  if (work->step == RECEIVING && code == NO_ERROR)
    serve(work);
  else if (work->step == RECEIVING && code == ERROR_MORE_DATA)
    receive(work, work->request->RequestId, bytes);
  else if (work->step == ASKING && code == NO_ERROR)
    tell(work, work->certificate);
  else if (work->step == ASKING && code == ERROR_MORE_DATA)
    ask(work, bytes + work->certificate->CertEncodedSize);
  else if (work->step == ASKING)
    refuse(work, code);
  else
    receive(work, HTTP_NULL_ID, REQUEST_SIZE);
}

int main(int argc, char **argv)
{
  HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
  HTTP_SERVER_SESSION_ID session;
  HTTP_URL_GROUP_ID group;
  check("HttpInitialize", HttpInitialize(version, HTTP_INITIALIZE_SERVER, NULL));
  check("HttpCreateServerSession", HttpCreateServerSession(version, &session, 0));
  check("HttpCreateUrlGroup", HttpCreateUrlGroup(session, &group, 0));
  check("HttpCreateRequestQueue", HttpCreateRequestQueue(version, NULL, NULL, 0, &queue));
  HTTP_BINDING_INFO binding = {{.Present = 1}, queue};
  check("HttpSetUrlGroupProperty", HttpSetUrlGroupProperty(group, HttpServerBindingProperty, &binding, sizeof binding));
  for (int i = 1; i < argc; i++) {
    WCHAR url[256] = {0};
    for (size_t k = 0; k < 255 && argv[i][k]; k++)
      url[k] = (unsigned char)argv[i][k];
    check(argv[i], HttpAddUrlToUrlGroup(group, url, 0, 0));
  }
  HANDLE port = CreateIoCompletionPort(queue, NULL, 0, 0);
  check("CreateIoCompletionPort", port ? NO_ERROR : GetLastError());
  for (int i = 0; i < RECEIVES; i++)
    receive(&works[i], HTTP_NULL_ID, REQUEST_SIZE);
  printf("whoami: pid %d serves %s\n", (int)getpid(), argc > 1 ? argv[1] : "nothing: no URL prefix was given");
  fflush(stdout);
  for (;;) {
    DWORD bytes = 0;
    ULONG_PTR key;
    OVERLAPPED *overlapped = NULL;
    BOOL is_good = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE);
    check("GetQueuedCompletionStatus", overlapped ? NO_ERROR : GetLastError());
    completed((struct work *)overlapped, is_good ? NO_ERROR : GetLastError(), bytes);
  }
}
