// SPDX-License-Identifier: MIT
// Exported: receiving requests, their bodies and their clients' certificates (http.h).
#include "lib/api_call.h"
#include "lib/certificate_operation.h"
#include "lib/receive_operation.h"
#include "lib/unmarshal_request.h"

using namespace httpsys::lib;

namespace {

constexpr ULONG kReceiveFlags = HTTP_RECEIVE_REQUEST_FLAG_COPY_BODY | HTTP_RECEIVE_REQUEST_FLAG_FLUSH_BODY;
constexpr uintptr_t kAlignment = 4; // Windows was seen to take 4 where 8 is documented (http-server-api.md 2.6)

}

ULONG HttpReceiveHttpRequest(HANDLE RequestQueueHandle, HTTP_REQUEST_ID RequestId, ULONG Flags, PHTTP_REQUEST RequestBuffer,
  ULONG RequestBufferLength, PULONG BytesReturned, LPOVERLAPPED Overlapped)
{
  ApiCall call("HttpReceiveHttpRequest");
  call.require(!(Flags & ~kReceiveFlags), ERROR_INVALID_PARAMETER, "Flags is 0x%x; 0x%x are known.", Flags, kReceiveFlags);
  call.require(RequestBuffer != nullptr, ERROR_INVALID_PARAMETER, "RequestBuffer is NULL.");
  call.require(reinterpret_cast<uintptr_t>(RequestBuffer) % kAlignment == 0, ERROR_NOACCESS, "RequestBuffer (%p) is not aligned.",
    static_cast<void *>(RequestBuffer));
  Ref<RequestQueue> queue = call.require_queue(RequestQueueHandle);
  if (!queue)
    return call.code();
  uint32_t structure = request_structure_size(queue->is_version_1());
  if (!call.require(RequestBufferLength >= structure, ERROR_INSUFFICIENT_BUFFER,
        "RequestBufferLength is %u; the structure alone has %u bytes, 4096 hold most requests.", RequestBufferLength, structure))
    return call.code();
  return call.end(run_operation<ReceiveRequestOperation>(*queue, Overlapped, BytesReturned, RequestId, Flags,
    static_cast<void *>(RequestBuffer), RequestBufferLength));
}

ULONG HttpReceiveRequestEntityBody(HANDLE RequestQueueHandle, HTTP_REQUEST_ID RequestId, ULONG Flags, PVOID EntityBuffer,
  ULONG EntityBufferLength, PULONG BytesReturned, LPOVERLAPPED Overlapped)
{
  ApiCall call("HttpReceiveRequestEntityBody");
  call.require(!(Flags & ~HTTP_RECEIVE_REQUEST_ENTITY_BODY_FLAG_FILL_BUFFER), ERROR_INVALID_PARAMETER,
    "Flags is 0x%x; it takes 0 or HTTP_RECEIVE_REQUEST_ENTITY_BODY_FLAG_FILL_BUFFER.", Flags);
  call.require(EntityBuffer || !EntityBufferLength, ERROR_INVALID_PARAMETER, "EntityBuffer is NULL, but EntityBufferLength is %u.",
    EntityBufferLength);
  Ref<RequestQueue> queue = call.require_queue(RequestQueueHandle);
  if (!queue)
    return call.code();
  if (queue->body_ends().has(RequestId)) {
    if (BytesReturned)
      *BytesReturned = 0;
    return ERROR_HANDLE_EOF;
  }
  bool fills = Flags & HTTP_RECEIVE_REQUEST_ENTITY_BODY_FLAG_FILL_BUFFER;
  return call.end(
    run_operation<ReceiveBodyOperation>(*queue, Overlapped, BytesReturned, RequestId, fills, EntityBuffer, EntityBufferLength));
}

// The order of the checks is a promise (design.md 6): 1114, 87, 6, 122, then the result, by the completion if there is an OVERLAPPED.
ULONG HttpReceiveClientCertificate(HANDLE RequestQueueHandle, HTTP_CONNECTION_ID ConnectionId, ULONG Flags,
  PHTTP_SSL_CLIENT_CERT_INFO SslClientCertInfo, ULONG SslClientCertInfoSize, PULONG BytesReceived, LPOVERLAPPED Overlapped)
{
  ApiCall call("HttpReceiveClientCertificate");
  call.require(SslClientCertInfo != nullptr, ERROR_INVALID_PARAMETER, "SslClientCertInfo is NULL.");
  call.require(Flags == 0 || Flags == HTTP_RECEIVE_SECURE_CHANNEL_TOKEN || Flags == HTTP_RECEIVE_FULL_CHAIN, ERROR_INVALID_PARAMETER,
    "Flags is 0x%x; it takes 0, HTTP_RECEIVE_SECURE_CHANNEL_TOKEN or HTTP_RECEIVE_FULL_CHAIN.", Flags);
  call.require(BytesReceived || Overlapped, ERROR_INVALID_PARAMETER,
    "BytesReceived and Overlapped are both NULL: nothing could tell how much was received.");
  Ref<RequestQueue> queue = call.require_queue(RequestQueueHandle);
  if (!queue)
    return call.code();
  uint32_t structure = certificate_structure_size(Flags);
  if (!call.require(SslClientCertInfoSize >= structure, ERROR_INSUFFICIENT_BUFFER,
        "SslClientCertInfoSize is %u; the structure alone has %u bytes, and the data comes behind it.", SslClientCertInfoSize, structure))
    return call.code();
  return call.end(run_operation<CertificateOperation>(*queue, Overlapped, BytesReceived, ConnectionId, Flags,
    static_cast<void *>(SslClientCertInfo), SslClientCertInfoSize));
}
