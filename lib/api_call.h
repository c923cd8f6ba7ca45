// SPDX-License-Identifier: MIT
// ApiCall: what every exported Http* function begins and ends with: whether the library is initialised, whose handle that is, and the
// sentence that goes with a code. On the stack of the call.
#pragma once
#include "lib/include/http.h"
#include "lib/library.h"
#include "lib/request_queue.h"
#include "lib/sync_operation.h"

namespace httpsys::lib {

class ApiCall {
public:
  // For functions that need HTTP_INITIALIZE_SERVER: code() is ERROR_DLL_INIT_FAILED when the process has not called for it.
  explicit ApiCall(const char *function);
  // For functions that close: they work after HttpTerminate while something is open.
  struct Closes {};
  ApiCall(const char *function, Closes);
  // For functions that need nothing.
  struct Free {};
  ApiCall(const char *function, Free);

  // Of the checks so far; the first that fails decides.
  ULONG code() const { return m_code; }
  ClientSession &session() { return *m_session; }

  // Checks one thing: when it does not hold, that is the outcome, with the sentence. Later checks are not looked at. True: all hold.
  bool require(bool holds, ULONG code, const char *pattern, ...) __attribute__((format(printf, 4, 5)));
  // The session is alive: else ERROR_SERVICE_NOT_ACTIVE.
  bool require_live_session();
  // The queue behind the handle; null, and an outcome, when there is none, or its session is dead (ERROR_INVALID_HANDLE).
  Ref<RequestQueue> require_queue(HANDLE handle, ULONG code = ERROR_INVALID_HANDLE);

  // Runs an operation that configures. Its code, with the daemon's reason.
  ULONG run(SyncOperation &operation, std::span<const uint8_t> head = {}, std::span<const uint8_t> tail = {});
  // The outcome of an operation on a queue: adds a sentence where the daemon gave none.
  ULONG end(ULONG code);
  ULONG refuse(ULONG code, std::string_view sentence);

private:
  Ref<ClientSession> m_session;
  ULONG m_code = NO_ERROR;
};

}
