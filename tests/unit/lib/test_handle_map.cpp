// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/file_object.h"
#include "lib/include/httpsys.h"
#include "lib/include/windows.h"
#include "tests/unit/lib/fake_source.h"
#include "tests/unit/temporary_folder.h"
#include <doctest/doctest.h>
#include <set>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace test;

namespace {

std::string text()
{
  return httpsys_last_error_text();
}

HANDLE number(uint64_t value)
{
  return reinterpret_cast<HANDLE>(value);
}

}

TEST_CASE("handle values are never null, never INVALID_HANDLE_VALUE, and leave two bits free")
{
  std::vector<HANDLE> handles;
  std::set<HANDLE> different;
  for (int i = 0; i < 3000; i++)
    handles.push_back(CreateEvent(nullptr, TRUE, FALSE, nullptr));
  for (HANDLE handle : handles) {
    CHECK(handle != nullptr);
    CHECK(handle != INVALID_HANDLE_VALUE);
    CHECK((reinterpret_cast<uint64_t>(handle) & 3) == 0);
    CHECK(static_cast<LONG_PTR>(reinterpret_cast<uint64_t>(handle)) > 0);
    different.insert(handle);
  }
  CHECK(different.size() == handles.size());
  uint32_t before = HandleMap::instance().size();
  for (HANDLE handle : handles)
    CHECK(CloseHandle(handle));
  CHECK(HandleMap::instance().size() == before - 3000);
}

TEST_CASE("a closed handle stays wrong, whoever has its slot now")
{
  std::vector<HANDLE> closed;
  for (int i = 0; i < 5000; i++) {
    HANDLE handle = CreateEvent(nullptr, TRUE, TRUE, nullptr);
    CHECK(CloseHandle(handle));
    closed.push_back(handle);
  }
  HANDLE alive = CreateEvent(nullptr, TRUE, TRUE, nullptr);
  for (HANDLE handle : closed) {
    CHECK(handle != alive);
    CHECK_FALSE(SetEvent(handle));
  }
  SetLastError(0);
  CHECK_FALSE(CloseHandle(closed[0]));
  CHECK(GetLastError() == ERROR_INVALID_HANDLE);
  CHECK(text().find("no open handle") != std::string::npos);
  CHECK(CloseHandle(alive));
  CHECK(text() == "");
}

TEST_CASE("values that were never handles are refused")
{
  HANDLE event = CreateEvent(nullptr, TRUE, TRUE, nullptr);
  uint64_t value = reinterpret_cast<uint64_t>(event);
  for (HANDLE handle : {HANDLE(nullptr), INVALID_HANDLE_VALUE, number(1), number(4), number(0x12345678), number(value + 1),
         number(value + 2), number(value + 4), number(value ^ 1ull << 22), number(value | 1ull << 63), number(0x7fffffffffffffff)}) {
    CAPTURE(handle);
    CHECK_FALSE(CloseHandle(handle));
    CHECK(GetLastError() == ERROR_INVALID_HANDLE);
    CHECK_FALSE(SetEvent(handle));
    CHECK_FALSE(ResetEvent(handle));
    CHECK(WaitForSingleObject(handle, 0) == WAIT_FAILED);
    CHECK_FALSE(CancelIo(handle));
    CHECK_FALSE(CancelIoEx(handle, nullptr));
    CHECK_FALSE(PostQueuedCompletionStatus(handle, 0, 0, nullptr));
    CHECK_FALSE(SetFileCompletionNotificationModes(handle, 1));
    CHECK(GetLastError() == ERROR_INVALID_HANDLE);
  }
  CHECK(CloseHandle(event));
}

TEST_CASE("functions take handles of their own kind only")
{
  HANDLE event = CreateEvent(nullptr, TRUE, TRUE, nullptr);
  HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
  Ref<TestQueue> queue = TestQueue::create();
  HANDLE queue_handle = HandleMap::instance().insert(*queue);
  CHECK_FALSE(SetEvent(port));
  CHECK_FALSE(SetEvent(queue_handle));
  CHECK_FALSE(PostQueuedCompletionStatus(event, 0, 0, nullptr));
  CHECK(WaitForSingleObject(port, 0) == WAIT_FAILED);
  CHECK_FALSE(CancelIoEx(event, nullptr));
  CHECK(GetLastError() == ERROR_INVALID_HANDLE);
  CHECK_FALSE(HandleMap::instance().close(event, HandleKind::RequestQueue));
  CHECK(HandleMap::instance().close(queue_handle, HandleKind::RequestQueue));
  CHECK(queue->closed == 1);
  CHECK_FALSE(CloseHandle(queue_handle));
  CHECK(queue->closed == 1);
  CHECK(CloseHandle(event));
  CHECK(CloseHandle(port));
}

TEST_CASE("httpsys_file_from_fd duplicates regular files and refuses the rest")
{
  TemporaryFolder folder;
  int descriptor = open((folder / "file").c_str(), O_RDWR | O_CREAT, 0600);
  REQUIRE(write(descriptor, "bytes", 5) == 5);
  HANDLE handle = httpsys_file_from_fd(descriptor);
  REQUIRE(handle != nullptr);
  close(descriptor);
  {
    Ref<FileObject> file = HandleMap::instance().find<FileObject>(handle);
    REQUIRE(file);
    char bytes[5];
    CHECK(pread(file->descriptor(), bytes, 5, 0) == 5);
    CHECK((fcntl(file->descriptor(), F_GETFD) & FD_CLOEXEC) != 0);
    int inner = file->descriptor();
    CHECK(CloseHandle(handle));
    // The call that uses it still has it.
    CHECK(fcntl(inner, F_GETFD) >= 0);
    file = {};
    CHECK(fcntl(inner, F_GETFD) < 0);
  }
  CHECK(httpsys_file_from_fd(-1) == nullptr);
  CHECK(GetLastError() == ERROR_INVALID_HANDLE);
  CHECK(text() != "");
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  CHECK(httpsys_file_from_fd(pipes[0]) == nullptr);
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  close(pipes[0]);
  close(pipes[1]);
}

TEST_CASE("last errors belong to their threads")
{
  SetLastError(5);
  CHECK_FALSE(SetEvent(nullptr));
  DWORD other = 99;
  std::string other_text = "none";
  std::thread([&] {
    other = GetLastError();
    other_text = httpsys_last_error_text();
    SetLastError(7);
  }).join();
  CHECK(other == 0);
  CHECK(other_text == "");
  CHECK(GetLastError() == ERROR_INVALID_HANDLE);
  CHECK(text() != "");
}

TEST_CASE("a child of fork has no handles and can make its own")
{
  Attached attached;
  HANDLE event = CreateEvent(nullptr, TRUE, TRUE, nullptr);
  HANDLE other = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  std::thread waiter([&] { WaitForSingleObject(other, INFINITE); });
  until_waiting(1);
  pid_t child = fork();
  if (child == 0) {
    bool good = !SetEvent(event) && GetLastError() == ERROR_INVALID_HANDLE && httpsys_completion_fd() == -1 &&
      httpsys_dispatch() == ERROR_DLL_INIT_FAILED;
    HANDLE own = CreateEvent(nullptr, FALSE, FALSE, nullptr);
    good = good && own && own != event && own != other && WaitForSingleObject(own, 10) == WAIT_TIMEOUT && SetEvent(own) &&
      WaitForSingleObject(own, INFINITE) == WAIT_OBJECT_0 && CloseHandle(own);
    _exit(good ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(SetEvent(other));
  waiter.join();
  CHECK(CloseHandle(event));
  CHECK(CloseHandle(other));
}
