// SPDX-License-Identifier: MIT
#include "lib/api_call.h"
#include "lib/last_error.h"
#include "lib/status_map.h"
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace httpsys::lib {

namespace {

const char *name_of(ULONG code)
{
  switch (code) {
#define HTTPSYS_NAME(name) \
  case name:               \
    return #name
    HTTPSYS_NAME(ERROR_INVALID_FUNCTION);
    HTTPSYS_NAME(ERROR_FILE_NOT_FOUND);
    HTTPSYS_NAME(ERROR_PATH_NOT_FOUND);
    HTTPSYS_NAME(ERROR_ACCESS_DENIED);
    HTTPSYS_NAME(ERROR_INVALID_HANDLE);
    HTTPSYS_NAME(ERROR_NOT_ENOUGH_MEMORY);
    HTTPSYS_NAME(ERROR_BAD_COMMAND);
    HTTPSYS_NAME(ERROR_SHARING_VIOLATION);
    HTTPSYS_NAME(ERROR_HANDLE_EOF);
    HTTPSYS_NAME(ERROR_NOT_SUPPORTED);
    HTTPSYS_NAME(ERROR_INVALID_PARAMETER);
    HTTPSYS_NAME(ERROR_INSUFFICIENT_BUFFER);
    HTTPSYS_NAME(ERROR_INVALID_NAME);
    HTTPSYS_NAME(ERROR_ALREADY_EXISTS);
    HTTPSYS_NAME(ERROR_OPERATION_ABORTED);
    HTTPSYS_NAME(ERROR_NOACCESS);
    HTTPSYS_NAME(ERROR_SERVICE_NOT_ACTIVE);
    HTTPSYS_NAME(ERROR_DLL_INIT_FAILED);
    HTTPSYS_NAME(ERROR_NOT_FOUND);
    HTTPSYS_NAME(ERROR_CONNECTION_INVALID);
    HTTPSYS_NAME(ERROR_REVISION_MISMATCH);
    HTTPSYS_NAME(ERROR_NO_SYSTEM_RESOURCES);
#undef HTTPSYS_NAME
  default:
    return "error";
  }
}

const char *usual_reason(ULONG code)
{
  switch (code) {
  case ERROR_OPERATION_ABORTED:
    return "the operation was cancelled, or its request queue or the session with httpsysd ended.";
  case ERROR_CONNECTION_INVALID:
    return "the request or connection is none of this process, or has ended.";
  case ERROR_INVALID_HANDLE:
    return "the request queue was closed or shut down.";
  case ERROR_NOT_ENOUGH_MEMORY:
    return "no memory.";
  default:
    return "httpsysd refused it and gave no reason.";
  }
}

}

ApiCall::ApiCall(const char *function) : m_function(function)
{
  begin_call();
  m_session = Library::instance().session();
  if (!m_session)
    m_code = refuse(ERROR_DLL_INIT_FAILED, "HttpInitialize with HTTP_INITIALIZE_SERVER has to come first in this process.");
}

ApiCall::ApiCall(const char *function, Closes) : m_function(function)
{
  begin_call();
  m_session = Library::instance().session_of_open_objects();
  if (!m_session)
    m_code = refuse(ERROR_DLL_INIT_FAILED, "nothing is open: HttpInitialize was not called in this process, or HttpTerminate ended it.");
}

ApiCall::ApiCall(const char *function, Free) : m_function(function)
{
  begin_call();
}

bool ApiCall::require(bool holds, ULONG code, const char *pattern, ...)
{
  if (m_code != NO_ERROR || holds)
    return m_code == NO_ERROR;
  char sentence[ErrorText::kCapacity];
  va_list arguments;
  va_start(arguments, pattern);
  vsnprintf(sentence, sizeof sentence, pattern, arguments);
  va_end(arguments);
  m_code = refuse(code, sentence);
  return false;
}

bool ApiCall::require_live_session()
{
  if (m_code == NO_ERROR && m_session->is_dead())
    m_code = refuse(ERROR_SERVICE_NOT_ACTIVE, m_session->channel().death_reason());
  return m_code == NO_ERROR;
}

Ref<RequestQueue> ApiCall::require_queue(HANDLE handle, ULONG code)
{
  if (m_code != NO_ERROR)
    return {};
  Ref<RequestQueue> queue = HandleMap::instance().find<RequestQueue>(handle);
  if (!require(static_cast<bool>(queue), code, "%p is no request queue of this process: it was closed, or is another thing's handle.",
        handle))
    return {};
  if (queue->session().is_dead()) {
    m_code = refuse(code, queue->session().channel().death_reason());
    return {};
  }
  return queue;
}

ULONG ApiCall::run(SyncOperation &operation, std::span<const uint8_t> head, std::span<const uint8_t> tail)
{
  ULONG code = win32_of_status(operation.run(*m_session, head, tail));
  if (code != NO_ERROR)
    refuse(code, operation.reason().empty() ? usual_reason(code) : operation.reason());
  return code;
}

ULONG ApiCall::end(ULONG code)
{
  // Not failures that want an explanation: the caller goes on with them.
  bool is_usual = code == NO_ERROR || code == ERROR_IO_PENDING || code == ERROR_MORE_DATA || code == ERROR_HANDLE_EOF;
  if (!is_usual && !*last_error_text())
    refuse(code, usual_reason(code));
  return code;
}

ULONG ApiCall::refuse(ULONG code, std::string_view sentence)
{
  return lib::refuse(code, "%s: %.*s (%s %u)", m_function, static_cast<int>(sentence.size()), sentence.data(), name_of(code), code);
}

}
