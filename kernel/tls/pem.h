// SPDX-License-Identifier: GPL-3.0-or-later
// PEM texts (RFC 7468) taken apart into DER blocks. Pure functions; for what an administrator hands in.
#pragma once
#include "kernel/base/result.h"
#include "kernel/tls/certificate.h"
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::tls {

// All blocks with this label ("CERTIFICATE", "X509 CRL") in order; none is no error. Other labels and text between blocks are skipped.
// Errors, with a reason: InvalidParameter (a block without end or with broken base64), InsufficientResources (more than
// limits::kMaxPemCertificates).
Result<std::vector<Der>> pem_blocks(std::string_view pem, std::string_view label, std::string &reason);

// A private key's block as it stands, from BEGIN to END, and whether it is encrypted. Labels: any of at most 40
// bytes that ends with "PRIVATE KEY".
struct PemKey {
  std::string_view block; // empty: there is none
  bool is_encrypted = false;
};
PemKey pem_private_key(std::string_view pem);

}
