// SPDX-License-Identifier: GPL-3.0-or-later
// What tests of the API share: a process that is initialised against a daemon in a thread, and calls that are made in each of the three
// ways (blocking in a thread of its own, with an event, through a completion port) and looked at in one.
#pragma once
#include "lib/handle_map.h"
#include "lib/include/http.h"
#include "lib/include/httpsys.h"
#include "tests/unit/lib/fake_daemon.h"
#include <doctest/doctest.h>
#include <functional>
#include <thread>

enum class Mode { Blocking, Event, Port };
constexpr Mode kModes[] = {Mode::Blocking, Mode::Event, Mode::Port};

struct ApiOutcome {
  ULONG code = ~0u;
  ULONG bytes = 0;  // blocking: through the pointer, 0xdddddddd when untouched; else by the completion
  std::string text; // httpsys_last_error_text of who learnt the outcome
};
constexpr ULONG kUntouched = 0xdddddddd;

class Api {
public:
  explicit Api(FakeOptions options = {}) : daemon(std::move(options))
  {
    while (HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR) // what a test that failed has left
      ;
    setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
    REQUIRE(HttpInitialize(HTTPAPI_VERSION{2, 0}, HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
    REQUIRE(HttpCreateRequestQueue(HTTPAPI_VERSION{2, 0}, nullptr, nullptr, 0, &queue) == NO_ERROR);
  }
  ~Api()
  {
    if (port)
      CloseHandle(port);
    if (queue)
      HttpCloseRequestQueue(queue);
    HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr);
    for (const std::string &violation : daemon.violations())
      FAIL_CHECK(violation);
  }
  // Of the queue; made when it is first needed.
  HANDLE queue_port()
  {
    if (!port)
      port = CreateIoCompletionPort(queue, nullptr, 77, 0);
    return port;
  }

  FakeDaemon daemon;
  HANDLE queue = nullptr, port = nullptr;
};

// A call of an I/O function, from the moment that it is made.
class ApiRun {
public:
  using Function = std::function<ULONG(OVERLAPPED *, ULONG *)>;

  ApiRun(Api &api, Mode mode, Function function) : m_mode(mode)
  {
    if (mode == Mode::Blocking) {
      m_thread = std::thread([this, function = std::move(function)] {
        m_outcome.bytes = kUntouched;
        m_outcome.code = function(nullptr, &m_outcome.bytes);
        m_outcome.text = httpsys_last_error_text();
      });
      return;
    }
    if (mode == Mode::Event)
      m_overlapped.hEvent = CreateEvent(nullptr, TRUE, FALSE, nullptr);
    else
      m_port = api.queue_port();
    m_pointer = kUntouched;
    m_returned = function(&m_overlapped, &m_pointer);
    m_outcome.text = httpsys_last_error_text();
  }
  ApiRun(const ApiRun &) = delete;
  ~ApiRun()
  {
    if (m_thread.joinable())
      m_thread.join();
    if (m_overlapped.hEvent)
      CloseHandle(m_overlapped.hEvent);
  }

  OVERLAPPED *overlapped() { return m_mode == Mode::Blocking ? nullptr : &m_overlapped; }
  ULONG returned() const { return m_returned; }
  // Ends when the call does.
  ApiOutcome wait()
  {
    if (m_mode == Mode::Blocking) {
      m_thread.join();
      return m_outcome;
    }
    if (m_returned != ERROR_IO_PENDING) {
      m_outcome.code = m_returned;
      m_outcome.bytes = m_pointer;
      return m_outcome;
    }
    DWORD bytes = 0;
    BOOL is_good;
    if (m_mode == Mode::Event) {
      CHECK(WaitForSingleObject(m_overlapped.hEvent, 10000) == WAIT_OBJECT_0);
      is_good = GetOverlappedResult(nullptr, &m_overlapped, &bytes, FALSE);
    } else {
      ULONG_PTR key = 0;
      OVERLAPPED *which = nullptr;
      is_good = GetQueuedCompletionStatus(m_port, &bytes, &key, &which, 10000);
      CHECK(which == &m_overlapped);
      CHECK(key == 77);
    }
    m_outcome.code = is_good ? NO_ERROR : GetLastError();
    m_outcome.bytes = bytes;
    m_outcome.text = httpsys_last_error_text();
    CHECK(m_pointer == kUntouched); // never touched after ERROR_IO_PENDING
    CHECK(m_overlapped.InternalHigh == bytes);
    return m_outcome;
  }

private:
  Mode m_mode;
  OVERLAPPED m_overlapped{};
  HANDLE m_port = nullptr;
  ULONG m_returned = ~0u, m_pointer = 0;
  ApiOutcome m_outcome;
  std::thread m_thread;
};

// What the daemon was asked for last, of some kinds of operations, which it answers at once.
class Seen {
public:
  explicit Seen(FakeDaemon &daemon, std::initializer_list<hsys_op> ops, FakeReply reply = {.object_id = 0x500})
      : m_daemon(daemon), m_ops(ops)
  {
    for (hsys_op op : ops)
      daemon.on(op, [this, reply](FakeDaemon &fake, const FakeOperation &seen) {
        {
          std::lock_guard lock(m_mutex);
          m_operation = seen;
          m_count++;
        }
        fake.complete(seen.entry.irp_id, reply);
      });
  }
  Seen(FakeDaemon &daemon, hsys_op op, FakeReply reply = {.object_id = 0x500}) : Seen(daemon, {op}, reply) {}
  ~Seen()
  {
    for (hsys_op op : m_ops) // the Api closes its queue later
      m_daemon.forget(op);
    std::lock_guard lock(m_mutex); // the daemon's thread was the last to write
  }
  FakeOperation operation()
  {
    std::lock_guard lock(m_mutex);
    return m_operation;
  }
  hsys_sqe entry() { return operation().entry; }
  int count()
  {
    std::lock_guard lock(m_mutex);
    return m_count;
  }

private:
  FakeDaemon &m_daemon;
  std::vector<hsys_op> m_ops;
  std::mutex m_mutex;
  FakeOperation m_operation;
  int m_count = 0;
};

inline bool contains(const std::string &text, const std::string &part)
{
  return text.find(part) != std::string::npos;
}

// What the last call of this thread left as its sentence.
inline std::string last_text()
{
  return httpsys_last_error_text();
}
