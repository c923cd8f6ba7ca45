// SPDX-License-Identifier: GPL-3.0-or-later
// TLS alert codes (RFC 8446 6.2, RFC 5246 7.2) by name, for refusals and log lines.
#pragma once
#include <cstdint>
#include <string_view>

namespace httpsys::tls {

enum class Alert : uint8_t {
  CloseNotify = 0,
  UnexpectedMessage = 10,
  BadRecordMac = 20,
  RecordOverflow = 22,
  HandshakeFailure = 40,
  BadCertificate = 42,
  IllegalParameter = 47,
  DecodeError = 50,
  DecryptError = 51,
  ProtocolVersion = 70,
  InternalError = 80,
  NoRenegotiation = 100,
  UnrecognizedName = 112,
  NoApplicationProtocol = 120,
};

// The standard's name, "unknown_ca" for 48; "unknown" for a code without one.
std::string_view alert_name(int code);

}
