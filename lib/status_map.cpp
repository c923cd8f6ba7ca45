// SPDX-License-Identifier: MIT
#include "lib/status_map.h"
#include "uapi/status.h"

namespace httpsys::lib {

uint32_t win32_of_status(uint32_t status)
{
  constexpr uint32_t kUnknown = 317;
  switch (status) {
#define HSYS_STATUS_WIN32(name, cxx, value, win32) \
  case value:                                      \
    return win32;
    HSYS_STATUS_TABLE(HSYS_STATUS_WIN32)
#undef HSYS_STATUS_WIN32
  default:
    return is_success(status) ? 0 : kUnknown;
  }
}

}
