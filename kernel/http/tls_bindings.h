// SPDX-License-Identifier: GPL-3.0-or-later
// The current core's snapshot of the TLS bindings: new handshakes use it, connections keep the context that they began with.
#pragma once
#include "kernel/tls/binding_table.h"
#include <functional>

namespace httpsys::http {

// Empty before the first set_tls_bindings().
tls::BindingTable &tls_bindings();
// On the current core.
void set_tls_bindings(RefPtr<tls::BindingTable> bindings);
// To all cores, from core 0; done runs on core 0 when every core has them.
void publish_tls_bindings(RefPtr<tls::BindingTable> bindings, std::function<void()> done);

}
