// SPDX-License-Identifier: GPL-3.0-or-later
// The system calls that a daemon which serves makes, and no others, through libseccomp: from then on, for every thread of the process and
// all that they start. Others get EPERM; those that only an intruder makes end the process. io_uring's operations are not system calls:
// uring_engine.h limits them. Once, when the cores, the helpers and the log's thread run.
#pragma once
#include "kernel/base/result.h"
#include <cstddef>
#include <string>

namespace httpsys::platform {

// Yields how many are allowed, some only with certain arguments. NotSupported: the kernel has no filters, or the process may have none.
Result<size_t> limit_system_calls(std::string &reason);

}
