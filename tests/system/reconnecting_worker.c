// SPDX-License-Identifier: GPL-3.0-or-later
// An application that outlives the daemon, for test_crash.py and test_scarcity.py: when its calls have failed because the daemon has
// gone, it ends its session, waits for the next daemon, makes its queue and URL anew and serves on. Says "serving N" each time, and answers
// with its process id. When the daemon is short of something it says "refused CODE" and tries again.
//   reconnecting_worker THREADS QUEUE-NAME [URL]
// With a URL it makes the queue, without one it opens it.
#include "tests/system/worker.h"
#include <httpsys.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_THREADS = 16, PAUSE_MICROSECONDS = 5000, REFUSED_MICROSECONDS = 50000 };

static const HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
static HANDLE queue;
static HTTP_SERVER_SESSION_ID session;

static void give_up(const char *what, ULONG code)
{
  fprintf(stderr, "reconnecting_worker: %s (%u): %s\n", what, (unsigned)code, httpsys_last_error_text());
  _exit(1);
}

// That the daemon, or the queue of the other worker, is not there is what is waited for.
static void check(ULONG code)
{
  if (code == ERROR_TOO_MANY_OPEN_FILES || code == ERROR_NOT_ENOUGH_MEMORY || code == ERROR_NO_SYSTEM_RESOURCES) {
    printf("refused %u\n", (unsigned)code);
    fflush(stdout);
    usleep(REFUSED_MICROSECONDS);
    return;
  }
  if (code != NO_ERROR && code != ERROR_SERVICE_NOT_ACTIVE && code != ERROR_FILE_NOT_FOUND)
    give_up("cannot serve", code);
}

static void *serve(void *unused)
{
  _Alignas(8) unsigned char buffer[16384];
  HTTP_REQUEST *request = (HTTP_REQUEST *)buffer;
  ULONG bytes;
  while (HttpReceiveHttpRequest(queue, HTTP_NULL_ID, 0, request, sizeof buffer, &bytes, NULL) == NO_ERROR)
    answer(queue, request->RequestId);
  return unused;
}

// What is open ends with the session. Errors: the daemon has gone again.
static ULONG open_all(const WCHAR *name, const WCHAR *url)
{
  HTTP_URL_GROUP_ID group;
  HTTP_BINDING_INFO binding = {{.Present = 1}, NULL};
  ULONG code = HttpCreateRequestQueue(version, name, NULL, url ? 0 : HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING, &queue);
  if (code != NO_ERROR || !url)
    return code;
  if ((code = HttpCreateServerSession(version, &session, 0)) != NO_ERROR)
    return code;
  if ((code = HttpCreateUrlGroup(session, &group, 0)) != NO_ERROR)
    return code;
  binding.RequestQueueHandle = queue;
  if ((code = HttpSetUrlGroupProperty(group, HttpServerBindingProperty, &binding, sizeof binding)) != NO_ERROR)
    return code;
  return HttpAddUrlToUrlGroup(group, url, 0, 0);
}

static void close_all(void)
{
  if (queue)
    HttpCloseRequestQueue(queue);
  if (session)
    HttpCloseServerSession(session);
  queue = NULL;
  session = 0;
  HttpTerminate(HTTP_INITIALIZE_SERVER, NULL);
}

static void serve_once(unsigned count, unsigned threads)
{
  pthread_t all[MOST_THREADS];
  printf("serving %u\n", count);
  fflush(stdout);
  for (unsigned i = 0; i < threads; i++)
    if (pthread_create(&all[i], NULL, serve, NULL) != 0)
      give_up("no thread", 0);
  for (unsigned i = 0; i < threads; i++)
    pthread_join(all[i], NULL);
}

int main(int argc, char **argv)
{
  if (argc < 3 || atoi(argv[1]) < 1 || atoi(argv[1]) > MOST_THREADS)
    return fprintf(stderr, "usage: reconnecting_worker THREADS QUEUE-NAME [URL]\n"), 2;
  WCHAR name[256], url[256];
  widen(name, 256, argv[2]);
  widen(url, 256, argc > 3 ? argv[3] : "");
  for (unsigned count = 1;;) {
    ULONG code = HttpInitialize(version, HTTP_INITIALIZE_SERVER, NULL);
    check(code);
    if (code == NO_ERROR) {
      code = open_all(name, argc > 3 ? url : NULL);
      check(code);
      if (code == NO_ERROR)
        serve_once(count++, (unsigned)atoi(argv[1]));
      close_all();
    }
    usleep(PAUSE_MICROSECONDS);
  }
}
