// SPDX-License-Identifier: MIT
#include "lib/api_call.h"
#include "lib/error_sentence.h"
#include "lib/last_error.h"
#include "lib/status_map.h"
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace httpsys::lib {

ApiCall::ApiCall(const char *function)
{
  begin_call(function);
  m_session = Library::instance().session();
  if (!m_session)
    m_code = refuse(ERROR_DLL_INIT_FAILED, "HttpInitialize with HTTP_INITIALIZE_SERVER has to come first in this process.");
}

ApiCall::ApiCall(const char *function, Closes)
{
  begin_call(function);
  m_session = Library::instance().session_of_open_objects();
  if (!m_session)
    m_code = refuse(ERROR_DLL_INIT_FAILED, "nothing is open: HttpInitialize was not called in this process, or HttpTerminate ended it.");
}

ApiCall::ApiCall(const char *function, Free)
{
  begin_call(function);
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
    refuse(code, operation.reason());
  return code;
}

ULONG ApiCall::end(ULONG code)
{
  if (!is_usual_code(code) && !*last_error_text())
    refuse(code, {});
  return code;
}

ULONG ApiCall::refuse(ULONG code, std::string_view sentence)
{
  return lib::refuse(code, "%.*s", static_cast<int>(sentence.size()), sentence.empty() ? "" : sentence.data());
}

}
