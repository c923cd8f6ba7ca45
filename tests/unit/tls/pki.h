// SPDX-License-Identifier: GPL-3.0-or-later
// The certificates that tests/tls/make_pki.py has made.
#pragma once
#include "kernel/tls/tls_context.h"
#include <string>
#include <vector>

namespace httpsys::tls::test {

// A file of the PKI folder, whole.
std::string pki(const std::string &name);
// The certificates of NAME.pem.
std::vector<Der> pki_chain(const std::string &name);
Der pki_leaf(const std::string &name);
// Settings of a binding with this server certificate, the root as CA for clients, and no revocation lists.
ContextSettings pki_settings(const std::string &server = "server");
RefPtr<TlsContext> make_context(const ContextSettings &settings = pki_settings());
// What a shell command prints.
std::string output_of(const std::string &command);

}
