// SPDX-License-Identifier: GPL-3.0-or-later
// Server sessions, URL groups, URLs, request queues of both versions (http-server-api.md 2.2 to 2.5): what reaches the daemon, and each
// row of the tables of errors.
#include "tests/unit/lib/api_fixture.h"
#include "uapi/ops.h"
#include <cstring>

namespace {

constexpr HTTPAPI_VERSION kVersion1{1, 0}, kVersion2{2, 0};
constexpr ULONG k87 = ERROR_INVALID_PARAMETER;

std::u16string url_of(Seen &seen)
{
  FakeOperation operation = seen.operation();
  const hsys_url &head = operation.head<hsys_url>();
  CHECK(head.reserved0 == 0);
  CHECK(operation.parameters.size() == sizeof head + head.url_bytes);
  std::u16string text(head.url_bytes / 2, u' ');
  memcpy(text.data(), operation.parameters.data() + sizeof head, head.url_bytes);
  return text;
}

}

TEST_CASE("server sessions")
{
  Api api;
  Seen created(api.daemon, HSYS_OP_CREATE_SERVER_SESSION), closed(api.daemon, HSYS_OP_CLOSE_SERVER_SESSION);
  HTTP_SERVER_SESSION_ID id = 1;
  CHECK(HttpCreateServerSession(kVersion2, nullptr, 0) == k87);
  CHECK(HttpCreateServerSession(kVersion2, &id, 1) == k87);
  for (HTTPAPI_VERSION version : {HTTPAPI_VERSION{1, 1}, {3, 0}, {0, 0}, {2, 1}})
    CHECK(HttpCreateServerSession(version, &id, 0) == ERROR_REVISION_MISMATCH);
  CHECK(created.count() == 0);
  CHECK(id == 1);
  CHECK(HttpCreateServerSession(kVersion1, &id, 0) == NO_ERROR);
  CHECK(id == 0x500);
  CHECK(HttpCreateServerSession(kVersion2, &id, 0) == NO_ERROR);
  CHECK(created.entry().handle == 0);
  CHECK(HttpCloseServerSession(0) == k87);
  CHECK(HttpCloseServerSession(id) == NO_ERROR);
  CHECK(closed.entry().object_id == 0x500);
  api.daemon.answer(HSYS_OP_CLOSE_SERVER_SESSION, {.status = HSYS_STATUS_INVALID_PARAMETER, .reason = "no server session 0x500"});
  CHECK(HttpCloseServerSession(id) == k87);
  CHECK(last_text() == "HttpCloseServerSession: no server session 0x500 (ERROR_INVALID_PARAMETER 87)");
}

TEST_CASE("URL groups")
{
  Api api;
  Seen created(api.daemon, HSYS_OP_CREATE_URL_GROUP), closed(api.daemon, HSYS_OP_CLOSE_URL_GROUP);
  HTTP_URL_GROUP_ID id = 1;
  CHECK(HttpCreateUrlGroup(7, nullptr, 0) == k87);
  CHECK(HttpCreateUrlGroup(7, &id, 1) == k87);
  CHECK(HttpCreateUrlGroup(0, &id, 0) == k87);
  CHECK(id == 1);
  CHECK(HttpCreateUrlGroup(7, &id, 0) == NO_ERROR);
  CHECK(id == 0x500);
  CHECK(created.entry().object_id == 7);
  CHECK(HttpCloseUrlGroup(0) == k87);
  CHECK(HttpCloseUrlGroup(id) == NO_ERROR);
  CHECK(closed.entry().object_id == 0x500);
  api.daemon.answer(HSYS_OP_CREATE_URL_GROUP, {.status = HSYS_STATUS_INVALID_PARAMETER});
  id = 1;
  CHECK(HttpCreateUrlGroup(7, &id, 0) == k87);
  CHECK(id == 1);
  CHECK(contains(last_text(), "httpsysd refused it and gave no reason"));
}

TEST_CASE("URLs of a group")
{
  Api api;
  Seen added(api.daemon, HSYS_OP_ADD_URL), removed(api.daemon, HSYS_OP_REMOVE_URL);
  CHECK(HttpAddUrlToUrlGroup(7, nullptr, 0, 0) == k87);
  CHECK(HttpAddUrlToUrlGroup(7, u"http://+:80/", 0, 1) == k87);
  CHECK(HttpAddUrlToUrlGroup(0, u"http://+:80/", 0, 0) == k87);
  std::u16string longest(16384, u'x');
  CHECK(HttpAddUrlToUrlGroup(7, (longest + u"y").c_str(), 0, 0) == k87);
  CHECK(contains(last_text(), "16384"));
  CHECK(added.count() == 0);
  CHECK(HttpAddUrlToUrlGroup(7, u"http://+:80/caf\u00e9/", 0xfedcba9876543210, 0) == NO_ERROR);
  CHECK(url_of(added) == u"http://+:80/caf\u00e9/");
  CHECK(added.operation().head<hsys_url>().url_context == 0xfedcba9876543210);
  CHECK(added.entry().object_id == 7);
  CHECK(HttpAddUrlToUrlGroup(7, longest.c_str(), 0, 0) == NO_ERROR);
  CHECK(url_of(added) == longest);
  for (auto [status, code] : {std::pair<int, ULONG>{HSYS_STATUS_ACCESS_DENIED, ERROR_ACCESS_DENIED},
         {HSYS_STATUS_OBJECT_NAME_COLLISION, ERROR_ALREADY_EXISTS}, {HSYS_STATUS_SHARING_VIOLATION, ERROR_SHARING_VIOLATION},
         {HSYS_STATUS_INVALID_PARAMETER, k87}}) {
    api.daemon.answer(HSYS_OP_ADD_URL, {.status = status, .reason = "because"});
    CHECK(HttpAddUrlToUrlGroup(7, u"http://+:80/", 0, 0) == code);
    CHECK(contains(last_text(), "HttpAddUrlToUrlGroup: because (ERROR_"));
  }

  CHECK(HttpRemoveUrlFromUrlGroup(7, u"http://+:80/", 2) == k87);
  CHECK(HttpRemoveUrlFromUrlGroup(7, nullptr, 0) == k87);
  CHECK(HttpRemoveUrlFromUrlGroup(7, u"http://+:80/", HTTP_URL_FLAG_REMOVE_ALL) == k87);
  CHECK(HttpRemoveUrlFromUrlGroup(0, u"http://+:80/", 0) == k87);
  CHECK(removed.count() == 0);
  CHECK(HttpRemoveUrlFromUrlGroup(7, u"http://+:80/", 0) == NO_ERROR);
  CHECK(url_of(removed) == u"http://+:80/");
  CHECK(removed.entry().op_flags == 0);
  CHECK(HttpRemoveUrlFromUrlGroup(7, nullptr, HTTP_URL_FLAG_REMOVE_ALL) == NO_ERROR);
  CHECK(removed.entry().op_flags == HSYS_URL_REMOVE_ALL);
  CHECK(removed.operation().head<hsys_url>().url_bytes == 0);
  api.daemon.answer(HSYS_OP_REMOVE_URL, {.status = HSYS_STATUS_OBJECT_NAME_NOT_FOUND});
  CHECK(HttpRemoveUrlFromUrlGroup(7, u"http://+:80/", 0) == ERROR_FILE_NOT_FOUND);
}

TEST_CASE("the binding of a group")
{
  Api api;
  Seen bound(api.daemon, HSYS_OP_BIND_URL_GROUP);
  HTTP_BINDING_INFO binding{};
  binding.Flags.Present = 1;
  binding.RequestQueueHandle = api.queue;
  auto set = [&](ULONG length = sizeof(HTTP_BINDING_INFO)) {
    return HttpSetUrlGroupProperty(7, HttpServerBindingProperty, &binding, length);
  };
  CHECK(HttpSetUrlGroupProperty(7, HttpServerBindingProperty, nullptr, sizeof binding) == k87);
  CHECK(set(0) == k87);
  CHECK(set(sizeof binding - 1) == k87);
  CHECK(HttpSetUrlGroupProperty(0, HttpServerBindingProperty, &binding, sizeof binding) == k87);
  CHECK(set() == NO_ERROR);
  CHECK(bound.entry().object_id == 7);
  CHECK(bound.entry().handle != 0);
  CHECK(set(sizeof binding + 8) == NO_ERROR);
  HANDLE event = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  for (HANDLE wrong : {static_cast<HANDLE>(nullptr), event, INVALID_HANDLE_VALUE}) {
    binding.RequestQueueHandle = wrong;
    CHECK(set() == ERROR_INVALID_HANDLE);
  }
  CloseHandle(event);
  HANDLE first = nullptr;
  REQUIRE(HttpCreateHttpHandle(&first, 0) == NO_ERROR);
  binding.RequestQueueHandle = first;
  CHECK(set() == ERROR_NOT_SUPPORTED);
  CloseHandle(first);
  // Only the bit counts; the others, and the handle of an unbinding, may be garbage.
  int count = bound.count();
  memset(&binding, 0xfe, sizeof binding);
  CHECK(set() == NO_ERROR);
  CHECK(bound.count() == count + 1);
  CHECK(bound.entry().handle == 0);
}

TEST_CASE("other properties of a group: later, or none of a group's")
{
  Api api;
  HTTP_TIMEOUT_LIMIT_INFO limits{};
  for (int property : {0, 1, 2, 3, 5, 8, 9, 10, 11, 16, 18, 19})
    CHECK(HttpSetUrlGroupProperty(7, static_cast<HTTP_SERVER_PROPERTY>(property), &limits, sizeof limits) == ERROR_NOT_SUPPORTED);
  for (int property : {4, 6, 12, 13, 14, 15, 17, 20, 31})
    CHECK(HttpSetUrlGroupProperty(7, static_cast<HTTP_SERVER_PROPERTY>(property), &limits, sizeof limits) == k87);
}

TEST_CASE("request queues of version 2")
{
  Api api;
  Seen created(api.daemon, HSYS_OP_CREATE_REQUEST_QUEUE), closed(api.daemon, HSYS_OP_CLOSE_HANDLE);
  HANDLE queue = nullptr;
  SECURITY_ATTRIBUTES attributes{sizeof attributes, nullptr, FALSE};
  auto create = [&](PCWSTR name, ULONG flags, PSECURITY_ATTRIBUTES security = nullptr, HTTPAPI_VERSION version = kVersion2) {
    return HttpCreateRequestQueue(version, name, security, flags, &queue);
  };
  constexpr ULONG kOpen = HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING, kController = HTTP_CREATE_REQUEST_QUEUE_FLAG_CONTROLLER,
                  kDelegation = HTTP_CREATE_REQUEST_QUEUE_FLAG_DELEGATION;
  CHECK(HttpCreateRequestQueue(kVersion2, nullptr, nullptr, 0, nullptr) == k87);
  CHECK(create(nullptr, 4) == k87);
  CHECK(create(nullptr, 16) == k87);
  CHECK(create(nullptr, kOpen) == k87);
  CHECK(create(u"", kOpen) == k87);
  CHECK(create(u"name", kOpen, &attributes) == k87);
  CHECK(create(u"name", kOpen | kController) == k87);
  CHECK(create(std::u16string(261, u'n').c_str(), 0) == k87);
  for (HTTPAPI_VERSION version : {kVersion1, HTTPAPI_VERSION{2, 1}, {3, 0}})
    CHECK(create(nullptr, 0, nullptr, version) == ERROR_REVISION_MISMATCH);
  CHECK(create(u"name", kController) == ERROR_NOT_SUPPORTED);
  CHECK(create(u"name", kDelegation) == ERROR_NOT_SUPPORTED);
  CHECK(create(u"name", kOpen | kDelegation) == ERROR_NOT_SUPPORTED);
  int descriptor = 0;
  attributes.lpSecurityDescriptor = &descriptor;
  CHECK(create(u"name", 0, &attributes) == ERROR_NOT_SUPPORTED);
  CHECK(created.count() == 0);
  CHECK(queue == nullptr);

  attributes.lpSecurityDescriptor = nullptr;
  std::u16string longest(260, u'n');
  CHECK(create(longest.c_str(), 0, &attributes) == NO_ERROR);
  CHECK(created.operation().head<hsys_queue_name>().name_bytes == 520);
  CHECK(memcmp(created.operation().parameters.data() + sizeof(hsys_queue_name), longest.data(), 520) == 0);
  CHECK(created.entry().op_flags == 0);
  REQUIRE(queue != nullptr);
  CHECK(CloseHandle(queue));
  CHECK(closed.entry().handle == 0x500);
  CHECK(create(u"name", kOpen) == NO_ERROR);
  CHECK(created.entry().op_flags == HSYS_QUEUE_OPEN_EXISTING);
  CHECK(HttpCloseRequestQueue(queue) == NO_ERROR);
  CHECK(closed.count() == 2);
  CHECK(create(nullptr, 0) == NO_ERROR);
  CHECK(created.operation().head<hsys_queue_name>().name_bytes == 0);
  CHECK(HttpCloseRequestQueue(queue) == NO_ERROR);
  for (auto [status, code] : {std::pair<int, ULONG>{HSYS_STATUS_OBJECT_NAME_COLLISION, ERROR_ALREADY_EXISTS},
         {HSYS_STATUS_OBJECT_NAME_NOT_FOUND, ERROR_FILE_NOT_FOUND}, {HSYS_STATUS_OBJECT_NAME_INVALID, ERROR_INVALID_NAME},
         {HSYS_STATUS_ACCESS_DENIED, ERROR_ACCESS_DENIED}}) {
    api.daemon.answer(HSYS_OP_CREATE_REQUEST_QUEUE, {.status = status});
    HANDLE untouched = &attributes;
    CHECK(HttpCreateRequestQueue(kVersion2, u"name", nullptr, 0, &untouched) == code);
    CHECK(untouched == &attributes);
  }
}

TEST_CASE("closing and shutting down what is no queue")
{
  Api api;
  HANDLE event = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  HANDLE closed = nullptr;
  REQUIRE(HttpCreateRequestQueue(kVersion2, nullptr, nullptr, 0, &closed) == NO_ERROR);
  REQUIRE(HttpCloseRequestQueue(closed) == NO_ERROR);
  for (HANDLE wrong : {static_cast<HANDLE>(nullptr), INVALID_HANDLE_VALUE, event, closed, reinterpret_cast<HANDLE>(0x1234)}) {
    CHECK(HttpCloseRequestQueue(wrong) == k87);
    CHECK(HttpShutdownRequestQueue(wrong) == k87);
  }
  CHECK(SetEvent(event)); // it is still one
  CHECK(CloseHandle(event));
  CHECK_FALSE(CloseHandle(closed));
  CHECK(GetLastError() == ERROR_INVALID_HANDLE);
  CHECK_FALSE(CancelIoEx(closed, nullptr));
  CHECK(GetLastError() == ERROR_INVALID_HANDLE);
  Seen shut(api.daemon, HSYS_OP_SHUTDOWN_REQUEST_QUEUE);
  CHECK(HttpShutdownRequestQueue(api.queue) == NO_ERROR);
  CHECK(shut.count() == 1);
}

TEST_CASE("a version 1 queue has a server session and a URL group of its own")
{
  Api api;
  Seen session(api.daemon, HSYS_OP_CREATE_SERVER_SESSION, {.object_id = 0x51}),
    group(api.daemon, HSYS_OP_CREATE_URL_GROUP, {.object_id = 0x52}),
    created(api.daemon, HSYS_OP_CREATE_REQUEST_QUEUE, {.object_id = 0x53}), bound(api.daemon, HSYS_OP_BIND_URL_GROUP),
    added(api.daemon, HSYS_OP_ADD_URL), removed(api.daemon, HSYS_OP_REMOVE_URL), ended(api.daemon, HSYS_OP_CLOSE_SERVER_SESSION),
    closed(api.daemon, HSYS_OP_CLOSE_HANDLE);
  HANDLE queue = nullptr;
  CHECK(HttpCreateHttpHandle(nullptr, 0) == k87);
  CHECK(HttpCreateHttpHandle(&queue, 1) == k87);
  CHECK(session.count() == 0);
  REQUIRE(HttpCreateHttpHandle(&queue, 0) == NO_ERROR);
  CHECK(group.entry().object_id == 0x51);
  CHECK(created.entry().op_flags == HSYS_QUEUE_VERSION_1);
  CHECK(bound.entry().handle == 0x53);
  CHECK(bound.entry().object_id == 0x52);

  int something = 0;
  CHECK(HttpAddUrl(queue, u"http://+:80/", &something) == k87);
  CHECK(HttpAddUrl(nullptr, u"http://+:80/", nullptr) == ERROR_INVALID_HANDLE);
  CHECK(HttpAddUrl(nullptr, nullptr, nullptr) == ERROR_INVALID_HANDLE);
  CHECK(HttpAddUrl(&something, u"http://+:80/", nullptr) == ERROR_INVALID_HANDLE);
  CHECK(HttpAddUrl(queue, nullptr, nullptr) == k87);
  CHECK(HttpAddUrl(api.queue, u"http://+:80/", nullptr) == k87);
  CHECK(contains(last_text(), "version 2"));
  CHECK(added.count() == 0);
  CHECK(HttpAddUrl(queue, u"http://+:80/", nullptr) == NO_ERROR);
  CHECK(added.entry().object_id == 0x52);
  CHECK(url_of(added) == u"http://+:80/");
  CHECK(HttpRemoveUrl(nullptr, u"http://+:80/") == k87);
  CHECK(HttpRemoveUrl(&something, u"http://+:80/") == ERROR_INVALID_HANDLE);
  CHECK(HttpRemoveUrl(queue, nullptr) == k87);
  CHECK(HttpRemoveUrl(api.queue, u"http://+:80/") == k87);
  CHECK(removed.count() == 0);
  CHECK(HttpRemoveUrl(queue, u"http://+:80/") == NO_ERROR);
  CHECK(removed.entry().object_id == 0x52);
  CHECK(url_of(removed) == u"http://+:80/");

  CHECK(CloseHandle(queue));
  CHECK(ended.entry().object_id == 0x51);
  CHECK(closed.entry().handle == 0x53);
  CHECK(HttpAddUrl(queue, u"http://+:80/", nullptr) == ERROR_INVALID_HANDLE);
}

TEST_CASE("a version 1 queue that cannot be made whole leaves nothing behind")
{
  Api api;
  Seen ended(api.daemon, HSYS_OP_CLOSE_SERVER_SESSION), closed(api.daemon, HSYS_OP_CLOSE_HANDLE);
  int sessions = 1, queues = 0;
  hsys_op failing = HSYS_OP_CREATE_SERVER_SESSION;
  SUBCASE("session") { sessions = 0; }
  SUBCASE("group") { failing = HSYS_OP_CREATE_URL_GROUP; }
  SUBCASE("queue") { failing = HSYS_OP_CREATE_REQUEST_QUEUE; }
  SUBCASE("binding")
  {
    failing = HSYS_OP_BIND_URL_GROUP;
    queues = 1;
  }
  api.daemon.answer(failing, {.status = HSYS_STATUS_INSUFFICIENT_RESOURCES});
  HANDLE queue = nullptr;
  CHECK(HttpCreateHttpHandle(&queue, 0) == ERROR_NO_SYSTEM_RESOURCES);
  CHECK(queue == nullptr);
  CHECK(ended.count() == sessions);
  CHECK(closed.count() == queues);
}
