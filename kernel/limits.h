// SPDX-License-Identifier: GPL-3.0-or-later
// Every limit of the driver that is not in the ABI (uapi/abi.h), by name, with its unit and the reason for the number.
#pragma once
#include <cstddef>
#include <cstdint>

namespace httpsys::limits {

}
