// SPDX-License-Identifier: MIT
// Exported: the library itself (http.h), and the descriptor for event loops (httpsys.h).
#include "lib/api_call.h"
#include "lib/event_loop.h"
#include "lib/include/httpsys.h"
#include "lib/last_error.h"

using namespace httpsys::lib;

namespace {

constexpr ULONG kInitializeFlags = HTTP_INITIALIZE_SERVER | HTTP_INITIALIZE_CONFIG;

bool check_flags(ApiCall &call, ULONG flags, PVOID reserved)
{
  return call.require(reserved == nullptr, ERROR_INVALID_PARAMETER, "pReserved is reserved and must be NULL.") &&
    call.require(flags && !(flags & ~kInitializeFlags), ERROR_INVALID_PARAMETER,
      "Flags is 0x%x; it takes HTTP_INITIALIZE_SERVER, HTTP_INITIALIZE_CONFIG or both.", flags);
}

}

ULONG HttpInitialize(HTTPAPI_VERSION Version, ULONG Flags, PVOID pReserved)
{
  ApiCall call("HttpInitialize", ApiCall::Free());
  bool is_known = Version.HttpApiMinorVersion == 0 && (Version.HttpApiMajorVersion == 1 || Version.HttpApiMajorVersion == 2);
  if (!check_flags(call, Flags, pReserved) ||
      !call.require(is_known, ERROR_REVISION_MISMATCH, "version %u.%u: there are HTTPAPI_VERSION_1 and HTTPAPI_VERSION_2.",
        Version.HttpApiMajorVersion, Version.HttpApiMinorVersion))
    return call.code();
  ErrorText why;
  ULONG code = Library::instance().initialise(Flags, why);
  return code == NO_ERROR ? code : refuse(code, "%s", why.c_str());
}

ULONG HttpTerminate(ULONG Flags, PVOID pReserved)
{
  ApiCall call("HttpTerminate", ApiCall::Free());
  if (check_flags(call, Flags, pReserved))
    call.require(Library::instance().terminate(Flags), ERROR_INVALID_PARAMETER, "Flags is 0x%x, which is not initialised any more.", Flags);
  return call.code();
}

int httpsys_completion_fd(void)
{
  begin_call();
  return EventLoop::instance().descriptor();
}

ULONG httpsys_dispatch(void)
{
  // Not begin_call(): what it took in would be told to the loop as another thread's.
  forget_call();
  ULONG code = EventLoop::instance().dispatch();
  if (code == ERROR_DLL_INIT_FAILED)
    return refuse(code, "httpsys_dispatch: HttpInitialize has to come first in this process.");
  if (code != NO_ERROR)
    refuse(code, "httpsys_dispatch: the session with httpsysd has ended; HttpTerminate and HttpInitialize start another one.");
  return code;
}
