// SPDX-License-Identifier: GPL-3.0-or-later
// ClientHello: what must be known of a hello (RFC 8446 4.1.2, RFC 5246 7.4.1.2) before wolfSSL sees it: which binding is meant, and what
// wolfSSL would answer wrongly. A pure function of bytes; a hello that is malformed in other ways is left to wolfSSL to refuse.
#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace httpsys::tls {

struct ClientHello {
  std::string server_name; // as sent, RFC 6066 host_name; "" without one
  bool offers_tls13 = false;
  bool offers_tls12 = true; // by legacy_version when there is no supported_versions
  uint16_t best_version = 0;  // the highest that it offers of 0x0300 (SSL 3.0) to 0x0304 (TLS 1.3); 0: none of them
  bool offers_http1 = true;   // false: ALPN names neither http/1.1 nor http/1.0
  std::string protocols;      // what it names then, quoted and joined
  bool has_early_data = false;
  bool offers_ticket = false;       // to resume a session
  bool names_groups = false;        // has supported_groups
  bool names_group_of_ours = false; // and one of them is compiled in
  // Faults that are refused with illegal_parameter; null when there is none.
  const char *fault = nullptr;

  // body: the handshake message without its four bytes of header.
  static ClientHello parse(std::span<const uint8_t> body);
};

}
