// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/include/httpsys.h"
#include "lib/include/windows.h"
#include "tests/unit/lib/fake_source.h"
#include <doctest/doctest.h>
#include <string>

using namespace test;

namespace {

class Port {
public:
  Port() : m_handle(CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0)) {}
  Port(const Port &) = delete;
  ~Port() { CloseHandle(m_handle); }
  operator HANDLE() const { return m_handle; }

private:
  HANDLE m_handle;
};

class Queue {
public:
  Queue() : object(TestQueue::create()), handle(HandleMap::instance().insert(*object)) {}
  Queue(const Queue &) = delete;
  ~Queue() { CloseHandle(handle); }
  Ref<TestQueue> object;
  HANDLE handle;
};

// What GetQueuedCompletionStatus gave.
struct Got {
  BOOL result;
  DWORD bytes = 77, error = 0;
  ULONG_PTR key = 77;
  LPOVERLAPPED overlapped = reinterpret_cast<LPOVERLAPPED>(77);
  explicit Got(HANDLE port, DWORD milliseconds = 0)
  {
    SetLastError(0);
    result = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, milliseconds);
    error = GetLastError();
  }
};

}

TEST_CASE("packets come out as they went in, first in, first out")
{
  Port port;
  OVERLAPPED overlapped[3] = {};
  for (DWORD i = 0; i < 3; i++)
    CHECK(PostQueuedCompletionStatus(port, i + 10, i + 20, &overlapped[i]));
  CHECK(PostQueuedCompletionStatus(port, 0, 0, nullptr));
  for (DWORD i = 0; i < 3; i++) {
    Got got(port);
    CHECK(got.result);
    CHECK(got.bytes == i + 10);
    CHECK(got.key == i + 20);
    CHECK(got.overlapped == &overlapped[i]);
  }
  Got last(port);
  CHECK(last.result);
  CHECK(last.overlapped == nullptr);
  CHECK(last.bytes == 0);
}

TEST_CASE("an empty port: WAIT_TIMEOUT, no OVERLAPPED, nothing else touched")
{
  Port port;
  for (DWORD milliseconds : {0u, 10u}) {
    Got got(port, milliseconds);
    CHECK_FALSE(got.result);
    CHECK(got.error == WAIT_TIMEOUT);
    CHECK(got.overlapped == nullptr);
    CHECK(got.bytes == 77);
    CHECK(got.key == 77);
  }
  OVERLAPPED_ENTRY entries[2];
  ULONG removed = 9;
  CHECK_FALSE(GetQueuedCompletionStatusEx(port, entries, 2, &removed, 0, FALSE));
  CHECK(GetLastError() == WAIT_TIMEOUT);
  CHECK(removed == 0);
}

TEST_CASE("several packets at once")
{
  Port port;
  for (ULONG_PTR i = 0; i < 5; i++)
    PostQueuedCompletionStatus(port, 1, i, nullptr);
  OVERLAPPED_ENTRY entries[3];
  ULONG removed = 0;
  CHECK(GetQueuedCompletionStatusEx(port, entries, 3, &removed, INFINITE, FALSE));
  CHECK(removed == 3);
  CHECK(entries[0].lpCompletionKey == 0);
  CHECK(entries[2].lpCompletionKey == 2);
  CHECK(GetQueuedCompletionStatusEx(port, entries, 3, &removed, INFINITE, TRUE));
  CHECK(removed == 2);
  CHECK(entries[1].lpCompletionKey == 4);
}

TEST_CASE("arguments of completion ports are checked")
{
  Port port, other;
  Queue queue;
  OVERLAPPED_ENTRY entry;
  ULONG removed;
  DWORD bytes;
  ULONG_PTR key;
  CHECK_FALSE(GetQueuedCompletionStatus(port, &bytes, &key, nullptr, 0));
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  CHECK_FALSE(GetQueuedCompletionStatusEx(port, &entry, 0, &removed, 0, FALSE));
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  CHECK_FALSE(GetQueuedCompletionStatusEx(port, nullptr, 1, &removed, 0, FALSE));
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  CHECK(CreateIoCompletionPort(INVALID_HANDLE_VALUE, port, 0, 0) == nullptr);
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  CHECK(CreateIoCompletionPort(nullptr, port, 0, 0) == nullptr);
  CHECK(GetLastError() == ERROR_INVALID_HANDLE);
  CHECK(CreateIoCompletionPort(queue.handle, queue.handle, 0, 0) == nullptr);
  CHECK(GetLastError() == ERROR_INVALID_HANDLE);
  CHECK(CreateIoCompletionPort(queue.handle, port, 1, 0) == port);
  CHECK(CreateIoCompletionPort(queue.handle, other, 1, 0) == nullptr);
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  uint32_t handles = HandleMap::instance().size();
  CHECK(CreateIoCompletionPort(queue.handle, nullptr, 1, 0) == nullptr);
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  CHECK(HandleMap::instance().size() == handles);
  CHECK_FALSE(SetFileCompletionNotificationModes(queue.handle, 4));
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  Got got(queue.handle);
  CHECK_FALSE(got.result);
  CHECK(got.error == ERROR_INVALID_HANDLE);
  CHECK(got.overlapped == nullptr);
}

TEST_CASE("a queue and a port in one call")
{
  Queue queue;
  HANDLE port = CreateIoCompletionPort(queue.handle, nullptr, 5, 4);
  REQUIRE(port != nullptr);
  OVERLAPPED overlapped = {};
  TestOperation operation;
  REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
  operation.succeed(123);
  Got got(port);
  CHECK(got.result);
  CHECK(got.key == 5);
  CHECK(got.bytes == 123);
  CHECK(got.overlapped == &overlapped);
  CHECK(CloseHandle(port));
}

TEST_CASE("a failed operation: FALSE, with its OVERLAPPED, bytes, key, code and reason")
{
  Port port;
  Queue queue;
  CreateIoCompletionPort(queue.handle, port, 6, 0);
  struct Case {
    int status;
    uint64_t bytes;
    DWORD code;
  };
  for (const Case &row : {Case{HSYS_STATUS_BUFFER_OVERFLOW, 32, ERROR_MORE_DATA}, Case{HSYS_STATUS_CANCELLED, 0, ERROR_OPERATION_ABORTED},
      Case{HSYS_STATUS_NOT_FOUND, 0, ERROR_NOT_FOUND}, Case{HSYS_STATUS_END_OF_FILE, 0, ERROR_HANDLE_EOF},
      Case{HSYS_STATUS_CONNECTION_INVALID, 0, ERROR_CONNECTION_INVALID}, Case{HSYS_STATUS_NOT_SUPPORTED, 0, ERROR_NOT_SUPPORTED},
      Case{static_cast<int>(0xC0001234), 0, 317}}) {
    CAPTURE(row.code);
    OVERLAPPED overlapped = {};
    TestOperation operation;
    REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
    operation.fail(row.status, row.bytes, "why it failed");
    Got got(port);
    CHECK_FALSE(got.result);
    CHECK(got.error == row.code);
    CHECK(std::string(httpsys_last_error_text()) == "why it failed");
    CHECK(got.bytes == row.bytes);
    CHECK(got.key == 6);
    CHECK(got.overlapped == &overlapped);
    DWORD bytes = 0;
    CHECK_FALSE(GetOverlappedResult(queue.handle, &overlapped, &bytes, FALSE));
    CHECK(GetLastError() == row.code);
    CHECK(std::string(httpsys_last_error_text()) == "why it failed");
    CHECK(bytes == row.bytes);
  }
  // ...Ex succeeds and says so in Internal.
  OVERLAPPED overlapped = {};
  TestOperation operation;
  REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
  operation.fail(HSYS_STATUS_CANCELLED);
  OVERLAPPED_ENTRY entry;
  ULONG removed;
  CHECK(GetQueuedCompletionStatusEx(port, &entry, 1, &removed, 0, FALSE));
  CHECK(entry.Internal == 0xC0000120u);
  CHECK(entry.lpOverlapped == &overlapped);
}

TEST_CASE("which completions post a packet")
{
  struct Case {
    const char *name;
    bool low_bit;
    UCHAR modes;
    int status;
    bool posts;
  };
  const Case cases[] = {
    {"success", false, 0, HSYS_STATUS_SUCCESS, true},
    {"failure", false, 0, HSYS_STATUS_BUFFER_OVERFLOW, true},
    {"low bit of hEvent", true, 0, HSYS_STATUS_SUCCESS, false},
    {"low bit of hEvent, failure", true, 0, HSYS_STATUS_CANCELLED, false},
    {"skip", false, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, HSYS_STATUS_SUCCESS, true},
    {"skip, failure", false, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, HSYS_STATUS_BUFFER_OVERFLOW, true},
    {"skip event", false, FILE_SKIP_SET_EVENT_ON_HANDLE, HSYS_STATUS_SUCCESS, true},
  };
  for (const Case &row : cases) {
    CAPTURE(row.name);
    Port port;
    Queue queue;
    HANDLE event = CreateEvent(nullptr, TRUE, TRUE, nullptr);
    CreateIoCompletionPort(queue.handle, port, 1, 0);
    if (row.modes)
      CHECK(SetFileCompletionNotificationModes(queue.handle, row.modes));
    OVERLAPPED overlapped = {};
    overlapped.hEvent = reinterpret_cast<HANDLE>(reinterpret_cast<ULONG_PTR>(event) | (row.low_bit ? 1u : 0u));
    TestOperation operation;
    REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
    CHECK(WaitForSingleObject(event, 0) == WAIT_TIMEOUT); // starting resets it
    operation.complete(static_cast<uint32_t>(row.status), 5, {});
    CHECK(WaitForSingleObject(event, 0) == WAIT_OBJECT_0);
    CHECK((Got(port).overlapped == &overlapped) == row.posts);
    CHECK(Got(port).overlapped == nullptr);
    CHECK(overlapped.Internal == static_cast<uint32_t>(row.status));
    CHECK(overlapped.InternalHigh == 5);
    CHECK(CloseHandle(event));
  }
}

TEST_CASE("a port that is added while an operation is pending gets its packet")
{
  Port port;
  Queue queue;
  OVERLAPPED overlapped = {};
  TestOperation operation;
  REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
  CreateIoCompletionPort(queue.handle, port, 3, 0);
  operation.succeed(1);
  CHECK(Got(port).overlapped == &overlapped);
}

TEST_CASE("a closed port abandons who waits, drops its packets and completions that come later")
{
  Queue queue;
  HANDLE port = CreateIoCompletionPort(queue.handle, nullptr, 0, 0);
  Ref<CompletionPort> object = HandleMap::instance().find<CompletionPort>(port);
  OVERLAPPED overlapped = {};
  TestOperation operation;
  REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
  std::thread closer([&] {
    until_waiting(1);
    CloseHandle(port);
  });
  Got got(port, INFINITE);
  closer.join();
  CHECK_FALSE(got.result);
  CHECK(got.error == ERROR_ABANDONED_WAIT_0);
  CHECK(got.overlapped == nullptr);
  Got again(port);
  CHECK(again.error == ERROR_INVALID_HANDLE);
  operation.succeed(1);
  OVERLAPPED_ENTRY entry;
  ULONG taken = 0;
  CHECK(object->take(&entry, 1, taken, Deadline::after(0)) == ERROR_ABANDONED_WAIT_0);
  CHECK(overlapped.Internal == 0);

  HANDLE full = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
  PostQueuedCompletionStatus(full, 1, 1, nullptr);
  CHECK(CloseHandle(full));
}
