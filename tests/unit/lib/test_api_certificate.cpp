// SPDX-License-Identifier: GPL-3.0-or-later
// HttpReceiveClientCertificate, sentence by sentence (http-server-api.md 2.6, design.md 6), in all three ways.
#include "tests/unit/lib/api_fixture.h"
#include "uapi/ops.h"
#include "uapi/request.h"
#include <cstring>

namespace {

constexpr ULONG k87 = ERROR_INVALID_PARAMETER;
constexpr ULONG kToken = HTTP_RECEIVE_SECURE_CHANNEL_TOKEN, kChain = HTTP_RECEIVE_FULL_CHAIN;

std::string certificate_image(const std::string &der, uint32_t cert_flags = 0)
{
  hsys_certificate head{};
  head.size = static_cast<uint32_t>(sizeof head + der.size());
  head.version = 1;
  head.cert_flags = cert_flags;
  head.way = HSYS_CERTIFICATE_POST_HANDSHAKE;
  head.data = {sizeof head, static_cast<uint32_t>(der.size())};
  return std::string(reinterpret_cast<const char *>(&head), sizeof head) + der;
}

// The daemon's part, as kernel/http does it: native sizes decide, the whole data comes with success only.
void serve(FakeDaemon &daemon, std::string data, uint32_t cert_flags = 0)
{
  daemon.on(HSYS_OP_RECEIVE_CERTIFICATE, [=](FakeDaemon &fake, const FakeOperation &operation) {
    bool is_token = operation.entry.op_flags == HSYS_CERTIFICATE_CHANNEL_TOKEN;
    uint32_t structure = is_token ? 24 : 32;
    FakeReply reply{.information = structure, .aux = data.size()};
    if (operation.entry.out_length - structure < data.size()) {
      reply.status = HSYS_STATUS_BUFFER_OVERFLOW;
    } else {
      reply.information += data.size();
      reply.output = is_token ? data : certificate_image(data, cert_flags);
    }
    fake.complete(operation.entry.irp_id, reply);
  });
}

// A buffer of exactly that size, so that a sanitizer sees the byte after it.
struct Buffer {
  explicit Buffer(size_t count) : size(static_cast<ULONG>(count)), bytes(new uint8_t[count + 16]) { memset(bytes.get(), 0xee, count + 16); }
  PHTTP_SSL_CLIENT_CERT_INFO certificate() { return reinterpret_cast<PHTTP_SSL_CLIENT_CERT_INFO>(bytes.get()); }
  PHTTP_REQUEST_CHANNEL_BIND_STATUS token() { return reinterpret_cast<PHTTP_REQUEST_CHANNEL_BIND_STATUS>(bytes.get()); }
  bool is_untouched_from(size_t offset) const
  {
    for (size_t i = offset; i < size + 16u; i++)
      if (bytes[i] != 0xee)
        return false;
    return true;
  }
  ULONG size;
  std::unique_ptr<uint8_t[]> bytes;
};

ApiRun::Function receive(Api &api, Buffer &buffer, ULONG flags)
{
  return [&api, &buffer, flags](OVERLAPPED *overlapped, ULONG *bytes) {
    return HttpReceiveClientCertificate(api.queue, 0x2002, flags, buffer.certificate(), buffer.size, bytes, overlapped);
  };
}

}

TEST_CASE("the certificate lies directly behind the structure, in a buffer of the exact size")
{
  std::string der(777, 'D');
  for (Mode mode : kModes) {
    for (ULONG flags : {0u, kChain}) {
      Api api;
      serve(api.daemon, der, 0x800B0109);
      Buffer buffer(32 + 777);
      ApiRun run(api, mode, receive(api, buffer, flags));
      ApiOutcome outcome = run.wait();
      CHECK(outcome.code == NO_ERROR);
      CHECK(outcome.bytes == 32 + 777);
      CHECK(buffer.certificate()->CertFlags == 0x800B0109);
      CHECK(buffer.certificate()->CertEncodedSize == 777);
      CHECK(buffer.certificate()->pCertEncoded == buffer.bytes.get() + 32);
      CHECK(memcmp(buffer.certificate()->pCertEncoded, der.data(), 777) == 0);
      CHECK(buffer.certificate()->Token == nullptr);
      CHECK(buffer.certificate()->CertDeniedByMapper == FALSE);
      CHECK(buffer.is_untouched_from(32 + 777));
    }
  }
}

TEST_CASE("the channel binding token, 24 bytes and the token")
{
  std::string token(85, 'T');
  for (Mode mode : kModes) {
    Api api;
    serve(api.daemon, token);
    Buffer buffer(24 + 128);
    ApiRun run(api, mode, receive(api, buffer, kToken));
    ApiOutcome outcome = run.wait();
    CHECK(outcome.code == NO_ERROR);
    CHECK(outcome.bytes == 109);
    CHECK(buffer.token()->ServiceName == nullptr);
    CHECK(buffer.token()->ChannelTokenSize == 85);
    CHECK(buffer.token()->ChannelToken == buffer.bytes.get() + 24);
    CHECK(memcmp(buffer.token()->ChannelToken, token.data(), 85) == 0);
    CHECK(buffer.token()->Flags == 0);
    CHECK(buffer.is_untouched_from(109));
  }
}

TEST_CASE("ERROR_MORE_DATA: the structure and its size, count 32 or 24; the exact size then succeeds")
{
  for (Mode mode : kModes) {
    for (ULONG flags : {0u, kChain, kToken}) {
      ULONG structure = flags == kToken ? 24 : 32;
      for (ULONG size : {structure, structure + 1, structure + 99}) {
        Api api;
        serve(api.daemon, std::string(100, 'x'));
        Buffer buffer(size);
        {
          ApiRun run(api, mode, receive(api, buffer, flags));
          ApiOutcome outcome = run.wait();
          CHECK(outcome.code == ERROR_MORE_DATA);
          CHECK(outcome.bytes == structure);
          if (mode != Mode::Blocking)
            CHECK(run.returned() == ERROR_IO_PENDING);
          CHECK(outcome.text == "");
        }
        ULONG needed = 0;
        if (flags == kToken) {
          CHECK(buffer.token()->ChannelToken == nullptr);
          CHECK(buffer.token()->ServiceName == nullptr);
          needed = structure + buffer.token()->ChannelTokenSize;
        } else {
          CHECK(buffer.certificate()->pCertEncoded == nullptr);
          CHECK(buffer.certificate()->Token == nullptr);
          CHECK(buffer.certificate()->CertFlags == 0);
          needed = structure + buffer.certificate()->CertEncodedSize;
        }
        CHECK(needed == structure + 100);
        CHECK(buffer.is_untouched_from(structure));
        Buffer again(needed);
        ApiRun run(api, mode, receive(api, again, flags));
        ApiOutcome outcome = run.wait();
        CHECK(outcome.code == NO_ERROR);
        CHECK(outcome.bytes == needed);
      }
    }
  }
}

TEST_CASE("the order of the checks: 1114, 87, 6, 122, then the result")
{
  Api api;
  Buffer buffer(1000);
  HANDLE closed = nullptr;
  REQUIRE(HttpCreateRequestQueue(HTTPAPI_VERSION{2, 0}, nullptr, nullptr, 0, &closed) == NO_ERROR);
  HttpCloseRequestQueue(closed);
  for (Mode mode : kModes) {
    auto code = [&](HANDLE queue, ULONG flags, PHTTP_SSL_CLIENT_CERT_INFO where, ULONG size) {
      ApiRun run(api, mode, [&](OVERLAPPED *overlapped, ULONG *bytes) {
        return HttpReceiveClientCertificate(queue, 0x2002, flags, where, size, bytes, overlapped);
      });
      ApiOutcome outcome = run.wait();
      CHECK(outcome.bytes == kUntouched);
      CHECK(contains(outcome.text, "HttpReceiveClientCertificate: "));
      return outcome.code;
    };
    CHECK(code(nullptr, 0, nullptr, 0) == k87);
    CHECK(code(api.queue, 0, nullptr, 1000) == k87);
    for (ULONG flags : {3u, 4u, 5u, 6u, 0x80000001u}) {
      CHECK(code(nullptr, flags, buffer.certificate(), 0) == k87);
      CHECK(code(api.queue, flags, buffer.certificate(), buffer.size) == k87);
    }
    for (HANDLE wrong : {static_cast<HANDLE>(nullptr), INVALID_HANDLE_VALUE, closed})
      CHECK(code(wrong, 0, buffer.certificate(), 0) == ERROR_INVALID_HANDLE);
    for (ULONG size : {0u, 1u, 31u})
      CHECK(code(api.queue, 0, buffer.certificate(), size) == ERROR_INSUFFICIENT_BUFFER);
    CHECK(code(api.queue, kChain, buffer.certificate(), 31) == ERROR_INSUFFICIENT_BUFFER);
    CHECK(code(api.queue, kToken, buffer.certificate(), 23) == ERROR_INSUFFICIENT_BUFFER);
  }
  CHECK(HttpReceiveClientCertificate(api.queue, 0x2002, 0, buffer.certificate(), buffer.size, nullptr, nullptr) == k87);
  CHECK(contains(last_text(), "both NULL"));
  CHECK(HttpReceiveClientCertificate(nullptr, 0x2002, 0, buffer.certificate(), 0, nullptr, nullptr) == k87);
  CHECK(buffer.is_untouched_from(0));
  CHECK(api.daemon.seen(HSYS_OP_RECEIVE_CERTIFICATE) == 0);
}

TEST_CASE("a count and an OVERLAPPED together are fine, and an OVERLAPPED alone")
{
  Api api;
  serve(api.daemon, "der");
  Buffer buffer(64);
  OVERLAPPED overlapped{};
  overlapped.hEvent = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  CHECK(HttpReceiveClientCertificate(api.queue, 0x2002, 0, buffer.certificate(), buffer.size, nullptr, &overlapped) == ERROR_IO_PENDING);
  CHECK(WaitForSingleObject(overlapped.hEvent, 5000) == WAIT_OBJECT_0);
  CHECK(overlapped.InternalHigh == 35);
  ULONG bytes = 5;
  CHECK(HttpReceiveClientCertificate(api.queue, 0x2002, 0, buffer.certificate(), buffer.size, &bytes, &overlapped) == ERROR_IO_PENDING);
  CHECK(WaitForSingleObject(overlapped.hEvent, 5000) == WAIT_OBJECT_0);
  CHECK(bytes == 5);
  CloseHandle(overlapped.hEvent);
}

TEST_CASE("with an OVERLAPPED every outcome comes through the completion; each has the daemon's reason")
{
  for (Mode mode : kModes) {
    for (auto [status, expected] : {std::pair<int, ULONG>{HSYS_STATUS_NOT_FOUND, ERROR_NOT_FOUND},
           {HSYS_STATUS_NOT_SUPPORTED, ERROR_NOT_SUPPORTED}, {HSYS_STATUS_CONNECTION_INVALID, ERROR_CONNECTION_INVALID},
           {HSYS_STATUS_INVALID_PARAMETER, k87}, {HSYS_STATUS_INSUFFICIENT_RESOURCES, ERROR_NO_SYSTEM_RESOURCES},
           {HSYS_STATUS_CANCELLED, ERROR_OPERATION_ABORTED}, {HSYS_STATUS_INVALID_HANDLE, ERROR_INVALID_HANDLE}}) {
      Api api;
      api.daemon.answer(HSYS_OP_RECEIVE_CERTIFICATE, {.status = status, .reason = "TLS 1.3 client did not offer post_handshake_auth"});
      Buffer buffer(1500);
      ApiRun run(api, mode, receive(api, buffer, 0));
      ApiOutcome outcome = run.wait();
      if (mode != Mode::Blocking)
        CHECK(run.returned() == ERROR_IO_PENDING);
      CHECK(outcome.code == expected);
      CHECK(outcome.bytes == (mode == Mode::Blocking ? kUntouched : 0));
      CHECK(outcome.text.starts_with("HttpReceiveClientCertificate: TLS 1.3 client did not offer post_handshake_auth (ERROR_"));
      CHECK(outcome.text.find(std::to_string(expected).append(")")) != std::string::npos);
      CHECK(buffer.is_untouched_from(0));
    }
  }
}

TEST_CASE("success without a certificate does not exist, whatever the daemon says")
{
  for (std::string image : {std::string(), std::string("short"), certificate_image(""), certificate_image(std::string(2000, 'x'))}) {
    Api api;
    api.daemon.answer(HSYS_OP_RECEIVE_CERTIFICATE, {.information = 100, .aux = 68, .output = image});
    Buffer buffer(100);
    ULONG bytes = 0;
    CHECK(HttpReceiveClientCertificate(api.queue, 0x2002, 0, buffer.certificate(), buffer.size, &bytes, nullptr) == ERROR_IO_DEVICE);
    CHECK(buffer.is_untouched_from(0));
  }
}

TEST_CASE("what goes to the daemon")
{
  Api api;
  Seen seen(api.daemon, HSYS_OP_RECEIVE_CERTIFICATE, {.status = HSYS_STATUS_NOT_FOUND});
  Buffer buffer(1500);
  ULONG bytes = 0;
  for (ULONG flags : {0u, kToken, kChain}) {
    CHECK(HttpReceiveClientCertificate(api.queue, 0x2002, flags, buffer.certificate(), buffer.size, &bytes, nullptr) == ERROR_NOT_FOUND);
    CHECK(seen.entry().object_id == 0x2002);
    CHECK(seen.entry().op_flags == flags);
    CHECK(seen.entry().out_length == 1500);
    CHECK(seen.entry().in_length == 0);
  }
}

TEST_CASE("a waiting call is cancelled: ERROR_OPERATION_ABORTED")
{
  for (Mode mode : kModes) {
    Api api;
    Buffer buffer(1500);
    ApiRun run(api, mode, receive(api, buffer, 0));
    api.daemon.wait_parked(HSYS_OP_RECEIVE_CERTIFICATE);
    CHECK(CancelIoEx(api.queue, run.overlapped()));
    CHECK(run.wait().code == ERROR_OPERATION_ABORTED);
    CHECK(buffer.is_untouched_from(0));
  }
}

TEST_CASE("skip-on-success and a buffer that is too small: the packet comes (Windows' defect of old)")
{
  Api api;
  HANDLE port = api.queue_port();
  REQUIRE(SetFileCompletionNotificationModes(api.queue, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE));
  serve(api.daemon, std::string(3000, 'c'));
  for (ULONG size : {1500u, 3032u}) {
    Buffer buffer(size);
    OVERLAPPED overlapped{}, *which = nullptr;
    ULONG bytes = 0;
    DWORD count = 0;
    ULONG_PTR key = 0;
    CHECK(HttpReceiveClientCertificate(api.queue, 0x2002, 0, buffer.certificate(), size, &bytes, &overlapped) == ERROR_IO_PENDING);
    BOOL is_good = GetQueuedCompletionStatus(port, &count, &key, &which, 5000);
    CHECK(which == &overlapped);
    CHECK(is_good == (size == 3032));
    if (!is_good)
      CHECK(GetLastError() == ERROR_MORE_DATA);
    CHECK(count == (is_good ? 3032 : 32));
  }
}
