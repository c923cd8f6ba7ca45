// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/boot.h"
#include "kernel/http/operations.h"
#include "kernel/ns/namespace.h"
#include "kernel/queue/operations.h"

namespace httpsys {

void register_layers()
{
  ns::Namespace::register_operations();
  queue::register_operations();
  http::register_request_owner();
}

}
