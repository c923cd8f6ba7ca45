// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/id_tables.h"
#include "kernel/http/counters.h"
#include "kernel/ke/core.h"

namespace httpsys::http {

static uint32_t random_generation()
{
  uint32_t value;
  platform::system().fill_random({reinterpret_cast<uint8_t *>(&value), sizeof value});
  return value;
}

Counters &counters()
{
  static Counters all;
  return all;
}

IdTables &id_tables()
{
  static thread_local IdTables tables{{ob::IdType::Connection, ke::Core::current().id(), random_generation()},
                                      {ob::IdType::Request, ke::Core::current().id(), random_generation()}};
  return tables;
}

}
