// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/se/access.h"
#include "kernel/limits.h"

namespace httpsys::se {

static uint32_t s_daemon_uid = 0;

void set_daemon_uid(uint32_t uid)
{
  s_daemon_uid = uid;
}

bool may_administer(uint32_t uid)
{
  return uid == 0 || uid == s_daemon_uid;
}

bool may_open_queue(uint32_t creator_uid, uint32_t uid)
{
  return uid == 0 || uid == creator_uid;
}

bool may_listen(uint16_t port, uint32_t uid)
{
  return port >= limits::kFirstUnprivilegedPort || may_administer(uid);
}

}
