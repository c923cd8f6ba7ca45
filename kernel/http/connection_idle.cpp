// SPDX-License-Identifier: GPL-3.0-or-later
// Connection: when it is idle, and how it makes room for a client who waits (kernel/net/idle_relief.h).
#include "kernel/base/log.h"
#include "kernel/http/connection.h"

namespace httpsys::http {

// No byte of a request or a handshake has come, and nothing waits for the client but what its system has to take.
bool Connection::is_idle() const
{
  if (m_transport.is_closing() || m_transport.has_unsent() || m_transport.has_part_of_record())
    return false;
  Awaited what = awaited();
  return what == Awaited::Request || what == Awaited::Handshake;
}

void Connection::update_idleness()
{
  if (is_idle() && !m_transport.makes_room())
    list();
  else
    unlist();
}

void Connection::on_all_sent()
{
  give_share_back();
  update_idleness();
}

bool Connection::make_room()
{
  if (!is_idle())
    return false;
  RefPtr<Connection> self(this);
  m_transport.make_room();
  return true;
}

bool Connection::begin_leaving()
{
  if (!is_idle())
    return false;
  m_transport.set_end(ke::Tally::MadeRoom);
  log(LogKind::Connection, "{}: closed to make room, it was idle for {:.2f} s", m_transport.label(),
      static_cast<double>(ke::Core::current().now() - idle_since()) / 1000);
  begin_closing();
  return true;
}

}
