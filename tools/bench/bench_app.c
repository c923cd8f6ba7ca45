// SPDX-License-Identifier: MIT
// The application of ../shared/bench: GET / (13 bytes), /64k, /1m, POST / (reads the body, then answers), on one completion port
// and one thread.
//   bench-app --port P [--tls-port P]
#include <getopt.h>
#include <http.h>
#include <httpsys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECEIVES = 256, REQUEST_SIZE = 8192, READ_SIZE = 65536, LARGE = 1048576 };

struct work {
  OVERLAPPED overlapped;
  enum { RECEIVING, READING, SENDING } step;
  HTTP_REQUEST_ID id;
  HTTP_RESPONSE response;
  HTTP_DATA_CHUNK chunk;
  unsigned char *read_buffer;
  struct work *next; // while nothing is done with it
  _Alignas(8) unsigned char buffer[REQUEST_SIZE];
};

static HANDLE queue;
static char large[LARGE];
static struct work *spare;

static void check(const char *what, ULONG code)
{
  if (code == NO_ERROR || code == ERROR_IO_PENDING)
    return;
  fprintf(stderr, "bench-app: %s failed with %u: %s\n", what, (unsigned)code, httpsys_last_error_text());
  exit(1);
}

static void receive(struct work *work)
{
  work->overlapped.hEvent = NULL;
  work->step = RECEIVING;
  check("HttpReceiveHttpRequest",
        HttpReceiveHttpRequest(queue, HTTP_NULL_ID, 0, (HTTP_REQUEST *)work->buffer, sizeof work->buffer, NULL, &work->overlapped));
}

// So many receives are always there, however many answers wait for their clients.
static void receive_another(void)
{
  struct work *work = spare ? spare : calloc(1, sizeof *work);
  if (!work)
    exit(1);
  spare = work->next;
  receive(work);
}

static void set_aside(struct work *work)
{
  work->next = spare;
  spare = work;
}

static void answer(struct work *work, const void *body, ULONG length)
{
  HTTP_KNOWN_HEADER *type = &work->response.Headers.KnownHeaders[HttpHeaderContentType];
  memset(&work->response, 0, sizeof work->response);
  work->response.StatusCode = 200;
  work->response.pReason = "OK";
  work->response.ReasonLength = 2;
  type->pRawValue = "text/plain";
  type->RawValueLength = 10;
  work->chunk.DataChunkType = HttpDataChunkFromMemory;
  work->chunk.FromMemory.pBuffer = (void *)body;
  work->chunk.FromMemory.BufferLength = length;
  work->response.EntityChunkCount = 1;
  work->response.pEntityChunks = &work->chunk;
  work->step = SENDING;
  ULONG code = HttpSendHttpResponse(queue, work->id, 0, &work->response, NULL, NULL, NULL, 0, &work->overlapped, NULL);
  if (code != NO_ERROR && code != ERROR_IO_PENDING)
    set_aside(work);
}

static void read_body(struct work *work)
{
  if (!work->read_buffer && !(work->read_buffer = malloc(READ_SIZE)))
    exit(1);
  work->step = READING;
  ULONG code = HttpReceiveRequestEntityBody(queue, work->id, 0, work->read_buffer, READ_SIZE, NULL, &work->overlapped);
  if (code != NO_ERROR && code != ERROR_IO_PENDING)
    answer(work, "Hello, world!", 13);
}

static void serve(struct work *work)
{
  const HTTP_REQUEST *request = (const HTTP_REQUEST *)work->buffer;
  work->id = request->RequestId;
  if (request->Flags & HTTP_REQUEST_FLAG_MORE_ENTITY_BODY_EXISTS)
    read_body(work);
  else if (request->RawUrlLength == 4 && memcmp(request->pRawUrl, "/64k", 4) == 0)
    answer(work, large, 65536);
  else if (request->RawUrlLength == 3 && memcmp(request->pRawUrl, "/1m", 3) == 0)
    answer(work, large, LARGE);
  else
    answer(work, "Hello, world!", 13);
}

static void completed(struct work *work, DWORD code)
{
  switch (work->step) {
  case RECEIVING:
    receive_another();
    if (code == NO_ERROR)
      return serve(work);
    if (code != ERROR_MORE_DATA)
      check("HttpReceiveHttpRequest", code);
    work->id = ((HTTP_REQUEST *)work->buffer)->RequestId;
    return answer(work, "too large", 9);
  case READING: return code == NO_ERROR ? read_body(work) : answer(work, "Hello, world!", 13);
  case SENDING: return set_aside(work);
  }
}

static void add_url(HTTP_URL_GROUP_ID group, const char *scheme, const char *port_number)
{
  char text[64];
  WCHAR url[64];
  int length = snprintf(text, sizeof text, "%s://+:%s/", scheme, port_number);
  for (int i = 0; i <= length; i++)
    url[i] = (WCHAR)(unsigned char)text[i];
  check(text, HttpAddUrlToUrlGroup(group, url, 0, 0));
}

int main(int argc, char **argv)
{
  static const struct option options[] = {{"port", required_argument, NULL, 'p'}, {"tls-port", required_argument, NULL, 't'}, {0}};
  HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
  HTTP_SERVER_SESSION_ID session;
  HTTP_URL_GROUP_ID group;
  check("HttpInitialize", HttpInitialize(version, HTTP_INITIALIZE_SERVER, NULL));
  check("HttpCreateServerSession", HttpCreateServerSession(version, &session, 0));
  check("HttpCreateUrlGroup", HttpCreateUrlGroup(session, &group, 0));
  check("HttpCreateRequestQueue", HttpCreateRequestQueue(version, NULL, NULL, 0, &queue));
  HTTP_BINDING_INFO binding = {{.Present = 1}, queue};
  check("HttpSetUrlGroupProperty", HttpSetUrlGroupProperty(group, HttpServerBindingProperty, &binding, sizeof binding));
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == '?')
      return fprintf(stderr, "usage: bench-app --port P [--tls-port P]\n"), 2;
    add_url(group, option == 'p' ? "http" : "https", optarg);
  }
  memset(large, 'x', sizeof large);
  HANDLE port = CreateIoCompletionPort(queue, NULL, 0, 0);
  for (int i = 0; i < RECEIVES; i++)
    receive_another();
  puts("ready");
  fflush(stdout);
  for (;;) {
    OVERLAPPED_ENTRY entries[64];
    ULONG count = 0;
    if (!GetQueuedCompletionStatusEx(port, entries, 64, &count, INFINITE, FALSE))
      check("GetQueuedCompletionStatusEx", GetLastError());
    for (ULONG i = 0; i < count; i++) {
      struct work *work = (struct work *)entries[i].lpOverlapped;
      DWORD bytes;
      completed(work, GetOverlappedResult(queue, &work->overlapped, &bytes, FALSE) ? NO_ERROR : GetLastError());
    }
  }
}
