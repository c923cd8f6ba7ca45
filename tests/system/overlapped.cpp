// SPDX-License-Identifier: GPL-3.0-or-later
// Overlapped calls at the edges, for test_overlapped.py.
//   overlapped parked URL CONNECTIONS   receives and disconnect waits up to the end of the credit, then the calls that have to work still
//   overlapped loop URL REQUESTS        serves requests from an epoll loop
//   overlapped wake                     a posted packet and an event wake the only waiter
//   overlapped leader URL               the leader times out while two others wait
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <http.h>
#include <httpsys.h>
#include <string>
#include <sys/epoll.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

constexpr size_t kParked = 10000;

HANDLE s_queue, s_port;

void say(const char *what, unsigned long value)
{
  std::printf("%s %lu\n", what, value);
  std::fflush(stdout);
}

void expect(bool good, const char *what, unsigned long value = 0)
{
  if (good)
    return;
  std::fprintf(stderr, "overlapped: %s (%lu): %s\n", what, value, httpsys_last_error_text());
  std::_Exit(1);
}

struct Call : OVERLAPPED {
  Call() : OVERLAPPED{} {}
  alignas(8) unsigned char buffer[4096];
  unsigned completions = 0;
  HTTP_REQUEST &request() { return *reinterpret_cast<HTTP_REQUEST *>(buffer); }
  ULONG receive() { return HttpReceiveHttpRequest(s_queue, HTTP_NULL_ID, 0, &request(), sizeof buffer, nullptr, this); }
};

struct Packet {
  Call *call;
  DWORD code;
};

Packet next_packet(DWORD milliseconds = 60000)
{
  DWORD bytes = 0;
  ULONG_PTR key = 0;
  OVERLAPPED *overlapped = nullptr;
  BOOL good = GetQueuedCompletionStatus(s_port, &bytes, &key, &overlapped, milliseconds);
  DWORD code = good ? NO_ERROR : GetLastError();
  if (overlapped)
    static_cast<Call *>(overlapped)->completions++;
  return {static_cast<Call *>(overlapped), code};
}

ULONG respond(HTTP_REQUEST_ID id, OVERLAPPED *overlapped)
{
  HTTP_RESPONSE response{};
  response.StatusCode = 200;
  ULONG bytes = 0;
  return HttpSendHttpResponse(s_queue, id, 0, &response, nullptr, overlapped ? nullptr : &bytes, nullptr, 0, overlapped, nullptr);
}

void serve(const char *url, bool with_port)
{
  HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
  HTTP_SERVER_SESSION_ID session = 0;
  HTTP_URL_GROUP_ID group = 0;
  HTTP_BINDING_INFO binding{};
  ULONG code = HttpCreateServerSession(version, &session, 0);
  expect(code == NO_ERROR, "HttpCreateServerSession", code);
  code = HttpCreateUrlGroup(session, &group, 0);
  expect(code == NO_ERROR, "HttpCreateUrlGroup", code);
  code = HttpCreateRequestQueue(version, nullptr, nullptr, 0, &s_queue);
  expect(code == NO_ERROR, "HttpCreateRequestQueue", code);
  binding.Flags.Present = 1;
  binding.RequestQueueHandle = s_queue;
  code = HttpSetUrlGroupProperty(group, HttpServerBindingProperty, &binding, sizeof binding);
  expect(code == NO_ERROR, "HttpSetUrlGroupProperty", code);
  code = HttpAddUrlToUrlGroup(group, std::u16string(url, url + std::strlen(url)).c_str(), 0, 0);
  expect(code == NO_ERROR, "HttpAddUrlToUrlGroup", code);
  if (with_port)
    expect((s_port = CreateIoCompletionPort(s_queue, nullptr, 0, 0)) != nullptr, "CreateIoCompletionPort", GetLastError());
  say("ready", 0);
}

// Receives and disconnect waits in turn; returns what the first refused one got.
ULONG park(std::deque<Call> &calls, const std::vector<HTTP_CONNECTION_ID> &connections, size_t most)
{
  for (size_t i = 0; i < most; i++) {
    Call &call = calls.emplace_back();
    ULONG code = i % 2 ? HttpWaitForDisconnect(s_queue, connections[i / 2 % connections.size()], &call) : call.receive();
    if (code != ERROR_IO_PENDING) {
      calls.pop_back();
      return code;
    }
  }
  return NO_ERROR;
}

// The calls that have not completed end with ERROR_OPERATION_ABORTED, each once, and nothing follows.
void expect_all_aborted(std::deque<Call> &calls)
{
  size_t missing = 0;
  for (Call &call : calls)
    missing += call.completions == 0;
  for (; missing; missing--) {
    Packet packet = next_packet();
    expect(packet.call != nullptr, "a call has not completed, of those still missing", missing);
    expect(packet.code == ERROR_OPERATION_ABORTED, "a cancelled call ended otherwise", packet.code);
  }
  expect(!next_packet(300).call, "a packet too many");
  for (Call &call : calls)
    expect(call.completions == 1, "completions of one call", call.completions);
}

void parked(const char *url, size_t count)
{
  serve(url, true);
  std::vector<HTTP_CONNECTION_ID> connections;
  HTTP_REQUEST_ID held = 0;
  for (size_t i = 0; i < count; i++) {
    Call receive, send;
    expect(receive.receive() == ERROR_IO_PENDING, "receive");
    Packet packet = next_packet();
    expect(packet.call == &receive && packet.code == NO_ERROR, "a request", packet.code);
    connections.push_back(receive.request().ConnectionId);
    held = receive.request().RequestId;
    if (i + 1 == count)
      break;
    expect(respond(held, &send) == ERROR_IO_PENDING, "respond");
    packet = next_packet();
    expect(packet.call == &send && packet.code == NO_ERROR, "a response", packet.code);
  }
  std::deque<Call> calls;
  expect(park(calls, connections, kParked) == NO_ERROR, "parked only", calls.size());
  say("parked", calls.size());
  ULONG code = park(calls, connections, 4 * kParked);
  expect(code == ERROR_NO_SYSTEM_RESOURCES, "without credit", code);
  say("full at", calls.size());
  Call extra;
  expect(extra.receive() == ERROR_NO_SYSTEM_RESOURCES, "again without credit");
  Call send;
  expect(respond(held, &send) == ERROR_IO_PENDING, "respond without credit");
  Packet packet = next_packet();
  expect(packet.call == &send && packet.code == NO_ERROR, "the response without credit", packet.code);
  say("answered", 0);
  expect(CancelIoEx(s_queue, &calls[kParked / 2]), "CancelIoEx of one", GetLastError());
  packet = next_packet();
  expect(packet.call == &calls[kParked / 2] && packet.code == ERROR_OPERATION_ABORTED, "the cancelled one", packet.code);
  expect(CancelIoEx(s_queue, nullptr), "CancelIoEx of all", GetLastError());
  expect_all_aborted(calls);
  say("cancelled", calls.size());
  expect(extra.completions == 0, "a refused call has completed");

  std::deque<Call> last;
  expect(park(last, connections, kParked) == NO_ERROR, "parked again only", last.size());
  code = HttpCloseRequestQueue(s_queue);
  expect(code == NO_ERROR, "HttpCloseRequestQueue", code);
  expect_all_aborted(last);
  say("closed", last.size());
}

void loop(const char *url, int requests)
{
  serve(url, false);
  int poll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  expect(epoll_ctl(poll, EPOLL_CTL_ADD, httpsys_completion_fd(), &event) == 0, "epoll_ctl");
  constexpr NTSTATUS kPending = 0x103;
  Call receive, send;
  bool sends = false;
  expect(receive.receive() == ERROR_IO_PENDING, "receive");
  expect(httpsys_dispatch() == NO_ERROR, "httpsys_dispatch");
  while (requests) {
    // Whatever this turn submits may have completed inside the call: only then is there no need to sleep.
    Call &current = sends ? send : receive;
    if (static_cast<NTSTATUS>(current.Internal) == kPending) {
      expect(epoll_wait(poll, &event, 1, 60000) == 1, "the descriptor stays unreadable");
      expect(httpsys_dispatch() == NO_ERROR, "httpsys_dispatch");
      continue;
    }
    expect(current.Internal == 0, "a call ended with", static_cast<unsigned long>(current.Internal));
    sends = !sends;
    if (sends)
      expect(respond(receive.request().RequestId, &send) == ERROR_IO_PENDING, "respond");
    else if (--requests)
      expect(receive.receive() == ERROR_IO_PENDING, "receive");
    expect(httpsys_dispatch() == NO_ERROR, "httpsys_dispatch");
  }
  close(poll);
}

void wake()
{
  s_port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
  Call posted;
  std::thread poster([&] {
    Sleep(200);
    PostQueuedCompletionStatus(s_port, 7, 8, &posted);
  });
  Packet packet = next_packet(60000);
  poster.join();
  expect(packet.call == &posted && packet.code == NO_ERROR, "the posted packet", packet.code);
  HANDLE event = CreateEventA(nullptr, TRUE, FALSE, nullptr);
  std::thread setter([&] {
    Sleep(200);
    SetEvent(event);
  });
  DWORD result = WaitForSingleObject(event, 60000);
  setter.join();
  expect(result == WAIT_OBJECT_0, "the event", result);
  CloseHandle(event);
}

void leader(const char *url)
{
  serve(url, true);
  Call first, second;
  first.hEvent = CreateEventA(nullptr, TRUE, FALSE, nullptr);
  HANDLE never = CreateEventA(nullptr, TRUE, FALSE, nullptr);
  expect(first.receive() == ERROR_IO_PENDING && second.receive() == ERROR_IO_PENDING, "receive");
  std::thread leads([&] { expect(WaitForSingleObject(never, 600) == WAIT_TIMEOUT, "the time-out"); });
  Sleep(200);
  std::thread by_event([&] { expect(WaitForSingleObject(first.hEvent, 60000) == WAIT_OBJECT_0, "the event's waiter"); });
  std::thread by_port([&] {
    expect(next_packet(60000).code == NO_ERROR, "the port's waiter");
    expect(next_packet(60000).code == NO_ERROR, "the port's waiter, again");
  });
  leads.join();
  say("left", 0);
  by_event.join();
  by_port.join();
  expect(first.completions == 1 && second.completions == 1, "completions");
  expect(respond(first.request().RequestId, nullptr) == NO_ERROR, "respond");
  expect(respond(second.request().RequestId, nullptr) == NO_ERROR, "respond");
  CloseHandle(first.hEvent);
  CloseHandle(never);
}

}

int main(int argc, char **argv)
{
  HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
  ULONG code = HttpInitialize(version, HTTP_INITIALIZE_SERVER, nullptr);
  expect(code == NO_ERROR, "HttpInitialize", code);
  std::string what = argc > 1 ? argv[1] : "";
  if (what == "parked" && argc == 4)
    parked(argv[2], static_cast<size_t>(std::atoi(argv[3])));
  else if (what == "loop" && argc == 4)
    loop(argv[2], std::atoi(argv[3]));
  else if (what == "wake")
    wake();
  else if (what == "leader" && argc == 3)
    leader(argv[2]);
  else
    expect(false, "usage: see the top of overlapped.cpp");
  say("done", 0);
  HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr);
}
