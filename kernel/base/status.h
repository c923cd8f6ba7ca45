// SPDX-License-Identifier: GPL-3.0-or-later
// NtStatus: the driver's only error currency. errno and wolfSSL codes are translated at the platform and tls seams.
#pragma once
#include "uapi/status.h"
#include <cstdint>

namespace httpsys {

enum class [[nodiscard]] NtStatus : uint32_t {
#define HSYS_STATUS_CXX(name, cxx, value, win32) cxx = value,
  HSYS_STATUS_TABLE(HSYS_STATUS_CXX)
#undef HSYS_STATUS_CXX
};

// True for success and informational codes ([MS-ERREF] 2.3: severity 0 or 1).
constexpr bool is_success(NtStatus status) { return static_cast<uint32_t>(status) < 0x80000000u; }

// Name as in the uapi table ("INVALID_HANDLE"), "?" for a number that is not in it. Static storage.
const char *status_name(NtStatus status);

}
