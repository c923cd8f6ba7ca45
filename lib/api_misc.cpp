// SPDX-License-Identifier: MIT
// Exported: the functions that do not exist yet. They say so and look at nothing, so that a program can tell and go another way.
#include "lib/api_call.h"

using namespace httpsys::lib;

namespace {

ULONG not_yet(const char *function)
{
  return ApiCall(function, ApiCall::Free()).refuse(ERROR_NOT_SUPPORTED, "this function does not exist yet in httpsys.");
}

}

// Nothing that HTTP.sys lists as a feature is there: TRUE would send callers on paths that need it.
BOOL HttpIsFeatureSupported(HTTP_FEATURE_ID)
{
  return FALSE;
}

ULONG HttpGetExtension(HTTPAPI_VERSION, ULONG, PVOID, ULONG)
{
  return not_yet("HttpGetExtension");
}

ULONG HttpSetServerSessionProperty(HTTP_SERVER_SESSION_ID, HTTP_SERVER_PROPERTY, PVOID, ULONG)
{
  return not_yet("HttpSetServerSessionProperty");
}

ULONG HttpQueryServerSessionProperty(HTTP_SERVER_SESSION_ID, HTTP_SERVER_PROPERTY, PVOID, ULONG, PULONG)
{
  return not_yet("HttpQueryServerSessionProperty");
}

ULONG HttpQueryUrlGroupProperty(HTTP_URL_GROUP_ID, HTTP_SERVER_PROPERTY, PVOID, ULONG, PULONG)
{
  return not_yet("HttpQueryUrlGroupProperty");
}

ULONG HttpFindUrlGroupId(PCWSTR, HANDLE, PHTTP_URL_GROUP_ID)
{
  return not_yet("HttpFindUrlGroupId");
}

ULONG HttpPrepareUrl(PVOID, ULONG, PCWSTR, PWSTR *)
{
  return not_yet("HttpPrepareUrl");
}

ULONG HttpSetRequestQueueProperty(HANDLE, HTTP_SERVER_PROPERTY, PVOID, ULONG, ULONG, PVOID)
{
  return not_yet("HttpSetRequestQueueProperty");
}

ULONG HttpQueryRequestQueueProperty(HANDLE, HTTP_SERVER_PROPERTY, PVOID, ULONG, ULONG, PULONG, PVOID)
{
  return not_yet("HttpQueryRequestQueueProperty");
}

ULONG HttpWaitForDemandStart(HANDLE, LPOVERLAPPED)
{
  return not_yet("HttpWaitForDemandStart");
}

ULONG HttpDelegateRequestEx(HANDLE, HANDLE, HTTP_REQUEST_ID, HTTP_URL_GROUP_ID, ULONG, PHTTP_DELEGATE_REQUEST_PROPERTY_INFO)
{
  return not_yet("HttpDelegateRequestEx");
}

ULONG HttpQueryRequestProperty(HANDLE, HTTP_OPAQUE_ID, HTTP_REQUEST_PROPERTY, PVOID, ULONG, PVOID, ULONG, PULONG, LPOVERLAPPED)
{
  return not_yet("HttpQueryRequestProperty");
}

ULONG HttpSetRequestProperty(HANDLE, HTTP_OPAQUE_ID, HTTP_REQUEST_PROPERTY, PVOID, ULONG, LPOVERLAPPED)
{
  return not_yet("HttpSetRequestProperty");
}

ULONG HttpDeclarePush(HANDLE, HTTP_REQUEST_ID, HTTP_VERB, PCWSTR, PCSTR, PHTTP_REQUEST_HEADERS)
{
  return not_yet("HttpDeclarePush");
}

ULONG HttpFlushResponseCache(HANDLE, PCWSTR, ULONG, LPOVERLAPPED)
{
  return not_yet("HttpFlushResponseCache");
}

ULONG HttpAddFragmentToCache(HANDLE, PCWSTR, PHTTP_DATA_CHUNK, PHTTP_CACHE_POLICY, LPOVERLAPPED)
{
  return not_yet("HttpAddFragmentToCache");
}

ULONG HttpReadFragmentFromCache(HANDLE, PCWSTR, PHTTP_BYTE_RANGE, PVOID, ULONG, PULONG, LPOVERLAPPED)
{
  return not_yet("HttpReadFragmentFromCache");
}

ULONG HttpSetServiceConfiguration(HANDLE, HTTP_SERVICE_CONFIG_ID, PVOID, ULONG, LPOVERLAPPED)
{
  return not_yet("HttpSetServiceConfiguration");
}

ULONG HttpUpdateServiceConfiguration(HANDLE, HTTP_SERVICE_CONFIG_ID, PVOID, ULONG, LPOVERLAPPED)
{
  return not_yet("HttpUpdateServiceConfiguration");
}

ULONG HttpDeleteServiceConfiguration(HANDLE, HTTP_SERVICE_CONFIG_ID, PVOID, ULONG, LPOVERLAPPED)
{
  return not_yet("HttpDeleteServiceConfiguration");
}

ULONG HttpQueryServiceConfiguration(HANDLE, HTTP_SERVICE_CONFIG_ID, PVOID, ULONG, PVOID, ULONG, PULONG, LPOVERLAPPED)
{
  return not_yet("HttpQueryServiceConfiguration");
}
