// SPDX-License-Identifier: GPL-3.0-or-later
// The only place where errno becomes NtStatus. Pure.
#pragma once
#include "kernel/base/status.h"

namespace httpsys::platform {

// error: a positive errno; 0 is Success, what the table does not know IoDeviceError.
NtStatus status_from_errno(int error);

}
