// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/capabilities.h"
#include <cap-ng.h>

namespace httpsys::platform {

bool empty_bounding_set()
{
  if (capng_get_caps_process() != 0 || !capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
    return false;
  capng_clear(CAPNG_SELECT_BOUNDS);
  return capng_apply(CAPNG_SELECT_BOUNDS) == 0;
}

Result<bool> keep_binding_alone(std::string &reason)
{
  const bool known = capng_get_caps_process() == 0;
  const bool binds = known && capng_have_capability(CAPNG_PERMITTED, CAP_NET_BIND_SERVICE);
  capng_clear(CAPNG_SELECT_CAPS);
  capng_clear(CAPNG_SELECT_AMBIENT);
  if (binds)
    capng_updatev(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED), CAP_NET_BIND_SERVICE, -1);
  if (known && capng_apply(CAPNG_SELECT_CAPS) == 0 && capng_apply(CAPNG_SELECT_AMBIENT) == 0)
    return binds;
  reason = "the capabilities of this process cannot be given up";
  return NtStatus::AccessDenied;
}

}
