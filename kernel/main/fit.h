// SPDX-License-Identifier: GPL-3.0-or-later
// What the configuration leaves to the machine: how much memory channels, connections and others may have together. Once, at the start.
#pragma once
#include "kernel/base/config.h"

namespace httpsys::main {

// memory: bytes that the process may have.
Config fit(const Config &config, uint64_t memory, uint32_t cores);

// RequestsPerUser of such a configuration. connections: for how many there are descriptors.
uint64_t requests_per_user(const Config &fitted, uint64_t connections);

}
