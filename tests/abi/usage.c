/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Spellings that Windows sources in C use; compiled by test_headers.py in several dialects, never run. */
#define WIN32_NO_STATUS
#include <windows.h>
#undef WIN32_NO_STATUS
#include <ntstatus.h>
#include <winternl.h>
#include <winsock2.h>
#include <ws2tcpip.h>
#include <http.h>
#include <httpsys.h>

#pragma comment(lib, "httpapi.lib")

typedef ULONG(WINAPI *ReceiveFunction)(HANDLE, HTTP_REQUEST_ID, ULONG, PHTTP_REQUEST, ULONG, PULONG, LPOVERLAPPED);

static DWORD CALLBACK serve(_In_ HANDLE queue, _Inout_ PHTTP_REQUEST request, _Out_opt_ PULONG bytes)
{
  HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
  HTTP_RESPONSE response;
  HTTP_DATA_CHUNK chunk;
  OVERLAPPED overlapped;
  ReceiveFunction receive = HttpReceiveHttpRequest;
  DWORD received = 0;
  ZeroMemory(&response, sizeof(response));
  ZeroMemory(&overlapped, sizeof(overlapped));
  chunk.DataChunkType = HttpDataChunkFromMemory;
#ifdef NONAMELESSUNION
  chunk.DUMMYUNIONNAME.FromMemory.pBuffer = NULL;
  chunk.u.FromMemory.BufferLength = 0;
  overlapped.u.s.Offset = 1;
#else
  chunk.FromMemory.pBuffer = NULL;
  chunk.FromMemory.BufferLength = 0;
#ifdef NONAMELESSSTRUCT
  overlapped.s.Offset = 1;
#else
  overlapped.Offset = 1;
#endif
#endif
  overlapped.hEvent = CreateEvent(NULL, TRUE, FALSE, NULL);
  response.StatusCode = 200;
  response.EntityChunkCount = 1;
  response.pEntityChunks = &chunk;
  response.Headers.KnownHeaders[HttpHeaderServer].RawValueLength = 0;
#if _WIN32_WINNT >= 0x0600
  request->s.UrlContext = request->UrlContext;
  response.s.ReasonLength = response.ReasonLength;
  response.ResponseInfoCount = 0;
#endif
  HTTP_SET_NULL_ID(&request->RequestId);
  if (HTTP_IS_NULL_ID(&request->RequestId) && HTTP_EQUAL_VERSION(request->Version, 1, 1) && HTTPAPI_EQUAL_VERSION(version, 2, 0))
    return receive(queue, request->RequestId, 0, request, sizeof(*request), &received, &overlapped);
  while (!HasOverlappedIoCompleted(&overlapped))
    Sleep(1);
  if ((NTSTATUS)overlapped.Internal == STATUS_CANCELLED || !NT_SUCCESS((NTSTATUS)overlapped.Internal))
    SetLastError(ERROR_OPERATION_ABORTED);
  UNREFERENCED_PARAMETER(bytes);
  return GetLastError() == NO_ERROR ? WAIT_OBJECT_0 : MAKEWORD(2, 2) + ARRAYSIZE(response.Headers.KnownHeaders);
}

int main(void)
{
  HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
  DWORD bytes;
  ULONG_PTR key;
  LPOVERLAPPED overlapped;
  SOCKADDR_STORAGE address;
  SOCKET none = INVALID_SOCKET;
  memset(&address, 0, sizeof(address));
  ((PSOCKADDR_IN6)&address)->sin6_family = AF_INET6;
  if (GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE) == FALSE && GetLastError() == WAIT_TIMEOUT)
    return none == INVALID_SOCKET;
  return (int)serve(port, NULL, NULL);
}
