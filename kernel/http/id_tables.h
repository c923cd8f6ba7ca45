// SPDX-License-Identifier: GPL-3.0-or-later
// The ids of the current core's connections and requests.
#pragma once
#include "kernel/ob/id_table.h"

namespace httpsys::http {

class Connection;
class Request;

struct IdTables {
  ob::IdTable<Connection> connections;
  ob::IdTable<Request> requests;
};

IdTables &id_tables();

}
