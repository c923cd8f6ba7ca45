// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/settings.h"

namespace httpsys::http {

static Settings s_settings;

const Settings &settings()
{
  return s_settings;
}

void set_settings(const Settings &settings)
{
  s_settings = settings;
}

}
