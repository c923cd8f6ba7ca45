// SPDX-License-Identifier: GPL-3.0-or-later
// HttpSendHttpResponse, HttpSendResponseEntityBody, HttpCancelHttpRequest and the waits for a disconnect (http-server-api.md 2.7): what
// reaches the daemon, bodies of every size, files, the order of sends, and what happens when the send arena is full.
#include "tests/unit/lib/api_fixture.h"
#include "uapi/ops.h"
#include "uapi/response.h"
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace {

constexpr ULONG k87 = ERROR_INVALID_PARAMETER;
constexpr ULONG kMore = HTTP_SEND_RESPONSE_FLAG_MORE_DATA;

HTTP_DATA_CHUNK memory(const std::string &bytes)
{
  HTTP_DATA_CHUNK chunk{};
  chunk.DataChunkType = HttpDataChunkFromMemory;
  chunk.FromMemory.pBuffer = const_cast<char *>(bytes.data());
  chunk.FromMemory.BufferLength = static_cast<ULONG>(bytes.size());
  return chunk;
}

HTTP_DATA_CHUNK file(HANDLE handle, uint64_t offset, uint64_t length)
{
  HTTP_DATA_CHUNK chunk{};
  chunk.DataChunkType = HttpDataChunkFromFileHandle;
  chunk.FromFileHandle.FileHandle = handle;
  chunk.FromFileHandle.ByteRange.StartingOffset.QuadPart = offset;
  chunk.FromFileHandle.ByteRange.Length.QuadPart = length;
  return chunk;
}

HTTP_RESPONSE ok()
{
  HTTP_RESPONSE response{};
  response.StatusCode = 200;
  response.pReason = "OK";
  response.ReasonLength = 2;
  return response;
}

std::string pattern(size_t length)
{
  std::string text(length, ' ');
  for (size_t i = 0; i < length; i++)
    text[i] = static_cast<char>(i * 7 + i / 251);
  return text;
}

// What the daemon puts together of a call's operations; completes them as they come, the head counting as 100 bytes.
struct Wire {
  explicit Wire(FakeDaemon &daemon, bool completes = true)
  {
    for (hsys_op op : {HSYS_OP_SEND_RESPONSE, HSYS_OP_SEND_BODY})
      daemon.on(op, [this, op, completes](FakeDaemon &fake, const FakeOperation &operation) {
        std::lock_guard lock(mutex);
        operations.push_back(operation);
        bodies[operation.entry.object_id] += operation.body;
        if (completes)
          fake.complete(operation.entry.irp_id, {.information = operation.body.size() + (op == HSYS_OP_SEND_RESPONSE ? 100 : 0)});
      });
  }
  ~Wire() { std::lock_guard lock(mutex); } // the daemon's thread was the last to write
  // The operations of a request, once there are so many.
  std::vector<FakeOperation> wait(uint64_t request_id, size_t count)
  {
    for (int i = 0; i < 60000; i++) {
      std::vector<FakeOperation> found;
      {
        std::lock_guard lock(mutex);
        for (const FakeOperation &operation : operations)
          if (operation.entry.object_id == request_id)
            found.push_back(operation);
      }
      if (found.size() >= count)
        return found;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    throw std::runtime_error("too few operations");
  }
  std::vector<FakeOperation> all()
  {
    std::lock_guard lock(mutex);
    return operations;
  }
  std::string body(uint64_t request_id)
  {
    std::lock_guard lock(mutex);
    return bodies[request_id];
  }
  std::mutex mutex;
  std::vector<FakeOperation> operations;
  std::map<uint64_t, std::string> bodies;
};

ULONG respond_later(Api &api, uint64_t request_id, HTTP_DATA_CHUNK &chunk, OVERLAPPED &overlapped, ULONG flags = 0)
{
  HTTP_RESPONSE response = ok();
  response.pEntityChunks = &chunk;
  response.EntityChunkCount = 1;
  return HttpSendHttpResponse(api.queue, request_id, flags, &response, nullptr, nullptr, nullptr, 0, &overlapped, nullptr);
}

bool continues(const FakeOperation &operation)
{
  bool has_head = operation.entry.op == HSYS_OP_SEND_RESPONSE;
  return (has_head ? operation.head<hsys_response>().flags : operation.head<hsys_send_body>().flags) & HSYS_SEND_CONTINUES;
}

}

TEST_CASE("a small response: one operation, head and body")
{
  for (Mode mode : kModes) {
    Api api;
    Wire wire(api.daemon);
    std::string hello = "hello ", world = "world";
    ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
      // All of it but the chunks' contents is gone when the call returns.
      HTTP_RESPONSE response = ok();
      std::string reason = "Fine", type = "text/plain", name = "X-A", value = "b";
      response.pReason = reason.data();
      response.ReasonLength = 4;
      response.Headers.KnownHeaders[HttpHeaderContentType] = {10, type.data()};
      HTTP_UNKNOWN_HEADER unknown{3, 1, name.data(), value.data()};
      response.Headers.pUnknownHeaders = &unknown;
      response.Headers.UnknownHeaderCount = 1;
      HTTP_DATA_CHUNK chunks[] = {memory(hello), memory(""), memory(world)};
      response.pEntityChunks = chunks;
      response.EntityChunkCount = 3;
      ULONG code = HttpSendHttpResponse(api.queue, 0x1001, HTTP_SEND_RESPONSE_FLAG_DISCONNECT, &response, nullptr, bytes, nullptr, 0,
        overlapped, nullptr);
      memset(chunks, 0xff, sizeof chunks);
      reason.assign("????");
      type.assign(10, '?');
      return code;
    });
    ApiOutcome outcome = run.wait();
    CHECK(outcome.code == NO_ERROR);
    CHECK(outcome.bytes == 111);
    REQUIRE(wire.all().size() == 1);
    FakeOperation sent = wire.all()[0];
    CHECK(sent.entry.object_id == 0x1001);
    CHECK(sent.entry.op_flags == HSYS_SEND_DISCONNECT);
    const hsys_response &head = sent.head<hsys_response>();
    CHECK(head.status_code == 200);
    CHECK(head.content_bytes == 11);
    CHECK(head.flags == 0);
    CHECK(head.extent_count == 1);
    CHECK(sent.text(head.reason_offset, head.reason_length) == "Fine");
    CHECK(head.header_count == 2);
    CHECK(sent.body == "hello world");
  }
}

TEST_CASE("no chunks: no extents")
{
  Api api;
  Wire wire(api.daemon);
  HTTP_RESPONSE response = ok();
  CHECK(HttpSendHttpResponse(api.queue, 1, kMore, &response, nullptr, nullptr, nullptr, 0, nullptr, nullptr) == NO_ERROR);
  CHECK(HttpSendResponseEntityBody(api.queue, 1, 0, 0, nullptr, nullptr, nullptr, 0, nullptr, nullptr) == NO_ERROR);
  std::vector<FakeOperation> sent = wire.all();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].head<hsys_response>().extent_count == 0);
  CHECK(sent[0].head<hsys_response>().content_bytes == 0);
  CHECK(sent[0].entry.op_flags == kMore);
  CHECK(sent[1].head<hsys_send_body>().extent_count == 0);
  CHECK(sent[1].entry.op_flags == 0);
}

TEST_CASE("a large body leaves in several operations, the caller sees one outcome")
{
  std::string body = pattern(5'000'000);
  for (Mode mode : kModes) {
    for (bool has_head : {true, false}) {
      Api api;
      Wire wire(api.daemon);
      HTTP_RESPONSE response = ok();
      HTTP_DATA_CHUNK chunks[3] = {memory(body), memory(body), memory(body)};
      chunks[0].FromMemory.BufferLength = 1'000'001;
      chunks[1] = chunks[2];
      chunks[1].FromMemory.pBuffer = const_cast<char *>(body.data()) + 1'000'001;
      chunks[1].FromMemory.BufferLength = 3;
      chunks[2].FromMemory.pBuffer = const_cast<char *>(body.data()) + 1'000'004;
      chunks[2].FromMemory.BufferLength = 3'999'996;
      response.pEntityChunks = chunks;
      response.EntityChunkCount = 3;
      ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
        if (has_head)
          return HttpSendHttpResponse(api.queue, 7, 0, &response, nullptr, bytes, nullptr, 0, overlapped, nullptr);
        return HttpSendResponseEntityBody(api.queue, 7, 0, 3, chunks, bytes, nullptr, 0, overlapped, nullptr);
      });
      ApiOutcome outcome = run.wait();
      CHECK(outcome.code == NO_ERROR);
      CHECK(outcome.bytes == 5'000'000 + (has_head ? 100 : 0));
      CHECK((wire.body(7) == body));
      std::vector<FakeOperation> sent = wire.all();
      REQUIRE(sent.size() >= 5);
      CHECK(sent[0].entry.op == (has_head ? HSYS_OP_SEND_RESPONSE : HSYS_OP_SEND_BODY));
      for (size_t i = 0; i < sent.size(); i++) {
        CHECK(continues(sent[i]) == (i + 1 < sent.size()));
        if (i > 0)
          CHECK(sent[i].entry.op == HSYS_OP_SEND_BODY);
      }
      if (has_head)
        CHECK(sent[0].head<hsys_response>().content_bytes == 5'000'000);
    }
  }
}

TEST_CASE("memory of chunks may be read until the completion: it is, and no longer")
{
  Api api;
  Wire wire(api.daemon, false);
  std::string body = pattern(2'000'000), copy = body;
  HTTP_DATA_CHUNK chunk = memory(body);
  OVERLAPPED overlapped{};
  overlapped.hEvent = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  REQUIRE(HttpSendResponseEntityBody(api.queue, 7, 0, 1, &chunk, nullptr, nullptr, 0, &overlapped, nullptr) == ERROR_IO_PENDING);
  chunk = {};
  size_t done = 0;
  while (WaitForSingleObject(overlapped.hEvent, 0) == WAIT_TIMEOUT) {
    std::lock_guard lock(wire.mutex);
    for (; done < wire.operations.size(); done++)
      api.daemon.complete(wire.operations[done].entry.irp_id, {.information = wire.operations[done].body.size()});
  }
  body.assign(body.size(), '!');
  CHECK((wire.body(7) == copy));
  CHECK(overlapped.InternalHigh == 2'000'000);
  CloseHandle(overlapped.hEvent);
}

TEST_CASE("files: ranges, to the end, mixed with memory; the position stays, the handle may be closed meanwhile")
{
  TemporaryFolder folder;
  std::string contents = pattern(700'000);
  put_file(folder / "file", contents);
  for (Mode mode : kModes) {
    Api api;
    Wire wire(api.daemon);
    int descriptor = open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC);
    lseek(descriptor, 5, SEEK_SET);
    HANDLE handle = httpsys_file_from_fd(descriptor);
    REQUIRE(handle);
    std::string between = "--";
    HTTP_DATA_CHUNK chunks[] = {file(handle, 10, 20), memory(between), file(handle, 100'000, HTTP_BYTE_RANGE_TO_EOF),
      file(handle, 700'000, 0), file(handle, 700'000, HTTP_BYTE_RANGE_TO_EOF)};
    ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
      ULONG code = HttpSendResponseEntityBody(api.queue, 7, 0, 5, chunks, bytes, nullptr, 0, overlapped, nullptr);
      CHECK(CloseHandle(handle));
      return code;
    });
    ApiOutcome outcome = run.wait();
    CHECK(outcome.code == NO_ERROR);
    CHECK(outcome.bytes == 600'022);
    CHECK((wire.body(7) == contents.substr(10, 20) + "--" + contents.substr(100'000)));
    CHECK(lseek(descriptor, 0, SEEK_CUR) == 5);
    close(descriptor);
  }
}

TEST_CASE("files that are none, or too short")
{
  TemporaryFolder folder;
  put_file(folder / "file", "0123456789");
  Api api;
  int descriptor = open((folder / "file").c_str(), O_RDWR | O_CLOEXEC);
  HANDLE handle = httpsys_file_from_fd(descriptor);
  HTTP_RESPONSE response = ok();
  OVERLAPPED overlapped{};
  auto code = [&](HTTP_DATA_CHUNK chunk) {
    response.pEntityChunks = &chunk;
    response.EntityChunkCount = 1;
    ULONG first = HttpSendHttpResponse(api.queue, 7, 0, &response, nullptr, nullptr, nullptr, 0, nullptr, nullptr);
    CHECK(last_text() != "");
    CHECK(HttpSendResponseEntityBody(api.queue, 7, 0, 1, &chunk, nullptr, nullptr, 0, &overlapped, nullptr) == first);
    return first;
  };
  CHECK(code(file(nullptr, 0, 1)) == ERROR_INVALID_HANDLE);
  CHECK(code(file(api.queue, 0, 1)) == ERROR_INVALID_HANDLE);
  CHECK(code(file(handle, 11, 0)) == ERROR_HANDLE_EOF);
  CHECK(code(file(handle, 11, HTTP_BYTE_RANGE_TO_EOF)) == ERROR_HANDLE_EOF);
  CHECK(code(file(handle, 5, 6)) == ERROR_HANDLE_EOF);
  CHECK(code(file(handle, 1, UINT64_MAX - 1)) == ERROR_HANDLE_EOF);
  CHECK(api.daemon.seen(HSYS_OP_SEND_RESPONSE) == 0);
  CHECK(httpsys_file_from_fd(-1) == nullptr);
  CHECK(GetLastError() == ERROR_INVALID_HANDLE);
  CHECK(CloseHandle(handle));
  CHECK(code(file(handle, 0, 1)) == ERROR_INVALID_HANDLE);
  close(descriptor);
}

TEST_CASE("a file that shrinks while it is sent: the call fails and the connection ends")
{
  TemporaryFolder folder;
  put_file(folder / "file", pattern(3'000'000));
  Api api;
  int descriptor = open((folder / "file").c_str(), O_RDWR | O_CLOEXEC);
  HANDLE handle = httpsys_file_from_fd(descriptor);
  Wire wire(api.daemon, false);
  HTTP_RESPONSE response = ok();
  HTTP_DATA_CHUNK chunk = file(handle, 0, HTTP_BYTE_RANGE_TO_EOF);
  response.pEntityChunks = &chunk;
  response.EntityChunkCount = 1;
  ApiRun run(api, Mode::Event, [&](OVERLAPPED *overlapped, ULONG *bytes) {
    return HttpSendHttpResponse(api.queue, 7, 0, &response, nullptr, bytes, nullptr, 0, overlapped, nullptr);
  });
  std::vector<FakeOperation> sent = wire.wait(7, 2);
  REQUIRE(ftruncate(descriptor, 1000) == 0);
  for (const FakeOperation &operation : sent)
    api.daemon.complete(operation.entry.irp_id, {.information = operation.body.size()});
  ApiOutcome outcome = run.wait();
  CHECK(outcome.code == ERROR_HANDLE_EOF);
  CHECK(outcome.bytes == 0);
  CHECK(contains(outcome.text, "shorter"));
  while (api.daemon.seen(HSYS_OP_CANCEL_REQUEST) == 0)
    httpsys_dispatch();
  CHECK(CloseHandle(handle));
  close(descriptor);
}

TEST_CASE("what the library refuses by itself, in which order")
{
  int something = 0;
  std::string body = "body";
  for (Mode mode : kModes) {
    Api api;
    HTTP_RESPONSE good = ok();
    auto respond = [&](HANDLE queue, ULONG flags, PHTTP_RESPONSE response, PVOID reserved1 = nullptr, ULONG reserved2 = 0,
                     PHTTP_CACHE_POLICY policy = nullptr) {
      ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
        return HttpSendHttpResponse(queue, 7, flags, response, policy, bytes, reserved1, reserved2, overlapped, nullptr);
      });
      ApiOutcome outcome = run.wait();
      CHECK(outcome.bytes == kUntouched);
      CHECK(contains(outcome.text, "HttpSendHttpResponse: "));
      return outcome.code;
    };
    CHECK(respond(nullptr, 0, &good, &something) == k87);
    CHECK(respond(nullptr, 0, &good, nullptr, 1) == k87);
    // Flags that do not exist, or not yet: callers probe with them and go on without.
    for (ULONG flags : {0x10u, 0x20u, 0x40u, 0x80u, 0x100u, 0x200u, 0x400u, 0x80000000u, 0x46u})
      CHECK(respond(nullptr, flags, &good) == k87);
    CHECK(respond(nullptr, 0, nullptr) == k87);
    HTTP_CACHE_POLICY policy{};
    int wrong = 3;
    memcpy(&policy.Policy, &wrong, sizeof wrong);
    CHECK(respond(nullptr, 0, &good, nullptr, 0, &policy) == k87);
    CHECK(respond(nullptr, 0, &good) == ERROR_INVALID_HANDLE);
    HTTP_RESPONSE bad = ok();
    bad.StatusCode = 0;
    CHECK(respond(nullptr, 0, &bad) == ERROR_INVALID_HANDLE);
    CHECK(respond(api.queue, 0, &bad) == k87);
    bad = ok();
    bad.EntityChunkCount = 1;
    CHECK(respond(api.queue, 0, &bad) == k87);
    std::vector<HTTP_DATA_CHUNK> many(101, memory(body));
    bad.pEntityChunks = many.data();
    bad.EntityChunkCount = 101;
    CHECK(respond(api.queue, 0, &bad) == k87);
    for (auto [type, code] : {std::pair<int, ULONG>{2, ERROR_NOT_SUPPORTED}, {3, ERROR_NOT_SUPPORTED}, {4, ERROR_NOT_SUPPORTED},
           {5, k87}, {6, k87}, {-1, k87}}) {
      HTTP_DATA_CHUNK chunk = memory(body);
      memcpy(&chunk.DataChunkType, &type, sizeof type);
      bad.pEntityChunks = &chunk;
      bad.EntityChunkCount = 1;
      CHECK(respond(api.queue, 0, &bad) == code);
    }
    HTTP_DATA_CHUNK nowhere = memory(body);
    nowhere.FromMemory.pBuffer = nullptr;
    bad.pEntityChunks = &nowhere;
    CHECK(respond(api.queue, 0, &bad) == k87);
    CHECK(api.daemon.seen(HSYS_OP_SEND_RESPONSE) == 0);
  }
}

TEST_CASE("HttpSendResponseEntityBody: its own refusals, and 9999 chunks")
{
  int something = 0;
  Api api;
  Wire wire(api.daemon);
  std::string byte = "x";
  std::vector<HTTP_DATA_CHUNK> many(10000, memory(byte));
  auto send = [&](HANDLE queue, ULONG flags, USHORT count, PHTTP_DATA_CHUNK chunks, PVOID reserved1 = nullptr, ULONG reserved2 = 0) {
    return HttpSendResponseEntityBody(queue, 7, flags, count, chunks, nullptr, reserved1, reserved2, nullptr, nullptr);
  };
  CHECK(send(nullptr, 0, 0, nullptr, &something) == k87);
  CHECK(send(nullptr, 0, 0, nullptr, nullptr, 1) == k87);
  CHECK(send(nullptr, 0x40, 0, nullptr) == k87);
  CHECK(send(nullptr, 0, 1, nullptr) == k87);
  CHECK(send(nullptr, 0, 10000, many.data()) == k87);
  CHECK(send(nullptr, 0, 1, many.data()) == ERROR_INVALID_HANDLE);
  CHECK(wire.all().empty());
  CHECK(send(api.queue, 0, 9999, many.data()) == NO_ERROR);
  CHECK((wire.body(7) == std::string(9999, 'x')));
}

TEST_CASE("a version 1 queue: nothing behind HTTP_RESPONSE_V1 is read")
{
  Api api;
  Wire wire(api.daemon);
  HANDLE queue = nullptr;
  REQUIRE(HttpCreateHttpHandle(&queue, 0) == NO_ERROR);
  HTTP_RESPONSE response = ok();
  response.ResponseInfoCount = 99;
  response.pResponseInfo = reinterpret_cast<PHTTP_RESPONSE_INFO>(16);
  CHECK(HttpSendHttpResponse(queue, 7, 0, &response, nullptr, nullptr, nullptr, 0, nullptr, nullptr) == NO_ERROR);
  CHECK(CloseHandle(queue));
}

TEST_CASE("failures of the daemon's come with its reason; a call that has failed sends no more")
{
  std::string body = pattern(3'000'000);
  for (Mode mode : kModes) {
    for (auto [status, expected] : {std::pair<int, ULONG>{HSYS_STATUS_CONNECTION_INVALID, ERROR_CONNECTION_INVALID},
           {HSYS_STATUS_INVALID_DEVICE_STATE, ERROR_BAD_COMMAND}, {HSYS_STATUS_CONNECTION_ABORTED, ERROR_CONNECTION_ABORTED}}) {
      Api api;
      api.daemon.answer(HSYS_OP_SEND_RESPONSE, {.status = status, .information = 5, .reason = "the peer has gone"});
      api.daemon.answer(HSYS_OP_SEND_BODY, {.status = HSYS_STATUS_INVALID_PARAMETER, .reason = "another"});
      HTTP_RESPONSE response = ok();
      HTTP_DATA_CHUNK chunk = memory(body);
      response.pEntityChunks = &chunk;
      response.EntityChunkCount = 1;
      ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
        return HttpSendHttpResponse(api.queue, 7, 0, &response, nullptr, bytes, nullptr, 0, overlapped, nullptr);
      });
      ApiOutcome outcome = run.wait();
      CHECK(outcome.code == expected);
      CHECK(outcome.bytes == (mode == Mode::Blocking ? kUntouched : 0));
      CHECK(outcome.text.starts_with("HttpSendHttpResponse: the peer has gone (ERROR_"));
      CHECK(api.daemon.seen(HSYS_OP_SEND_BODY) <= 1);
      CHECK(api.daemon.seen(HSYS_OP_CANCEL_REQUEST) == 0);
    }
  }
}

TEST_CASE("sends of one request leave in the order of the calls, though the first is long")
{
  Api api;
  Wire wire(api.daemon, false);
  std::string large = pattern(4'000'000), small = "the end";
  HTTP_DATA_CHUNK chunks[] = {memory(large), memory(small)};
  OVERLAPPED overlapped[3]{};
  for (OVERLAPPED &one : overlapped)
    one.hEvent = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  REQUIRE(HttpSendResponseEntityBody(api.queue, 7, kMore, 1, &chunks[0], nullptr, nullptr, 0, &overlapped[0], nullptr) == ERROR_IO_PENDING);
  REQUIRE(HttpSendResponseEntityBody(api.queue, 7, kMore, 1, &chunks[1], nullptr, nullptr, 0, &overlapped[1], nullptr) == ERROR_IO_PENDING);
  // Another request's goes by.
  REQUIRE(HttpSendResponseEntityBody(api.queue, 8, 0, 1, &chunks[1], nullptr, nullptr, 0, &overlapped[2], nullptr) == ERROR_IO_PENDING);
  CHECK(wire.wait(8, 1)[0].body == small);
  CHECK(wire.wait(7, 2).size() == 2);
  size_t done = 0;
  for (HANDLE event : {overlapped[0].hEvent, overlapped[1].hEvent, overlapped[2].hEvent}) {
    while (WaitForSingleObject(event, 0) == WAIT_TIMEOUT) {
      std::lock_guard lock(wire.mutex);
      for (; done < wire.operations.size(); done++)
        api.daemon.complete(wire.operations[done].entry.irp_id, {.information = wire.operations[done].body.size()});
    }
  }
  CHECK((wire.body(7) == large + small));
  for (OVERLAPPED &one : overlapped)
    CloseHandle(one.hEvent);
}

TEST_CASE("when stalled sends hold the send arena, others wait and go on first come, first served")
{
  Api api({.tx_bytes = HSYS_ARENA_BYTES_MIN});
  Wire wire(api.daemon, false);
  constexpr size_t kCalls = 200;
  std::string body = pattern(100'000);
  HTTP_DATA_CHUNK chunk = memory(body);
  std::vector<OVERLAPPED> overlapped(kCalls);
  HANDLE port = api.queue_port();
  for (size_t i = 0; i < kCalls; i++)
    REQUIRE(HttpSendResponseEntityBody(api.queue, i + 1, 0, 1, &chunk, nullptr, nullptr, 0, &overlapped[i], nullptr) == ERROR_IO_PENDING);
  // Configuration finds room, if late, when the stalled ones go on.
  std::atomic<bool> is_added{false};
  std::thread configuring([&] {
    CHECK(HttpAddUrlToUrlGroup(5, std::u16string(16000, u'x').c_str(), 0, 0) == NO_ERROR);
    is_added = true;
  });
  size_t done = 0, ended = 0;
  while (ended < kCalls) {
    {
      std::lock_guard lock(wire.mutex);
      for (; done < wire.operations.size(); done++)
        api.daemon.complete(wire.operations[done].entry.irp_id, {.information = wire.operations[done].body.size()});
    }
    OVERLAPPED_ENTRY entries[16];
    ULONG count = 0;
    if (!GetQueuedCompletionStatusEx(port, entries, 16, &count, 50, FALSE))
      continue;
    for (ULONG i = 0; i < count; i++) {
      CHECK(entries[i].Internal == 0);
      CHECK(entries[i].dwNumberOfBytesTransferred == body.size());
    }
    ended += count;
  }
  configuring.join();
  CHECK(is_added);
  for (size_t i = 0; i < kCalls; i++)
    CHECK((wire.body(i + 1) == body));
}

// Completes what comes of the requests from `first_honest` on, of the others no more than what the daemon promises to take at once: a
// response's operation with a piece of the body, one larger operation of a body after a question that it has answered.
struct SlowReaders {
  SlowReaders(Api &api, uint64_t first_honest)
  {
    for (hsys_op op : {HSYS_OP_SEND_RESPONSE, HSYS_OP_SEND_BODY})
      api.daemon.on(op, [this, first_honest](FakeDaemon &fake, const FakeOperation &operation) {
        bool is_honest = operation.entry.object_id >= first_honest;
        bool is_short = operation.entry.op == HSYS_OP_SEND_RESPONSE && operation.body.size() <= kPiece;
        std::lock_guard lock(mutex);
        bodies[operation.entry.object_id] += operation.body;
        bool is_taken = is_honest || is_short || goes_on;
        if (!is_taken)
          standing.push_back(operation);
        held += is_taken ? 0 : operation.body.size();
        most = is_honest ? std::max(most, operation.body.size()) : most;
        questions += is_honest && operation.body.empty();
        if (is_taken)
          fake.complete(operation.entry.irp_id, {.information = operation.body.size(), .aux = taken_at_once});
      });
  }
  size_t count()
  {
    std::lock_guard lock(mutex);
    return standing.size();
  }
  static constexpr size_t kPiece = 16384;
  std::mutex mutex;
  std::vector<FakeOperation> standing;
  std::map<uint64_t, std::string> bodies;
  size_t held = 0, most = 0, questions = 0;
  uint64_t taken_at_once = 0; // after what completes
  bool goes_on = false;
};

TEST_CASE("clients that read nothing hold no more than a part of the send arena, whatever their number: the others are answered")
{
  constexpr size_t kSlow = 400;
  Api api({.cq_entries = 4096, .tx_bytes = HSYS_ARENA_BYTES_MIN});
  SlowReaders readers(api, kSlow + 1);
  std::string large = pattern(1'000'000), medium = pattern(65536), small = "small";
  HTTP_DATA_CHUNK chunks[] = {memory(large), memory(medium), memory(small)};
  std::vector<OVERLAPPED> overlapped(kSlow);
  for (size_t i = 0; i < kSlow; i++)
    REQUIRE(respond_later(api, i + 1, chunks[i % 2], overlapped[i]) == ERROR_IO_PENDING);
  for (; readers.count() < kSlow; Sleep(1))
    httpsys_dispatch();
  {
    std::lock_guard lock(readers.mutex);
    CHECK(readers.held > HSYS_ARENA_BYTES_MIN / 2);
    CHECK(readers.held <= HSYS_ARENA_BYTES_MIN / 4 * 3);
  }
  // Whose connection has room by what the daemon says is not asked.
  OVERLAPPED honest[4]{};
  for (size_t i = 0; i < 4; i++) {
    honest[i].hEvent = CreateEvent(nullptr, TRUE, FALSE, nullptr);
    if (i == 3) {
      std::lock_guard lock(readers.mutex);
      CHECK(readers.most == SlowReaders::kPiece);
      CHECK(std::exchange(readers.questions, 0) > 50); // for nearly each piece of 1'000'000 bytes
      readers.taken_at_once = SlowReaders::kPiece + 1;
    }
    REQUIRE(respond_later(api, kSlow + 1 + i, chunks[i % 3], honest[i]) == ERROR_IO_PENDING);
    CHECK(WaitForSingleObject(honest[i].hEvent, 20000) == WAIT_OBJECT_0);
    CHECK(honest[i].Internal == 0);
    CHECK(honest[i].InternalHigh == chunks[i % 3].FromMemory.BufferLength);
    CloseHandle(honest[i].hEvent);
  }
  // And these too, when they read.
  std::vector<FakeOperation> standing;
  {
    std::lock_guard lock(readers.mutex);
    CHECK(readers.most == SlowReaders::kPiece);
    CHECK(readers.questions == 0);
    readers.goes_on = true;
    standing = std::exchange(readers.standing, {});
  }
  for (const FakeOperation &operation : standing)
    api.daemon.complete(operation.entry.irp_id, {.information = operation.body.size()});
  for (OVERLAPPED &one : overlapped)
    while (one.Internal == STATUS_PENDING)
      httpsys_dispatch();
  std::lock_guard lock(readers.mutex);
  for (size_t i = 0; i < kSlow + 4; i++) {
    const HTTP_DATA_CHUNK &chunk = i < kSlow ? chunks[i % 2] : chunks[(i - kSlow) % 3];
    CHECK(readers.bodies[i + 1] == std::string_view(static_cast<char *>(chunk.FromMemory.pBuffer), chunk.FromMemory.BufferLength));
  }
}

TEST_CASE("a send that waits is cancelled at once; one that was sent in part ends its connection")
{
  Api api({.tx_bytes = HSYS_ARENA_BYTES_MIN});
  Wire wire(api.daemon, false);
  std::string body = pattern(3'000'000);
  HTTP_DATA_CHUNK chunk = memory(body);
  std::vector<OVERLAPPED> overlapped(300);
  for (size_t i = 0; i < overlapped.size(); i += 2) {
    REQUIRE(respond_later(api, i / 2 + 1, chunk, overlapped[i], kMore) == ERROR_IO_PENDING);
    ULONG code = HttpSendResponseEntityBody(api.queue, i / 2 + 1, kMore, 1, &chunk, nullptr, nullptr, 0, &overlapped[i + 1], nullptr);
    REQUIRE(code == ERROR_IO_PENDING);
  }
  // The second of a request waits for the first, the last response for the arena.
  for (size_t i : {size_t{1}, overlapped.size() - 1, overlapped.size() - 2}) {
    CHECK(overlapped[i].Internal == STATUS_PENDING);
    CHECK(CancelIoEx(api.queue, &overlapped[i]));
    CHECK(overlapped[i].Internal == 0xC0000120);
    CHECK(overlapped[i].InternalHigh == 0);
  }
  CHECK(api.daemon.seen(HSYS_OP_CANCEL) == 0);
  // The first of request 1 has two operations at the daemon, and more to send.
  CHECK(CancelIoEx(api.queue, &overlapped[0]));
  CHECK(overlapped[0].Internal == STATUS_PENDING);
  std::vector<FakeOperation> first = wire.wait(1, 2);
  CHECK(first.size() == 2);
  api.daemon.complete(first[0].entry.irp_id, {.information = first[0].body.size()});
  api.daemon.complete(first[1].entry.irp_id, {.status = HSYS_STATUS_CANCELLED});
  DWORD bytes = 0;
  CHECK_FALSE(GetOverlappedResult(api.queue, &overlapped[0], &bytes, TRUE));
  CHECK(GetLastError() == ERROR_OPERATION_ABORTED);
  while (api.daemon.seen(HSYS_OP_CANCEL_REQUEST) == 0)
    httpsys_dispatch();
  // All the others, whatever they wait for.
  CHECK(CancelIoEx(api.queue, nullptr));
  std::atomic<bool> is_over{false};
  std::thread completing([&] {
    for (size_t i = 0; !is_over;) {
      std::lock_guard lock(wire.mutex);
      for (; i < wire.operations.size(); i++)
        api.daemon.complete(wire.operations[i].entry.irp_id, {.status = HSYS_STATUS_CANCELLED});
    }
  });
  for (OVERLAPPED &one : overlapped) {
    CHECK_FALSE(GetOverlappedResult(api.queue, &one, &bytes, TRUE));
    CHECK(GetLastError() == ERROR_OPERATION_ABORTED);
  }
  is_over = true;
  completing.join();
}

TEST_CASE("closing the queue ends sends that have not left the library, at once")
{
  Api api({.tx_bytes = HSYS_ARENA_BYTES_MIN});
  Wire wire(api.daemon, false);
  std::string body = pattern(3'000'000);
  HTTP_DATA_CHUNK chunk = memory(body);
  std::vector<OVERLAPPED> overlapped(200);
  for (size_t i = 0; i < overlapped.size(); i++)
    REQUIRE(respond_later(api, i + 1, chunk, overlapped[i]) == ERROR_IO_PENDING);
  CHECK(HttpCloseRequestQueue(std::exchange(api.queue, nullptr)) == NO_ERROR);
  CHECK(overlapped.back().Internal == 0xC0000120);
  CHECK(overlapped[0].Internal == STATUS_PENDING); // the daemon's to end
  for (const FakeOperation &operation : wire.all())
    api.daemon.complete(operation.entry.irp_id, {.status = HSYS_STATUS_CANCELLED});
  for (OVERLAPPED &one : overlapped)
    while (one.Internal == STATUS_PENDING)
      httpsys_dispatch();
}

TEST_CASE("a send without credit: ERROR_NO_SYSTEM_RESOURCES, and no completion")
{
  Api api({.cq_entries = 256});
  Wire wire(api.daemon, false);
  HANDLE port = api.queue_port();
  std::string body = "body";
  HTTP_DATA_CHUNK chunk = memory(body);
  std::vector<OVERLAPPED> overlapped(257);
  auto send = [&](size_t i) {
    return HttpSendResponseEntityBody(api.queue, i + 1, 0, 1, &chunk, nullptr, nullptr, 0, &overlapped[i], nullptr);
  };
  for (size_t i = 0; i < 256; i++)
    REQUIRE(send(i) == ERROR_IO_PENDING);
  CHECK(send(256) == ERROR_NO_SYSTEM_RESOURCES);
  CHECK(contains(last_text(), "too many operations"));
  CHECK(overlapped[256].Internal != STATUS_PENDING);
  wire.wait(256, 1);
  for (const FakeOperation &operation : wire.all())
    api.daemon.complete(operation.entry.irp_id, {.information = 4});
  OVERLAPPED_ENTRY entries[300];
  ULONG count = 0, ended = 0;
  while (GetQueuedCompletionStatusEx(port, entries, 300, &count, ended < 256 ? 10000 : 50, FALSE))
    for (ended += count; count > 0; count--)
      CHECK(entries[count - 1].lpOverlapped != &overlapped[256]);
  CHECK(ended == 256);
  CHECK(send(256) == ERROR_IO_PENDING);
  api.daemon.complete(wire.wait(257, 1)[0].entry.irp_id, {.information = 4});
  CHECK(GetQueuedCompletionStatusEx(port, entries, 300, &count, 10000, FALSE));
  CHECK(entries[0].lpOverlapped == &overlapped[256]);
}

TEST_CASE("a blocking send is cancelled from another thread")
{
  Api api;
  Wire wire(api.daemon, false);
  std::string body = pattern(3'000'000);
  HTTP_DATA_CHUNK chunk = memory(body);
  ULONG code = 0;
  std::thread thread([&] { code = HttpSendResponseEntityBody(api.queue, 7, 0, 1, &chunk, nullptr, nullptr, 0, nullptr, nullptr); });
  std::vector<FakeOperation> sent = wire.wait(7, 2);
  CHECK(CancelIoEx(api.queue, nullptr));
  for (const FakeOperation &operation : sent)
    api.daemon.complete(operation.entry.irp_id, {.status = HSYS_STATUS_CANCELLED});
  thread.join();
  CHECK(code == ERROR_OPERATION_ABORTED);
}

TEST_CASE("HttpCancelHttpRequest and the waits for a disconnect")
{
  for (Mode mode : kModes) {
    Api api;
    Seen seen(api.daemon, {HSYS_OP_CANCEL_REQUEST, HSYS_OP_WAIT_DISCONNECT}, {});
    {
      ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *) { return HttpCancelHttpRequest(api.queue, 0x11, overlapped); });
      CHECK(run.wait().code == NO_ERROR);
      CHECK(seen.entry().op == HSYS_OP_CANCEL_REQUEST);
      CHECK(seen.entry().object_id == 0x11);
    }
    for (bool is_extended : {false, true}) {
      ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *) {
        return is_extended ? HttpWaitForDisconnectEx(api.queue, 0x22, 0, overlapped) : HttpWaitForDisconnect(api.queue, 0x22, overlapped);
      });
      ApiOutcome outcome = run.wait();
      CHECK(outcome.code == NO_ERROR);
      CHECK(outcome.bytes == (mode == Mode::Blocking ? kUntouched : 0));
      CHECK(seen.entry().op == HSYS_OP_WAIT_DISCONNECT);
      CHECK(seen.entry().object_id == 0x22);
    }
    api.daemon.answer(HSYS_OP_CANCEL_REQUEST, {.status = HSYS_STATUS_CONNECTION_INVALID, .reason = "finished 3 s ago"});
    ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *) { return HttpCancelHttpRequest(api.queue, 0x11, overlapped); });
    ApiOutcome outcome = run.wait();
    CHECK(outcome.code == ERROR_CONNECTION_INVALID);
    CHECK(outcome.text == "HttpCancelHttpRequest: finished 3 s ago (ERROR_CONNECTION_INVALID 1229)");
    for (HANDLE wrong : {static_cast<HANDLE>(nullptr), INVALID_HANDLE_VALUE}) {
      CHECK(HttpCancelHttpRequest(wrong, 0x11, nullptr) == ERROR_INVALID_HANDLE);
      CHECK(HttpWaitForDisconnect(wrong, 0x22, nullptr) == ERROR_INVALID_HANDLE);
      CHECK(HttpWaitForDisconnectEx(wrong, 0x22, 1, nullptr) == k87);
      CHECK(HttpWaitForDisconnectEx(wrong, 0x22, 0, nullptr) == ERROR_INVALID_HANDLE);
    }
  }
}
