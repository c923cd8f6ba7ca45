// SPDX-License-Identifier: MIT
// From NTSTATUS, the ring's and OVERLAPPED's currency, to the Win32 codes that functions return.
#pragma once
#include <cstdint>

namespace httpsys::lib {

// Success and informational codes ([MS-ERREF] 2.3: severity 0 and 1). STATUS_BUFFER_OVERFLOW, a warning, is none.
constexpr bool is_success(uint32_t status)
{
  return status < 0x80000000u;
}

// By the table of uapi/status.h. NO_ERROR for other successes; ERROR_MR_MID_NOT_FOUND (317), as on Windows, for other failures.
uint32_t win32_of_status(uint32_t status);

}
