// SPDX-License-Identifier: MIT
// Exported: server sessions, URL groups and their URLs (http.h).
#include "lib/api_call.h"
#include "lib/api_url.h"
#include "lib/caller_value.h"

using namespace httpsys::lib;

ULONG HttpCreateServerSession(HTTPAPI_VERSION Version, PHTTP_SERVER_SESSION_ID ServerSessionId, ULONG Reserved)
{
  ApiCall call("HttpCreateServerSession");
  call.require(Reserved == 0, ERROR_INVALID_PARAMETER, "Reserved is %u; it must be 0.", Reserved);
  call.require(ServerSessionId != nullptr, ERROR_INVALID_PARAMETER, "ServerSessionId is NULL.");
  bool is_known = Version.HttpApiMinorVersion == 0 && (Version.HttpApiMajorVersion == 1 || Version.HttpApiMajorVersion == 2);
  if (!call.require(is_known, ERROR_REVISION_MISMATCH, "version %u.%u: give HTTPAPI_VERSION_2.", Version.HttpApiMajorVersion,
        Version.HttpApiMinorVersion) ||
      !call.require_live_session())
    return call.code();
  SyncOperation operation(HSYS_OP_CREATE_SERVER_SESSION, 0, 0);
  ULONG code = call.run(operation);
  if (code == NO_ERROR) {
    *ServerSessionId = operation.object_id();
    Library::instance().object_opened(call.session());
  }
  return code;
}

ULONG HttpCloseServerSession(HTTP_SERVER_SESSION_ID ServerSessionId)
{
  ApiCall call("HttpCloseServerSession", ApiCall::Closes());
  if (!call.require(ServerSessionId != HTTP_NULL_ID, ERROR_INVALID_PARAMETER, "0 is no server session.") || !call.require_live_session())
    return call.code();
  SyncOperation operation(HSYS_OP_CLOSE_SERVER_SESSION, 0, ServerSessionId);
  ULONG code = call.run(operation);
  if (code == NO_ERROR)
    Library::instance().object_closed(call.session());
  return code;
}

ULONG HttpCreateUrlGroup(HTTP_SERVER_SESSION_ID ServerSessionId, PHTTP_URL_GROUP_ID pUrlGroupId, ULONG Reserved)
{
  ApiCall call("HttpCreateUrlGroup");
  call.require(Reserved == 0, ERROR_INVALID_PARAMETER, "Reserved is %u; it must be 0.", Reserved);
  call.require(pUrlGroupId != nullptr, ERROR_INVALID_PARAMETER, "pUrlGroupId is NULL.");
  if (!call.require(ServerSessionId != HTTP_NULL_ID, ERROR_INVALID_PARAMETER, "0 is no server session.") || !call.require_live_session())
    return call.code();
  SyncOperation operation(HSYS_OP_CREATE_URL_GROUP, 0, ServerSessionId);
  ULONG code = call.run(operation);
  if (code == NO_ERROR)
    *pUrlGroupId = operation.object_id();
  return code;
}

ULONG HttpCloseUrlGroup(HTTP_URL_GROUP_ID UrlGroupId)
{
  ApiCall call("HttpCloseUrlGroup", ApiCall::Closes());
  if (!call.require(UrlGroupId != HTTP_NULL_ID, ERROR_INVALID_PARAMETER, "0 is no URL group.") || !call.require_live_session())
    return call.code();
  SyncOperation operation(HSYS_OP_CLOSE_URL_GROUP, 0, UrlGroupId);
  return call.run(operation);
}

ULONG HttpAddUrlToUrlGroup(HTTP_URL_GROUP_ID UrlGroupId, PCWSTR pFullyQualifiedUrl, HTTP_URL_CONTEXT UrlContext, ULONG Reserved)
{
  ApiCall call("HttpAddUrlToUrlGroup");
  call.require(Reserved == 0, ERROR_INVALID_PARAMETER, "Reserved is %u; it must be 0.", Reserved);
  if (!require_url(call, pFullyQualifiedUrl) || !call.require(UrlGroupId != HTTP_NULL_ID, ERROR_INVALID_PARAMETER, "0 is no URL group.") ||
      !call.require_live_session())
    return call.code();
  return add_url(call, UrlGroupId, pFullyQualifiedUrl, UrlContext);
}

ULONG HttpRemoveUrlFromUrlGroup(HTTP_URL_GROUP_ID UrlGroupId, PCWSTR pFullyQualifiedUrl, ULONG Flags)
{
  ApiCall call("HttpRemoveUrlFromUrlGroup");
  bool removes_all = Flags == HTTP_URL_FLAG_REMOVE_ALL;
  call.require(!(Flags & ~HTTP_URL_FLAG_REMOVE_ALL), ERROR_INVALID_PARAMETER, "Flags is 0x%x; it takes 0 or HTTP_URL_FLAG_REMOVE_ALL.",
    Flags);
  if (removes_all)
    call.require(pFullyQualifiedUrl == nullptr, ERROR_INVALID_PARAMETER, "with HTTP_URL_FLAG_REMOVE_ALL the URL must be NULL.");
  else
    require_url(call, pFullyQualifiedUrl);
  if (!call.require(UrlGroupId != HTTP_NULL_ID, ERROR_INVALID_PARAMETER, "0 is no URL group.") || !call.require_live_session())
    return call.code();
  return remove_url(call, UrlGroupId, pFullyQualifiedUrl);
}

namespace {

// Properties that HTTP.sys knows for a URL group and that do not exist here yet.
bool is_group_property(uint32_t property)
{
  switch (property) {
  case HttpServerAuthenticationProperty:
  case HttpServerLoggingProperty:
  case HttpServerQosProperty:
  case HttpServerTimeoutsProperty:
  case HttpServerStateProperty:
  case HttpServerExtendedAuthenticationProperty:
  case HttpServerListenEndpointProperty:
  case HttpServerChannelBindProperty:
  case HttpServerProtectionLevelProperty:
  case HttpServerDelegationProperty:
  case HttpServerFastForwardingProperty:
  case HttpServerRequestInfoProperty:
    return true;
  default:
    return false;
  }
}

ULONG bind_url_group(ApiCall &call, HTTP_URL_GROUP_ID group, const HTTP_BINDING_INFO &binding)
{
  Ref<RequestQueue> queue;
  uint64_t daemon_handle = 0;
  if (binding.Flags.Present) {
    queue = call.require_queue(binding.RequestQueueHandle);
    if (!queue || !call.require(!queue->is_version_1(), ERROR_NOT_SUPPORTED,
                    "the request queue is of version 1 (HttpCreateHttpHandle) and has its own URLs; give one of HttpCreateRequestQueue."))
      return call.code();
    daemon_handle = queue->daemon_handle();
  }
  SyncOperation operation(HSYS_OP_BIND_URL_GROUP, daemon_handle, group);
  return call.run(operation);
}

}

ULONG HttpSetUrlGroupProperty(HTTP_URL_GROUP_ID UrlGroupId, HTTP_SERVER_PROPERTY Property, PVOID PropertyInformation,
  ULONG PropertyInformationLength)
{
  ApiCall call("HttpSetUrlGroupProperty");
  uint32_t property = number_of(Property);
  bool is_binding = property == HttpServerBindingProperty;
  call.require(PropertyInformation != nullptr, ERROR_INVALID_PARAMETER, "PropertyInformation is NULL.");
  call.require(PropertyInformationLength != 0, ERROR_INVALID_PARAMETER, "PropertyInformationLength is 0.");
  call.require(is_binding || is_group_property(property), ERROR_INVALID_PARAMETER, "property %u is none of a URL group.", property);
  call.require(is_binding, ERROR_NOT_SUPPORTED, "property %u does not exist yet; HttpServerBindingProperty (7) does.", property);
  call.require(PropertyInformationLength >= sizeof(HTTP_BINDING_INFO), ERROR_INVALID_PARAMETER,
    "PropertyInformationLength is %u; HTTP_BINDING_INFO has %zu.", PropertyInformationLength, sizeof(HTTP_BINDING_INFO));
  if (!call.require(UrlGroupId != HTTP_NULL_ID, ERROR_INVALID_PARAMETER, "0 is no URL group.") || !call.require_live_session())
    return call.code();
  return bind_url_group(call, UrlGroupId, *static_cast<const HTTP_BINDING_INFO *>(PropertyInformation));
}
