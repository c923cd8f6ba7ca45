// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of the upper layers for STATS (uapi/control.h). On core 0.
#pragma once
#include "uapi/control.h"

namespace httpsys::main {

void fill_stats(hsys_control_stats &stats);

}
