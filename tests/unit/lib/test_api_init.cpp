// SPDX-License-Identifier: GPL-3.0-or-later
// HttpInitialize, HttpTerminate, what needs them, what does not exist yet, and httpsys.h (http-server-api.md 2.0, 2.1).
#include "lib/library.h"
#include "lib/reaper.h"
#include "tests/unit/lib/api_fixture.h"
#include <algorithm>
#include <poll.h>
#include <csignal>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr HTTPAPI_VERSION kVersion2{2, 0};

ULONG initialise(ULONG flags = HTTP_INITIALIZE_SERVER)
{
  return HttpInitialize(kVersion2, flags, nullptr);
}

// Every function that needs HttpInitialize, with arguments that are wrong in every other way too.
std::vector<std::pair<const char *, ULONG>> call_all(HANDLE handle)
{
  ULONG bytes = 0;
  return {
    {"HttpCreateServerSession", HttpCreateServerSession(kVersion2, nullptr, 1)},
    {"HttpCloseServerSession", HttpCloseServerSession(0)},
    {"HttpCreateUrlGroup", HttpCreateUrlGroup(0, nullptr, 1)},
    {"HttpCloseUrlGroup", HttpCloseUrlGroup(0)},
    {"HttpAddUrlToUrlGroup", HttpAddUrlToUrlGroup(0, nullptr, 0, 1)},
    {"HttpRemoveUrlFromUrlGroup", HttpRemoveUrlFromUrlGroup(0, nullptr, 2)},
    {"HttpSetUrlGroupProperty", HttpSetUrlGroupProperty(0, HttpServerBindingProperty, nullptr, 0)},
    {"HttpCreateRequestQueue", HttpCreateRequestQueue(kVersion2, nullptr, nullptr, 0x80, nullptr)},
    {"HttpCloseRequestQueue", HttpCloseRequestQueue(handle)},
    {"HttpShutdownRequestQueue", HttpShutdownRequestQueue(handle)},
    {"HttpCreateHttpHandle", HttpCreateHttpHandle(nullptr, 1)},
    {"HttpAddUrl", HttpAddUrl(handle, nullptr, &bytes)},
    {"HttpRemoveUrl", HttpRemoveUrl(handle, nullptr)},
    {"HttpReceiveHttpRequest", HttpReceiveHttpRequest(handle, 0, 0x80, nullptr, 0, nullptr, nullptr)},
    {"HttpReceiveRequestEntityBody", HttpReceiveRequestEntityBody(handle, 0, 0x80, nullptr, 1, nullptr, nullptr)},
    {"HttpReceiveClientCertificate", HttpReceiveClientCertificate(handle, 0, 3, nullptr, 0, nullptr, nullptr)},
    {"HttpSendHttpResponse", HttpSendHttpResponse(handle, 0, 0x80, nullptr, nullptr, nullptr, &bytes, 1, nullptr, nullptr)},
    {"HttpSendResponseEntityBody", HttpSendResponseEntityBody(handle, 0, 0x80, 1, nullptr, nullptr, &bytes, 1, nullptr, nullptr)},
    {"HttpCancelHttpRequest", HttpCancelHttpRequest(handle, 0, nullptr)},
    {"HttpWaitForDisconnect", HttpWaitForDisconnect(handle, 0, nullptr)},
    {"HttpWaitForDisconnectEx", HttpWaitForDisconnectEx(handle, 0, 1, nullptr)},
  };
}

}

TEST_CASE("before HttpInitialize everything is ERROR_DLL_INIT_FAILED, whatever else is wrong")
{
  for (auto [name, code] : call_all(nullptr)) {
    CAPTURE(name);
    CHECK(code == ERROR_DLL_INIT_FAILED);
  }
  CHECK(contains(last_text(), "HttpInitialize"));
  CHECK(contains(last_text(), "(ERROR_DLL_INIT_FAILED 1114)"));
  CHECK(httpsys_completion_fd() == -1);
  CHECK(httpsys_dispatch() == ERROR_DLL_INIT_FAILED);
}

TEST_CASE("after the last HttpTerminate too")
{
  {
    Api api;
  }
  for (auto [name, code] : call_all(nullptr)) {
    CAPTURE(name);
    CHECK(code == ERROR_DLL_INIT_FAILED);
  }
}

TEST_CASE("what does not exist yet says so, initialised or not, whatever the arguments are")
{
  auto check_all = [] {
    CHECK(HttpIsFeatureSupported(HttpFeatureResponseTrailers) == FALSE);
    CHECK(HttpIsFeatureSupported(static_cast<HTTP_FEATURE_ID>(7)) == FALSE);
    std::vector<ULONG> codes{HttpGetExtension(kVersion2, 0, nullptr, 0),
      HttpSetServerSessionProperty(0, HttpServerStateProperty, nullptr, 0),
      HttpQueryServerSessionProperty(0, HttpServerStateProperty, nullptr, 0, nullptr),
      HttpQueryUrlGroupProperty(0, HttpServerStateProperty, nullptr, 0, nullptr), HttpFindUrlGroupId(nullptr, nullptr, nullptr),
      HttpPrepareUrl(nullptr, 0, nullptr, nullptr), HttpSetRequestQueueProperty(nullptr, HttpServerStateProperty, nullptr, 0, 0, nullptr),
      HttpQueryRequestQueueProperty(nullptr, HttpServerStateProperty, nullptr, 0, 0, nullptr, nullptr),
      HttpWaitForDemandStart(nullptr, nullptr), HttpDelegateRequestEx(nullptr, nullptr, 0, 0, 0, nullptr),
      HttpQueryRequestProperty(nullptr, 0, HttpRequestPropertySni, nullptr, 0, nullptr, 0, nullptr, nullptr),
      HttpSetRequestProperty(nullptr, 0, HttpRequestPropertyStreamError, nullptr, 0, nullptr),
      HttpDeclarePush(nullptr, 0, HttpVerbGET, nullptr, nullptr, nullptr), HttpFlushResponseCache(nullptr, nullptr, 0, nullptr),
      HttpAddFragmentToCache(nullptr, nullptr, nullptr, nullptr, nullptr),
      HttpReadFragmentFromCache(nullptr, nullptr, nullptr, nullptr, 0, nullptr, nullptr),
      HttpSetServiceConfiguration(nullptr, HttpServiceConfigSSLCertInfo, nullptr, 0, nullptr),
      HttpUpdateServiceConfiguration(nullptr, HttpServiceConfigSSLCertInfo, nullptr, 0, nullptr),
      HttpDeleteServiceConfiguration(nullptr, HttpServiceConfigSSLCertInfo, nullptr, 0, nullptr),
      HttpQueryServiceConfiguration(nullptr, HttpServiceConfigSSLCertInfo, nullptr, 0, nullptr, 0, nullptr, nullptr)};
    for (ULONG code : codes)
      CHECK(code == ERROR_NOT_SUPPORTED);
    CHECK(last_text() == "HttpQueryServiceConfiguration: this function does not exist yet in httpsys. (ERROR_NOT_SUPPORTED 50)");
  };
  check_all();
  Api api;
  check_all();
}

TEST_CASE("HttpInitialize: what it refuses")
{
  FakeDaemon daemon;
  setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
  int something = 0;
  CHECK(HttpInitialize(kVersion2, HTTP_INITIALIZE_SERVER, &something) == ERROR_INVALID_PARAMETER);
  CHECK(HttpInitialize(kVersion2, 0, nullptr) == ERROR_INVALID_PARAMETER);
  CHECK(HttpInitialize(kVersion2, 4, nullptr) == ERROR_INVALID_PARAMETER);
  CHECK(contains(last_text(), "Flags is 0x4"));
  CHECK(HttpInitialize(kVersion2, HTTP_INITIALIZE_SERVER | 8, nullptr) == ERROR_INVALID_PARAMETER);
  for (HTTPAPI_VERSION version : {HTTPAPI_VERSION{0, 0}, {1, 1}, {2, 1}, {3, 0}})
    CHECK(HttpInitialize(version, HTTP_INITIALIZE_SERVER, nullptr) == ERROR_REVISION_MISMATCH);
  CHECK(contains(last_text(), "3.0"));
  CHECK(HttpInitialize({3, 0}, 0, nullptr) == ERROR_INVALID_PARAMETER);
  CHECK(daemon.sessions() == 0);
}

TEST_CASE("HttpInitialize and HttpTerminate are counted, each flag by itself")
{
  FakeDaemon daemon;
  setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
  REQUIRE(HttpInitialize({1, 0}, HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
  REQUIRE(initialise(HTTP_INITIALIZE_CONFIG) == NO_ERROR);
  REQUIRE(initialise() == NO_ERROR);
  CHECK(daemon.sessions() == 1);
  CHECK(HttpTerminate(0, nullptr) == ERROR_INVALID_PARAMETER);
  CHECK(HttpTerminate(8, nullptr) == ERROR_INVALID_PARAMETER);
  int something = 0;
  CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER, &something) == ERROR_INVALID_PARAMETER);
  CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER | HTTP_INITIALIZE_CONFIG, nullptr) == NO_ERROR);
  HTTP_SERVER_SESSION_ID id = 0;
  CHECK(HttpCreateServerSession(kVersion2, &id, 0) == NO_ERROR);
  CHECK(HttpCloseServerSession(id) == NO_ERROR);
  CHECK(HttpTerminate(HTTP_INITIALIZE_CONFIG, nullptr) == ERROR_INVALID_PARAMETER);
  CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER | HTTP_INITIALIZE_CONFIG, nullptr) == ERROR_INVALID_PARAMETER);
  CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
  CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == ERROR_INVALID_PARAMETER);
  CHECK(daemon.wait_for([] { return true; }));
  for (int i = 0; i < 60000 && daemon.has_client(); i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK_FALSE(daemon.has_client());
}

TEST_CASE("HTTP_INITIALIZE_CONFIG alone does not do for the server's functions")
{
  FakeDaemon daemon;
  setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
  REQUIRE(initialise(HTTP_INITIALIZE_CONFIG) == NO_ERROR);
  HTTP_SERVER_SESSION_ID id = 0;
  CHECK(HttpCreateServerSession(kVersion2, &id, 0) == ERROR_DLL_INIT_FAILED);
  CHECK(HttpTerminate(HTTP_INITIALIZE_CONFIG, nullptr) == NO_ERROR);
}

TEST_CASE("without a daemon: ERROR_SERVICE_NOT_ACTIVE within a second, and a sentence that says where it looked")
{
  setenv("HTTPSYS_SOCKET", "/nonexistent/socket", 1);
  auto fastest = std::chrono::steady_clock::duration::max(); // a busy machine may take the processor away for so long, not each time
  for (int i = 0; i < 5; i++) {
    auto begin = std::chrono::steady_clock::now();
    CHECK(initialise() == ERROR_SERVICE_NOT_ACTIVE);
    fastest = std::min(fastest, std::chrono::steady_clock::now() - begin);
  }
  CHECK(fastest < std::chrono::seconds(1));
  CHECK(contains(last_text(), "cannot reach httpsysd at /nonexistent/socket: no such file"));
  CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == ERROR_INVALID_PARAMETER);
  CHECK(httpsys_completion_fd() == -1);
}

TEST_CASE("objects that are open at the last HttpTerminate live on until they are closed")
{
  FakeDaemon daemon;
  setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
  REQUIRE(initialise() == NO_ERROR);
  HTTP_SERVER_SESSION_ID session = 0;
  HTTP_URL_GROUP_ID group = 0;
  HANDLE queue = nullptr;
  REQUIRE(HttpCreateServerSession(kVersion2, &session, 0) == NO_ERROR);
  REQUIRE(HttpCreateUrlGroup(session, &group, 0) == NO_ERROR);
  REQUIRE(HttpCreateRequestQueue(kVersion2, nullptr, nullptr, 0, &queue) == NO_ERROR);
  REQUIRE(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
  CHECK(daemon.has_client());
  CHECK(HttpCreateUrlGroup(session, &group, 0) == ERROR_DLL_INIT_FAILED);
  SUBCASE("closed after it")
  {
    CHECK(HttpCloseUrlGroup(group) == NO_ERROR);
    CHECK(HttpCloseServerSession(session) == NO_ERROR);
    CHECK(daemon.has_client());
    CHECK(HttpCloseRequestQueue(queue) == NO_ERROR);
    CHECK(HttpCloseRequestQueue(queue) == ERROR_DLL_INIT_FAILED);
  }
  SUBCASE("or used again after another HttpInitialize")
  {
    REQUIRE(initialise() == NO_ERROR);
    CHECK(daemon.sessions() == 1);
    CHECK(HttpShutdownRequestQueue(queue) == NO_ERROR);
    CHECK(CloseHandle(queue));
    CHECK(HttpCloseServerSession(session) == NO_ERROR);
    CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
  }
  for (int i = 0; i < 60000 && daemon.has_client(); i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK_FALSE(daemon.has_client());
}

TEST_CASE("the daemon dies: pending calls end with 995, handles are dead, HttpInitialize reaches the next one")
{
  for (bool terminates : {true, false}) {
    FakeDaemon first;
    setenv("HTTPSYS_SOCKET", first.path().c_str(), 1);
    REQUIRE(initialise() == NO_ERROR);
    HANDLE queue = nullptr;
    HTTP_SERVER_SESSION_ID session = 0;
    REQUIRE(HttpCreateRequestQueue(kVersion2, nullptr, nullptr, 0, &queue) == NO_ERROR);
    REQUIRE(HttpCreateServerSession(kVersion2, &session, 0) == NO_ERROR);
    OVERLAPPED overlapped{};
    overlapped.hEvent = CreateEvent(nullptr, TRUE, FALSE, nullptr);
    CHECK(HttpWaitForDisconnect(queue, 5, &overlapped) == ERROR_IO_PENDING);
    ULONG blocked = 0;
    std::thread waiter([&] { blocked = HttpWaitForDisconnect(queue, 6, nullptr); });
    first.wait_parked(HSYS_OP_WAIT_DISCONNECT, 1);
    first.kill();
    CHECK(WaitForSingleObject(overlapped.hEvent, 5000) == WAIT_OBJECT_0);
    waiter.join();
    CHECK(blocked == ERROR_OPERATION_ABORTED);
    DWORD bytes = 1;
    CHECK_FALSE(GetOverlappedResult(queue, &overlapped, &bytes, FALSE));
    CHECK(GetLastError() == ERROR_OPERATION_ABORTED);
    CHECK(contains(last_text(), "httpsysd is gone"));
    CHECK(HttpWaitForDisconnect(queue, 5, &overlapped) == ERROR_INVALID_HANDLE);
    CHECK(contains(last_text(), "httpsysd is gone"));
    CHECK(HttpShutdownRequestQueue(queue) == ERROR_INVALID_PARAMETER);
    CHECK(HttpCreateServerSession(kVersion2, &session, 0) == ERROR_SERVICE_NOT_ACTIVE);
    CHECK(HttpCloseServerSession(session) == ERROR_SERVICE_NOT_ACTIVE);
    CHECK(httpsys_dispatch() == ERROR_SERVICE_NOT_ACTIVE);
    CHECK(std::string(httpsys_last_error_text()).starts_with("httpsys_dispatch: "));

    FakeDaemon second;
    setenv("HTTPSYS_SOCKET", second.path().c_str(), 1);
    if (terminates)
      REQUIRE(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
    REQUIRE(initialise() == NO_ERROR);
    CHECK(second.has_client());
    CHECK(HttpWaitForDisconnect(queue, 5, &overlapped) == ERROR_INVALID_HANDLE);
    HANDLE other = nullptr;
    CHECK(HttpCreateRequestQueue(kVersion2, nullptr, nullptr, 0, &other) == NO_ERROR);
    CHECK(HttpCloseRequestQueue(queue) == NO_ERROR);
    CHECK(HttpCloseRequestQueue(queue) == ERROR_INVALID_PARAMETER);
    CHECK(HttpCloseRequestQueue(other) == NO_ERROR);
    CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
    if (!terminates)
      CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
    CloseHandle(overlapped.hEvent);
  }
}

TEST_CASE("HttpTerminate while a thread is in a call: the call ends")
{
  FakeDaemon daemon;
  daemon.park(HSYS_OP_CREATE_SERVER_SESSION);
  setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
  REQUIRE(initialise() == NO_ERROR);
  ULONG code = 0;
  std::thread thread([&] {
    HTTP_SERVER_SESSION_ID id = 0;
    code = HttpCreateServerSession(kVersion2, &id, 0);
  });
  daemon.wait_parked(HSYS_OP_CREATE_SERVER_SESSION);
  CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
  thread.join();
  CHECK(code == ERROR_OPERATION_ABORTED);
}

namespace {

// Holds up the thread that ends the session.
class SlowEnd final : public httpsys::lib::ChannelOperation {
public:
  SlowEnd() { entry.op = HSYS_OP_WAIT_DISCONNECT; }
  void on_completion(const httpsys::lib::Completion &) override
  {
    has_begun = true;
    while (!may_end)
      std::this_thread::yield();
  }
  std::atomic<bool> has_begun{false}, may_end{false};
};

}

TEST_CASE("HttpInitialize while another thread closes the last queue of the session before: the new session is whole")
{
  FakeDaemon daemon, second;
  setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
  REQUIRE(initialise() == NO_ERROR);
  HANDLE queue = nullptr;
  REQUIRE(HttpCreateRequestQueue(kVersion2, nullptr, nullptr, 0, &queue) == NO_ERROR);
  SlowEnd operation;
  REQUIRE(httpsys::lib::Library::instance().session()->channel().submit(operation, httpsys::lib::ClientChannel::Patience::Wait) ==
    httpsys::lib::ClientChannel::Submitted::Yes);
  REQUIRE(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
  std::thread closing([&] { CHECK(HttpCloseRequestQueue(queue) == NO_ERROR); });
  while (!operation.has_begun)
    std::this_thread::yield();
  setenv("HTTPSYS_SOCKET", second.path().c_str(), 1);
  std::thread initialising([] { CHECK(initialise() == NO_ERROR); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100)); // enough to connect, if it were allowed
  operation.may_end = true;
  closing.join();
  initialising.join();
  CHECK(httpsys::lib::Reaper::instance().source());
  CHECK(httpsys_completion_fd() >= 0);
  CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
}

TEST_CASE("the last HttpTerminate ends the session at the daemon, though a thread may still hold what is left of it")
{
  FakeDaemon daemon;
  setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
  REQUIRE(initialise() == NO_ERROR);
  httpsys::lib::Ref<httpsys::lib::ClientSession> held = httpsys::lib::Library::instance().session();
  REQUIRE(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
  for (int i = 0; i < 60000 && daemon.has_client(); i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK_FALSE(daemon.has_client());
}

TEST_CASE("a child of fork() has nothing of its parent, who goes on; it may begin anew")
{
  Api api;
  pid_t child = fork();
  if (child == 0) {
    bool is_empty = HttpShutdownRequestQueue(api.queue) == ERROR_DLL_INIT_FAILED && !CloseHandle(api.queue) &&
      httpsys_completion_fd() == -1;
#ifdef __SANITIZE_THREAD__ // it allows no threads in such a child, and so no daemon
    _exit(is_empty ? 0 : 1);
#endif
    FakeDaemon own;
    setenv("HTTPSYS_SOCKET", own.path().c_str(), 1);
    HANDLE queue = nullptr;
    bool works = initialise() == NO_ERROR && HttpCreateRequestQueue(kVersion2, nullptr, nullptr, 0, &queue) == NO_ERROR &&
      HttpCloseRequestQueue(queue) == NO_ERROR && HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR;
    _exit(!is_empty ? 1 : works ? 0 : 2);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(HttpShutdownRequestQueue(api.queue) == NO_ERROR);
}

#ifndef __SANITIZE_THREAD__
TEST_CASE("a child of clone(), which runs no handlers of fork(), does not touch its parent's rings either")
{
  Api api;
  OVERLAPPED overlapped{};
  REQUIRE(HttpWaitForDisconnect(api.queue, 5, &overlapped) == ERROR_IO_PENDING);
  pid_t child = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  if (child == 0) {
    bool is_safe = HttpShutdownRequestQueue(api.queue) == ERROR_DLL_INIT_FAILED && !HasOverlappedIoCompleted(&overlapped) &&
      HttpCloseRequestQueue(api.queue) == NO_ERROR && httpsys_dispatch() != ERROR_IO_PENDING;
    _exit(is_safe ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(HttpShutdownRequestQueue(api.queue) == NO_ERROR);
  CHECK(CancelIoEx(api.queue, &overlapped));
  DWORD bytes = 0;
  GetOverlappedResult(api.queue, &overlapped, &bytes, TRUE);
}
#endif

TEST_CASE("the daemon sees its client's death though a child of it lives")
{
  FakeDaemon daemon;
  setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t client = fork();
  if (client == 0) {
    if (initialise() != NO_ERROR)
      _exit(1);
    pid_t grandchild = fork();
    if (grandchild == 0) {
      char byte;
      close(ends[1]);
      [[maybe_unused]] ssize_t count = read(ends[0], &byte, 1); // lives until the test is over
      _exit(0);
    }
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(client, &status, 0) == client);
  CHECK(WEXITSTATUS(status) == 0);
  for (int i = 0; i < 60000 && daemon.has_client(); i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK_FALSE(daemon.has_client());
  close(ends[0]);
  close(ends[1]);
}

namespace {

bool is_readable(int descriptor, int milliseconds)
{
  pollfd entry{descriptor, POLLIN, 0};
  return poll(&entry, 1, milliseconds) == 1;
}

}

TEST_CASE("an event loop: readable when something has completed, quiet otherwise")
{
  Api api;
  int descriptor = httpsys_completion_fd();
  REQUIRE(descriptor >= 0);
  CHECK(httpsys_completion_fd() == descriptor);
  CHECK(httpsys_dispatch() == NO_ERROR);
  OVERLAPPED overlapped{};
  REQUIRE(HttpWaitForDisconnect(api.queue, 5, &overlapped) == ERROR_IO_PENDING);
  CHECK_FALSE(is_readable(descriptor, 20));
  api.daemon.complete(api.daemon.wait_parked(HSYS_OP_WAIT_DISCONNECT).entry.irp_id, {});
  REQUIRE(is_readable(descriptor, 60000));
  CHECK(overlapped.Internal == STATUS_PENDING);
  CHECK(httpsys_dispatch() == NO_ERROR);
  CHECK(overlapped.Internal == 0);
  CHECK_FALSE(is_readable(descriptor, 20));
}

TEST_CASE("an event loop hears of what a blocking call of the same program took in")
{
  Api api;
  int descriptor = httpsys_completion_fd();
  CHECK(httpsys_dispatch() == NO_ERROR);
  OVERLAPPED overlapped{};
  REQUIRE(HttpWaitForDisconnect(api.queue, 5, &overlapped) == ERROR_IO_PENDING);
  uint32_t irp_id = api.daemon.wait_parked(HSYS_OP_WAIT_DISCONNECT).entry.irp_id;
  api.daemon.on(HSYS_OP_CREATE_SERVER_SESSION, [irp_id](FakeDaemon &daemon, const FakeOperation &operation) {
    daemon.complete(irp_id, {});
    daemon.complete(operation.entry.irp_id, {.object_id = 9});
  });
  HTTP_SERVER_SESSION_ID id = 0;
  CHECK(HttpCreateServerSession(kVersion2, &id, 0) == NO_ERROR);
  CHECK(overlapped.Internal == 0);
  CHECK(is_readable(descriptor, 60000));
  CHECK(httpsys_dispatch() == NO_ERROR);
  CHECK_FALSE(is_readable(descriptor, 20));
  CHECK(HttpCloseServerSession(id) == NO_ERROR);
}

TEST_CASE("an event loop hears of the daemon's death once, and of the next daemon's completions")
{
  FakeDaemon second;
  {
    Api api;
    int descriptor = httpsys_completion_fd();
    CHECK(httpsys_dispatch() == NO_ERROR);
    api.daemon.kill();
    REQUIRE(is_readable(descriptor, 60000));
    CHECK(httpsys_dispatch() == ERROR_SERVICE_NOT_ACTIVE);
    CHECK(last_text() != "");
    CHECK_FALSE(is_readable(descriptor, 20));
    CHECK(httpsys_dispatch() == ERROR_SERVICE_NOT_ACTIVE);
    CHECK(httpsys_completion_fd() == -1);
    setenv("HTTPSYS_SOCKET", second.path().c_str(), 1);
    REQUIRE(initialise() == NO_ERROR);
    CHECK(httpsys_completion_fd() == descriptor);
    CHECK_FALSE(is_readable(descriptor, 20));
  }
  int descriptor = httpsys_completion_fd();
  CHECK(descriptor >= 0);
  CHECK(httpsys_dispatch() == NO_ERROR);
  CHECK_FALSE(is_readable(descriptor, 20));
  HANDLE queue = nullptr;
  REQUIRE(HttpCreateRequestQueue(kVersion2, nullptr, nullptr, 0, &queue) == NO_ERROR);
  httpsys_dispatch();
  OVERLAPPED overlapped{};
  REQUIRE(HttpWaitForDisconnect(queue, 5, &overlapped) == ERROR_IO_PENDING);
  second.complete(second.wait_parked(HSYS_OP_WAIT_DISCONNECT).entry.irp_id, {});
  CHECK(is_readable(descriptor, 60000));
  CHECK(httpsys_dispatch() == NO_ERROR);
  CHECK(overlapped.Internal == 0);
  CHECK(HttpCloseRequestQueue(queue) == NO_ERROR);
  CHECK(HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr) == NO_ERROR);
}

TEST_CASE("the last error text is of the last call")
{
  Api api;
  CHECK(HttpShutdownRequestQueue(nullptr) == ERROR_INVALID_PARAMETER);
  CHECK(contains(last_text(), "HttpShutdownRequestQueue: "));
  CHECK(contains(last_text(), "is no request queue of this process"));
  std::thread([] { CHECK(last_text() == ""); }).join();
  CHECK(HttpShutdownRequestQueue(api.queue) == NO_ERROR);
  CHECK(last_text() == "");
}
