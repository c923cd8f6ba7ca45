// SPDX-License-Identifier: GPL-3.0-or-later
// The lists that "show" prints: netsh http's layout for sslcert (scripts read its labels), the same style for what
// netsh does not have. Pure functions of the state.
#pragma once
#include "kernel/cm/state.h"
#include <span>
#include <string>
#include <string_view>

namespace httpsys::cm {

std::string show_bindings(std::span<const SslRecord *const> records);
// state: for the bindings that use each.
std::string show_certificates(std::span<const Certificate *const> certificates, const State &state);
std::string show_authorities(std::span<const Authority *const> authorities);
std::string show_revocations(std::span<const RevocationList *const> lists);
// lines: one for each number.
std::string show_statistics(std::string_view lines);

// What netsh prints when a change is done: the sentence between empty lines.
std::string message(std::string_view sentence);

}
