// SPDX-License-Identifier: GPL-3.0-or-later
// Registers a URL and removes it again, as often as it can until its standard input ends: url_flipper URL
// Prints "ready" when it has begun, then how often it did.
#include "tests/system/worker.h"
#include <poll.h>
#include <stdlib.h>

static void check(const char *what, ULONG code)
{
  if (code == NO_ERROR)
    return;
  fprintf(stderr, "%s failed with %lu\n", what, (unsigned long)code);
  exit(1);
}

int main(int argc, char **argv)
{
  HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
  HTTP_SERVER_SESSION_ID session;
  HTTP_URL_GROUP_ID group;
  WCHAR url[256];
  struct pollfd input = {.fd = 0, .events = POLLIN};
  unsigned long count = 0;
  if (argc != 2)
    return 2;
  widen(url, sizeof url / sizeof *url, argv[1]);
  check("HttpInitialize", HttpInitialize(version, HTTP_INITIALIZE_SERVER, NULL));
  check("HttpCreateServerSession", HttpCreateServerSession(version, &session, 0));
  check("HttpCreateUrlGroup", HttpCreateUrlGroup(session, &group, 0));
  puts("ready");
  fflush(stdout);
  for (; poll(&input, 1, 0) == 0; count++) {
    check("HttpAddUrlToUrlGroup", HttpAddUrlToUrlGroup(group, url, 0, 0));
    check("HttpRemoveUrlFromUrlGroup", HttpRemoveUrlFromUrlGroup(group, url, 0));
  }
  printf("%lu times\n", count);
  return 0;
}
