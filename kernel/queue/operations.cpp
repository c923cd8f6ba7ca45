// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/operations.h"
#include "kernel/base/canary.h"
#include "kernel/ns/namespace.h"
#include "kernel/queue/delivered_requests.h"
#include "kernel/queue/queue_registry.h"
#include "kernel/queue/request_queue.h"

namespace httpsys::queue {

static DeliveredRequests &delivered_requests(io::Channel &channel)
{
  return static_cast<DeliveredRequests &>(channel.extension());
}

static void create_request_queue(io::Channel &channel, io::IrpPtr irp)
{
  channel.forward_to_core_0(std::move(irp), [](io::IrpPtr forwarded) { QueueRegistry::instance().create_or_open(std::move(forwarded)); });
}

// httpapi: HttpShutdownRequestQueue. Requests that the process has received may still be answered; nothing new is delivered to it.
static void shutdown_request_queue(io::Channel &channel, io::IrpPtr irp)
{
  uint64_t handle = irp->entry().handle;
  auto target = channel.handles().find(handle);
  if (target.is_error())
    return io::complete(std::move(irp), target.error());
  (*target)->shut_down = true;
  channel.cancel_operations(std::move(irp), [](hsys_op operation) {
    return operation == HSYS_OP_RECEIVE_REQUEST || operation == HSYS_OP_WAIT_DISCONNECT;
  });
}

static void park_in_queue(io::IrpPtr irp)
{
  RequestQueue *queue = RequestQueue::find(irp->target().queue);
  if (!queue)
    return io::complete(std::move(irp), NtStatus::InvalidHandle, "the request queue has been closed");
  queue->receive(std::move(irp));
}

static void receive_request(io::Channel &channel, io::IrpPtr irp)
{
  if (irp->entry().object_id != HSYS_NULL_ID)
    return delivered_requests(channel).retrieve(std::move(irp));
  if (irp->target().shut_down)
    return io::complete(std::move(irp), NtStatus::InvalidHandle, "this process has shut the request queue down (HttpShutdownRequestQueue)");
  ke::CoreId home = irp->target().home_core;
  channel.forward(std::move(irp), home, park_in_queue);
}

static void operate(io::IrpPtr irp)
{
  request_owner().operate(std::move(irp));
}

static void request_operation(io::Channel &channel, io::IrpPtr irp)
{
  uint64_t id = irp->entry().object_id;
  auto *delivered = delivered_requests(channel).find(id, irp->target().queue);
  if (!delivered && !is_broken(Canary::IdsNotChecked))
    return delivered_requests(channel).operate_on_ended(std::move(irp));
  if (delivered)
    delivered->is_used = true;
  channel.forward(std::move(irp), ob::id_core(id), operate);
}

static void connection_operation(io::Channel &channel, io::IrpPtr irp)
{
  uint64_t id = irp->entry().object_id;
  if (!delivered_requests(channel).has_connection(id, irp->target().queue))
    return io::complete(std::move(irp), NtStatus::ConnectionInvalid,
                        "the connection has ended, or no request of it was received through this request queue by this process");
  channel.forward(std::move(irp), ob::id_core(id), operate);
}

static void wait_disconnect(io::Channel &channel, io::IrpPtr irp)
{
  if (irp->target().shut_down)
    return io::complete(std::move(irp), NtStatus::InvalidHandle, "this process has shut the request queue down (HttpShutdownRequestQueue)");
  connection_operation(channel, std::move(irp));
}

// A group is bound to what the handle names; without a handle it is unbound.
static void bind_url_group(io::Channel &channel, io::IrpPtr irp)
{
  channel.forward_to_core_0(std::move(irp), [](io::IrpPtr forwarded) { ns::Namespace::instance().bind(std::move(forwarded)); });
}

static void handle_closed(io::Channel &channel, uint64_t, const ob::HandleTarget &target)
{
  if (!channel.handles().has_queue(target.queue))
    delivered_requests(channel).queue_closed(target.queue);
  ke::Cores::instance().run_on(0, [queue = target.queue, client = channel.client()] { QueueRegistry::instance().release(queue, client); });
}

void register_operations()
{
  io::register_operation(HSYS_OP_CREATE_REQUEST_QUEUE, create_request_queue);
  io::register_operation(HSYS_OP_SHUTDOWN_REQUEST_QUEUE, shutdown_request_queue);
  io::register_operation(HSYS_OP_BIND_URL_GROUP, bind_url_group);
  io::register_operation(HSYS_OP_RECEIVE_REQUEST, receive_request);
  for (auto operation : {HSYS_OP_RECEIVE_BODY, HSYS_OP_SEND_RESPONSE, HSYS_OP_SEND_BODY, HSYS_OP_CANCEL_REQUEST})
    io::register_operation(operation, request_operation);
  io::register_operation(HSYS_OP_RECEIVE_CERTIFICATE, connection_operation);
  io::register_operation(HSYS_OP_WAIT_DISCONNECT, wait_disconnect);
  io::register_handle_closed(handle_closed);
  io::register_extension([](io::Channel &channel) -> std::unique_ptr<io::ChannelExtension> {
    return std::make_unique<DeliveredRequests>(channel);
  });
}

}
