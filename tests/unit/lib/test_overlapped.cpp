// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/include/httpsys.h"
#include "lib/include/windows.h"
#include "lib/last_error.h"
#include "lib/reasons.h"
#include "lib/status_map.h"
#include "tests/unit/lib/fake_source.h"
#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <vector>

using namespace test;

namespace {

class Queue {
public:
  Queue() : object(TestQueue::create()), handle(HandleMap::instance().insert(*object)) {}
  Queue(const Queue &) = delete;
  ~Queue() { CloseHandle(handle); }
  Ref<TestQueue> object;
  HANDLE handle;
};

std::string text()
{
  return httpsys_last_error_text();
}

}

TEST_CASE("status values and their Win32 codes")
{
  struct Case {
    uint32_t status, code;
  };
  const Case cases[] = {{0, 0}, {0x103, 997}, {0x80000005, 234}, {0xC0000008, 6}, {0xC000000D, 87}, {0xC0000011, 38}, {0xC0000023, 122},
    {0xC000009A, 1450}, {0xC00000BB, 50}, {0xC0000120, 995}, {0xC0000225, 1168}, {0xC000023A, 1229}, {0x1, 0}, {0xC0FFEE00, 317},
    {0x80001111, 317}};
  for (const Case &row : cases) {
    CAPTURE(row.status);
    CHECK(win32_of_status(row.status) == row.code);
  }
  CHECK(is_success(0x103));
  CHECK_FALSE(is_success(0x80000005));
}

TEST_CASE("an operation with nothing but garbage in its OVERLAPPED")
{
  Queue queue;
  OVERLAPPED overlapped;
  memset(&overlapped, 0xaa, sizeof overlapped);
  overlapped.hEvent = nullptr;
  TestOperation operation;
  REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
  CHECK(overlapped.Internal == 0x103);
  CHECK(overlapped.InternalHigh == 0);
  CHECK_FALSE(HasOverlappedIoCompleted(&overlapped));
  DWORD bytes = 9;
  CHECK_FALSE(GetOverlappedResult(queue.handle, &overlapped, &bytes, FALSE));
  CHECK(GetLastError() == ERROR_IO_INCOMPLETE);
  CHECK(bytes == 9);
  CHECK_FALSE(GetOverlappedResultEx(queue.handle, &overlapped, &bytes, 0, FALSE));
  CHECK(GetLastError() == ERROR_IO_INCOMPLETE);
  CHECK_FALSE(GetOverlappedResultEx(queue.handle, &overlapped, &bytes, 10, FALSE));
  CHECK(GetLastError() == WAIT_TIMEOUT);
  operation.succeed(41);
  CHECK(HasOverlappedIoCompleted(&overlapped));
  CHECK(GetOverlappedResult(queue.handle, &overlapped, &bytes, FALSE));
  CHECK(bytes == 41);
  CHECK(GetOverlappedResult(queue.handle, &overlapped, nullptr, TRUE));
  CHECK(overlapped.Offset == 0xaaaaaaaa);
}

TEST_CASE("a queue's handle is signalled by operations without an event")
{
  Queue queue;
  OVERLAPPED overlapped = {};
  TestOperation first;
  CHECK(WaitForSingleObject(queue.handle, 0) == WAIT_TIMEOUT);
  REQUIRE(first.begin(*queue.object, &overlapped) == NO_ERROR);
  first.succeed(0);
  CHECK(WaitForSingleObject(queue.handle, 0) == WAIT_OBJECT_0);
  CHECK(WaitForSingleObject(queue.handle, 0) == WAIT_OBJECT_0);
  TestOperation second;
  REQUIRE(second.begin(*queue.object, &overlapped) == NO_ERROR);
  CHECK(WaitForSingleObject(queue.handle, 0) == WAIT_TIMEOUT);
  CHECK(SetFileCompletionNotificationModes(queue.handle, FILE_SKIP_SET_EVENT_ON_HANDLE));
  second.succeed(0);
  CHECK(WaitForSingleObject(queue.handle, 0) == WAIT_TIMEOUT);
}

TEST_CASE("beginning is refused for a bad event, and for an OVERLAPPED in use; then nothing has changed")
{
  Queue queue;
  OVERLAPPED overlapped = {};
  overlapped.Internal = 5;
  TestOperation operation, other;
  HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
  for (HANDLE event : {HANDLE(port), INVALID_HANDLE_VALUE, HANDLE(0x1235)}) {
    overlapped.hEvent = event;
    CHECK(operation.begin(*queue.object, &overlapped) == ERROR_INVALID_HANDLE);
    CHECK(overlapped.Internal == 5);
    CHECK(std::string(last_error_text()) != "");
  }
  CHECK(CloseHandle(port));
  overlapped.hEvent = reinterpret_cast<HANDLE>(1); // no event, no packet
  CHECK(operation.begin(*queue.object, &overlapped) == NO_ERROR);
  CHECK(other.begin(*queue.object, &overlapped) == ERROR_INVALID_PARAMETER);
  operation.succeed(1);
  CHECK(other.begin(*queue.object, &overlapped) == NO_ERROR);
  other.abandon(static_cast<uint32_t>(HSYS_STATUS_INSUFFICIENT_RESOURCES));
  CHECK(HasOverlappedIoCompleted(&overlapped));
  CHECK(queue.object->cancel(nullptr, QueueObject::Whose::AllThreads) == 0);
}

TEST_CASE("GetOverlappedResult waits, for a handle or an event")
{
  Attached attached;
  for (bool has_event : {false, true}) {
    CAPTURE(has_event);
    Queue queue;
    HANDLE event = has_event ? CreateEvent(nullptr, FALSE, FALSE, nullptr) : nullptr;
    OVERLAPPED overlapped = {};
    overlapped.hEvent = event;
    TestOperation operation;
    REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
    std::thread daemon([&] {
      until_waiting(1);
      attached.source.publish([&] { operation.succeed(99); });
    });
    DWORD bytes = 0;
    CHECK(GetOverlappedResult(queue.handle, &overlapped, &bytes, TRUE));
    daemon.join();
    CHECK(bytes == 99);
    if (has_event) {
      // Windows waits for the event, which takes its signal.
      CHECK(WaitForSingleObject(event, 0) == WAIT_TIMEOUT);
      CHECK(CloseHandle(event));
    }
  }
}

TEST_CASE("GetOverlappedResult after the queue was closed, and for what was never begun")
{
  Queue queue;
  OVERLAPPED overlapped = {};
  TestOperation operation(OnCancel::Withdraw);
  REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
  CHECK(CloseHandle(queue.handle));
  CHECK(operation.withdrawals == 1);
  DWORD bytes = 1;
  CHECK_FALSE(GetOverlappedResult(queue.handle, &overlapped, &bytes, TRUE));
  CHECK(GetLastError() == ERROR_OPERATION_ABORTED);
  CHECK(bytes == 0);

  overlapped.Internal = 0x103;
  CHECK_FALSE(GetOverlappedResult(queue.handle, &overlapped, &bytes, TRUE));
  CHECK(GetLastError() == ERROR_INVALID_HANDLE);
  overlapped.hEvent = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  CHECK_FALSE(GetOverlappedResult(queue.handle, &overlapped, &bytes, TRUE));
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  CHECK(CloseHandle(overlapped.hEvent));
  CHECK_FALSE(GetOverlappedResult(queue.handle, nullptr, &bytes, TRUE));
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
}

TEST_CASE("HasOverlappedIoCompleted takes in what has completed")
{
  Attached attached;
  Queue queue;
  OVERLAPPED overlapped = {};
  TestOperation operation;
  REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
  CHECK_FALSE(HasOverlappedIoCompleted(&overlapped));
  attached.source.publish([&] { operation.succeed(3); });
  CHECK(overlapped.Internal == 0x103);
  CHECK(HasOverlappedIoCompleted(&overlapped));
  CHECK(overlapped.InternalHigh == 3);
}

TEST_CASE("cancelling: one, all, this thread's, none")
{
  Queue queue, other;
  OVERLAPPED overlapped[4] = {};
  TestOperation operations[4];
  for (int i = 0; i < 3; i++)
    REQUIRE(operations[i].begin(*queue.object, &overlapped[i]) == NO_ERROR);
  std::thread([&] { operations[3].begin(*queue.object, &overlapped[3]); }).join();

  CHECK(CancelIoEx(queue.handle, &overlapped[1]));
  CHECK(operations[1].cancels == 1);
  CHECK(operations[0].cancels == 0);
  CHECK_FALSE(CancelIoEx(other.handle, &overlapped[1]));
  CHECK(GetLastError() == ERROR_NOT_FOUND);
  CHECK(CancelIo(queue.handle));
  CHECK(operations[0].cancels == 1);
  CHECK(operations[2].cancels == 1);
  CHECK(operations[3].cancels == 0);
  CHECK(CancelIo(other.handle)); // none, and still TRUE
  CHECK(CancelIoEx(queue.handle, nullptr));
  CHECK(operations[3].cancels == 1);
  CHECK_FALSE(CancelIoEx(other.handle, nullptr));
  CHECK(GetLastError() == ERROR_NOT_FOUND);
  // A thread that has the stack of one that has ended is another thread.
  std::thread([&] { CHECK(CancelIo(queue.handle)); }).join();
  CHECK(operations[3].cancels == 1);
  for (TestOperation &operation : operations)
    operation.fail(HSYS_STATUS_CANCELLED);
  CHECK_FALSE(CancelIoEx(queue.handle, &overlapped[1]));
  CHECK(GetLastError() == ERROR_NOT_FOUND);
  CHECK_FALSE(CancelIoEx(queue.handle, nullptr));
}

TEST_CASE("an operation that had not left the library is withdrawn, with a packet")
{
  Queue queue;
  HANDLE port = CreateIoCompletionPort(queue.handle, nullptr, 0, 0);
  OVERLAPPED overlapped = {};
  TestOperation operation(OnCancel::Withdraw);
  REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
  CHECK(CancelIoEx(queue.handle, &overlapped));
  CHECK(operation.withdrawals == 1);
  DWORD bytes;
  ULONG_PTR key;
  LPOVERLAPPED got;
  CHECK_FALSE(GetQueuedCompletionStatus(port, &bytes, &key, &got, 0));
  CHECK(GetLastError() == ERROR_OPERATION_ABORTED);
  CHECK(got == &overlapped);
  CHECK(CloseHandle(port));
}

TEST_CASE("ten thousand parked operations: cancel one, then all, then close")
{
  Attached attached;
  Queue queue;
  std::vector<OVERLAPPED> overlapped(10000);
  std::vector<std::unique_ptr<TestOperation>> operations;
  for (OVERLAPPED &each : overlapped) {
    operations.push_back(std::make_unique<TestOperation>(OnCancel::Complete, &attached.source));
    REQUIRE(operations.back()->begin(*queue.object, &each) == NO_ERROR);
  }
  CHECK(CancelIoEx(queue.handle, &overlapped[5000]));
  CHECK(HasOverlappedIoCompleted(&overlapped[5000]));
  CHECK_FALSE(HasOverlappedIoCompleted(&overlapped[4999]));
  CHECK(CancelIoEx(queue.handle, nullptr));
  for (OVERLAPPED &each : overlapped)
    CHECK(HasOverlappedIoCompleted(&each));
  CHECK(CloseHandle(queue.handle));
}

TEST_CASE("a blocking call waits for its completion and knows its reason")
{
  Attached attached;
  Queue queue;
  TestOperation operation;
  REQUIRE(operation.begin(*queue.object, nullptr) == NO_ERROR);
  CHECK(operation.is_blocking());
  std::thread daemon([&] {
    until_waiting(1);
    attached.source.publish([&] { operation.fail(HSYS_STATUS_NOT_FOUND, 0, "the client has no certificate"); });
  });
  uint64_t bytes = 1;
  CHECK(operation.wait(bytes) == static_cast<uint32_t>(HSYS_STATUS_NOT_FOUND));
  daemon.join();
  CHECK(bytes == 0);
  CHECK(text() == "the client has no certificate");

  // Completed before anybody waits.
  TestOperation early;
  REQUIRE(early.begin(*queue.object, nullptr) == NO_ERROR);
  early.succeed(8);
  CHECK(early.wait(bytes) == 0);
  CHECK(bytes == 8);
}

TEST_CASE("closing a queue ends calls that block in it")
{
  Attached attached;
  Queue queue;
  std::thread closer([&] {
    until_waiting(1);
    CloseHandle(queue.handle);
  });
  for (OnCancel how : {OnCancel::Complete, OnCancel::Withdraw}) {
    TestOperation operation(how, &attached.source);
    REQUIRE(operation.begin(*queue.object, nullptr) == NO_ERROR);
    uint64_t bytes;
    if (how == OnCancel::Withdraw)
      CHECK(queue.object->cancel(nullptr, QueueObject::Whose::AllThreads) == 1);
    CHECK(operation.wait(bytes) == static_cast<uint32_t>(HSYS_STATUS_CANCELLED));
  }
  closer.join();
}

TEST_CASE("the last reasons are kept, and go with their OVERLAPPED's next operation")
{
  Queue queue;
  std::vector<OVERLAPPED> overlapped(Reasons::kKept + 1);
  for (size_t i = 0; i < overlapped.size(); i++) {
    TestOperation operation;
    REQUIRE(operation.begin(*queue.object, &overlapped[i]) == NO_ERROR);
    operation.fail(HSYS_STATUS_NOT_FOUND, 0, "reason " + std::to_string(i));
  }
  CHECK(Reasons::of(&overlapped[0]).is_empty());
  CHECK(std::string(Reasons::of(&overlapped[1]).c_str()) == "reason 1");
  CHECK(std::string(Reasons::of(&overlapped[Reasons::kKept]).c_str()) == "reason 64");
  TestOperation operation;
  REQUIRE(operation.begin(*queue.object, &overlapped[1]) == NO_ERROR);
  CHECK(Reasons::of(&overlapped[1]).is_empty());
  operation.succeed(0);
  DWORD bytes;
  CHECK_FALSE(GetOverlappedResult(queue.handle, &overlapped[2], &bytes, FALSE));
  CHECK(text() == "reason 2");
  CHECK(GetOverlappedResult(queue.handle, &overlapped[1], &bytes, FALSE));
  CHECK(text() == "");
}
