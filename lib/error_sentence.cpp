// SPDX-License-Identifier: MIT
#include "lib/error_sentence.h"
#include "lib/include/winerror.h"
#include <cstring>

namespace httpsys::lib {

namespace {

const char *name_of(uint32_t code)
{
  switch (code) {
#define HTTPSYS_NAME(name) \
  case name:               \
    return #name
    HTTPSYS_NAME(ERROR_INVALID_FUNCTION);
    HTTPSYS_NAME(ERROR_FILE_NOT_FOUND);
    HTTPSYS_NAME(ERROR_PATH_NOT_FOUND);
    HTTPSYS_NAME(ERROR_TOO_MANY_OPEN_FILES);
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
    HTTPSYS_NAME(ERROR_IO_DEVICE);
    HTTPSYS_NAME(ERROR_CONNECTION_INVALID);
    HTTPSYS_NAME(ERROR_CONNECTION_ABORTED);
    HTTPSYS_NAME(ERROR_REVISION_MISMATCH);
    HTTPSYS_NAME(ERROR_NO_SYSTEM_RESOURCES);
#undef HTTPSYS_NAME
  default:
    return "error";
  }
}

const char *usual_reason(uint32_t code)
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

bool is_usual_code(uint32_t code)
{
  return code == NO_ERROR || code == ERROR_IO_PENDING || code == ERROR_MORE_DATA || code == ERROR_HANDLE_EOF;
}

ErrorText error_sentence(const char *function, uint32_t code, std::string_view why)
{
  if (why.empty())
    why = usual_reason(code);
  ErrorText text, tail;
  tail.format(" (%s %u)", name_of(code), code); // a reason that is too long is cut, never this
  const size_t room = ErrorText::kCapacity - 1 - std::strlen(tail.c_str());
  text.format("%.*s: ", static_cast<int>(room / 2), function);
  text.append(why.substr(0, room - std::strlen(text.c_str())));
  text.append(tail.c_str());
  return text;
}

}
