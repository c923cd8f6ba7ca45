// SPDX-License-Identifier: GPL-3.0-or-later
// The daemon's own answers (design.md 5; http-wire-and-netsh.md B.3): a page that scripts and scanners know, with Connection:
// close.
#pragma once
#include "kernel/http1/refusal.h"
#include <string>
#include <string_view>

namespace httpsys::http {

// The whole response; for HEAD without its body.
std::string own_answer(const http1::Refusal &refusal, bool is_head);
// The current second as an IMF-fixdate; formatted once a second and core.
std::string_view current_date();

}
