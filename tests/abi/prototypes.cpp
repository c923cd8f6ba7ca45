// SPDX-License-Identifier: GPL-3.0-or-later
// The 44 functions of http.h as a binding in another language declares them: widths and order of arguments (MicrosoftDocs/sdk-api,
// content/http/nf-http-*; HttpQueryRequestProperty: MicrosoftDocs/win32, desktop-src/http). Compiling is the test.
#include <http.h>
#include <httpsys.h>
#include <ntstatus.h>
#include "uapi/status.h"
#include <type_traits>

namespace {

// Structures by value and enumerations by their width; every pointer is one.
template <typename T>
struct Width {
  using Type = std::conditional_t<std::is_pointer_v<T>, void *, T>;
};
template <>
struct Width<HTTPAPI_VERSION> {
  using Type = HTTPAPI_VERSION;
};

template <typename T>
using Plain = typename Width<std::conditional_t<std::is_enum_v<T>, ULONG, T>>::Type;

template <typename R, typename... A>
constexpr auto plain(R (*)(A...)) -> Plain<R> (*)(Plain<A>...);

#define FUNCTION(name, result, ...)                                                        \
  static_assert(std::is_same_v<decltype(plain(&name)), result (*)(__VA_ARGS__)>, #name); \
  constexpr int k##name = __COUNTER__

using Version = HTTPAPI_VERSION;
using Word = ULONG;
using Id = ULONGLONG;
using Pointer = void *; // handles, buffers, OVERLAPPEDs, strings

FUNCTION(HttpInitialize, Word, Version, Word, Pointer);
FUNCTION(HttpTerminate, Word, Word, Pointer);
FUNCTION(HttpIsFeatureSupported, BOOL, Word);
FUNCTION(HttpGetExtension, Word, Version, Word, Pointer, Word);
FUNCTION(HttpCreateServerSession, Word, Version, Pointer, Word);
FUNCTION(HttpCloseServerSession, Word, Id);
FUNCTION(HttpSetServerSessionProperty, Word, Id, Word, Pointer, Word);
FUNCTION(HttpQueryServerSessionProperty, Word, Id, Word, Pointer, Word, Pointer);
FUNCTION(HttpCreateUrlGroup, Word, Id, Pointer, Word);
FUNCTION(HttpCloseUrlGroup, Word, Id);
FUNCTION(HttpAddUrlToUrlGroup, Word, Id, Pointer, Id, Word);
FUNCTION(HttpRemoveUrlFromUrlGroup, Word, Id, Pointer, Word);
FUNCTION(HttpSetUrlGroupProperty, Word, Id, Word, Pointer, Word);
FUNCTION(HttpQueryUrlGroupProperty, Word, Id, Word, Pointer, Word, Pointer);
FUNCTION(HttpFindUrlGroupId, Word, Pointer, Pointer, Pointer);
FUNCTION(HttpPrepareUrl, Word, Pointer, Word, Pointer, Pointer);
FUNCTION(HttpCreateRequestQueue, Word, Version, Pointer, Pointer, Word, Pointer);
FUNCTION(HttpCloseRequestQueue, Word, Pointer);
FUNCTION(HttpShutdownRequestQueue, Word, Pointer);
FUNCTION(HttpSetRequestQueueProperty, Word, Pointer, Word, Pointer, Word, Word, Pointer);
FUNCTION(HttpQueryRequestQueueProperty, Word, Pointer, Word, Pointer, Word, Word, Pointer, Pointer);
FUNCTION(HttpWaitForDemandStart, Word, Pointer, Pointer);
FUNCTION(HttpDelegateRequestEx, Word, Pointer, Pointer, Id, Id, Word, Pointer);
FUNCTION(HttpCreateHttpHandle, Word, Pointer, Word);
FUNCTION(HttpAddUrl, Word, Pointer, Pointer, Pointer);
FUNCTION(HttpRemoveUrl, Word, Pointer, Pointer);
FUNCTION(HttpReceiveHttpRequest, Word, Pointer, Id, Word, Pointer, Word, Pointer, Pointer);
FUNCTION(HttpReceiveRequestEntityBody, Word, Pointer, Id, Word, Pointer, Word, Pointer, Pointer);
FUNCTION(HttpReceiveClientCertificate, Word, Pointer, Id, Word, Pointer, Word, Pointer, Pointer);
FUNCTION(HttpQueryRequestProperty, Word, Pointer, Id, Word, Pointer, Word, Pointer, Word, Pointer, Pointer);
FUNCTION(HttpSetRequestProperty, Word, Pointer, Id, Word, Pointer, Word, Pointer);
FUNCTION(HttpSendHttpResponse, Word, Pointer, Id, Word, Pointer, Pointer, Pointer, Pointer, Word, Pointer, Pointer);
FUNCTION(HttpSendResponseEntityBody, Word, Pointer, Id, Word, USHORT, Pointer, Pointer, Pointer, Word, Pointer, Pointer);
FUNCTION(HttpDeclarePush, Word, Pointer, Id, Word, Pointer, Pointer, Pointer);
FUNCTION(HttpCancelHttpRequest, Word, Pointer, Id, Pointer);
FUNCTION(HttpWaitForDisconnect, Word, Pointer, Id, Pointer);
FUNCTION(HttpWaitForDisconnectEx, Word, Pointer, Id, Word, Pointer);
FUNCTION(HttpFlushResponseCache, Word, Pointer, Pointer, Word, Pointer);
FUNCTION(HttpAddFragmentToCache, Word, Pointer, Pointer, Pointer, Pointer, Pointer);
FUNCTION(HttpReadFragmentFromCache, Word, Pointer, Pointer, Pointer, Pointer, Word, Pointer, Pointer);
FUNCTION(HttpSetServiceConfiguration, Word, Pointer, Word, Pointer, Word, Pointer);
FUNCTION(HttpUpdateServiceConfiguration, Word, Pointer, Word, Pointer, Word, Pointer);
FUNCTION(HttpDeleteServiceConfiguration, Word, Pointer, Word, Pointer, Word, Pointer);
FUNCTION(HttpQueryServiceConfiguration, Word, Pointer, Word, Pointer, Word, Pointer, Word, Pointer, Pointer);
static_assert(__COUNTER__ == 44);

// Strings are UTF-16, and what a caller declares as DWORD is taken as ULONG.
static_assert(std::is_same_v<PCWSTR, const WCHAR *> && std::is_same_v<DWORD, ULONG> && std::is_same_v<WCHAR, char16_t>);
static_assert(std::is_same_v<decltype(TEXT("x")), const WCHAR (&)[2]>);

// The status values of the ring under Windows' names.
#define SAME(name, cxx, value, win32) static_assert(static_cast<ULONG>(STATUS_##name) == (value));
HSYS_STATUS_TABLE(SAME)

}
