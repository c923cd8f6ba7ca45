// SPDX-License-Identifier: GPL-3.0-or-later
// A storm of calls and cancellations, for test_cancel_storm.py:   storm URL ROUNDS
// Each round opens a request queue, lets threads issue overlapped calls on it and cancel them in every way that there is, and closes it
// under their hands. Then every call has had its packet, each just one, with a code that it may end with. After the last round one request
// is served as any application would.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <http.h>
#include <httpsys.h>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kWorkers = 4, kReapers = 2;
constexpr auto kRoundTime = std::chrono::milliseconds(400);
constexpr ULONG kBuffer = 8192;

HANDLE s_port;
HTTP_URL_GROUP_ID s_group;

[[noreturn]] void die(const char *what, unsigned long value)
{
  std::fprintf(stderr, "storm: %s (%lu): %s\n", what, value, httpsys_last_error_text());
  std::_Exit(1);
}

void expect(bool good, const char *what, unsigned long value = 0)
{
  if (!good)
    die(what, value);
}

enum class Kind { Receive, Body, Certificate, Disconnect, Response };
constexpr const char *kNames[] = {"receive", "body", "certificate", "disconnect", "response"};

// What each may end with, once it has returned ERROR_IO_PENDING.
bool may_end_with(Kind kind, DWORD code)
{
  switch (code) {
  case NO_ERROR:
  case ERROR_OPERATION_ABORTED: return true;
  case ERROR_INVALID_HANDLE: return true; // the queue was closed while it was on its way
  case ERROR_CONNECTION_INVALID: return kind != Kind::Receive;
  case ERROR_CONNECTION_ABORTED: return kind == Kind::Response; // the client's reset
  case ERROR_HANDLE_EOF: return kind == Kind::Body;
  case ERROR_NOT_FOUND:
  case ERROR_NOT_SUPPORTED: return kind == Kind::Certificate;
  default: return false;
  }
}

struct Call : OVERLAPPED {
  explicit Call(Kind of) : OVERLAPPED{}, kind(of) {}
  Kind kind;
  std::atomic<unsigned> completions{0};
  std::unique_ptr<unsigned char[]> buffer{new unsigned char[kBuffer]};
  HTTP_REQUEST &request() { return *reinterpret_cast<HTTP_REQUEST *>(buffer.get()); }
};

struct Held {
  HTTP_REQUEST_ID request;
  HTTP_CONNECTION_ID connection;
};

// One queue's life. Calls stay until its end, so that a packet too many finds its call.
struct Round {
  HANDLE queue = nullptr;
  std::atomic<size_t> pending{0};
  std::mutex mutex; // of the following
  std::deque<std::unique_ptr<Call>> calls;
  std::vector<Held> held; // received, not answered
};

std::atomic<unsigned long> s_packets[std::size(kNames)], s_aborted[std::size(kNames)], s_answered, s_issued;
std::mutex s_seen_mutex;
std::set<HTTP_REQUEST_ID> s_seen; // requests are received once, in whichever round

void received(Round &round, Call &call)
{
  Held held{call.request().RequestId, call.request().ConnectionId};
  {
    std::lock_guard lock(s_seen_mutex);
    expect(s_seen.insert(held.request).second, "a request was received twice", static_cast<unsigned long>(held.request));
  }
  std::lock_guard lock(round.mutex);
  round.held.push_back(held);
}

// Null after a time without packets.
bool take_packet(DWORD milliseconds)
{
  DWORD bytes = 0;
  ULONG_PTR key = 0;
  OVERLAPPED *overlapped = nullptr;
  BOOL good = GetQueuedCompletionStatus(s_port, &bytes, &key, &overlapped, milliseconds);
  DWORD code = good ? NO_ERROR : GetLastError();
  if (!overlapped) {
    expect(code == WAIT_TIMEOUT, "GetQueuedCompletionStatus", code);
    return false;
  }
  auto &call = *static_cast<Call *>(overlapped);
  auto &round = *reinterpret_cast<Round *>(key);
  auto kind = static_cast<size_t>(call.kind);
  expect(call.completions.fetch_add(1) == 0, "a packet came twice, of kind", kind);
  if (!may_end_with(call.kind, code)) {
    std::fprintf(stderr, "storm: a %s ended with %lu\n", kNames[kind], static_cast<unsigned long>(code));
    std::_Exit(1);
  }
  s_packets[kind]++;
  s_aborted[kind] += code == ERROR_OPERATION_ABORTED;
  if (call.kind == Kind::Receive && code == NO_ERROR)
    received(round, call);
  s_answered += call.kind == Kind::Response && code == NO_ERROR;
  call.buffer.reset();
  round.pending--;
  return true;
}

class Worker {
public:
  Worker(Round &round, unsigned seed) : m_round(round), m_random(seed) {}

  // Until the queue is closed.
  void run()
  {
    while (!m_is_closed) {
      act();
      if (draw(8) == 0)
        std::this_thread::sleep_for(std::chrono::microseconds(draw(2000)));
    }
  }

private:
  unsigned draw(unsigned below) { return static_cast<unsigned>(m_random() % below); }

  void act()
  {
    switch (draw(16)) {
    case 0:
    case 1: return cancel_one();
    case 2: return check_cancel(draw(6) ? TRUE : CancelIo(m_round.queue));
    case 3: return check_cancel(draw(40) ? TRUE : CancelIoEx(m_round.queue, nullptr));
    case 4:
    case 5:
    case 6:
    case 7:
    case 8: return with_held();
    default: return issue(Kind::Receive, {});
    }
  }

  // Any of the last calls of this thread: pending, completed already, or just on its way.
  void cancel_one()
  {
    if (m_mine.empty())
      return;
    Call *call = m_mine[draw(static_cast<unsigned>(m_mine.size()))];
    check_cancel(CancelIoEx(m_round.queue, call));
  }

  void check_cancel(BOOL good)
  {
    DWORD code = good ? NO_ERROR : GetLastError();
    if (code == ERROR_INVALID_HANDLE)
      m_is_closed = true;
    else
      expect(code == NO_ERROR || code == ERROR_NOT_FOUND, "a cancellation", code);
  }

  void with_held()
  {
    Held held{};
    Kind kind = static_cast<Kind>(1 + draw(4));
    {
      std::lock_guard lock(m_round.mutex);
      if (m_round.held.empty())
        return;
      auto at = m_round.held.begin() + draw(static_cast<unsigned>(m_round.held.size()));
      held = *at;
      if (kind == Kind::Response)
        m_round.held.erase(at);
    }
    issue(kind, held);
  }

  ULONG begin(Call &call, const Held &held)
  {
    HANDLE queue = m_round.queue;
    switch (call.kind) {
    case Kind::Receive: return HttpReceiveHttpRequest(queue, HTTP_NULL_ID, 0, &call.request(), kBuffer, nullptr, &call);
    case Kind::Body: return HttpReceiveRequestEntityBody(queue, held.request, 0, call.buffer.get(), kBuffer, nullptr, &call);
    case Kind::Certificate:
      return HttpReceiveClientCertificate(queue, held.connection, draw(2) ? HTTP_RECEIVE_FULL_CHAIN : 0,
        reinterpret_cast<HTTP_SSL_CLIENT_CERT_INFO *>(call.buffer.get()), kBuffer, nullptr, &call);
    case Kind::Disconnect: return HttpWaitForDisconnectEx(queue, held.connection, 0, &call);
    case Kind::Response: break;
    }
    HTTP_RESPONSE response{};
    response.StatusCode = 200;
    return HttpSendHttpResponse(queue, held.request, 0, &response, nullptr, nullptr, nullptr, 0, &call, nullptr);
  }

  void issue(Kind kind, const Held &held)
  {
    Call *call = nullptr;
    {
      std::lock_guard lock(m_round.mutex);
      call = m_round.calls.emplace_back(std::make_unique<Call>(kind)).get();
    }
    m_round.pending++; // before its packet can come
    ULONG code = begin(*call, held);
    if (code == ERROR_IO_PENDING) {
      s_issued++;
      m_mine.push_back(call);
      if (m_mine.size() > 32)
        m_mine.pop_front();
      return;
    }
    // The caller's at once: no packet follows.
    expect(code == ERROR_INVALID_HANDLE || code == ERROR_NO_SYSTEM_RESOURCES || (kind == Kind::Body && code == ERROR_HANDLE_EOF),
      kNames[static_cast<size_t>(kind)], code);
    expect(call->completions.fetch_add(1) == 0, "a packet came for a call that had failed at once, with", code);
    m_round.pending--;
    m_is_closed = m_is_closed || code == ERROR_INVALID_HANDLE;
  }

  Round &m_round;
  std::mt19937 m_random;
  std::deque<Call *> m_mine;
  bool m_is_closed = false;
};

void open_queue(Round &round)
{
  HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
  ULONG code = HttpCreateRequestQueue(version, nullptr, nullptr, 0, &round.queue);
  expect(code == NO_ERROR, "HttpCreateRequestQueue", code);
  HTTP_BINDING_INFO binding{};
  binding.Flags.Present = 1;
  binding.RequestQueueHandle = round.queue;
  code = HttpSetUrlGroupProperty(s_group, HttpServerBindingProperty, &binding, sizeof binding);
  expect(code == NO_ERROR, "HttpSetUrlGroupProperty", code);
}

void storm(Round &round, unsigned seed)
{
  open_queue(round);
  expect(CreateIoCompletionPort(round.queue, s_port, reinterpret_cast<ULONG_PTR>(&round), 0) == s_port, "CreateIoCompletionPort",
    GetLastError());
  std::atomic<bool> is_over{false};
  std::vector<std::thread> workers, reapers;
  for (int i = 0; i < kReapers; i++)
    reapers.emplace_back([&] {
      while (!is_over)
        take_packet(20);
    });
  for (int i = 0; i < kWorkers; i++)
    workers.emplace_back([&round, worker_seed = seed + static_cast<unsigned>(i)] { Worker(round, worker_seed).run(); });
  std::this_thread::sleep_for(kRoundTime);
  ULONG code = seed % 2 ? HttpCloseRequestQueue(round.queue) : CloseHandle(round.queue) ? NO_ERROR : GetLastError();
  expect(code == NO_ERROR, "closing the queue", code);
  for (std::thread &worker : workers)
    worker.join();
  for (int waited = 0; round.pending > 0; waited++) {
    expect(waited < 2000, "calls that have not completed", round.pending);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  is_over = true;
  for (std::thread &reaper : reapers)
    reaper.join();
  while (take_packet(0))
    ;
  for (auto &call : round.calls)
    expect(call->completions == 1, "packets of one call", call->completions);
}

// The visitors of the storm must have gone, or one of theirs would be the request: a line says when.
void serve_one()
{
  std::puts("calm");
  std::fflush(stdout);
  expect(std::getchar() == '\n', "no line came");
  Round round;
  open_queue(round);
  std::puts("open");
  std::fflush(stdout);
  Call call(Kind::Receive);
  ULONG bytes = 0;
  ULONG code = HttpReceiveHttpRequest(round.queue, HTTP_NULL_ID, 0, &call.request(), kBuffer, &bytes, nullptr);
  expect(code == NO_ERROR, "the last receive", code);
  HTTP_RESPONSE response{};
  response.StatusCode = 200;
  code = HttpSendHttpResponse(round.queue, call.request().RequestId, 0, &response, nullptr, &bytes, nullptr, 0, nullptr, nullptr);
  expect(code == NO_ERROR, "the last response", code);
  code = HttpCloseRequestQueue(round.queue);
  expect(code == NO_ERROR, "HttpCloseRequestQueue", code);
}

}

int main(int argc, char **argv)
{
  expect(argc == 3, "usage: storm URL ROUNDS");
  HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
  HTTP_SERVER_SESSION_ID session = 0;
  ULONG code = HttpInitialize(version, HTTP_INITIALIZE_SERVER, nullptr);
  expect(code == NO_ERROR, "HttpInitialize", code);
  code = HttpCreateServerSession(version, &session, 0);
  expect(code == NO_ERROR, "HttpCreateServerSession", code);
  code = HttpCreateUrlGroup(session, &s_group, 0);
  expect(code == NO_ERROR, "HttpCreateUrlGroup", code);
  code = HttpAddUrlToUrlGroup(s_group, std::u16string(argv[1], argv[1] + std::strlen(argv[1])).c_str(), 0, 0);
  expect(code == NO_ERROR, "HttpAddUrlToUrlGroup", code);
  s_port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
  std::puts("ready");
  std::fflush(stdout);
  std::deque<Round> rounds(static_cast<size_t>(std::atoi(argv[2])));
  unsigned seed = 1;
  for (Round &round : rounds)
    storm(round, seed += 7);
  expect(!take_packet(300), "a packet too many");
  for (size_t kind = 0; kind < std::size(kNames); kind++)
    std::printf("%s: %lu packets, %lu aborted\n", kNames[kind], s_packets[kind].load(), s_aborted[kind].load());
  std::printf("issued %lu, answered %lu\n", s_issued.load(), s_answered.load());
  serve_one();
  HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr);
  std::puts("done");
}
