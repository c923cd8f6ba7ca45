// SPDX-License-Identifier: MIT
// Exported: sending responses, and the ends of requests and connections (http.h).
#include "lib/api_call.h"
#include "lib/caller_value.h"
#include "lib/marshal_response.h"
#include "lib/queue_operation.h"
#include "lib/send_call.h"

using namespace httpsys::lib;

static_assert(HTTP_SEND_RESPONSE_FLAG_DISCONNECT == HSYS_SEND_DISCONNECT && HTTP_SEND_RESPONSE_FLAG_MORE_DATA == HSYS_SEND_MORE_DATA &&
  HTTP_SEND_RESPONSE_FLAG_BUFFER_DATA == HSYS_SEND_BUFFER_DATA && HTTP_SEND_RESPONSE_FLAG_ENABLE_NAGLING == HSYS_SEND_NAGLING);

namespace {

constexpr ULONG kSendFlags = HTTP_SEND_RESPONSE_FLAG_DISCONNECT | HTTP_SEND_RESPONSE_FLAG_MORE_DATA | HTTP_SEND_RESPONSE_FLAG_BUFFER_DATA |
  HTTP_SEND_RESPONSE_FLAG_ENABLE_NAGLING;

// Flags that are ignored in silence would be believed: a caller that asks for more than there is hears so (http-server-api.md 2.0).
bool require_send(ApiCall &call, ULONG flags, PVOID reserved1, ULONG reserved2)
{
  return call.require(!reserved1 && !reserved2, ERROR_INVALID_PARAMETER, "Reserved1 must be NULL and Reserved2 0.") &&
    call.require(!(flags & ~kSendFlags), ERROR_INVALID_PARAMETER, "Flags is 0x%x; 0x%x are known so far.", flags, kSendFlags);
}

ULONG send(ApiCall &call, SendCall &send, RequestQueue &queue, uint64_t request_id, ULONG flags, OVERLAPPED *overlapped, ULONG *bytes)
{
  if (!(flags & HTTP_SEND_RESPONSE_FLAG_MORE_DATA))
    queue.body_ends().forget(request_id);
  return call.end(send.run(overlapped, bytes));
}

// An operation that completes without data.
class PlainOperation final : public QueueOperation {
public:
  PlainOperation(RequestQueue &queue, hsys_op op, uint64_t object_id) : QueueOperation(queue, op, object_id) {}
};

ULONG wait_for_disconnect(ApiCall &call, HANDLE handle, HTTP_CONNECTION_ID connection_id, OVERLAPPED *overlapped)
{
  Ref<RequestQueue> queue = call.require_queue(handle);
  if (!queue)
    return call.code();
  return call.end(run_operation<PlainOperation>(*queue, overlapped, nullptr, HSYS_OP_WAIT_DISCONNECT, connection_id));
}

}

// What the structures point to is read before the function returns, but for the chunks' contents (http-server-api.md 0.5 rule 7).
ULONG HttpSendHttpResponse(HANDLE RequestQueueHandle, HTTP_REQUEST_ID RequestId, ULONG Flags, PHTTP_RESPONSE HttpResponse,
  PHTTP_CACHE_POLICY CachePolicy, PULONG BytesSent, PVOID Reserved1, ULONG Reserved2, LPOVERLAPPED Overlapped, PHTTP_LOG_DATA LogData)
{
  static_cast<void>(LogData); // logs are the daemon's and hold no fields of the application yet
  ApiCall call("HttpSendHttpResponse");
  require_send(call, Flags, Reserved1, Reserved2);
  call.require(HttpResponse != nullptr, ERROR_INVALID_PARAMETER, "HttpResponse is NULL.");
  call.require(!CachePolicy || number_of(CachePolicy->Policy) < HttpCachePolicyMaximum, ERROR_INVALID_PARAMETER,
    "CachePolicy->Policy is %u, which is none of HTTP_CACHE_POLICY_TYPE.", CachePolicy ? number_of(CachePolicy->Policy) : 0);
  Ref<RequestQueue> queue = call.require_queue(RequestQueueHandle);
  if (!queue)
    return call.code();
  Ref<SendCall> send_call = SendCall::create(queue, HSYS_OP_SEND_RESPONSE, RequestId, Flags);
  if (!send_call)
    return call.refuse(ERROR_NOT_ENOUGH_MEMORY, "no memory for an operation.");
  ErrorText why;
  ULONG code = marshal_response(*HttpResponse, !queue->is_version_1(), send_call->block(), why);
  if (code == NO_ERROR)
    code = send_call->body().capture(HttpResponse->EntityChunkCount, HttpResponse->pEntityChunks, kResponseChunksMax, why);
  if (code != NO_ERROR)
    return call.refuse(code, why.is_empty() ? "no memory for the response." : why.c_str());
  return send(call, *send_call, *queue, RequestId, Flags, Overlapped, BytesSent);
}

ULONG HttpSendResponseEntityBody(HANDLE RequestQueueHandle, HTTP_REQUEST_ID RequestId, ULONG Flags, USHORT EntityChunkCount,
  PHTTP_DATA_CHUNK EntityChunks, PULONG BytesSent, PVOID Reserved1, ULONG Reserved2, LPOVERLAPPED Overlapped, PHTTP_LOG_DATA LogData)
{
  static_cast<void>(LogData);
  ApiCall call("HttpSendResponseEntityBody");
  require_send(call, Flags, Reserved1, Reserved2);
  call.require(EntityChunkCount <= kBodyChunksMax, ERROR_INVALID_PARAMETER, "EntityChunkCount is %u; this call takes at most %u.",
    EntityChunkCount, kBodyChunksMax);
  call.require(!EntityChunkCount || EntityChunks, ERROR_INVALID_PARAMETER, "EntityChunkCount is %u, but EntityChunks is NULL.",
    EntityChunkCount);
  Ref<RequestQueue> queue = call.require_queue(RequestQueueHandle);
  if (!queue)
    return call.code();
  Ref<SendCall> send_call = SendCall::create(queue, HSYS_OP_SEND_BODY, RequestId, Flags);
  if (!send_call)
    return call.refuse(ERROR_NOT_ENOUGH_MEMORY, "no memory for an operation.");
  ErrorText why;
  ULONG code = marshal_send_body(send_call->block());
  if (code == NO_ERROR)
    code = send_call->body().capture(EntityChunkCount, EntityChunks, kBodyChunksMax, why);
  if (code != NO_ERROR)
    return call.refuse(code, why.is_empty() ? "no memory for the body." : why.c_str());
  return send(call, *send_call, *queue, RequestId, Flags, Overlapped, BytesSent);
}

ULONG HttpCancelHttpRequest(HANDLE RequestQueueHandle, HTTP_REQUEST_ID RequestId, LPOVERLAPPED Overlapped)
{
  ApiCall call("HttpCancelHttpRequest");
  Ref<RequestQueue> queue = call.require_queue(RequestQueueHandle);
  if (!queue)
    return call.code();
  queue->body_ends().forget(RequestId);
  return call.end(run_operation<PlainOperation>(*queue, Overlapped, nullptr, HSYS_OP_CANCEL_REQUEST, RequestId));
}

ULONG HttpWaitForDisconnect(HANDLE RequestQueueHandle, HTTP_CONNECTION_ID ConnectionId, LPOVERLAPPED Overlapped)
{
  ApiCall call("HttpWaitForDisconnect");
  return wait_for_disconnect(call, RequestQueueHandle, ConnectionId, Overlapped);
}

ULONG HttpWaitForDisconnectEx(HANDLE RequestQueueHandle, HTTP_CONNECTION_ID ConnectionId, ULONG Reserved, LPOVERLAPPED Overlapped)
{
  ApiCall call("HttpWaitForDisconnectEx");
  call.require(Reserved == 0, ERROR_INVALID_PARAMETER, "Reserved is %u; it must be 0.", Reserved);
  return wait_for_disconnect(call, RequestQueueHandle, ConnectionId, Overlapped);
}
