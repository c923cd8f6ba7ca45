// SPDX-License-Identifier: GPL-3.0-or-later
// The image of a request (hsys_request, uapi/request.h): what a worker's block will hold, built on the connection's core while the
// head is in its buffer. Pure function of its arguments.
#pragma once
#include "kernel/http1/request_head.h"
#include "kernel/url/cooked_url.h"
#include <span>
#include <vector>

namespace httpsys::http {

struct ImageFacts {
  uint64_t connection_id = 0, request_id = 0, raw_connection_id = 0, url_context = 0;
  uint64_t bytes_received = 0; // head and body so far
  bool is_ip_routed = false;
  Endpoint local, remote;
  // On TLS connections.
  bool is_tls = false;
  uint32_t server_key_bits = 0, connection_key_bits = 0;
  uint16_t tls_version = 0, tls_cipher_suite = 0;
  std::string_view server_issuer, server_subject;
  std::span<const uint8_t> client_certificate; // leaf, DER; empty: none known
  uint32_t client_certificate_flags = 0;
};

// buffer: the bytes that head's offsets count from.
std::vector<uint8_t> build_request_image(const http1::RequestHead &head, std::string_view buffer, const url::CookedUrl &url,
                                         const ImageFacts &facts);

}
