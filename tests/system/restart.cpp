// SPDX-License-Identifier: GPL-3.0-or-later
// Calls of every kind that are pending when the daemon is killed, then a new daemon, for test_restart.py.
//   restart event|port URL
// Takes two requests (a POST whose body does not come, and one for the certificate), parks the calls and says "parked"; says
// "ended" when all have ended; after a line on stdin it starts anew and answers one request.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <http.h>
#include <httpsys.h>
#include <string>
#include <thread>

namespace {

const HTTPAPI_VERSION kVersion = HTTPAPI_VERSION_2;
HANDLE s_queue, s_port;
HTTP_SERVER_SESSION_ID s_session;
HTTP_URL_GROUP_ID s_group;

void say(const char *what, unsigned long long value)
{
  std::printf("%s %llu\n", what, value);
  std::fflush(stdout);
}

void expect(bool good, const char *what, ULONG code)
{
  if (good)
    return;
  std::fprintf(stderr, "restart: %s (%u): %s\n", what, code, httpsys_last_error_text());
  std::_Exit(1);
}

void expect(ULONG code, const char *what)
{
  expect(code == NO_ERROR, what, code);
}

struct Call : OVERLAPPED {
  Call() : OVERLAPPED{} {}
  alignas(8) unsigned char buffer[8192];
  HTTP_REQUEST &request() { return *reinterpret_cast<HTTP_REQUEST *>(buffer); }
};

void serve(const char *url)
{
  HTTP_BINDING_INFO binding{};
  expect(HttpInitialize(kVersion, HTTP_INITIALIZE_SERVER, nullptr), "HttpInitialize");
  expect(HttpCreateServerSession(kVersion, &s_session, 0), "HttpCreateServerSession");
  expect(HttpCreateUrlGroup(s_session, &s_group, 0), "HttpCreateUrlGroup");
  expect(HttpCreateRequestQueue(kVersion, nullptr, nullptr, 0, &s_queue), "HttpCreateRequestQueue");
  binding.Flags.Present = 1;
  binding.RequestQueueHandle = s_queue;
  expect(HttpSetUrlGroupProperty(s_group, HttpServerBindingProperty, &binding, sizeof binding), "HttpSetUrlGroupProperty");
  expect(HttpAddUrlToUrlGroup(s_group, std::u16string(url, url + std::strlen(url)).c_str(), 0, 0), "HttpAddUrlToUrlGroup");
  say("serving", 0);
}

ULONG receive(Call &call, OVERLAPPED *overlapped)
{
  ULONG bytes = 0;
  return HttpReceiveHttpRequest(s_queue, 0, 0, &call.request(), sizeof call.buffer, overlapped ? nullptr : &bytes, overlapped);
}

// Each of the four ends once, with an error.
void expect_ends(Call (&calls)[4])
{
  for (Call &call : calls) {
    DWORD bytes = 0;
    OVERLAPPED *which = &call;
    ULONG_PTR key = 0;
    BOOL good = s_port ? GetQueuedCompletionStatus(s_port, &bytes, &key, &which, 60000)
                       : GetOverlappedResultEx(s_queue, &call, &bytes, 60000, FALSE);
    DWORD code = GetLastError();
    expect(!good && which && code != WAIT_TIMEOUT && code != ERROR_IO_INCOMPLETE, "a pending call has not failed", code);
  }
  DWORD bytes = 0;
  OVERLAPPED *which = nullptr;
  ULONG_PTR key = 0;
  if (s_port)
    expect(!GetQueuedCompletionStatus(s_port, &bytes, &key, &which, 100) && !which, "a packet too many", 0);
}

void park_until_death()
{
  Call body, certificate, calls[4];
  expect(receive(body, nullptr), "the first request");
  say("received", 1);
  expect(receive(certificate, nullptr), "the second request");
  if (!s_port)
    for (Call &call : calls)
      call.hEvent = CreateEventA(nullptr, TRUE, FALSE, nullptr);
  ULONG started[] = {
    receive(calls[0], &calls[0]),
    HttpReceiveRequestEntityBody(s_queue, body.request().RequestId, 0, calls[1].buffer, 100, nullptr, &calls[1]),
    HttpWaitForDisconnect(s_queue, body.request().ConnectionId, &calls[2]),
    HttpReceiveClientCertificate(s_queue, certificate.request().ConnectionId, 0,
      reinterpret_cast<HTTP_SSL_CLIENT_CERT_INFO *>(calls[3].buffer), sizeof calls[3].buffer, nullptr, &calls[3])};
  for (ULONG code : started)
    expect(code == ERROR_IO_PENDING, "a call does not pend", code);
  std::thread blocked([] {
    Call call;
    ULONG code = receive(call, nullptr);
    expect(code != NO_ERROR, "the blocking receive", code);
  });
  Sleep(300);
  for (Call &call : calls)
    expect(!HasOverlappedIoCompleted(&call), "a call has ended too soon", 0);
  say("parked", 0);
  expect_ends(calls);
  blocked.join();
  say("ended", 0);
  for (Call &call : calls)
    if (call.hEvent)
      CloseHandle(call.hEvent);
}

}

int main(int argc, char **argv)
{
  if (argc != 3)
    return 2;
  serve(argv[2]);
  if (std::strcmp(argv[1], "port") == 0)
    s_port = CreateIoCompletionPort(s_queue, nullptr, 0, 0);
  park_until_death();
  std::getchar();
  Call call;
  HANDLE old = s_queue;
  ULONG code = receive(call, nullptr);
  expect(code == ERROR_INVALID_HANDLE, "the old handle before HttpTerminate", code);
  HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr);
  serve(argv[2]);
  ULONG bytes = 0;
  code = HttpReceiveHttpRequest(old, 0, 0, &call.request(), sizeof call.buffer, &bytes, nullptr);
  expect(code == ERROR_INVALID_HANDLE, "the old handle in the new session", code);
  expect(receive(call, nullptr), "a request of the new daemon");
  HTTP_RESPONSE response{};
  response.StatusCode = 200;
  expect(HttpSendHttpResponse(s_queue, call.request().RequestId, 0, &response, nullptr, &bytes, nullptr, 0, nullptr, nullptr), "send");
  HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr);
}
