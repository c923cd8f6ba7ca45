// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/id_tables.h"
#include "kernel/http/counters.h"
#include "kernel/io/per_core.h"
#include <optional>

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
  static io::PerCore<std::optional<IdTables>> all;
  auto &tables = all.here();
  ke::CoreId core = ke::Core::current().id();
  if (!tables)
    tables.emplace(IdTables{{ob::IdType::Connection, core, random_generation()}, {ob::IdType::Request, core, random_generation()}});
  return *tables;
}

}
