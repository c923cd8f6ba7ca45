// SPDX-License-Identifier: GPL-3.0-or-later
// HttpReceiveHttpRequest and HttpReceiveRequestEntityBody in all three ways (http-server-api.md 2.6), against a daemon that says when.
#include "lib/reaper.h"
#include "lib/unmarshal_request.h"
#include "tests/unit/lib/api_fixture.h"
#include "tests/unit/lib/request_image.h"
#include "uapi/ops.h"
#include <random>

namespace {

constexpr ULONG k87 = ERROR_INVALID_PARAMETER;
constexpr ULONG kFill = HTTP_RECEIVE_REQUEST_ENTITY_BODY_FLAG_FILL_BUFFER;

struct RequestBuffer {
  explicit RequestBuffer(size_t size = 4096) : bytes(size, 0xee) {}
  PHTTP_REQUEST get() { return reinterpret_cast<PHTTP_REQUEST>(bytes.data()); }
  ULONG size() const { return static_cast<ULONG>(bytes.size()); }
  std::vector<uint8_t> bytes;
};

FakeReply delivers(const FakeRequest &request, bool version_1 = false)
{
  ImageBuilder image(request, version_1);
  return {.information = image.native_size(), .object_id = request.request_id, .aux = request.connection_id, .output = image.bytes()};
}

}

TEST_CASE("a request arrives while the receive waits")
{
  for (Mode mode : kModes) {
    Api api;
    RequestBuffer buffer;
    ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
      return HttpReceiveHttpRequest(api.queue, HTTP_NULL_ID, 0, buffer.get(), buffer.size(), bytes, overlapped);
    });
    FakeOperation parked = api.daemon.wait_parked(HSYS_OP_RECEIVE_REQUEST);
    CHECK(parked.entry.object_id == 0);
    CHECK(parked.entry.op_flags == 0);
    CHECK(parked.entry.out_length == 4096);
    ImageBuilder image({.known = {{28, "localhost"}}});
    api.daemon.complete(parked.entry.irp_id, delivers({.known = {{28, "localhost"}}}));
    ApiOutcome outcome = run.wait();
    CHECK(outcome.code == NO_ERROR);
    CHECK(outcome.bytes == image.native_size());
    CHECK(buffer.get()->RequestId == 0x1001);
    CHECK(std::string(buffer.get()->Headers.KnownHeaders[HttpHeaderHost].pRawValue) == "localhost");
    CHECK(outcome.text == "");
  }
}

TEST_CASE("a request that arrives while its queue is closed is shown to nobody: the daemon may give it to another worker")
{
  for (Mode mode : kModes) {
    Api api;
    RequestBuffer buffer;
    const HANDLE queue = api.queue; // api's own changes while another thread calls
    ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
      return HttpReceiveHttpRequest(queue, HTTP_NULL_ID, 0, buffer.get(), buffer.size(), bytes, overlapped);
    });
    uint32_t irp_id = api.daemon.wait_parked(HSYS_OP_RECEIVE_REQUEST).entry.irp_id;
    api.daemon.answer(HSYS_OP_CANCEL, {.status = HSYS_STATUS_NOT_FOUND}); // too late: it is on its way
    api.daemon.on(HSYS_OP_CLOSE_HANDLE, [&](FakeDaemon &daemon, const FakeOperation &operation) {
      daemon.complete(irp_id, delivers({}));
      daemon.complete(operation.entry.irp_id, {});
    });
    CHECK(HttpCloseRequestQueue(std::exchange(api.queue, nullptr)) == NO_ERROR);
    CHECK(run.wait().code == ERROR_OPERATION_ABORTED);
    CHECK(buffer.bytes == std::vector<uint8_t>(buffer.bytes.size(), 0xee));
  }
}

TEST_CASE("ERROR_MORE_DATA: the ids, the exact size, nothing else")
{
  for (Mode mode : kModes) {
    Api api;
    api.daemon.answer(HSYS_OP_RECEIVE_REQUEST,
      {.status = HSYS_STATUS_BUFFER_OVERFLOW, .information = 1234, .object_id = 0x77, .aux = 0x88});
    RequestBuffer buffer(sizeof(HTTP_REQUEST));
    ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
      return HttpReceiveHttpRequest(api.queue, HTTP_NULL_ID, 0, buffer.get(), buffer.size(), bytes, overlapped);
    });
    ApiOutcome outcome = run.wait();
    CHECK(outcome.code == ERROR_MORE_DATA);
    CHECK(outcome.bytes == 1234);
    CHECK(run.returned() == (mode == Mode::Blocking ? ~0u : ERROR_IO_PENDING));
    HTTP_REQUEST expected{};
    expected.RequestId = 0x77;
    expected.ConnectionId = 0x88;
    CHECK(memcmp(buffer.get(), &expected, sizeof expected) == 0);
    CHECK(outcome.text == "");
  }
}

TEST_CASE("flags and the id go to the daemon")
{
  Api api;
  RequestBuffer buffer;
  Seen seen(api.daemon, HSYS_OP_RECEIVE_REQUEST, delivers({.body = "12345", .has_more_body = true}));
  for (ULONG flags : {HTTP_RECEIVE_REQUEST_FLAG_COPY_BODY, HTTP_RECEIVE_REQUEST_FLAG_FLUSH_BODY, 3u}) {
    CHECK(HttpReceiveHttpRequest(api.queue, 0x99, flags, buffer.get(), buffer.size(), nullptr, nullptr) == NO_ERROR);
    CHECK(seen.entry().op_flags == flags);
    CHECK(seen.entry().object_id == 0x99);
    CHECK(buffer.get()->EntityChunkCount == 1);
  }
}

TEST_CASE("HttpReceiveHttpRequest: what the library refuses by itself, in which order")
{
  for (Mode mode : kModes) {
    Api api;
    RequestBuffer buffer;
    auto code = [&](HANDLE queue, ULONG flags, void *where, ULONG size) {
      ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
        return HttpReceiveHttpRequest(queue, 0, flags, static_cast<PHTTP_REQUEST>(where), size, bytes, overlapped);
      });
      ApiOutcome outcome = run.wait();
      CHECK(outcome.bytes == kUntouched);
      CHECK(contains(outcome.text, "HttpReceiveHttpRequest: "));
      return outcome.code;
    };
    CHECK(code(api.queue, 4, buffer.get(), buffer.size()) == k87);
    CHECK(code(nullptr, 0x80000000, buffer.get(), buffer.size()) == k87);
    CHECK(code(api.queue, 0, nullptr, buffer.size()) == k87);
    CHECK(code(nullptr, 0, nullptr, 0) == k87);
    CHECK(code(nullptr, 0, buffer.bytes.data() + 2, buffer.size() - 2) == ERROR_NOACCESS);
    CHECK(code(nullptr, 0, buffer.get(), 10) == ERROR_INVALID_HANDLE);
    CHECK(code(INVALID_HANDLE_VALUE, 0, buffer.get(), buffer.size()) == ERROR_INVALID_HANDLE);
    CHECK(code(api.queue, 0, buffer.get(), sizeof(HTTP_REQUEST_V2) - 1) == ERROR_INSUFFICIENT_BUFFER);
    CHECK(code(api.queue, 0, buffer.get(), 0) == ERROR_INSUFFICIENT_BUFFER);
    CHECK(api.daemon.seen(HSYS_OP_RECEIVE_REQUEST) == 0);
    for (uint8_t byte : buffer.bytes)
      REQUIRE(byte == 0xee);
  }
}

TEST_CASE("every failure of the daemon's, with its reason")
{
  for (Mode mode : kModes) {
    for (auto [status, expected] : {std::pair<int, ULONG>{HSYS_STATUS_CONNECTION_INVALID, ERROR_CONNECTION_INVALID},
           {HSYS_STATUS_INVALID_HANDLE, ERROR_INVALID_HANDLE}, {HSYS_STATUS_CANCELLED, ERROR_OPERATION_ABORTED},
           {HSYS_STATUS_INVALID_PARAMETER, k87}, {HSYS_STATUS_INSUFFICIENT_RESOURCES, ERROR_NO_SYSTEM_RESOURCES}}) {
      Api api;
      api.daemon.answer(HSYS_OP_RECEIVE_REQUEST, {.status = status, .information = 9, .reason = "because it is so"});
      RequestBuffer buffer;
      ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
        return HttpReceiveHttpRequest(api.queue, 5, 0, buffer.get(), buffer.size(), bytes, overlapped);
      });
      ApiOutcome outcome = run.wait();
      CHECK(outcome.code == expected);
      CHECK(outcome.bytes == (mode == Mode::Blocking ? kUntouched : 0));
      CHECK(outcome.text.starts_with("HttpReceiveHttpRequest: because it is so (ERROR_"));
    }
  }
}

TEST_CASE("an image that is not one: ERROR_IO_DEVICE, and the session goes on")
{
  Api api;
  api.daemon.answer(HSYS_OP_RECEIVE_REQUEST, {.output = "nonsense"});
  RequestBuffer buffer;
  CHECK(HttpReceiveHttpRequest(api.queue, 0, 0, buffer.get(), buffer.size(), nullptr, nullptr) == ERROR_IO_DEVICE);
  CHECK(HttpShutdownRequestQueue(api.queue) == NO_ERROR);
}

namespace {

// One operation of each kind, and what it may write to.
struct Everything {
  RequestBuffer request, body, certificate;
  OVERLAPPED overlapped[5]{};
  char byte = 'x';

  void begin(HANDLE queue)
  {
    HTTP_DATA_CHUNK chunk{};
    chunk.FromMemory.pBuffer = &byte;
    chunk.FromMemory.BufferLength = 1;
    CHECK(HttpReceiveHttpRequest(queue, 0, 1, request.get(), request.size(), nullptr, &overlapped[0]) == ERROR_IO_PENDING);
    CHECK(HttpReceiveRequestEntityBody(queue, 7, 0, body.bytes.data(), body.size(), nullptr, &overlapped[1]) == ERROR_IO_PENDING);
    CHECK(HttpReceiveClientCertificate(queue, 8, 0, reinterpret_cast<PHTTP_SSL_CLIENT_CERT_INFO>(certificate.bytes.data()),
            certificate.size(), nullptr, &overlapped[2]) == ERROR_IO_PENDING);
    CHECK(HttpWaitForDisconnect(queue, 8, &overlapped[3]) == ERROR_IO_PENDING);
    CHECK(HttpSendResponseEntityBody(queue, 7, 0, 1, &chunk, nullptr, nullptr, 0, &overlapped[4], nullptr) == ERROR_IO_PENDING);
  }
};

}

// Of a daemon that dies in the middle of a write, or has a defect.
TEST_CASE("completions that say anything: each operation ends, nothing is read or written outside of the arenas and buffers")
{
  std::mt19937 random(1);
  auto any = [&] { return static_cast<uint32_t>(random()); };
  auto pick = [&](std::initializer_list<uint32_t> values) { return values.begin()[random() % values.size()]; };
  for (int round = 0; round < 200; round++) {
    Api api;
    Everything all;
    all.begin(api.queue);
    std::string image = ImageBuilder({.request_id = 5, .connection_id = 6, .raw_url = "/"}).bytes();
    for (hsys_op op : {HSYS_OP_RECEIVE_REQUEST, HSYS_OP_RECEIVE_BODY, HSYS_OP_RECEIVE_CERTIFICATE, HSYS_OP_WAIT_DISCONNECT,
           HSYS_OP_SEND_BODY}) {
      hsys_cqe entry{};
      entry.irp_id = api.daemon.wait_parked(op).entry.irp_id;
      entry.status = pick({0, 0, 0, 0x80000005u, 0xC0000011u, 0x40000000u, any()});
      entry.information = any();
      entry.object_id = any();
      entry.aux = any();
      entry.flags = pick({0, HSYS_CQE_BLOCK, HSYS_CQE_BLOCK, HSYS_CQE_BLOCK | HSYS_CQE_REASON, HSYS_CQE_REASON, any()});
      entry.out_offset = pick({0, 0, 1, HSYS_ARENA_BYTES_DEFAULT - 8, HSYS_ARENA_BYTES_DEFAULT, 0xffffffffu, any()});
      entry.out_length = pick({0, 8, static_cast<uint32_t>(image.size()), HSYS_ARENA_BYTES_DEFAULT, 0xffffffffu, any()});
      entry.block = pick({0, 1, HSYS_ARENA_BYTES_DEFAULT / HSYS_BLOCK_MIN, 0xffffffffu, any()});
      for (uint32_t i = random() % 4; i > 0; i--)
        image[random() % image.size()] = static_cast<char>(random());
      api.daemon.publish_damaged(entry, image);
    }
    for (OVERLAPPED &one : all.overlapped) {
      for (int i = 0; i < 60000 && !HasOverlappedIoCompleted(&one); i++)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      CHECK(HasOverlappedIoCompleted(&one));
    }
  }
}

TEST_CASE("a version 1 queue: HTTP_REQUEST_V1, from 848 bytes on")
{
  Api api;
  HANDLE queue = nullptr;
  REQUIRE(HttpCreateHttpHandle(&queue, 0) == NO_ERROR);
  api.daemon.answer(HSYS_OP_RECEIVE_REQUEST, delivers({}, true));
  ImageBuilder image({}, true);
  RequestBuffer buffer(image.native_size());
  CHECK(HttpReceiveHttpRequest(queue, 0, 0, buffer.get(), sizeof(HTTP_REQUEST_V1) - 1, nullptr, nullptr) == ERROR_INSUFFICIENT_BUFFER);
  ULONG bytes = 0;
  CHECK(HttpReceiveHttpRequest(queue, 0, 0, buffer.get(), buffer.size(), &bytes, nullptr) == NO_ERROR);
  CHECK(bytes == image.native_size());
  api.daemon.answer(HSYS_OP_RECEIVE_REQUEST, {.status = HSYS_STATUS_BUFFER_OVERFLOW, .information = 1500, .object_id = 1, .aux = 2});
  std::fill(buffer.bytes.begin(), buffer.bytes.end(), uint8_t{0xee});
  CHECK(HttpReceiveHttpRequest(queue, 0, 0, buffer.get(), sizeof(HTTP_REQUEST_V1), &bytes, nullptr) == ERROR_MORE_DATA);
  CHECK(buffer.bytes[847] == 0);
  CHECK(buffer.bytes[848] == 0xee);
  CHECK(CloseHandle(queue));
}

TEST_CASE("body: what is there is delivered, up to the buffer and to 64 KiB")
{
  for (Mode mode : kModes) {
    Api api;
    std::vector<char> buffer(100000, '-');
    ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
      return HttpReceiveRequestEntityBody(api.queue, 0x1001, 0, buffer.data(), 100000, bytes, overlapped);
    });
    FakeOperation parked = api.daemon.wait_parked(HSYS_OP_RECEIVE_BODY);
    CHECK(parked.entry.object_id == 0x1001);
    CHECK(parked.entry.out_length == HSYS_BODY_READ_MAX);
    api.daemon.complete(parked.entry.irp_id, {.information = 5, .output = "hello"});
    ApiOutcome outcome = run.wait();
    CHECK(outcome.code == NO_ERROR);
    CHECK(outcome.bytes == 5);
    CHECK(std::string(buffer.data(), 6) == "hello-");
  }
}

TEST_CASE("body: the end comes with the next read, at once when it is known, else by the completion")
{
  for (Mode mode : kModes) {
    Api api;
    char buffer[64];
    auto read = [&](ULONG &returned) {
      ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
        return HttpReceiveRequestEntityBody(api.queue, 0x1001, 0, buffer, sizeof buffer, bytes, overlapped);
      });
      ApiOutcome outcome = run.wait();
      returned = run.returned();
      return outcome;
    };
    ULONG returned = 0;
    api.daemon.answer(HSYS_OP_RECEIVE_BODY, {.information = 3, .aux = 1, .output = "end"});
    CHECK(read(returned).code == NO_ERROR);
    size_t seen = api.daemon.seen(HSYS_OP_RECEIVE_BODY);
    ApiOutcome outcome = read(returned);
    CHECK(outcome.code == ERROR_HANDLE_EOF);
    CHECK(outcome.bytes == 0);
    CHECK(api.daemon.seen(HSYS_OP_RECEIVE_BODY) == seen);
    if (mode != Mode::Blocking)
      CHECK(returned == ERROR_HANDLE_EOF);

    // Not known: asked, answered by the completion, known from then on.
    api.daemon.answer(HSYS_OP_RECEIVE_BODY, {.status = HSYS_STATUS_END_OF_FILE});
    HANDLE other = nullptr;
    REQUIRE(HttpCreateRequestQueue(HTTPAPI_VERSION{2, 0}, nullptr, nullptr, 0, &other) == NO_ERROR);
    std::swap(api.queue, other);
    HANDLE port = std::exchange(api.port, nullptr);
    outcome = read(returned);
    CHECK(outcome.code == ERROR_HANDLE_EOF);
    CHECK(outcome.bytes == 0);
    CHECK(api.daemon.seen(HSYS_OP_RECEIVE_BODY) == seen + 1);
    if (mode != Mode::Blocking)
      CHECK(returned == ERROR_IO_PENDING);
    CHECK(read(returned).code == ERROR_HANDLE_EOF);
    CHECK(api.daemon.seen(HSYS_OP_RECEIVE_BODY) == seen + 1);
    HttpCloseRequestQueue(other);
    if (port)
      CloseHandle(port);
  }
}

TEST_CASE("body: a request that came whole, or without a body, is at its end at once")
{
  Api api;
  RequestBuffer buffer;
  char byte;
  api.daemon.answer(HSYS_OP_RECEIVE_REQUEST, delivers({.request_id = 0x5001, .body = "all of it"}));
  REQUIRE(HttpReceiveHttpRequest(api.queue, 0, 1, buffer.get(), buffer.size(), nullptr, nullptr) == NO_ERROR);
  OVERLAPPED overlapped{};
  CHECK(HttpReceiveRequestEntityBody(api.queue, 0x5001, 0, &byte, 1, nullptr, &overlapped) == ERROR_HANDLE_EOF);
  CHECK(HttpReceiveRequestEntityBody(api.queue, 0x5001, 0, nullptr, 0, nullptr, nullptr) == ERROR_HANDLE_EOF);
  api.daemon.answer(HSYS_OP_RECEIVE_REQUEST, delivers({.request_id = 0x5002, .has_more_body = true}));
  REQUIRE(HttpReceiveHttpRequest(api.queue, 0, 0, buffer.get(), buffer.size(), nullptr, nullptr) == NO_ERROR);
  api.daemon.answer(HSYS_OP_RECEIVE_BODY, {.information = 1, .output = "x"});
  CHECK(HttpReceiveRequestEntityBody(api.queue, 0x5002, 0, &byte, 1, nullptr, nullptr) == NO_ERROR);
  // After the last send the daemon answers for the id.
  api.daemon.answer(HSYS_OP_SEND_BODY, {});
  constexpr ULONG kMore = HTTP_SEND_RESPONSE_FLAG_MORE_DATA;
  CHECK(HttpSendResponseEntityBody(api.queue, 0x5001, kMore, 0, nullptr, nullptr, nullptr, 0, nullptr, nullptr) == NO_ERROR);
  CHECK(HttpReceiveRequestEntityBody(api.queue, 0x5001, 0, &byte, 1, nullptr, nullptr) == ERROR_HANDLE_EOF);
  CHECK(HttpSendResponseEntityBody(api.queue, 0x5001, 0, 0, nullptr, nullptr, nullptr, 0, nullptr, nullptr) == NO_ERROR);
  api.daemon.answer(HSYS_OP_RECEIVE_BODY, {.status = HSYS_STATUS_CONNECTION_INVALID});
  CHECK(HttpReceiveRequestEntityBody(api.queue, 0x5001, 0, &byte, 1, nullptr, nullptr) == ERROR_CONNECTION_INVALID);
}

TEST_CASE("body: a buffer of no bytes asks whether there are any")
{
  for (Mode mode : kModes) {
    Api api;
    api.daemon.answer(HSYS_OP_RECEIVE_BODY, {.status = HSYS_STATUS_BUFFER_OVERFLOW, .information = 1});
    ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
      return HttpReceiveRequestEntityBody(api.queue, 0x1001, 0, nullptr, 0, bytes, overlapped);
    });
    ApiOutcome outcome = run.wait();
    CHECK(outcome.code == ERROR_MORE_DATA);
    CHECK(outcome.bytes == 1);
  }
}

TEST_CASE("body: FILL_BUFFER returns when the buffer is full or the body has ended")
{
  for (Mode mode : kModes) {
    for (bool ends : {false, true}) {
      Api api;
      std::string source(200000, ' '), target(200000, '-');
      for (size_t i = 0; i < source.size(); i++)
        source[i] = static_cast<char>('a' + i % 26);
      size_t at = 0, length = ends ? 150000 : 300000;
      api.daemon.on(HSYS_OP_RECEIVE_BODY, [&](FakeDaemon &daemon, const FakeOperation &operation) {
        size_t count = std::min<size_t>({operation.entry.out_length, length - at, 40000});
        FakeReply reply{.information = count, .output = source.substr(at, count)};
        at += count;
        if (count == 0)
          reply = {.status = HSYS_STATUS_END_OF_FILE};
        daemon.complete(operation.entry.irp_id, reply);
      });
      ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
        return HttpReceiveRequestEntityBody(api.queue, 0x1001, kFill, target.data(), 200000, bytes, overlapped);
      });
      ApiOutcome outcome = run.wait();
      CHECK(outcome.code == NO_ERROR);
      CHECK(outcome.bytes == (ends ? 150000 : 200000));
      CHECK(target.substr(0, outcome.bytes) == source.substr(0, outcome.bytes));
      CHECK(api.daemon.seen(HSYS_OP_RECEIVE_BODY) == 5);
    }
  }
}

TEST_CASE("body: FILL_BUFFER stops at the last bytes without another question, and at once at the end")
{
  Api api;
  char buffer[100];
  ULONG bytes = 0;
  api.daemon.answer(HSYS_OP_RECEIVE_BODY, {.information = 4, .aux = 1, .output = "last"});
  CHECK(HttpReceiveRequestEntityBody(api.queue, 0x1001, kFill, buffer, 100, &bytes, nullptr) == NO_ERROR);
  CHECK(bytes == 4);
  CHECK(api.daemon.seen(HSYS_OP_RECEIVE_BODY) == 1);
  CHECK(HttpReceiveRequestEntityBody(api.queue, 0x1001, kFill, buffer, 100, &bytes, nullptr) == ERROR_HANDLE_EOF);
  api.daemon.answer(HSYS_OP_RECEIVE_BODY, {.status = HSYS_STATUS_END_OF_FILE});
  CHECK(HttpReceiveRequestEntityBody(api.queue, 0x1002, kFill, buffer, 100, &bytes, nullptr) == ERROR_HANDLE_EOF);
  CHECK(bytes == 0);
}

TEST_CASE("body: FILL_BUFFER that is cancelled loses no bytes; one that fails says so")
{
  for (Mode mode : kModes) {
    for (int status : {HSYS_STATUS_CANCELLED, HSYS_STATUS_CONNECTION_INVALID}) {
      Api api;
      char buffer[100];
      ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
        return HttpReceiveRequestEntityBody(api.queue, 0x1001, kFill, buffer, 100, bytes, overlapped);
      });
      uint32_t first = api.daemon.wait_parked(HSYS_OP_RECEIVE_BODY).entry.irp_id;
      api.daemon.complete(first, {.information = 4, .output = "some"});
      if (mode != Mode::Blocking)
        while (api.daemon.seen(HSYS_OP_RECEIVE_BODY) == 1)
          httpsys_dispatch();
      REQUIRE(api.daemon.wait_for([&] { return api.daemon.cq_tail() >= 2; }));
      FakeOperation second = api.daemon.wait_parked(HSYS_OP_RECEIVE_BODY);
      CHECK(second.entry.out_length == 96);
      if (status == HSYS_STATUS_CANCELLED)
        CHECK(CancelIoEx(api.queue, nullptr));
      else
        api.daemon.complete(second.entry.irp_id, {.status = status, .reason = "gone"});
      ApiOutcome outcome = run.wait();
      CHECK(outcome.code == (status == HSYS_STATUS_CANCELLED ? NO_ERROR : ERROR_CONNECTION_INVALID));
      if (status == HSYS_STATUS_CANCELLED) {
        CHECK(outcome.bytes == 4);
        CHECK(std::string(buffer, 4) == "some");
      }
    }
  }
}

TEST_CASE("body: FILL_BUFFER that is cancelled while its next question waits for the ring loses no bytes either")
{
  Api api({.sq_entries = 2});
  char buffer[100];
  OVERLAPPED body{}, others[2]{};
  REQUIRE(HttpReceiveRequestEntityBody(api.queue, 0x1001, kFill, buffer, 100, nullptr, &body) == ERROR_IO_PENDING);
  FakeOperation first = api.daemon.wait_parked(HSYS_OP_RECEIVE_BODY);
  api.daemon.pause();
  for (OVERLAPPED &other : others)
    REQUIRE(HttpWaitForDisconnect(api.queue, 5, &other) == ERROR_IO_PENDING);
  uint32_t before = api.daemon.cq_tail();
  api.daemon.complete(first.entry.irp_id, {.information = 4, .output = "some"});
  REQUIRE(api.daemon.wait_for([&] { return api.daemon.cq_tail() == before + 1; }));
  CHECK(httpsys_dispatch() == NO_ERROR);
  CHECK(body.Internal == STATUS_PENDING);
  // As when a session ends while one of its operations is cancelled: the reaper has let go of it.
  httpsys::lib::Ref<httpsys::lib::CompletionSource> source = httpsys::lib::Reaper::instance().source();
  httpsys::lib::Reaper::instance().set_source({});
  CHECK(CancelIoEx(api.queue, &body));
  CHECK(body.Internal == 0);
  CHECK(body.InternalHigh == 4);
  httpsys::lib::Reaper::instance().set_source(source);
  CHECK(std::string(buffer, 4) == "some");
  api.daemon.resume();
  CHECK(CancelIoEx(api.queue, nullptr));
  DWORD bytes = 0;
  for (OVERLAPPED &other : others)
    GetOverlappedResult(api.queue, &other, &bytes, TRUE);
  CHECK(api.daemon.seen(HSYS_OP_RECEIVE_BODY) == 1);
}

TEST_CASE("HttpReceiveRequestEntityBody: what the library refuses by itself")
{
  Api api;
  char byte;
  for (Mode mode : kModes) {
    auto code = [&](HANDLE queue, ULONG flags, void *where, ULONG size) {
      ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
        return HttpReceiveRequestEntityBody(queue, 1, flags, where, size, bytes, overlapped);
      });
      return run.wait().code;
    };
    CHECK(code(api.queue, 2, &byte, 1) == k87);
    CHECK(code(nullptr, 2, nullptr, 1) == k87);
    CHECK(code(api.queue, 0, nullptr, 1) == k87);
    CHECK(code(nullptr, 0, &byte, 1) == ERROR_INVALID_HANDLE);
  }
  CHECK(api.daemon.seen(HSYS_OP_RECEIVE_BODY) == 0);
}
