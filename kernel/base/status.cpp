// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/status.h"

namespace httpsys {

const char *status_name(NtStatus status)
{
  switch (status) {
#define HSYS_STATUS_NAME(name, cxx, value, win32) \
  case NtStatus::cxx:                             \
    return #name;
    HSYS_STATUS_TABLE(HSYS_STATUS_NAME)
#undef HSYS_STATUS_NAME
  }
  return "?";
}

}
