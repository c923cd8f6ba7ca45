// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/operations.h"
#include "kernel/base/canary.h"
#include "kernel/base/log.h"
#include "kernel/http/connection.h"
#include "kernel/se/quota.h"

namespace httpsys::http {

static void delivered(queue::DeliveryNote note)
{
  if (Connection *connection = Connection::find(note.connection_id))
    connection->note_channel(note.channel);
  else
    queue::connection_gone(note.channel, note.connection_id);
  if (Request *request = Request::find(note.request_id))
    request->set_delivered(std::move(note));
  else
    queue::request_gone(note.channel, note.request_id);
}

// httpapi: a worker that dies takes its requests with it (HTTPERR: Connection_Abandoned_By_ReqQueue).
static void abandon(uint64_t request_id, uint32_t uid)
{
  Request *request = Request::find(request_id);
  if (!request)
    return;
  RefPtr<Connection> connection(request->connection());
  log(LogCause::process(uid), "{}: reset, the worker that had received request {:x} has gone (Connection_Abandoned_By_ReqQueue)",
      connection->transport().label(), request_id);
  connection->abort(NtStatus::ConnectionAborted, "the worker that had received the request has gone", ke::Tally::Abandoned);
}

static http1::Refusal refusal_of(queue::Refusal why)
{
  static_assert(limits::kRequestQueueLength == 1000);
  switch (why) {
  case queue::Refusal::QueueFull:
    return {503, http1::Reason::QueueFull,
            "the request queue has 1000 requests, and may have 1000 (kRequestQueueLength): the application is slower than the arrivals"};
  case queue::Refusal::UserFull:
    return {503, http1::Reason::QueueFull,
            "the user of the request queue has as many requests under way as may be, RequestsPerUser", se::shares().requests_per_user};
  case queue::Refusal::QueueGone: return {503, http1::Reason::AppOffline, "the request queue was closed"};
  case queue::Refusal::Draining: return {503, http1::Reason::AppOffline, "httpsysd ends"};
  }
  return {503, http1::Reason::AppOffline, "the request reached no worker"};
}

static void refuse(uint64_t request_id, queue::Refusal why, uint32_t uid)
{
  Request *request = Request::find(request_id);
  if (!request)
    return;
  RefPtr<Connection> connection(request->connection());
  connection->refuse(refusal_of(why), why == queue::Refusal::UserFull ? fmt::format("uid {}", uid) : std::string());
}

static void returned(uint64_t queue_id, uint64_t request_id)
{
  if (!Request::find(request_id))
    queue::withdraw_request(queue_id, request_id);
}

static void attach_body(std::unique_ptr<queue::Delivery> delivery, uint32_t room)
{
  if (Request *request = Request::find(delivery->request.request_id)) {
    RefPtr<Connection> connection(request->connection());
    return request->attach_body(std::move(delivery), room);
  }
  // The request has ended: the receive goes on waiting for another one.
  queue::receive_again(std::move(delivery->irp));
}

static void operate_on_connection(io::IrpPtr irp)
{
  Connection *found = Connection::find(irp->entry().object_id);
  if (!found)
    return io::complete(std::move(irp), NtStatus::ConnectionInvalid, "the connection has ended");
  RefPtr<Connection> connection(found);
  if (irp->operation() == HSYS_OP_WAIT_DISCONNECT)
    return connection->wait_disconnect(std::move(irp));
  // It says who the client is: of whom another application serves that is not this one's business any more.
  if (!connection->is_receiver(*irp) && !is_broken(Canary::OwnerNotChecked))
    return io::complete(std::move(irp), NtStatus::ConnectionInvalid,
                        "the connection's latest request is another application's, so its client's certificate is");
  connection->receive_certificate(std::move(irp));
}

static void operate(io::IrpPtr irp)
{
  hsys_op operation = irp->operation();
  if (operation == HSYS_OP_WAIT_DISCONNECT || operation == HSYS_OP_RECEIVE_CERTIFICATE)
    return operate_on_connection(std::move(irp));
  Request *request = Request::find(irp->entry().object_id);
  if (!request)
    return queue::operate_on_ended(std::move(irp));
  RefPtr<Connection> connection(request->connection());
  switch (operation) {
  case HSYS_OP_RECEIVE_BODY: return request->receive_body(std::move(irp));
  case HSYS_OP_SEND_RESPONSE: return request->response().send_response(std::move(irp));
  case HSYS_OP_SEND_BODY: return request->response().send_body(std::move(irp));
  case HSYS_OP_CANCEL_REQUEST:
    connection->abort(NtStatus::Cancelled, "HttpCancelHttpRequest closed the connection", ke::Tally::Cancelled);
    return io::complete(std::move(irp), NtStatus::Success);
  default: return io::complete(std::move(irp), NtStatus::NotSupported);
  }
}

void register_request_owner()
{
  queue::register_request_owner({delivered, abandon, refuse, returned, attach_body, operate, ResponseSender::conclude});
}

}
