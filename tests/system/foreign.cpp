// SPDX-License-Identifier: GPL-3.0-or-later
// Ids and handle values of another process, for test_foreign.py.
//   foreign owner URL        receives one request, tells its ids ("ids QUEUE REQUEST CONNECTION GROUP SESSION"), reads its body and answers
//                            after a line on stdin
//   foreign stranger QUEUE REQUEST CONNECTION GROUP SESSION    calls every function with them: lines "FUNCTION CODE"
//   foreign certificate QUEUE CONNECTION    HttpReceiveClientCertificate with an OVERLAPPED, with each kind of flags: lines "HOW FLAGS
//                            RETURNED CODE BYTES UNTOUCHED"; HOW is "handle" (the owner's) or "id" (with a queue of this process)
//   foreign open NAME        opens the named queue: "open CODE"
//   foreign create NAME      makes it and stays until the end of stdin
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <http.h>
#include <httpsys.h>
#include <string>

namespace {

const HTTPAPI_VERSION kVersion = HTTPAPI_VERSION_2;
alignas(8) unsigned char s_buffer[16384];

void say(const char *what, ULONG code)
{
  std::printf("%s %u\n", what, code);
  std::fflush(stdout);
}

void expect(ULONG code, const char *what)
{
  if (code == NO_ERROR)
    return;
  std::fprintf(stderr, "foreign: %s failed with %u: %s\n", what, code, httpsys_last_error_text());
  std::_Exit(1);
}

std::u16string wide(const char *text)
{
  return {text, text + std::strlen(text)};
}

HANDLE handle_of(const char *text)
{
  return reinterpret_cast<HANDLE>(std::strtoull(text, nullptr, 10));
}

struct Served {
  HANDLE queue = nullptr;
  HTTP_SERVER_SESSION_ID session = 0;
  HTTP_URL_GROUP_ID group = 0;

  Served()
  {
    expect(HttpCreateServerSession(kVersion, &session, 0), "HttpCreateServerSession");
    expect(HttpCreateUrlGroup(session, &group, 0), "HttpCreateUrlGroup");
    expect(HttpCreateRequestQueue(kVersion, nullptr, nullptr, 0, &queue), "HttpCreateRequestQueue");
    expect(bind(group, queue), "HttpSetUrlGroupProperty");
  }

  static ULONG bind(HTTP_URL_GROUP_ID group, HANDLE queue)
  {
    HTTP_BINDING_INFO binding{};
    binding.Flags.Present = 1;
    binding.RequestQueueHandle = queue;
    return HttpSetUrlGroupProperty(group, HttpServerBindingProperty, &binding, sizeof binding);
  }
};

ULONG respond(HANDLE queue, HTTP_REQUEST_ID id)
{
  HTTP_RESPONSE response{};
  ULONG bytes = 0;
  response.StatusCode = 200;
  return HttpSendHttpResponse(queue, id, 0, &response, nullptr, &bytes, nullptr, 0, nullptr, nullptr);
}

void owner(const char *url)
{
  Served served;
  expect(HttpAddUrlToUrlGroup(served.group, wide(url).c_str(), 0, 0), "HttpAddUrlToUrlGroup");
  say("ready", 0);
  auto &request = *reinterpret_cast<HTTP_REQUEST *>(s_buffer);
  ULONG bytes = 0;
  expect(HttpReceiveHttpRequest(served.queue, 0, 0, &request, sizeof s_buffer, &bytes, nullptr), "HttpReceiveHttpRequest");
  std::printf("ids %llu %llu %llu %llu %llu\n", reinterpret_cast<unsigned long long>(served.queue),
              static_cast<unsigned long long>(request.RequestId), static_cast<unsigned long long>(request.ConnectionId),
              static_cast<unsigned long long>(served.group), static_cast<unsigned long long>(served.session));
  std::fflush(stdout);
  std::getchar();
  char body[100];
  expect(HttpReceiveRequestEntityBody(served.queue, request.RequestId, 0, body, sizeof body, &bytes, nullptr), "the body");
  say("body", bytes);
  expect(respond(served.queue, request.RequestId), "HttpSendHttpResponse");
  say("answered", 0);
}

// Every function that takes a request's or connection's id.
void try_requests(HANDLE queue, HTTP_REQUEST_ID request, HTTP_CONNECTION_ID connection)
{
  ULONG bytes = 0;
  auto *into = reinterpret_cast<HTTP_REQUEST *>(s_buffer);
  auto *certificate = reinterpret_cast<HTTP_SSL_CLIENT_CERT_INFO *>(s_buffer);
  say("HttpReceiveHttpRequest", HttpReceiveHttpRequest(queue, request, 0, into, sizeof s_buffer, &bytes, nullptr));
  say("HttpReceiveRequestEntityBody", HttpReceiveRequestEntityBody(queue, request, 0, s_buffer, 100, &bytes, nullptr));
  say("HttpSendHttpResponse", respond(queue, request));
  say("HttpSendResponseEntityBody", HttpSendResponseEntityBody(queue, request, 0, 0, nullptr, &bytes, nullptr, 0, nullptr, nullptr));
  say("HttpWaitForDisconnect", HttpWaitForDisconnect(queue, connection, nullptr));
  say("HttpReceiveClientCertificate",
      HttpReceiveClientCertificate(queue, connection, 0, certificate, sizeof s_buffer, &bytes, nullptr));
  say("HttpCancelHttpRequest", HttpCancelHttpRequest(queue, request, nullptr));
}

void stranger(char **words)
{
  HTTP_REQUEST_ID request = std::strtoull(words[1], nullptr, 10);
  HTTP_CONNECTION_ID connection = std::strtoull(words[2], nullptr, 10);
  HTTP_URL_GROUP_ID group = std::strtoull(words[3], nullptr, 10);
  HTTP_SERVER_SESSION_ID session = std::strtoull(words[4], nullptr, 10);
  HTTP_URL_GROUP_ID made = 0;
  // Before this process has a handle: the owner's value names nothing here.
  say("handles", 0);
  try_requests(handle_of(words[0]), request, connection);
  say("HttpShutdownRequestQueue", HttpShutdownRequestQueue(handle_of(words[0])));
  say("HttpCloseRequestQueue", HttpCloseRequestQueue(handle_of(words[0])));
  // A queue alone, so that the group's and session's ids stay the owner's.
  HANDLE queue = nullptr;
  expect(HttpCreateRequestQueue(kVersion, nullptr, nullptr, 0, &queue), "HttpCreateRequestQueue");
  say("ids", 0);
  try_requests(queue, request, connection);
  say("groups", 0);
  say("HttpAddUrlToUrlGroup", HttpAddUrlToUrlGroup(group, u"http://localhost:19999/", 0, 0));
  say("HttpRemoveUrlFromUrlGroup", HttpRemoveUrlFromUrlGroup(group, nullptr, HTTP_URL_FLAG_REMOVE_ALL));
  say("HttpSetUrlGroupProperty", Served::bind(group, queue));
  say("HttpCloseUrlGroup", HttpCloseUrlGroup(group));
  say("HttpCreateUrlGroup", HttpCreateUrlGroup(session, &made, 0));
  say("HttpCloseServerSession", HttpCloseServerSession(session));
  say("end", 0);
}

// Every outcome of such a call comes as its completion, unless the library sees the error alone.
void try_certificate(const char *how, HANDLE queue, HTTP_CONNECTION_ID connection)
{
  for (ULONG flags : {0u, 2u, 1u}) {
    OVERLAPPED overlapped{};
    overlapped.hEvent = CreateEventA(nullptr, TRUE, FALSE, nullptr);
    std::memset(s_buffer, 0xee, sizeof s_buffer);
    auto *certificate = reinterpret_cast<HTTP_SSL_CLIENT_CERT_INFO *>(s_buffer);
    ULONG returned = HttpReceiveClientCertificate(queue, connection, flags, certificate, sizeof s_buffer, nullptr, &overlapped);
    ULONG code = returned;
    DWORD bytes = 0;
    if (returned == ERROR_IO_PENDING)
      code = GetOverlappedResult(queue, &overlapped, &bytes, TRUE) ? NO_ERROR : GetLastError();
    bool untouched = true;
    for (unsigned char byte : s_buffer)
      untouched = untouched && byte == 0xee;
    std::printf("%s %u %u %u %u %d\n", how, flags, returned, code, bytes, untouched);
    std::fflush(stdout);
    CloseHandle(overlapped.hEvent);
  }
}

void certificate(char **words)
{
  HTTP_CONNECTION_ID connection = std::strtoull(words[1], nullptr, 10);
  try_certificate("handle", handle_of(words[0]), connection);
  HANDLE queue = nullptr;
  expect(HttpCreateRequestQueue(kVersion, nullptr, nullptr, 0, &queue), "HttpCreateRequestQueue");
  try_certificate("id", queue, connection);
}

ULONG make(const char *name, ULONG flags)
{
  HANDLE queue = nullptr;
  return HttpCreateRequestQueue(kVersion, wide(name).c_str(), nullptr, flags, &queue);
}

}

int main(int argc, char **argv)
{
  std::string what = argc > 2 ? argv[1] : "";
  expect(HttpInitialize(kVersion, HTTP_INITIALIZE_SERVER, nullptr), "HttpInitialize");
  if (what == "owner")
    owner(argv[2]);
  else if (what == "stranger" && argc == 7)
    stranger(argv + 2);
  else if (what == "certificate" && argc == 4)
    certificate(argv + 2);
  else if (what == "open")
    say("open", make(argv[2], HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING));
  else if (what == "create")
    say("create", make(argv[2], 0)), std::getchar();
  else
    expect(ERROR_INVALID_PARAMETER, "reading the arguments (see the top of foreign.cpp)");
  HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr);
}
