// SPDX-License-Identifier: GPL-3.0-or-later
// Every limit of the driver that is not in the ABI (uapi/abi.h), by name, with its unit and the reason for the number.
#pragma once
#include <cstddef>
#include <cstdint>

namespace httpsys::limits {

// base
inline constexpr size_t kMaxQuotedText = 200; // bytes of a value shown in a message; enough for a name, too little to flood a log

// platform
inline constexpr size_t kMaxStateFileBytes = 1 << 20;  // bytes of one state file; a chain of 256 certificates has about half of it
inline constexpr uint32_t kMaxFilesSetAside = 100;      // damaged files kept under one name; beyond, somebody has to look at them

// net
inline constexpr uint64_t kAcceptRetryMilliseconds = 100; // pause after accept failed, for example without descriptors

// se
inline constexpr uint16_t kFirstUnprivilegedPort = 1024;

// ns
inline constexpr uint32_t kServerSessions = 4096;     // of all processes together
inline constexpr uint32_t kUrlGroups = 16384;         // of all processes together
inline constexpr uint32_t kUrls = 16384;              // registrations: every change copies the tree
inline constexpr uint32_t kNearestUrlsLogged = 4;     // registrations named in the log line of a request that found none

// queue
inline constexpr uint32_t kRequestQueues = 4096;      // of all processes together
inline constexpr uint32_t kRequestQueueLength = 1000; // requests that wait in one queue (HttpServerQueueLengthProperty's default)

// tls
// bytes; the client's certificate list as sent, default of MaxClientCertificateBytes
inline constexpr uint32_t kMaxClientCertificateBytes = 32768;
inline constexpr uint32_t kMaxPemCertificates = 256;          // blocks of one PEM text; a system's whole CA bundle has about 150

// url
inline constexpr uint32_t kUrlSegmentMaxLength = 260; // UTF-16 units of a path segment; HTTP.sys' default
inline constexpr uint32_t kUrlSegmentMaxCount = 255;  // path segments; HTTP.sys' default
inline constexpr uint32_t kHostNameMaxLength = 255;   // bytes of a host name; DNS allows 253, RFC 3986 3.2.2 says 255
inline constexpr uint32_t kUrlPrefixMaxLength = 4096; // UTF-16 units of a URL prefix; so that a key stays small, no program comes near
inline constexpr uint32_t kCookedUrlMaxLength = 32767; // UTF-16 units; HTTP_COOKED_URL counts bytes in 16 bits

}
