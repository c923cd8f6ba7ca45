// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of the API's tables (http-server-api.md 2.2 to 2.7) that the daemon decides, against the daemon: names, prefixes, ids, sizes,
// ends. What the library decides by itself is in tests/unit/lib. Environment: HTTPSYS_SOCKET, HTTPSYS_TEST_PORTS (four free ports).
#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fstream>
#include <http.h>
#include <httpsys.h>
#include <iterator>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

constexpr HTTPAPI_VERSION kVersion2{2, 0};
constexpr ULONG k87 = ERROR_INVALID_PARAMETER;

unsigned port(unsigned index)
{
  static const std::array<unsigned, 4> ports = [] {
    std::array<unsigned, 4> found{};
    const char *text = getenv("HTTPSYS_TEST_PORTS");
    REQUIRE(text);
    REQUIRE(sscanf(text, "%u %u %u %u", &found[0], &found[1], &found[2], &found[3]) == 4);
    return found;
  }();
  return ports[index];
}

std::u16string wide(const std::string &text)
{
  return {text.begin(), text.end()};
}

std::u16string prefix(unsigned index, const std::string &path = "/", const std::string &host = "localhost")
{
  return wide("http://" + host + ":" + std::to_string(port(index)) + path);
}

std::string last_text()
{
  return httpsys_last_error_text();
}

bool says(const std::string &part)
{
  return last_text().find(part) != std::string::npos;
}

struct Library {
  Library()
  {
    ULONG code = HttpInitialize(kVersion2, HTTP_INITIALIZE_SERVER, nullptr);
    REQUIRE_MESSAGE(code == NO_ERROR, last_text());
  }
  ~Library() { HttpTerminate(HTTP_INITIALIZE_SERVER, nullptr); }
};

// A session, a group and a queue that serves a prefix.
struct Server : Library {
  explicit Server(unsigned index = 0, const std::string &path = "/")
  {
    REQUIRE(HttpCreateServerSession(kVersion2, &session, 0) == NO_ERROR);
    REQUIRE(HttpCreateUrlGroup(session, &group, 0) == NO_ERROR);
    REQUIRE(HttpCreateRequestQueue(kVersion2, nullptr, nullptr, 0, &queue) == NO_ERROR);
    REQUIRE(bind(queue) == NO_ERROR);
    ULONG code = HttpAddUrlToUrlGroup(group, prefix(index, path).c_str(), 0x1234567890abcdef, 0);
    REQUIRE_MESSAGE(code == NO_ERROR, last_text());
  }
  ~Server()
  {
    if (queue)
      HttpCloseRequestQueue(queue);
    HttpCloseServerSession(session);
  }
  ULONG bind(HANDLE to)
  {
    HTTP_BINDING_INFO binding{};
    binding.Flags.Present = to != nullptr;
    binding.RequestQueueHandle = to;
    return HttpSetUrlGroupProperty(group, HttpServerBindingProperty, &binding, sizeof binding);
  }
  HTTP_SERVER_SESSION_ID session = 0;
  HTTP_URL_GROUP_ID group = 0;
  HANDLE queue = nullptr;
};

struct Client {
  explicit Client(unsigned index = 0) : descriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
  {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port(index)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval limit{20, 0};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    is_connected = connect(descriptor, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0;
  }
  Client(const Client &) = delete;
  ~Client() { disconnect(); }
  void disconnect()
  {
    if (descriptor >= 0)
      close(std::exchange(descriptor, -1));
  }
  void send(const std::string &bytes)
  {
    CHECK(::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  void get(const std::string &path = "/", const std::string &more = "", const std::string &method = "GET")
  {
    send(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n");
  }
  // Until that many bytes are there, or the connection ends.
  std::string receive(size_t wanted)
  {
    std::string text(wanted, ' ');
    size_t at = 0;
    while (at < wanted) {
      ssize_t count = recv(descriptor, text.data() + at, wanted - at, 0);
      if (count <= 0)
        break;
      at += static_cast<size_t>(count);
    }
    text.resize(at);
    return text;
  }
  std::string head()
  {
    std::string text;
    char byte;
    while (text.size() < 65536 && (text.size() < 4 || text.substr(text.size() - 4) != "\r\n\r\n") && recv(descriptor, &byte, 1, 0) == 1)
      text += byte;
    return text;
  }
  int descriptor;
  bool is_connected = false;
};

struct Request {
  explicit Request(size_t size = 8192) : buffer(size / 8) {}
  PHTTP_REQUEST get() { return reinterpret_cast<PHTTP_REQUEST>(buffer.data()); }
  PHTTP_REQUEST operator->() { return get(); }
  ULONG receive(HANDLE queue, HTTP_REQUEST_ID id = 0, ULONG flags = 0, ULONG size = 0)
  {
    return HttpReceiveHttpRequest(queue, id, flags, get(), size ? size : static_cast<ULONG>(buffer.size() * 8), &bytes, nullptr);
  }
  std::vector<uint64_t> buffer;
  ULONG bytes = 0;
};

ULONG respond(HANDLE queue, HTTP_REQUEST_ID id, const std::string &body = "", ULONG flags = 0, ULONG *sent = nullptr)
{
  HTTP_RESPONSE response{};
  response.StatusCode = 200;
  response.pReason = "OK";
  response.ReasonLength = 2;
  HTTP_DATA_CHUNK chunk{};
  chunk.FromMemory.pBuffer = const_cast<char *>(body.data());
  chunk.FromMemory.BufferLength = static_cast<ULONG>(body.size());
  response.pEntityChunks = &chunk;
  response.EntityChunkCount = body.empty() ? 0 : 1;
  return HttpSendHttpResponse(queue, id, flags, &response, nullptr, sent, nullptr, 0, nullptr, nullptr);
}

// The end of a response.
ULONG send_nothing(HANDLE queue, HTTP_REQUEST_ID id)
{
  return HttpSendResponseEntityBody(queue, id, HTTP_SEND_RESPONSE_FLAG_DISCONNECT, 0, nullptr, nullptr, nullptr, 0, nullptr, nullptr);
}

}

TEST_CASE("ids of sessions and groups that are none: 87; a session's end is its groups'")
{
  Library library;
  HTTP_SERVER_SESSION_ID session = 0;
  HTTP_URL_GROUP_ID group = 0, other = 0;
  REQUIRE(HttpCreateServerSession(kVersion2, &session, 0) == NO_ERROR);
  REQUIRE(HttpCreateUrlGroup(session, &group, 0) == NO_ERROR);
  CHECK(session != 0);
  CHECK(group != 0);
  for (HTTP_OPAQUE_ID wrong : {session + 1, HTTP_OPAQUE_ID{1}, ~HTTP_OPAQUE_ID{0}, group}) {
    CHECK(HttpCloseServerSession(wrong) == k87);
    CHECK(HttpCreateUrlGroup(wrong, &other, 0) == k87);
  }
  for (HTTP_OPAQUE_ID wrong : {group + 1, HTTP_OPAQUE_ID{1}, ~HTTP_OPAQUE_ID{0}, session}) {
    CHECK(HttpCloseUrlGroup(wrong) == k87);
    CHECK(HttpAddUrlToUrlGroup(wrong, prefix(0).c_str(), 0, 0) == k87);
    CHECK(HttpRemoveUrlFromUrlGroup(wrong, prefix(0).c_str(), 0) == k87);
    CHECK(last_text() != "");
  }
  CHECK(HttpCloseServerSession(session) == NO_ERROR);
  CHECK(HttpCloseServerSession(session) == k87);
  CHECK(HttpCloseUrlGroup(group) == k87);
}

TEST_CASE("prefixes: malformed, taken, removed")
{
  Server server;
  for (const char *bad : {"", "http://localhost:80", "http://localhost/", "localhost:80/", "http://:80/", "http://localhost:/",
         "http://localhost:0/", "http://localhost:65536/", "ftp://localhost:80/", "http://local host:80/"}) {
    CAPTURE(bad);
    CHECK(HttpAddUrlToUrlGroup(server.group, wide(bad).c_str(), 0, 0) == k87);
    CHECK(says("HttpAddUrlToUrlGroup: "));
    CHECK(says("(ERROR_INVALID_PARAMETER 87)"));
  }
  CHECK(HttpAddUrlToUrlGroup(server.group, prefix(0).c_str(), 0, 0) == ERROR_ALREADY_EXISTS);
  HTTP_URL_GROUP_ID other = 0;
  REQUIRE(HttpCreateUrlGroup(server.session, &other, 0) == NO_ERROR);
  CHECK(HttpAddUrlToUrlGroup(other, prefix(0).c_str(), 0, 0) == ERROR_ALREADY_EXISTS);
  CHECK(HttpRemoveUrlFromUrlGroup(other, prefix(0).c_str(), 0) == ERROR_FILE_NOT_FOUND);
  CHECK(HttpRemoveUrlFromUrlGroup(server.group, prefix(0).c_str(), 0) == NO_ERROR);
  CHECK(HttpRemoveUrlFromUrlGroup(server.group, prefix(0).c_str(), 0) == ERROR_FILE_NOT_FOUND);
  CHECK(HttpAddUrlToUrlGroup(other, prefix(0).c_str(), 0, 0) == NO_ERROR);
  CHECK(HttpAddUrlToUrlGroup(other, prefix(0, "/a/").c_str(), 0, 0) == NO_ERROR);
  CHECK(HttpRemoveUrlFromUrlGroup(other, nullptr, HTTP_URL_FLAG_REMOVE_ALL) == NO_ERROR);
  CHECK(HttpRemoveUrlFromUrlGroup(other, prefix(0, "/a/").c_str(), 0) == ERROR_FILE_NOT_FOUND);
  CHECK(HttpAddUrlToUrlGroup(server.group, prefix(0).c_str(), 0, 0) == NO_ERROR);
  CHECK(HttpCloseUrlGroup(other) == NO_ERROR);
}

TEST_CASE("a port that another program holds: 32")
{
  Server server;
  int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port(1)));
  REQUIRE(::bind(holder, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
  REQUIRE(listen(holder, 1) == 0);
  CHECK(HttpAddUrlToUrlGroup(server.group, prefix(1).c_str(), 0, 0) == ERROR_SHARING_VIOLATION);
  CHECK(says("ERROR_SHARING_VIOLATION 32"));
  close(holder);
  CHECK(HttpAddUrlToUrlGroup(server.group, prefix(1).c_str(), 0, 0) == NO_ERROR);
}

TEST_CASE("queue names: taken, missing, bad; free again when the last handle is closed")
{
  Library library;
  HANDLE first = nullptr, second = nullptr, third = nullptr;
  std::u16string name = wide("rows-" + std::to_string(port(0)));
  constexpr ULONG kOpen = HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING;
  CHECK(HttpCreateRequestQueue(kVersion2, name.c_str(), nullptr, kOpen, &first) == ERROR_FILE_NOT_FOUND);
  REQUIRE(HttpCreateRequestQueue(kVersion2, name.c_str(), nullptr, 0, &first) == NO_ERROR);
  CHECK(HttpCreateRequestQueue(kVersion2, name.c_str(), nullptr, 0, &second) == ERROR_ALREADY_EXISTS);
  CHECK(HttpCreateRequestQueue(kVersion2, name.c_str(), nullptr, kOpen, &second) == NO_ERROR);
  CHECK(HttpCreateRequestQueue(kVersion2, u"back\\slash", nullptr, 0, &third) == ERROR_INVALID_NAME);
  CHECK(HttpCloseRequestQueue(first) == NO_ERROR);
  CHECK(HttpCreateRequestQueue(kVersion2, name.c_str(), nullptr, 0, &third) == ERROR_ALREADY_EXISTS);
  CHECK(HttpCloseRequestQueue(second) == NO_ERROR);
  CHECK(HttpCreateRequestQueue(kVersion2, name.c_str(), nullptr, 0, &third) == NO_ERROR);
  CHECK(HttpCloseRequestQueue(third) == NO_ERROR);
}

TEST_CASE("binding: 503 without, moves, may be taken away twice")
{
  Server server;
  CHECK(server.bind(nullptr) == NO_ERROR);
  CHECK(server.bind(nullptr) == NO_ERROR);
  {
    Client client;
    client.get();
    CHECK(client.head().substr(0, 12) == "HTTP/1.1 503");
  }
  HANDLE other = nullptr;
  REQUIRE(HttpCreateRequestQueue(kVersion2, nullptr, nullptr, 0, &other) == NO_ERROR);
  CHECK(server.bind(other) == NO_ERROR);
  CHECK(server.bind(other) == NO_ERROR);
  Client client;
  client.get();
  Request request;
  CHECK(request.receive(other) == NO_ERROR);
  CHECK(request->UrlContext == 0x1234567890abcdef);
  CHECK(respond(other, request->RequestId) == NO_ERROR);
  CHECK(client.head().substr(0, 12) == "HTTP/1.1 200");
  CHECK(HttpCloseRequestQueue(other) == NO_ERROR);
  Client later;
  later.get();
  CHECK(later.head().substr(0, 12) == "HTTP/1.1 503");
}

TEST_CASE("version 1: URLs on the queue, V1 structures, gone with the handle")
{
  Library library;
  HANDLE queue = nullptr;
  REQUIRE(HttpCreateHttpHandle(&queue, 0) == NO_ERROR);
  CHECK(HttpAddUrl(queue, prefix(1, "/v1").c_str(), nullptr) == k87);
  CHECK(says("HttpAddUrl: "));
  REQUIRE(HttpAddUrl(queue, prefix(1, "/v1/").c_str(), nullptr) == NO_ERROR);
  CHECK(HttpAddUrl(queue, prefix(1, "/v1/").c_str(), nullptr) == ERROR_ALREADY_EXISTS);
  CHECK(HttpRemoveUrl(queue, prefix(1, "/v2/").c_str()) == ERROR_FILE_NOT_FOUND);
  {
    Client client(1);
    client.get("/v1/x");
    Request request;
    CHECK(request.receive(queue, 0, 0, sizeof(HTTP_REQUEST_V1) - 1) == ERROR_INSUFFICIENT_BUFFER);
    CHECK(request.receive(queue, 0, 0, sizeof(HTTP_REQUEST_V1)) == ERROR_MORE_DATA);
    HTTP_REQUEST_ID id = request->RequestId;
    ULONG needed = request.bytes;
    CHECK(request.receive(queue, id, 0, needed - 1) == ERROR_MORE_DATA);
    CHECK(request.bytes == needed);
    CHECK(request.receive(queue, id, 0, needed) == NO_ERROR);
    CHECK(request.bytes == needed);
    CHECK(request->UrlContext == 0);
    CHECK(std::string(request->pRawUrl) == "/v1/x");
    CHECK(respond(queue, id, "one") == NO_ERROR);
    CHECK(client.head().substr(0, 12) == "HTTP/1.1 200");
    CHECK(client.receive(3) == "one");
  }
  CHECK(HttpRemoveUrl(queue, prefix(1, "/v1/").c_str()) == NO_ERROR);
  CHECK(HttpAddUrl(queue, prefix(1, "/v1/").c_str(), nullptr) == NO_ERROR);
  CHECK(CloseHandle(queue));
  REQUIRE(HttpCreateHttpHandle(&queue, 0) == NO_ERROR);
  CHECK(HttpAddUrl(queue, prefix(1, "/v1/").c_str(), nullptr) == NO_ERROR);
  CHECK(CloseHandle(queue));
}

TEST_CASE("receive: exact sizes, the reserved id, ids that are none")
{
  Server server;
  Client client, other;
  client.get("/first?q", "X-Long: " + std::string(3000, 'l') + "\r\n");
  Request request;
  REQUIRE(request.receive(server.queue, 0, 0, sizeof(HTTP_REQUEST)) == ERROR_MORE_DATA);
  HTTP_REQUEST_ID id = request->RequestId;
  HTTP_CONNECTION_ID connection = request->ConnectionId;
  ULONG needed = request.bytes;
  HTTP_REQUEST expected{};
  expected.RequestId = id;
  expected.ConnectionId = connection;
  CHECK(memcmp(request.get(), &expected, sizeof expected) == 0);
  CHECK(needed > 3000 + sizeof(HTTP_REQUEST));

  other.get("/second");
  REQUIRE(request.receive(server.queue) == NO_ERROR);
  CHECK(std::string(request->pRawUrl) == "/second");
  HTTP_REQUEST_ID second = request->RequestId;
  CHECK(request.receive(server.queue, id, 0, needed - 1) == ERROR_MORE_DATA);
  CHECK(request.bytes == needed);
  CHECK(request.receive(server.queue, id, 0, needed) == NO_ERROR);
  CHECK(request.bytes == needed);
  CHECK(request->ConnectionId == connection);
  CHECK(std::string(request->pRawUrl) == "/first?q");
  CHECK(respond(server.queue, id) == NO_ERROR);
  CHECK(respond(server.queue, second) == NO_ERROR);
  for (HTTP_REQUEST_ID wrong : {id, second, id + 1, HTTP_OPAQUE_ID{1}, ~HTTP_OPAQUE_ID{0}, connection}) {
    CAPTURE(wrong);
    char byte;
    CHECK(request.receive(server.queue, wrong) == ERROR_CONNECTION_INVALID);
    CHECK(HttpReceiveRequestEntityBody(server.queue, wrong, 0, &byte, 1, nullptr, nullptr) == ERROR_CONNECTION_INVALID);
    CHECK(respond(server.queue, wrong) == ERROR_CONNECTION_INVALID);
    CHECK(send_nothing(server.queue, wrong) == ERROR_CONNECTION_INVALID);
    CHECK(HttpCancelHttpRequest(server.queue, wrong, nullptr) == ERROR_CONNECTION_INVALID);
    CHECK(last_text() != "");
  }
  char byte;
  CHECK(HttpReceiveRequestEntityBody(server.queue, 0, 0, &byte, 1, nullptr, nullptr) == ERROR_CONNECTION_INVALID);
  CHECK(respond(server.queue, 0) == ERROR_CONNECTION_INVALID);
  CHECK(HttpWaitForDisconnect(server.queue, connection + 1, nullptr) == ERROR_CONNECTION_INVALID);
  CHECK(HttpWaitForDisconnect(server.queue, 0, nullptr) == ERROR_CONNECTION_INVALID);
}

TEST_CASE("a queue's ids are worth nothing on another queue")
{
  Server server;
  HANDLE other = nullptr;
  REQUIRE(HttpCreateRequestQueue(kVersion2, nullptr, nullptr, 0, &other) == NO_ERROR);
  Client client;
  client.get();
  Request request;
  REQUIRE(request.receive(server.queue) == NO_ERROR);
  CHECK(respond(other, request->RequestId) == ERROR_CONNECTION_INVALID);
  CHECK(HttpWaitForDisconnect(other, request->ConnectionId, nullptr) == ERROR_CONNECTION_INVALID);
  CHECK(respond(server.queue, request->RequestId) == NO_ERROR);
  CHECK(HttpCloseRequestQueue(other) == NO_ERROR);
}

TEST_CASE("COPY_BODY: whole when it fits, else to the last byte of the buffer; then the rest")
{
  Server server;
  std::string body(5000, 'b');
  Client client;
  client.get("/", "Content-Length: 5000\r\n", "POST");
  client.send(body);
  Request request(16384);
  REQUIRE(request.receive(server.queue, 0, HTTP_RECEIVE_REQUEST_FLAG_FLUSH_BODY) == NO_ERROR);
  REQUIRE(request->EntityChunkCount == 1);
  CHECK(request->Flags == 0);
  auto &whole = request->pEntityChunks->FromMemory;
  CHECK(std::string(static_cast<char *>(whole.pBuffer), whole.BufferLength) == body);
  char byte;
  ULONG bytes = 7;
  OVERLAPPED overlapped{};
  CHECK(HttpReceiveRequestEntityBody(server.queue, request->RequestId, 0, &byte, 1, &bytes, &overlapped) == ERROR_HANDLE_EOF);
  CHECK(bytes == 0);
  CHECK(respond(server.queue, request->RequestId) == NO_ERROR);
  client.head();

  // What has come is copied; in one piece all of it comes at once.
  client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n" + body);
  ULONG size = 2048;
  REQUIRE(request.receive(server.queue, 0, HTTP_RECEIVE_REQUEST_FLAG_COPY_BODY, size) == NO_ERROR);
  CHECK(request.bytes == size);
  CHECK(request->Flags == HTTP_REQUEST_FLAG_MORE_ENTITY_BODY_EXISTS);
  REQUIRE(request->EntityChunkCount == 1);
  size_t copied = request->pEntityChunks->FromMemory.BufferLength;
  std::vector<char> rest(8000);
  constexpr ULONG kFill = HTTP_RECEIVE_REQUEST_ENTITY_BODY_FLAG_FILL_BUFFER;
  CHECK(HttpReceiveRequestEntityBody(server.queue, request->RequestId, kFill, rest.data(), 8000, &bytes, nullptr) == NO_ERROR);
  CHECK(copied + bytes == 5000);
  CHECK(HttpReceiveRequestEntityBody(server.queue, request->RequestId, 0, rest.data(), 8000, &bytes, nullptr) == ERROR_HANDLE_EOF);
  CHECK(respond(server.queue, request->RequestId) == NO_ERROR);
  CHECK(HttpReceiveRequestEntityBody(server.queue, request->RequestId, 0, rest.data(), 8000, &bytes, nullptr) == ERROR_CONNECTION_INVALID);
}

TEST_CASE("body: asking with a buffer of no bytes; a large one to the end")
{
  Server server;
  Client client;
  client.get("/", "Content-Length: 1000000\r\n", "POST");
  Request request;
  REQUIRE(request.receive(server.queue) == NO_ERROR);
  CHECK(request->Flags == HTTP_REQUEST_FLAG_MORE_ENTITY_BODY_EXISTS);
  CHECK(request->EntityChunkCount == 0);
  std::string body(1'000'000, ' ');
  for (size_t i = 0; i < body.size(); i++)
    body[i] = static_cast<char>(i * 31 + i / 255);
  ULONG bytes = 0;
  std::thread sender([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    client.send(body);
  });
  CHECK(HttpReceiveRequestEntityBody(server.queue, request->RequestId, 0, nullptr, 0, &bytes, nullptr) == ERROR_MORE_DATA);
  CHECK(bytes == 1);
  std::string received, piece(100'000, ' ');
  ULONG code;
  while ((code = HttpReceiveRequestEntityBody(server.queue, request->RequestId, 0, piece.data(), 100'000, &bytes, nullptr)) == NO_ERROR)
    received.append(piece, 0, bytes);
  CHECK(code == ERROR_HANDLE_EOF);
  CHECK((received == body));
  CHECK(HttpReceiveRequestEntityBody(server.queue, request->RequestId, 0, nullptr, 0, &bytes, nullptr) == ERROR_HANDLE_EOF);
  sender.join();
  CHECK(respond(server.queue, request->RequestId) == NO_ERROR);
}

TEST_CASE("the count of a send is what the client receives; a second response is refused")
{
  Server server;
  std::string large(3'000'000, 'L');
  for (const std::string &body : {std::string(), std::string("small"), large}) {
    Client client;
    client.get();
    Request request;
    REQUIRE(request.receive(server.queue) == NO_ERROR);
    ULONG sent = 0;
    std::string received;
    std::thread reader([&] {
      received = client.head();
      received += client.receive(body.size());
    });
    CHECK(respond(server.queue, request->RequestId, body, 0, &sent) == NO_ERROR);
    reader.join();
    CHECK(received.size() == sent);
    CHECK((received.substr(received.size() - body.size()) == body));
    CHECK(respond(server.queue, request->RequestId) == ERROR_CONNECTION_INVALID);
  }
  Client client;
  client.get();
  Request request;
  REQUIRE(request.receive(server.queue) == NO_ERROR);
  CHECK(send_nothing(server.queue, request->RequestId) == k87);
  CHECK(respond(server.queue, request->RequestId, "", HTTP_SEND_RESPONSE_FLAG_MORE_DATA) == NO_ERROR);
  CHECK(respond(server.queue, request->RequestId) == ERROR_BAD_COMMAND);
  CHECK(send_nothing(server.queue, request->RequestId) == NO_ERROR);
}

TEST_CASE("a peer that goes: waits end, its request is answered with an error, quickly")
{
  Server server;
  Client client;
  client.get();
  Request request;
  REQUIRE(request.receive(server.queue) == NO_ERROR);
  OVERLAPPED first{}, second{};
  first.hEvent = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  second.hEvent = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  CHECK(HttpWaitForDisconnect(server.queue, request->ConnectionId, &first) == ERROR_IO_PENDING);
  CHECK(HttpWaitForDisconnectEx(server.queue, request->ConnectionId, 0, &second) == ERROR_IO_PENDING);
  CHECK(WaitForSingleObject(first.hEvent, 50) == WAIT_TIMEOUT);
  linger hard{1, 0};
  setsockopt(client.descriptor, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  client.disconnect();
  CHECK(WaitForSingleObject(first.hEvent, 60000) == WAIT_OBJECT_0);
  CHECK(WaitForSingleObject(second.hEvent, 60000) == WAIT_OBJECT_0);
  CHECK(first.Internal == 0);
  CHECK(first.InternalHigh == 0);
  CHECK(respond(server.queue, request->RequestId, "late") == ERROR_CONNECTION_INVALID);
  CloseHandle(first.hEvent);
  CloseHandle(second.hEvent);
}

TEST_CASE("HttpCancelHttpRequest closes the connection and ends its waits")
{
  Server server;
  Client client;
  client.get();
  Request request;
  REQUIRE(request.receive(server.queue) == NO_ERROR);
  OVERLAPPED wait{};
  wait.hEvent = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  CHECK(HttpWaitForDisconnect(server.queue, request->ConnectionId, &wait) == ERROR_IO_PENDING);
  CHECK(HttpCancelHttpRequest(server.queue, request->RequestId, nullptr) == NO_ERROR);
  CHECK(client.receive(1) == "");
  CHECK(WaitForSingleObject(wait.hEvent, 60000) == WAIT_OBJECT_0);
  CHECK(HttpCancelHttpRequest(server.queue, request->RequestId, nullptr) == ERROR_CONNECTION_INVALID);
  CloseHandle(wait.hEvent);
}

// Until that thread has begun and waits, for the one thing that it does.
static void until_it_sleeps(const std::atomic<pid_t> &thread)
{
  for (int looks = 0; looks < 5;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    size_t name = text.rfind(") ");
    looks = name != std::string::npos && text[name + 2] == 'S' ? looks + 1 : 0;
  }
}

TEST_CASE("after HttpShutdownRequestQueue: blocked receives end, new ones are 6, what was received is still answered")
{
  Server server;
  Client client;
  client.get();
  Request request;
  REQUIRE(request.receive(server.queue) == NO_ERROR);
  ULONG code = 0;
  std::atomic<pid_t> thread = 0;
  std::thread blocked([&] {
    Request another;
    thread = gettid();
    code = another.receive(server.queue);
  });
  until_it_sleeps(thread);
  CHECK(HttpShutdownRequestQueue(server.queue) == NO_ERROR);
  blocked.join();
  CHECK(code == ERROR_OPERATION_ABORTED);
  Request another;
  CHECK(another.receive(server.queue) == ERROR_INVALID_HANDLE);
  CHECK(says("shut"));
  CHECK(respond(server.queue, request->RequestId, "still") == NO_ERROR);
  CHECK(client.head().substr(0, 12) == "HTTP/1.1 200");
  CHECK(HttpShutdownRequestQueue(server.queue) == NO_ERROR);
}

TEST_CASE("ten thousand parked receives and waits: a response, one cancel, all cancels and the close")
{
  Server server;
  HANDLE port_handle = CreateIoCompletionPort(server.queue, nullptr, 0, 0);
  Client client;
  client.get();
  Request request;
  REQUIRE(request.receive(server.queue) == NO_ERROR);
  constexpr size_t kParked = 10000;
  std::vector<OVERLAPPED> overlapped(kParked);
  std::vector<uint64_t> buffers(kParked / 2 * 128);
  for (size_t i = 0; i < kParked; i++) {
    PHTTP_REQUEST buffer = reinterpret_cast<PHTTP_REQUEST>(&buffers[i / 2 * 128]);
    ULONG code = i % 2 ? HttpWaitForDisconnect(server.queue, request->ConnectionId, &overlapped[i])
                       : HttpReceiveHttpRequest(server.queue, 0, 0, buffer, 1024, nullptr, &overlapped[i]);
    REQUIRE(code == ERROR_IO_PENDING);
  }
  CHECK(respond(server.queue, request->RequestId, "answered") == NO_ERROR);
  CHECK(client.head().substr(0, 12) == "HTTP/1.1 200");
  DWORD bytes = 0;
  ULONG_PTR key = 0;
  OVERLAPPED *which = nullptr;
  CHECK(CancelIoEx(server.queue, &overlapped[4242]));
  CHECK_FALSE(GetQueuedCompletionStatus(port_handle, &bytes, &key, &which, 20000));
  CHECK(which == &overlapped[4242]);
  SUBCASE("cancelled") { CHECK(CancelIoEx(server.queue, nullptr)); }
  SUBCASE("closed") { CHECK(HttpCloseRequestQueue(std::exchange(server.queue, nullptr)) == NO_ERROR); }
  size_t ended = 1;
  while (ended < kParked) {
    OVERLAPPED_ENTRY entries[64];
    ULONG count = 0;
    REQUIRE(GetQueuedCompletionStatusEx(port_handle, entries, 64, &count, 20000, FALSE));
    for (ULONG i = 0; i < count; i++)
      CHECK(entries[i].Internal == 0xC0000120);
    ended += count;
  }
  CHECK(CloseHandle(port_handle));
}
