// SPDX-License-Identifier: GPL-3.0-or-later
// The ids of the current core's connections and requests.
#pragma once
#include "kernel/limits.h"
#include "kernel/ob/id_table.h"

namespace httpsys::http {

class Connection;
class Request;

struct IdTables {
  ob::IdTable<Connection> connections;
  ob::IdTable<Request> requests;
};

// Connection::start() relies on an id for each connection that accept() has let in.
static_assert(limits::kConnectionsPerCore < ob::IdTable<Connection>::kMaximumSlots);

IdTables &id_tables();

}
