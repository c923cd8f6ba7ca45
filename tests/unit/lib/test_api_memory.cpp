// SPDX-License-Identifier: GPL-3.0-or-later
// Every allocation of every function fails once: ERROR_NOT_ENOUGH_MEMORY, nothing half made stays, and the next call works. The library
// allocates with std::nothrow alone, which this program replaces.
#include "lib/library.h"
#include "tests/unit/lib/api_fixture.h"
#include <cstdlib>
#include <new>
#include <unistd.h>

namespace {

thread_local int t_countdown; // the allocation of this thread that fails; 0: none
thread_local bool t_has_failed;

bool fails()
{
  if (t_countdown == 0 || --t_countdown != 0)
    return false;
  t_has_failed = true;
  return true;
}

}

void *operator new(size_t bytes, const std::nothrow_t &) noexcept
{
  return fails() ? nullptr : ::operator new(bytes);
}

void *operator new[](size_t bytes, const std::nothrow_t &) noexcept
{
  return fails() ? nullptr : ::operator new[](bytes);
}

namespace {

using httpsys::lib::HandleMap;

// How many allocations were made to fail before the call succeeded; call returns its code, NO_ERROR or ERROR_IO_PENDING at the end.
int fail_each(const char *name, const std::function<ULONG()> &call)
{
  CAPTURE(name);
  uint32_t handles = HandleMap::instance().size();
  for (int which = 1; which < 100; which++) {
    CAPTURE(which);
    t_has_failed = false;
    t_countdown = which;
    ULONG code = call();
    t_countdown = 0;
    if (!t_has_failed) {
      CHECK((code == NO_ERROR || code == ERROR_IO_PENDING));
      return which - 1;
    }
    CHECK(code == ERROR_NOT_ENOUGH_MEMORY);
    CHECK(last_text() != "");
    CHECK(HandleMap::instance().size() == handles);
  }
  return -1;
}

ULONG code_of(HANDLE handle)
{
  return handle ? NO_ERROR : GetLastError();
}

}

TEST_CASE("HttpInitialize without memory")
{
  FakeDaemon daemon;
  setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
  CHECK(fail_each("HttpInitialize", [] { return HttpInitialize({2, 0}, HTTP_INITIALIZE_SERVER, nullptr); }) >= 4);
  CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
  CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == ERROR_INVALID_PARAMETER);
}

TEST_CASE("handles without memory")
{
  Api api;
  HANDLE handle = nullptr;
  FILE *file = tmpfile();
  CHECK(fail_each("CreateEvent", [&] { return code_of(handle = CreateEvent(nullptr, TRUE, FALSE, nullptr)); }) >= 1);
  CHECK(CloseHandle(handle));
  CHECK(fail_each("httpsys_file_from_fd", [&] { return code_of(handle = httpsys_file_from_fd(fileno(file))); }) >= 1);
  CHECK(CloseHandle(handle));
  CHECK(fail_each("CreateIoCompletionPort", [&] { return code_of(handle = CreateIoCompletionPort(api.queue, nullptr, 1, 0)); }) >= 1);
  CHECK(fail_each("PostQueuedCompletionStatus",
          [&] { return PostQueuedCompletionStatus(handle, 1, 2, nullptr) ? NO_ERROR : GetLastError(); }) == 1);
  CHECK(CloseHandle(handle));
  fclose(file);
}

TEST_CASE("queues without memory: the daemon's are closed again, with their server sessions")
{
  Api api;
  HANDLE queue = nullptr;
  int failures = fail_each("HttpCreateRequestQueue", [&] { return HttpCreateRequestQueue({2, 0}, nullptr, nullptr, 0, &queue); });
  CHECK(failures >= 1);
  CHECK(api.daemon.seen(HSYS_OP_CREATE_REQUEST_QUEUE) == api.daemon.seen(HSYS_OP_CLOSE_HANDLE) + 2);
  CHECK(CloseHandle(queue));
  CHECK(fail_each("HttpCreateHttpHandle", [&] { return HttpCreateHttpHandle(&queue, 0); }) >= 1);
  CHECK(CloseHandle(queue));
  CHECK(api.daemon.seen(HSYS_OP_CREATE_REQUEST_QUEUE) == api.daemon.seen(HSYS_OP_CLOSE_HANDLE) + 1);
  CHECK(api.daemon.seen(HSYS_OP_CREATE_SERVER_SESSION) == api.daemon.seen(HSYS_OP_CLOSE_SERVER_SESSION));
}

TEST_CASE("operations without memory: no completion, and the OVERLAPPED is free")
{
  Api api;
  HANDLE port = api.queue_port();
  alignas(8) char buffer[4096];
  OVERLAPPED overlapped[5]{};
  CHECK(fail_each("HttpWaitForDisconnect", [&] { return HttpWaitForDisconnect(api.queue, 5, &overlapped[0]); }) >= 2);
  CHECK(fail_each("HttpReceiveHttpRequest", [&] {
    return HttpReceiveHttpRequest(api.queue, 0, 0, reinterpret_cast<PHTTP_REQUEST>(buffer), sizeof buffer, nullptr, &overlapped[1]);
  }) >= 2);
  CHECK(fail_each("HttpReceiveRequestEntityBody", [&] {
    return HttpReceiveRequestEntityBody(api.queue, 6, 0, buffer, sizeof buffer, nullptr, &overlapped[2]);
  }) >= 2);
  CHECK(fail_each("HttpReceiveClientCertificate", [&] {
    return HttpReceiveClientCertificate(api.queue, 7, 0, reinterpret_cast<PHTTP_SSL_CLIENT_CERT_INFO>(buffer), sizeof buffer, nullptr,
      &overlapped[3]);
  }) >= 2);
  HTTP_DATA_CHUNK chunks[9]{};
  std::string value(5000, 'x');
  HTTP_RESPONSE response{};
  response.StatusCode = 200;
  response.EntityChunkCount = 9;
  response.pEntityChunks = chunks;
  response.Headers.KnownHeaders[HttpHeaderEtag] = {static_cast<USHORT>(value.size()), value.c_str()};
  CHECK(fail_each("HttpSendHttpResponse", [&] {
    return HttpSendHttpResponse(api.queue, 8, 0, &response, nullptr, nullptr, nullptr, 0, &overlapped[4], nullptr);
  }) >= 4);
  OVERLAPPED_ENTRY entry;
  ULONG count = 0;
  CHECK_FALSE(GetQueuedCompletionStatusEx(port, &entry, 1, &count, 0, FALSE));
  CHECK(CancelIoEx(api.queue, nullptr));
  for (OVERLAPPED &one : overlapped) {
    DWORD bytes = 1;
    CHECK_FALSE(GetOverlappedResult(api.queue, &one, &bytes, TRUE));
    CHECK(GetLastError() == ERROR_OPERATION_ABORTED);
  }
  httpsys::lib::ClientChannel &channel = httpsys::lib::Library::instance().session()->channel();
  for (int i = 0; i < 60000 && channel.operations_in_flight(); i++)
    Sleep(1);
  CHECK(channel.operations_in_flight() == 0);
  CHECK(channel.send_arena().free_bytes() == channel.send_arena().total_bytes());
}

TEST_CASE("a cancel that found no memory may be tried again")
{
  Api api;
  OVERLAPPED overlapped{};
  REQUIRE(HttpWaitForDisconnect(api.queue, 5, &overlapped) == ERROR_IO_PENDING);
  api.daemon.wait_parked(HSYS_OP_WAIT_DISCONNECT);
  t_countdown = 1;
  CancelIoEx(api.queue, &overlapped);
  t_countdown = 0;
  Sleep(20);
  CHECK_FALSE(HasOverlappedIoCompleted(&overlapped));
  CHECK(CancelIoEx(api.queue, &overlapped));
  DWORD bytes = 1;
  CHECK_FALSE(GetOverlappedResultEx(api.queue, &overlapped, &bytes, 5000, FALSE));
  CHECK(GetLastError() == ERROR_OPERATION_ABORTED);
}
