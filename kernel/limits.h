// SPDX-License-Identifier: GPL-3.0-or-later
// Every limit of the driver that is not in the ABI (uapi/abi.h), by name, with its unit and the reason for the number.
#pragma once
#include <cstddef>
#include <cstdint>

namespace httpsys::limits {

// net
inline constexpr uint64_t kAcceptRetryMilliseconds = 100; // pause after accept failed, for example without descriptors

// tls
inline constexpr uint32_t kMaxClientCertificateBytes = 32768; // bytes; the client's certificate list as sent, default of MaxClientCertificateBytes
inline constexpr uint32_t kMaxPemCertificates = 256;          // blocks of one PEM text; a system's whole CA bundle has about 150

}
