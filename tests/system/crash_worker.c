// SPDX-License-Identifier: GPL-3.0-or-later
// A worker that test_received.py kills: notes the path of each request as soon as it has received it (witness.h), then answers with its
// process id. The time between is drawn, so that a signal finds requests that were received and not answered.
//   crash_worker THREADS MICROSECONDS QUEUE-NAME [URL]
// With a URL it makes the queue, without one it opens it.
#include "tests/system/witness.h"
#include "tests/system/worker.h"
#include <httpsys.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static HANDLE queue;
static unsigned longest;

static void check(const char *what, ULONG code)
{
  if (code == NO_ERROR)
    return;
  fprintf(stderr, "crash_worker: %s failed with %u: %s\n", what, (unsigned)code, httpsys_last_error_text());
  _exit(1);
}

static void *serve(void *seed)
{
  _Alignas(8) unsigned char buffer[16384];
  unsigned state = *(unsigned *)seed;
  for (;;) {
    HTTP_REQUEST *request = (HTTP_REQUEST *)buffer;
    ULONG bytes;
    check("HttpReceiveHttpRequest", HttpReceiveHttpRequest(queue, HTTP_NULL_ID, 0, request, sizeof buffer, &bytes, NULL));
    witness_note(request->RequestId, request->pRawUrl, request->RawUrlLength);
    usleep((unsigned)rand_r(&state) % longest);
    answer(queue, request->RequestId);
  }
  return NULL;
}

int main(int argc, char **argv)
{
  if (argc < 4)
    return fprintf(stderr, "usage: crash_worker THREADS MICROSECONDS QUEUE-NAME [URL]\n"), 2;
  HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
  WCHAR name[256], url[256];
  int threads = atoi(argv[1]);
  longest = (unsigned)atoi(argv[2]) + 1;
  widen(name, 256, argv[3]);
  check("HttpInitialize", HttpInitialize(version, HTTP_INITIALIZE_SERVER, NULL));
  check("HttpCreateRequestQueue",
        HttpCreateRequestQueue(version, name, NULL, argc > 4 ? 0 : HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING, &queue));
  if (argc > 4) {
    HTTP_SERVER_SESSION_ID session;
    HTTP_URL_GROUP_ID group;
    HTTP_BINDING_INFO binding = {{.Present = 1}, queue};
    check("HttpCreateServerSession", HttpCreateServerSession(version, &session, 0));
    check("HttpCreateUrlGroup", HttpCreateUrlGroup(session, &group, 0));
    check("HttpSetUrlGroupProperty", HttpSetUrlGroupProperty(group, HttpServerBindingProperty, &binding, sizeof binding));
    widen(url, 256, argv[4]);
    check("HttpAddUrlToUrlGroup", HttpAddUrlToUrlGroup(group, url, 0, 0));
  }
  if (write(1, "ready\n", 6) != 6)
    return 1;
  for (int i = 0; i < threads; i++) {
    pthread_t thread;
    unsigned *seed = malloc(sizeof *seed);
    if (!seed)
      return 1;
    *seed = (unsigned)getpid() * 31 + (unsigned)i;
    if (pthread_create(&thread, NULL, serve, seed) != 0)
      return 1;
  }
  for (;;)
    pause();
}
