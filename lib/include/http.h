/* SPDX-License-Identifier: MIT */
/* The Windows HTTP Server API on Linux: its two versions, 44 functions, names and layouts as on Windows x86_64. Implemented by
 * libhttpapi, served by the daemon httpsysd.
 *
 * Functions return a Win32 error code (winerror.h), NO_ERROR on success, and leave GetLastError() alone. Those with an OVERLAPPED
 * parameter block when it is NULL; with an OVERLAPPED they return ERROR_IO_PENDING and exactly one completion follows, or an error and
 * none follows. Before anything else comes HttpInitialize: without it they return ERROR_DLL_INIT_FAILED. Functions marked (later) are
 * declared so that programs link, and return ERROR_NOT_SUPPORTED.
 *
 * Strings are UTF-16, and URLs are written u"http://+:80/" (HTTPSYS_TEXT, windef.h). */
#ifndef HTTPSYS_HTTP_H
#define HTTPSYS_HTTP_H

#include "windows.h"
#include "sspi.h"
#include "winsock2.h"

HTTPSYS_STATIC_ASSERT(sizeof(WCHAR) == 2);

#define HTTPAPI_LINKAGE HTTPSYS_API

#include "httpapi/constants.h"
#include "httpapi/enums.h"
#include "httpapi/message.h"
#include "httpapi/property.h"
#include "httpapi/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Versions. */
#define HTTP_VERSION_UNKNOWN {0, 0}
#define HTTP_VERSION_0_9 {0, 9}
#define HTTP_VERSION_1_0 {1, 0}
#define HTTP_VERSION_1_1 {1, 1}
#define HTTP_VERSION_2_0 {2, 0}
#define HTTP_SET_VERSION(version, major, minor) ((version).MajorVersion = (major), (version).MinorVersion = (minor))
#define HTTP_EQUAL_VERSION(version, major, minor) ((version).MajorVersion == (major) && (version).MinorVersion == (minor))
#define HTTP_NOT_EQUAL_VERSION(version, major, minor) (!HTTP_EQUAL_VERSION(version, major, minor))
#define HTTP_GREATER_VERSION(version, major, minor) \
  ((version).MajorVersion > (major) || ((version).MajorVersion == (major) && (version).MinorVersion > (minor)))
#define HTTP_LESS_VERSION(version, major, minor) \
  ((version).MajorVersion < (major) || ((version).MajorVersion == (major) && (version).MinorVersion < (minor)))
#define HTTP_GREATER_EQUAL_VERSION(version, major, minor) (!HTTP_LESS_VERSION(version, major, minor))
#define HTTP_LESS_EQUAL_VERSION(version, major, minor) (!HTTP_GREATER_VERSION(version, major, minor))

/* Version of the API, of a server session, of a request queue. */
typedef struct _HTTPAPI_VERSION {
  USHORT HttpApiMajorVersion;
  USHORT HttpApiMinorVersion;
} HTTPAPI_VERSION, *PHTTPAPI_VERSION;

#define HTTPAPI_VERSION_1 {1, 0}
#define HTTPAPI_VERSION_2 {2, 0}
#define HTTPAPI_EQUAL_VERSION(version, major, minor) \
  ((version).HttpApiMajorVersion == (major) && (version).HttpApiMinorVersion == (minor))
#define HTTPAPI_GREATER_VERSION(version, major, minor) \
  ((version).HttpApiMajorVersion > (major) || \
    ((version).HttpApiMajorVersion == (major) && (version).HttpApiMinorVersion > (minor)))
#define HTTPAPI_LESS_VERSION(version, major, minor) \
  ((version).HttpApiMajorVersion < (major) || \
    ((version).HttpApiMajorVersion == (major) && (version).HttpApiMinorVersion < (minor)))
#define HTTPAPI_VERSION_GREATER_OR_EQUAL(version, major, minor) (!HTTPAPI_LESS_VERSION(version, major, minor))

/* The library. Each HttpInitialize wants its HttpTerminate; flags HTTP_INITIALIZE_..., reserved NULL. ERROR_SERVICE_NOT_ACTIVE when
 * httpsysd does not run. */
HTTPAPI_LINKAGE ULONG WINAPI HttpInitialize(HTTPAPI_VERSION Version, ULONG Flags, PVOID pReserved);
HTTPAPI_LINKAGE ULONG WINAPI HttpTerminate(ULONG Flags, PVOID pReserved);
/* FALSE for every feature so far. */
HTTPAPI_LINKAGE BOOL WINAPI HttpIsFeatureSupported(HTTP_FEATURE_ID FeatureId);
/* (later) */
HTTPAPI_LINKAGE ULONG WINAPI HttpGetExtension(HTTPAPI_VERSION Version, ULONG Extension, PVOID Buffer, ULONG BufferSize);

/* Server sessions: the root of what a process configures. */
HTTPAPI_LINKAGE ULONG WINAPI HttpCreateServerSession(HTTPAPI_VERSION Version, PHTTP_SERVER_SESSION_ID ServerSessionId, ULONG Reserved);
HTTPAPI_LINKAGE ULONG WINAPI HttpCloseServerSession(HTTP_SERVER_SESSION_ID ServerSessionId);
/* (later) */
HTTPAPI_LINKAGE ULONG WINAPI HttpSetServerSessionProperty(HTTP_SERVER_SESSION_ID ServerSessionId, HTTP_SERVER_PROPERTY Property,
  PVOID PropertyInformation, ULONG PropertyInformationLength);
HTTPAPI_LINKAGE ULONG WINAPI HttpQueryServerSessionProperty(HTTP_SERVER_SESSION_ID ServerSessionId, HTTP_SERVER_PROPERTY Property,
  PVOID PropertyInformation, ULONG PropertyInformationLength, PULONG ReturnLength);

/* URL groups: URLs that go to one queue. Property HttpServerBindingProperty; the others (later). */
HTTPAPI_LINKAGE ULONG WINAPI HttpCreateUrlGroup(HTTP_SERVER_SESSION_ID ServerSessionId, PHTTP_URL_GROUP_ID pUrlGroupId, ULONG Reserved);
HTTPAPI_LINKAGE ULONG WINAPI HttpCloseUrlGroup(HTTP_URL_GROUP_ID UrlGroupId);
HTTPAPI_LINKAGE ULONG WINAPI HttpAddUrlToUrlGroup(HTTP_URL_GROUP_ID UrlGroupId, PCWSTR pFullyQualifiedUrl, HTTP_URL_CONTEXT UrlContext,
  ULONG Reserved);
HTTPAPI_LINKAGE ULONG WINAPI HttpRemoveUrlFromUrlGroup(HTTP_URL_GROUP_ID UrlGroupId, PCWSTR pFullyQualifiedUrl, ULONG Flags);
HTTPAPI_LINKAGE ULONG WINAPI HttpSetUrlGroupProperty(HTTP_URL_GROUP_ID UrlGroupId, HTTP_SERVER_PROPERTY Property,
  PVOID PropertyInformation, ULONG PropertyInformationLength);
/* (later) */
HTTPAPI_LINKAGE ULONG WINAPI HttpQueryUrlGroupProperty(HTTP_URL_GROUP_ID UrlGroupId, HTTP_SERVER_PROPERTY Property,
  PVOID PropertyInformation, ULONG PropertyInformationLength, PULONG ReturnLength);
HTTPAPI_LINKAGE ULONG WINAPI HttpFindUrlGroupId(PCWSTR FullyQualifiedUrl, HANDLE RequestQueueHandle, PHTTP_URL_GROUP_ID UrlGroupId);
HTTPAPI_LINKAGE ULONG WINAPI HttpPrepareUrl(PVOID Reserved, ULONG Flags, PCWSTR Url, PWSTR *PreparedUrl);

/* Request queues. Their handles work with CreateIoCompletionPort, CancelIoEx, GetOverlappedResult, CloseHandle (winbase.h). */
HTTPAPI_LINKAGE ULONG WINAPI HttpCreateRequestQueue(HTTPAPI_VERSION Version, PCWSTR Name, PSECURITY_ATTRIBUTES SecurityAttributes,
  ULONG Flags, PHANDLE RequestQueueHandle);
HTTPAPI_LINKAGE ULONG WINAPI HttpCloseRequestQueue(HANDLE RequestQueueHandle);
HTTPAPI_LINKAGE ULONG WINAPI HttpShutdownRequestQueue(HANDLE RequestQueueHandle);
/* (later) */
HTTPAPI_LINKAGE ULONG WINAPI HttpSetRequestQueueProperty(HANDLE RequestQueueHandle, HTTP_SERVER_PROPERTY Property,
  PVOID PropertyInformation, ULONG PropertyInformationLength, ULONG Reserved1, PVOID Reserved2);
HTTPAPI_LINKAGE ULONG WINAPI HttpQueryRequestQueueProperty(HANDLE RequestQueueHandle, HTTP_SERVER_PROPERTY Property,
  PVOID PropertyInformation, ULONG PropertyInformationLength, ULONG Reserved1, PULONG ReturnLength, PVOID Reserved2);
HTTPAPI_LINKAGE ULONG WINAPI HttpWaitForDemandStart(HANDLE RequestQueueHandle, LPOVERLAPPED Overlapped);
HTTPAPI_LINKAGE ULONG WINAPI HttpDelegateRequestEx(HANDLE RequestQueueHandle, HANDLE DelegateQueueHandle, HTTP_REQUEST_ID RequestId,
  HTTP_URL_GROUP_ID DelegateUrlGroupId, ULONG PropertyInfoSetSize, PHTTP_DELEGATE_REQUEST_PROPERTY_INFO PropertyInfoSet);

/* Version 1: a queue with URLs of its own, closed with CloseHandle. */
HTTPAPI_LINKAGE ULONG WINAPI HttpCreateHttpHandle(PHANDLE RequestQueueHandle, ULONG Reserved);
HTTPAPI_LINKAGE ULONG WINAPI HttpAddUrl(HANDLE RequestQueueHandle, PCWSTR FullyQualifiedUrl, PVOID Reserved);
HTTPAPI_LINKAGE ULONG WINAPI HttpRemoveUrl(HANDLE RequestQueueHandle, PCWSTR FullyQualifiedUrl);

/* Receiving. RequestId HTTP_NULL_ID takes the next request. ERROR_MORE_DATA: RequestId in the buffer is valid, the size needed is
 * reported, the request waits to be fetched by its id. */
HTTPAPI_LINKAGE ULONG WINAPI HttpReceiveHttpRequest(HANDLE RequestQueueHandle, HTTP_REQUEST_ID RequestId, ULONG Flags,
  PHTTP_REQUEST RequestBuffer, ULONG RequestBufferLength, PULONG BytesReturned, LPOVERLAPPED Overlapped);
/* ERROR_HANDLE_EOF after the last byte. */
HTTPAPI_LINKAGE ULONG WINAPI HttpReceiveRequestEntityBody(HANDLE RequestQueueHandle, HTTP_REQUEST_ID RequestId, ULONG Flags,
  PVOID EntityBuffer, ULONG EntityBufferLength, PULONG BytesReturned, LPOVERLAPPED Overlapped);
/* The client's certificate, asked for now if it has to be; or the channel binding token of the connection (Flags). */
HTTPAPI_LINKAGE ULONG WINAPI HttpReceiveClientCertificate(HANDLE RequestQueueHandle, HTTP_CONNECTION_ID ConnectionId, ULONG Flags,
  PHTTP_SSL_CLIENT_CERT_INFO SslClientCertInfo, ULONG SslClientCertInfoSize, PULONG BytesReceived, LPOVERLAPPED Overlapped);
/* (later) */
HTTPAPI_LINKAGE ULONG WINAPI HttpQueryRequestProperty(HANDLE RequestQueueHandle, HTTP_OPAQUE_ID Id, HTTP_REQUEST_PROPERTY PropertyId,
  PVOID Qualifier, ULONG QualifierSize, PVOID Output, ULONG OutputBufferSize, PULONG BytesReturned, LPOVERLAPPED Overlapped);
HTTPAPI_LINKAGE ULONG WINAPI HttpSetRequestProperty(HANDLE RequestQueueHandle, HTTP_OPAQUE_ID Id, HTTP_REQUEST_PROPERTY PropertyId,
  PVOID Input, ULONG InputPropertySize, LPOVERLAPPED Overlapped);

/* Sending. What the structures point to is copied before the call returns, but for the memory and files of chunks: they must stay
 * until the operation completes. */
HTTPAPI_LINKAGE ULONG WINAPI HttpSendHttpResponse(HANDLE RequestQueueHandle, HTTP_REQUEST_ID RequestId, ULONG Flags,
  PHTTP_RESPONSE HttpResponse, PHTTP_CACHE_POLICY CachePolicy, PULONG BytesSent, PVOID Reserved1, ULONG Reserved2,
  LPOVERLAPPED Overlapped, PHTTP_LOG_DATA LogData);
HTTPAPI_LINKAGE ULONG WINAPI HttpSendResponseEntityBody(HANDLE RequestQueueHandle, HTTP_REQUEST_ID RequestId, ULONG Flags,
  USHORT EntityChunkCount, PHTTP_DATA_CHUNK EntityChunks, PULONG BytesSent, PVOID Reserved1, ULONG Reserved2, LPOVERLAPPED Overlapped,
  PHTTP_LOG_DATA LogData);
/* (later) */
HTTPAPI_LINKAGE ULONG WINAPI HttpDeclarePush(HANDLE RequestQueueHandle, HTTP_REQUEST_ID RequestId, HTTP_VERB Verb, PCWSTR Path,
  PCSTR Query, PHTTP_REQUEST_HEADERS Headers);

/* Ends. HttpCancelHttpRequest closes the connection. HttpWaitForDisconnect completes when the connection ends. */
HTTPAPI_LINKAGE ULONG WINAPI HttpCancelHttpRequest(HANDLE RequestQueueHandle, HTTP_REQUEST_ID RequestId, LPOVERLAPPED Overlapped);
HTTPAPI_LINKAGE ULONG WINAPI HttpWaitForDisconnect(HANDLE RequestQueueHandle, HTTP_CONNECTION_ID ConnectionId, LPOVERLAPPED Overlapped);
HTTPAPI_LINKAGE ULONG WINAPI HttpWaitForDisconnectEx(HANDLE RequestQueueHandle, HTTP_CONNECTION_ID ConnectionId, ULONG Reserved,
  LPOVERLAPPED Overlapped);

/* Cache. (later) */
HTTPAPI_LINKAGE ULONG WINAPI HttpFlushResponseCache(HANDLE RequestQueueHandle, PCWSTR UrlPrefix, ULONG Flags, LPOVERLAPPED Overlapped);
HTTPAPI_LINKAGE ULONG WINAPI HttpAddFragmentToCache(HANDLE RequestQueueHandle, PCWSTR UrlPrefix, PHTTP_DATA_CHUNK DataChunk,
  PHTTP_CACHE_POLICY CachePolicy, LPOVERLAPPED Overlapped);
HTTPAPI_LINKAGE ULONG WINAPI HttpReadFragmentFromCache(HANDLE RequestQueueHandle, PCWSTR UrlPrefix, PHTTP_BYTE_RANGE ByteRange,
  PVOID Buffer, ULONG BufferLength, PULONG BytesRead, LPOVERLAPPED Overlapped);

/* Service configuration. (later: httpsysctl does it) */
HTTPAPI_LINKAGE ULONG WINAPI HttpSetServiceConfiguration(HANDLE ServiceHandle, HTTP_SERVICE_CONFIG_ID ConfigId,
  PVOID pConfigInformation, ULONG ConfigInformationLength, LPOVERLAPPED pOverlapped);
HTTPAPI_LINKAGE ULONG WINAPI HttpUpdateServiceConfiguration(HANDLE ServiceHandle, HTTP_SERVICE_CONFIG_ID ConfigId,
  PVOID pConfigInformation, ULONG ConfigInformationLength, LPOVERLAPPED pOverlapped);
HTTPAPI_LINKAGE ULONG WINAPI HttpDeleteServiceConfiguration(HANDLE ServiceHandle, HTTP_SERVICE_CONFIG_ID ConfigId,
  PVOID pConfigInformation, ULONG ConfigInformationLength, LPOVERLAPPED pOverlapped);
HTTPAPI_LINKAGE ULONG WINAPI HttpQueryServiceConfiguration(HANDLE ServiceHandle, HTTP_SERVICE_CONFIG_ID ConfigId, PVOID pInput,
  ULONG InputLength, PVOID pOutput, ULONG OutputLength, PULONG pReturnLength, LPOVERLAPPED pOverlapped);

#ifdef __cplusplus
}
#endif

#endif
