// SPDX-License-Identifier: GPL-3.0-or-later
// What the queue calls on the cores of connections: the bridge from ids to Request and Connection objects. Registered at boot.
#pragma once

namespace httpsys::http {

void register_request_owner();

}
