// SPDX-License-Identifier: GPL-3.0-or-later
// ResponseSender: operations that come when the response has ended by itself. On the core of their channel.
#include "kernel/http/connection.h"
#include "kernel/http/response_block.h"
#include <algorithm>

namespace httpsys::http {

static bool has_bytes(const SendBodyBlock &block)
{
  return std::ranges::any_of(block.extents, [](const hsys_extent &extent) { return extent.length > 0; });
}

static void disconnect(const queue::AnsweredRequest &request)
{
  ke::Cores::instance().run_on(ob::id_core(request.connection_id), [id = request.connection_id, queue_id = request.queue_id] {
    if (Connection *found = Connection::find(id)) {
      RefPtr<Connection> connection(found);
      connection->disconnect(queue_id);
    }
  });
}

// Many programs send all bytes with MORE_DATA and end the response with an empty send.
bool ResponseSender::conclude_send(io::IrpPtr irp, const queue::AnsweredRequest &request)
{
  auto block = parse_send_body_block(irp->parameters());
  if (block.is_error() || !extents_are_inside(*irp, block->extents)) {
    io::complete(std::move(irp), NtStatus::InvalidParameter, kGarbledParameters);
    return false;
  }
  bool is_last = !block->continues && (irp->entry().op_flags & HSYS_SEND_MORE_DATA) == 0;
  if (!request.drops_body && has_bytes(*block)) {
    io::complete(std::move(irp), NtStatus::ConnectionInvalid,
                 "the response has ended: all that its Content-Length or chunks declared was sent before");
    return is_last;
  }
  if (irp->entry().op_flags & HSYS_SEND_DISCONNECT)
    disconnect(request);
  io::complete(std::move(irp), completion_of(0, 1));
  return is_last;
}

bool ResponseSender::conclude(io::IrpPtr irp, const queue::AnsweredRequest &request)
{
  switch (irp->operation()) {
  case HSYS_OP_SEND_BODY: return conclude_send(std::move(irp), request);
  case HSYS_OP_SEND_RESPONSE: io::complete(std::move(irp), NtStatus::InvalidDeviceState, kRespondedBefore); return false;
  case HSYS_OP_RECEIVE_BODY:
    if (request.body_was_read)
      io::complete(std::move(irp), NtStatus::EndOfFile);
    else
      io::complete(std::move(irp), NtStatus::ConnectionInvalid, "the response has ended, and the client's next request has come");
    return false;
  default: io::complete(std::move(irp), NtStatus::ConnectionInvalid, "the response has ended"); return true;
  }
}

}
