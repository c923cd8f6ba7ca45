// SPDX-License-Identifier: GPL-3.0-or-later
// Capabilities of the calling thread and those that it starts later, through libcap-ng. At the start, on the first thread.
#pragma once
#include "kernel/base/result.h"
#include <string>

namespace httpsys::platform {

// While the thread may: what no capability can ever be got back from. False: it may not (CAP_SETPCAP).
bool empty_bounding_set();
// Keeps CAP_NET_BIND_SERVICE if it is permitted, and nothing else in any other set. Yields whether it was there.
Result<bool> keep_binding_alone(std::string &reason);

}
