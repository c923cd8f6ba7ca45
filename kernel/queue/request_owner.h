// SPDX-License-Identifier: GPL-3.0-or-later
// What the queue knows of requests: ids and images. Everything else belongs to the owner, the layer above, which
// registers its functions at boot (queue never names http). Each function runs on the request's own core (id_core of
// its id); a request that has ended meanwhile is not an error there.
#pragma once
#include "kernel/io/irp.h"
#include "kernel/ob/id_table.h"
#include <memory>
#include <vector>

namespace httpsys::queue {

// A parsed and routed request on its way to a worker. The image (hsys_request, uapi/request.h) carries all that a
// worker sees, without body bytes.
struct QueuedRequest {
  uint64_t request_id = 0;
  uint64_t connection_id = 0;
  uint64_t queue_id = 0;
  std::vector<uint8_t> image;
};

// A receive that got its request, on the way to the channel's core.
struct Delivery {
  io::IrpPtr irp;
  QueuedRequest request;
  bool body_attached = false; // the owner has added the body bytes that HSYS_RECEIVE_COPY_BODY or _FLUSH_BODY asked for
};

enum class Refusal { QueueFull, QueueGone };

struct RequestOwner {
  // The request is with this channel now; the owner tells it (request_gone) when the request ends, at once if it has ended.
  void (*delivered)(uint64_t request_id, io::ChannelAddress channel);
  // The worker that had received it is gone: the connection is aborted.
  void (*abandon)(uint64_t request_id);
  // It reached no worker: 503.
  void (*refuse)(uint64_t request_id, Refusal why);
  // Adds up to `room` body bytes to the image and hands the delivery to continue_delivery() on the channel's core; with
  // HSYS_RECEIVE_FLUSH_BODY first waits for the whole body.
  void (*attach_body)(std::unique_ptr<Delivery> delivery, uint32_t room);
  // RECEIVE_BODY, SEND_*, CANCEL_REQUEST, RECEIVE_CERTIFICATE, WAIT_DISCONNECT of a session that may.
  void (*operate)(io::IrpPtr irp);
};

void register_request_owner(const RequestOwner &owner);
const RequestOwner &request_owner();

// From the owner, on the request's core. The request enters its queue; it is refused when that is full or gone.
void submit_request(QueuedRequest request);
// The connection died, or the request was answered otherwise, before it was delivered: the queue drops it.
void withdraw_request(uint64_t queue_id, uint64_t request_id);
// At the head of its queue again: the receive that should have got it is gone.
void return_request(QueuedRequest request);
// The receive that was on its way with a request that has ended: it waits on.
void receive_again(io::IrpPtr irp);
// To a channel that had received the request: it has ended, its id is dead.
void request_gone(io::ChannelAddress channel, uint64_t request_id);
void connection_gone(io::ChannelAddress channel, uint64_t connection_id);
void continue_delivery(std::unique_ptr<Delivery> delivery);

}
