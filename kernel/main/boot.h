// SPDX-License-Identifier: GPL-3.0-or-later
// Bring-up order of the driver: registers the layers with one another, as a kernel registers its drivers. Once, before any core
// runs.
#pragma once

namespace httpsys {

void register_layers();

}
