// SPDX-License-Identifier: GPL-3.0-or-later
// Connection: who may end it beside its client, and what its end is counted as.
#include "kernel/http/connection.h"
#include "kernel/limits.h"

namespace httpsys::http {

// What the client's leaving now is.
ke::Tally Connection::end_by_client() const
{
  switch (m_phase) {
  case Phase::Handshake: return ke::Tally::HandshakeFailed;
  case Phase::Head:
    if (m_parser.has_started())
      return ke::Tally::Broken;
    if (!m_had_request)
      return ke::Tally::Unused;
    break;
  case Phase::Response:
  case Phase::Drain: return ke::Tally::Broken;
  case Phase::Closing: break;
  }
  return m_transport.has_left_unsent() ? ke::Tally::Broken : ke::Tally::InOrder;
}

void Connection::close_for_client()
{
  m_transport.set_end(end_by_client());
  close();
}

bool Connection::is_receiver(const io::Irp &irp) const
{
  return irp.target().queue == m_receiver.queue_id || m_receiver.channel == irp.channel();
}

// The newest last. Sessions come and go while a connection lives: those that had requests of it long ago are told that it is not theirs any
// more.
void Connection::note_channel(io::ChannelAddress channel)
{
  if (!m_channels.empty() && m_channels.back() == channel)
    return;
  std::erase(m_channels, channel);
  if (m_channels.size() == limits::kChannelsOfConnection) {
    queue::connection_gone(m_channels.front(), m_id);
    m_channels.erase(m_channels.begin());
  }
  m_channels.push_back(channel);
}

void Connection::disconnect(uint64_t queue_id)
{
  if (m_transport.is_closing() || queue_id != m_receiver.queue_id)
    return;
  close_after_response();
  if (awaited() == Awaited::Request)
    close();
}

ke::Tally Connection::end_by_time() const
{
  switch (m_awaited) {
  case Awaited::Handshake: return ke::Tally::HandshakeTime;
  case Awaited::Head: return ke::Tally::HeadTime;
  case Awaited::Body: return ke::Tally::BodyTime;
  case Awaited::Rest: return ke::Tally::RestTime;
  case Awaited::Request:
  case Awaited::Nothing: break;
  }
  return m_had_request ? ke::Tally::Idle : ke::Tally::UnusedIdle;
}

}
