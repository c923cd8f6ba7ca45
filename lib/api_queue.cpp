// SPDX-License-Identifier: MIT
// Exported: request queues of both versions, and the URLs of version 1 queues (http.h).
#include "lib/api_call.h"
#include "lib/api_url.h"
#include "lib/last_error.h"

using namespace httpsys::lib;

namespace {

constexpr size_t kNameUnitsMax = HSYS_QUEUE_NAME_BYTES_MAX / sizeof(WCHAR); // MAX_PATH
constexpr ULONG kQueueFlags =
  HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING | HTTP_CREATE_REQUEST_QUEUE_FLAG_CONTROLLER | HTTP_CREATE_REQUEST_QUEUE_FLAG_DELEGATION;
constexpr ULONG kLater = HTTP_CREATE_REQUEST_QUEUE_FLAG_CONTROLLER | HTTP_CREATE_REQUEST_QUEUE_FLAG_DELEGATION;

// The handle for a queue that the daemon has made; when there can be none, the queue is closed again.
ULONG publish_queue(ApiCall &call, uint64_t daemon_handle, uint64_t server_session, uint64_t url_group, HANDLE &handle)
{
  Ref<ClientSession> session(&call.session());
  Library::instance().object_opened(*session);
  Ref<RequestQueue> queue = RequestQueue::create(session, daemon_handle, server_session, url_group);
  HANDLE inserted = queue ? HandleMap::instance().insert(*queue) : nullptr;
  if (inserted) {
    handle = inserted;
    return NO_ERROR;
  }
  if (queue) {
    queue->close();
  } else {
    RequestQueue::close_at_daemon(*session, daemon_handle, server_session);
    Library::instance().object_closed(*session);
  }
  return call.refuse(ERROR_NOT_ENOUGH_MEMORY, "no memory, or no handle left.");
}

bool create_queue(ApiCall &call, PCWSTR name, uint32_t flags, uint64_t &daemon_handle, ULONG &code)
{
  size_t bytes = name ? length_of(name, kNameUnitsMax) * sizeof(WCHAR) : 0;
  hsys_queue_name head{static_cast<uint32_t>(bytes), 0};
  SyncOperation operation(HSYS_OP_CREATE_REQUEST_QUEUE, 0, 0, flags);
  code = call.run(operation, {reinterpret_cast<const uint8_t *>(&head), sizeof head}, {reinterpret_cast<const uint8_t *>(name), bytes});
  daemon_handle = operation.object_id();
  return code == NO_ERROR;
}

}

ULONG HttpCreateRequestQueue(HTTPAPI_VERSION Version, PCWSTR Name, PSECURITY_ATTRIBUTES SecurityAttributes, ULONG Flags,
  PHANDLE RequestQueueHandle)
{
  ApiCall call("HttpCreateRequestQueue");
  bool opens = Flags & HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING;
  bool controls = Flags & HTTP_CREATE_REQUEST_QUEUE_FLAG_CONTROLLER;
  bool has_name = Name && *Name;
  call.require(RequestQueueHandle != nullptr, ERROR_INVALID_PARAMETER, "RequestQueueHandle is NULL.");
  call.require(!(Flags & ~kQueueFlags), ERROR_INVALID_PARAMETER,
    "Flags is 0x%x; it takes 0 or HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING.", Flags);
  call.require(!opens || has_name, ERROR_INVALID_PARAMETER, "HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING needs a Name.");
  call.require(!opens || !SecurityAttributes, ERROR_INVALID_PARAMETER,
    "SecurityAttributes are given when a queue is created, not when it is opened.");
  call.require(!opens || !controls, ERROR_INVALID_PARAMETER,
    "HTTP_CREATE_REQUEST_QUEUE_FLAG_CONTROLLER goes with creation, not with opening.");
  call.require(!has_name || length_of(Name, kNameUnitsMax) <= kNameUnitsMax, ERROR_INVALID_PARAMETER, "Name has more than %zu characters.",
    kNameUnitsMax);
  call.require(Version.HttpApiMajorVersion == 2 && Version.HttpApiMinorVersion == 0, ERROR_REVISION_MISMATCH,
    "version %u.%u: give HTTPAPI_VERSION_2, or use HttpCreateHttpHandle.", Version.HttpApiMajorVersion, Version.HttpApiMinorVersion);
  call.require(!(Flags & kLater), ERROR_NOT_SUPPORTED, "Flags is 0x%x: controllers and delegation do not exist yet.", Flags);
  call.require(!SecurityAttributes || !SecurityAttributes->lpSecurityDescriptor, ERROR_NOT_SUPPORTED,
    "a security descriptor means nothing here: a named queue can be opened by its creator's uid and uid 0.");
  if (!call.require_live_session())
    return call.code();
  uint64_t daemon_handle = 0;
  ULONG code = NO_ERROR;
  if (!create_queue(call, has_name ? Name : nullptr, opens ? HSYS_QUEUE_OPEN_EXISTING : 0, daemon_handle, code))
    return code;
  return publish_queue(call, daemon_handle, 0, 0, *RequestQueueHandle);
}

ULONG HttpCloseRequestQueue(HANDLE RequestQueueHandle)
{
  ApiCall call("HttpCloseRequestQueue", ApiCall::Free());
  // Queues of a dead session too: closing frees what the process has of them. Without an open handle there is no HttpInitialize either.
  bool was_open = HandleMap::instance().close(RequestQueueHandle, HandleKind::RequestQueue);
  if (!was_open && !Library::instance().session_of_open_objects())
    return call.refuse(ERROR_DLL_INIT_FAILED, "HttpInitialize with HTTP_INITIALIZE_SERVER has to come first in this process.");
  call.require(was_open, ERROR_INVALID_PARAMETER, "%p is no request queue of this process: it was closed, or is another thing's handle.",
    RequestQueueHandle);
  return call.code();
}

ULONG HttpShutdownRequestQueue(HANDLE RequestQueueHandle)
{
  ApiCall call("HttpShutdownRequestQueue");
  Ref<RequestQueue> queue = call.require_queue(RequestQueueHandle, ERROR_INVALID_PARAMETER);
  if (!queue)
    return call.code();
  SyncOperation operation(HSYS_OP_SHUTDOWN_REQUEST_QUEUE, queue->daemon_handle(), 0);
  return call.run(operation);
}

// A version 1 queue is one of version 2 with a server session and a URL group of its own, which end with it.
ULONG HttpCreateHttpHandle(PHANDLE RequestQueueHandle, ULONG Reserved)
{
  ApiCall call("HttpCreateHttpHandle");
  call.require(Reserved == 0, ERROR_INVALID_PARAMETER, "Reserved is %u; it must be 0.", Reserved);
  if (!call.require(RequestQueueHandle != nullptr, ERROR_INVALID_PARAMETER, "RequestQueueHandle is NULL.") || !call.require_live_session())
    return call.code();
  SyncOperation make_session(HSYS_OP_CREATE_SERVER_SESSION, 0, 0);
  ULONG code = call.run(make_session);
  if (code != NO_ERROR)
    return code;
  SyncOperation make_group(HSYS_OP_CREATE_URL_GROUP, 0, make_session.object_id());
  code = call.run(make_group);
  uint64_t daemon_handle = 0;
  if (code == NO_ERROR && create_queue(call, nullptr, HSYS_QUEUE_VERSION_1, daemon_handle, code)) {
    SyncOperation bind(HSYS_OP_BIND_URL_GROUP, daemon_handle, make_group.object_id());
    code = call.run(bind);
    if (code == NO_ERROR)
      return publish_queue(call, daemon_handle, make_session.object_id(), make_group.object_id(), *RequestQueueHandle);
    SyncOperation close_handle(HSYS_OP_CLOSE_HANDLE, daemon_handle, 0);
    close_handle.run(call.session());
  }
  SyncOperation end_session(HSYS_OP_CLOSE_SERVER_SESSION, 0, make_session.object_id());
  end_session.run(call.session());
  return code;
}

namespace {

Ref<RequestQueue> require_version_1(ApiCall &call, HANDLE handle)
{
  Ref<RequestQueue> queue = call.require_queue(handle);
  if (queue && !call.require(queue->is_version_1(), ERROR_INVALID_PARAMETER,
                 "the request queue is of version 2: its URLs are added with HttpAddUrlToUrlGroup."))
    return {};
  return queue;
}

}

ULONG HttpAddUrl(HANDLE RequestQueueHandle, PCWSTR FullyQualifiedUrl, PVOID Reserved)
{
  ApiCall call("HttpAddUrl");
  call.require(Reserved == nullptr, ERROR_INVALID_PARAMETER, "Reserved must be NULL.");
  call.require(RequestQueueHandle != nullptr, ERROR_INVALID_HANDLE, "the handle is NULL."); // before the URL: as Windows does
  require_url(call, FullyQualifiedUrl);
  Ref<RequestQueue> queue = require_version_1(call, RequestQueueHandle);
  return queue ? add_url(call, queue->url_group(), FullyQualifiedUrl, 0) : call.code();
}

ULONG HttpRemoveUrl(HANDLE RequestQueueHandle, PCWSTR FullyQualifiedUrl)
{
  ApiCall call("HttpRemoveUrl");
  call.require(RequestQueueHandle != nullptr, ERROR_INVALID_PARAMETER, "the handle is NULL.");
  require_url(call, FullyQualifiedUrl);
  Ref<RequestQueue> queue = require_version_1(call, RequestQueueHandle);
  return queue ? remove_url(call, queue->url_group(), FullyQualifiedUrl) : call.code();
}
