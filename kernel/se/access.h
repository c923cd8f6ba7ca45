// SPDX-License-Identifier: GPL-3.0-or-later
// Who may do what, by the uid that the kernel reported at connect time (design: rights, until URL reservations exist).
// Pure but for the daemon's own uid, which main sets before any core runs.
#pragma once
#include <cstdint>

namespace httpsys::se {

void set_daemon_uid(uint32_t uid);
// uid 0 and the daemon's own.
bool may_administer(uint32_t uid);
// Its creator's uid, and uid 0.
bool may_open_queue(uint32_t creator_uid, uint32_t uid);
// Everybody from port 1024 on; below it uid 0 and the daemon's own.
bool may_listen(uint16_t port, uint32_t uid);

}
