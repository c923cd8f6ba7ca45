// SPDX-License-Identifier: GPL-3.0-or-later
// The operations of ops.def that take a request queue, a request or a connection: registered with the I/O manager at
// boot. They run on the channel's core, check what only that core knows, and send the operation on to its object's
// core.
#pragma once

namespace httpsys::queue {

void register_operations();

}
