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

enum { RECEIVES = 16, FIRST_SIZE = 4096, CERTIFICATE_SIZE = 1500, BODY_SIZE = 4096 };

// One request on its way through the program. The OVERLAPPED comes first, so that a packet's pointer is the whole.
struct work {
  OVERLAPPED overlapped;
  enum { RECEIVING, ASKING, SENDING } step;
  HTTP_REQUEST *request;
  ULONG request_size;
  HTTP_SSL_CLIENT_CERT_INFO *certificate;
  ULONG certificate_size;
  ULONGLONG asked_at;
  HTTP_RESPONSE response;
  HTTP_DATA_CHUNK chunk;
  char body[BODY_SIZE];
};

static HANDLE queue, port;

static void die(const char *what, ULONG code)
{
  fprintf(stderr, "whoami: %s failed with %u: %s\n", what, (unsigned)code, httpsys_last_error_text());
  exit(1);
}

static void *grow(void *old, ULONG size)
{
  void *memory = realloc(old, size);
  if (!memory)
    die("memory", ERROR_NOT_ENOUGH_MEMORY);
  return memory;
}

static void receive(struct work *work, HTTP_REQUEST_ID id, ULONG size)
{
  if (size > work->request_size) {
    work->request = grow(work->request, size);
    work->request_size = size;
  }
  memset(&work->overlapped, 0, sizeof work->overlapped);
  work->step = RECEIVING;
  ULONG code = HttpReceiveHttpRequest(queue, id, 0, work->request, work->request_size, NULL, &work->overlapped);
  if (code != NO_ERROR && code != ERROR_IO_PENDING)
    die("HttpReceiveHttpRequest", code);
}

static void answer(struct work *work, USHORT status, const char *reason)
{
  memset(&work->overlapped, 0, sizeof work->overlapped);
  memset(&work->response, 0, sizeof work->response);
  work->step = SENDING;
  work->response.StatusCode = status;
  work->response.pReason = reason;
  work->response.ReasonLength = (USHORT)strlen(reason);
  work->response.Headers.KnownHeaders[HttpHeaderContentType].pRawValue = "text/plain; charset=utf-8";
  work->response.Headers.KnownHeaders[HttpHeaderContentType].RawValueLength = 25;
  work->chunk.DataChunkType = HttpDataChunkFromMemory;
  work->chunk.FromMemory.pBuffer = work->body;
  work->chunk.FromMemory.BufferLength = (ULONG)strlen(work->body);
  work->response.EntityChunkCount = 1;
  work->response.pEntityChunks = &work->chunk;
  ULONG code =
      HttpSendHttpResponse(queue, work->request->RequestId, 0, &work->response, NULL, NULL, NULL, 0, &work->overlapped, NULL);
  if (code != NO_ERROR && code != ERROR_IO_PENDING)
    receive(work, HTTP_NULL_ID, FIRST_SIZE); // the client has gone
}

static void append(struct work *work, const char *label, const char *value)
{
  size_t used = strlen(work->body);
  snprintf(work->body + used, sizeof work->body - used, "%-16s %s\n", label, value);
}

static void append_hex(struct work *work, const char *label, const unsigned char *bytes, size_t count)
{
  char text[129] = "";
  for (size_t i = 0; i < count && i < 64; i++)
    sprintf(text + 2 * i, "%02x", bytes[i]);
  append(work, label, text);
}

static void append_name(struct work *work, const char *label, X509_NAME *name)
{
  BIO *text = BIO_new(BIO_s_mem());
  char *bytes;
  X509_NAME_print_ex(text, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  BIO_write(text, "", 1);
  BIO_get_mem_data(text, &bytes);
  append(work, label, bytes);
  BIO_free(text);
}

static void append_channel_binding(struct work *work)
{
  // A synchronous call beside the overlapped ones: the token needs no answer from the client.
  union {
    HTTP_REQUEST_CHANNEL_BIND_STATUS status;
    unsigned char bytes[sizeof(HTTP_REQUEST_CHANNEL_BIND_STATUS) + 128];
  } token;
  ULONG count;
  ULONG code = HttpReceiveClientCertificate(queue, work->request->ConnectionId, HTTP_RECEIVE_SECURE_CHANNEL_TOKEN,
                                            (HTTP_SSL_CLIENT_CERT_INFO *)&token, sizeof token, &count, NULL);
  // 32 bytes of SEC_CHANNEL_BINDINGS, "tls-server-end-point:", the hash of the server's certificate (RFC 5929).
  if (code == NO_ERROR && token.status.ChannelTokenSize > 53)
    append_hex(work, "channel binding", token.status.ChannelToken + 53, token.status.ChannelTokenSize - 53);
}

static const char *way(const struct work *work)
{
  if (!work->asked_at)
    return "in the handshake, or by an earlier request of the connection";
  for (USHORT i = 0; i < work->request->RequestInfoCount; i++) {
    const HTTP_SSL_PROTOCOL_INFO *protocol = work->request->pRequestInfo[i].pInfo;
    if (work->request->pRequestInfo[i].InfoType == HttpRequestInfoTypeSslProtocol)
      return protocol->Protocol == 0x1000 ? "on demand, TLS 1.3 post-handshake authentication" : "on demand, TLS 1.2 renegotiation";
  }
  return "on demand";
}

static void tell(struct work *work, const HTTP_SSL_CLIENT_CERT_INFO *certificate)
{
  const unsigned char *der = certificate->pCertEncoded;
  unsigned char thumbprint[SHA_DIGEST_LENGTH];
  char text[64];
  X509 *x509 = d2i_X509(NULL, &der, (long)certificate->CertEncodedSize);
  if (x509) {
    append_name(work, "subject", X509_get_subject_name(x509));
    append_name(work, "issuer", X509_get_issuer_name(x509));
    X509_free(x509);
  }
  append_hex(work, "thumbprint", SHA1(certificate->pCertEncoded, certificate->CertEncodedSize, thumbprint), sizeof thumbprint);
  snprintf(text, sizeof text, certificate->CertFlags ? "0x%08x" : "verified", (unsigned)certificate->CertFlags);
  append(work, "chain", text);
  append(work, "obtained", way(work));
  if (work->asked_at) {
    snprintf(text, sizeof text, "%u ms", (unsigned)(GetTickCount64() - work->asked_at));
    append(work, "answered in", text);
  }
  append_channel_binding(work);
  answer(work, 200, "OK");
}

static void ask(struct work *work, ULONG size)
{
  if (size > work->certificate_size) {
    work->certificate = grow(work->certificate, size);
    work->certificate_size = size;
  }
  memset(&work->overlapped, 0, sizeof work->overlapped);
  work->step = ASKING;
  ULONG code = HttpReceiveClientCertificate(queue, work->request->ConnectionId, 0, work->certificate, work->certificate_size, NULL,
                                            &work->overlapped);
  if (code != NO_ERROR && code != ERROR_IO_PENDING) {
    snprintf(work->body, sizeof work->body, "error %u: %s\n", (unsigned)code, httpsys_last_error_text());
    answer(work, 403, "Forbidden");
  }
}

static void serve(struct work *work)
{
  const HTTP_REQUEST *request = work->request;
  work->body[0] = 0;
  work->asked_at = 0;
  size_t length = request->CookedUrl.AbsPathLength / sizeof(WCHAR);
  static const WCHAR wanted[] = {'/', 'w', 'h', 'o', 'a', 'm', 'i'};
  if (length < 7 || memcmp(request->CookedUrl.pAbsPath + length - 7, wanted, sizeof wanted) != 0) {
    snprintf(work->body, sizeof work->body, "Hello from pid %d. /whoami asks for your certificate.\n", (int)getpid());
    answer(work, 200, "OK");
  } else if (request->pSslInfo && request->pSslInfo->pClientCertInfo) {
    tell(work, request->pSslInfo->pClientCertInfo);
  } else {
    work->asked_at = GetTickCount64();
    ask(work, CERTIFICATE_SIZE);
  }
}

static void completed(struct work *work, DWORD bytes, DWORD code)
{
  if (code == ERROR_OPERATION_ABORTED || code == ERROR_INVALID_HANDLE)
    die("the daemon", code);
  switch (work->step) {
  case RECEIVING:
    if (code == NO_ERROR)
      serve(work);
    else
      receive(work, code == ERROR_MORE_DATA ? work->request->RequestId : HTTP_NULL_ID,
              code == ERROR_MORE_DATA ? bytes : FIRST_SIZE);
    break;
  case ASKING:
    if (code == NO_ERROR) {
      tell(work, work->certificate);
    } else if (code == ERROR_MORE_DATA) {
      ask(work, bytes + work->certificate->CertEncodedSize);
    } else {
      snprintf(work->body, sizeof work->body, "error %u: %s\n", (unsigned)code, httpsys_last_error_text());
      answer(work, 403, "Forbidden");
    }
    break;
  case SENDING: receive(work, HTTP_NULL_ID, FIRST_SIZE); break;
  }
}

int main(int argc, char **argv)
{
  HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
  HTTP_SERVER_SESSION_ID session;
  HTTP_URL_GROUP_ID group;
  ULONG code;
  if (argc < 2)
    return fprintf(stderr, "usage: whoami URL-PREFIX...   for example https://localhost:8443/\n"), 2;
  if ((code = HttpInitialize(version, HTTP_INITIALIZE_SERVER, NULL)) != NO_ERROR)
    die("HttpInitialize", code);
  if ((code = HttpCreateServerSession(version, &session, 0)) != NO_ERROR ||
      (code = HttpCreateUrlGroup(session, &group, 0)) != NO_ERROR ||
      (code = HttpCreateRequestQueue(version, NULL, NULL, 0, &queue)) != NO_ERROR)
    die("creating session, URL group and request queue", code);
  HTTP_BINDING_INFO binding = {{.Present = 1}, queue};
  if ((code = HttpSetUrlGroupProperty(group, HttpServerBindingProperty, &binding, sizeof binding)) != NO_ERROR)
    die("HttpSetUrlGroupProperty", code);
  for (int i = 1; i < argc; i++) {
    WCHAR url[256];
    size_t length = 0;
    for (; argv[i][length] && length < 255; length++)
      url[length] = (unsigned char)argv[i][length];
    url[length] = 0;
    if ((code = HttpAddUrlToUrlGroup(group, url, 0, 0)) != NO_ERROR)
      die(argv[i], code);
  }
  port = CreateIoCompletionPort(queue, NULL, 0, 0);
  for (int i = 0; i < RECEIVES; i++)
    receive(calloc(1, sizeof(struct work)), HTTP_NULL_ID, FIRST_SIZE);
  printf("whoami: pid %d serves %s\n", (int)getpid(), argv[1]);
  fflush(stdout);
  for (;;) {
    DWORD bytes = 0;
    ULONG_PTR key;
    OVERLAPPED *overlapped = NULL;
    BOOL good = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE);
    if (!overlapped)
      die("GetQueuedCompletionStatus", GetLastError());
    completed((struct work *)overlapped, bytes, good ? NO_ERROR : GetLastError());
  }
}
