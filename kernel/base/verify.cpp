// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/verify.h"
#include <cstdio>
#include <cstdlib>

namespace httpsys {

void verify_failed(const char *expression, const char *file, int line)
{
  std::fprintf(stderr, "httpsysd: %s:%d: VERIFY(%s) failed\n", file, line, expression);
  std::abort();
}

}
