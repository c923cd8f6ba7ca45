// SPDX-License-Identifier: GPL-3.0-or-later
// The only place where errno becomes NtStatus. Any thread.
#pragma once
#include "kernel/base/status.h"
#include <string>

namespace httpsys::platform {

// error: a positive errno; 0 is Success, what the table does not know IoDeviceError.
NtStatus status_from_errno(int error);

// What errno says of a call that failed just now, and "cannot WHAT: why" in reason.
NtStatus fail(std::string &reason, const std::string &what);

}
