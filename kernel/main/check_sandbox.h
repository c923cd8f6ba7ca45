// SPDX-License-Identifier: GPL-3.0-or-later
// httpsysd --check-sandbox: the sandbox built in this process as the daemon would, and what is forbidden tried from inside. Once, in a
// process that does nothing else.
#pragma once
#include "kernel/main/options.h"
#include <string>

namespace httpsys::main {

// The exit status: 0 when all that this kernel can do is on and nothing forbidden could be done. report: a line for each layer, then for
// each attempt. reason: a sentence when the daemon would not start, or attempts could not be made, which is 1 too.
int check_sandbox(const Options &options, std::string &report, std::string &reason);

}
