// SPDX-License-Identifier: GPL-3.0-or-later
// What the queue knows of requests: ids and images. Everything else belongs to the owner, the layer above, which
// registers its functions at boot (queue never names http). Each function runs on the request's own core (id_core of
// its id); a request that has ended meanwhile is not an error there.
#pragma once
#include "kernel/io/irp.h"
#include "kernel/ob/id_table.h"
#include "kernel/queue/user_requests.h"
#include <memory>
#include <vector>

namespace httpsys::queue {

// A parsed and routed request on its way to a worker. The image (hsys_request, uapi/request.h) carries all that a
// worker sees, without body bytes.
struct QueuedRequest {
  uint64_t request_id = 0;
  uint64_t connection_id = 0;
  uint64_t queue_id = 0;
  uint32_t deliveries = 0; // how often it has been given to a session
  RequestShare share;      // from when its queue has it until it is delivered for the first time
  std::vector<uint8_t> image;
};

// A receive that got its request, on the way to the channel's core.
struct Delivery {
  io::IrpPtr irp;
  QueuedRequest request;
  bool body_attached = false; // the owner has added the body bytes that HSYS_RECEIVE_COPY_BODY or _FLUSH_BODY asked for
  bool was_cancelled = false; // while the owner had it: the request goes elsewhere
};

// What the owner learns of a delivery.
struct DeliveryNote {
  uint64_t request_id = 0;
  uint64_t connection_id = 0;
  io::ChannelAddress channel;
  uint32_t number = 0; // QueuedRequest::deliveries; notes of two channels may come in the wrong order
  RequestShare share;  // of the first one: the owner keeps it as long as anything holds the connection for this request
};

// A request whose response ended by itself: the client has all that its head declared, and the connection has gone on.
struct AnsweredRequest {
  uint64_t connection_id = 0, queue_id = 0;
  bool drops_body = false;   // HEAD, 204, 304: bytes of a body may still come, and go nowhere
  bool body_was_read = false; // the request's, to its end
};

enum class Refusal { QueueFull, UserFull, QueueGone, Draining };

// In words, for operations that name a request.
inline constexpr const char *kRequestGone = "the request is not one of this process' requests, or it has ended";

struct RequestOwner {
  // The request is with this channel now; the owner tells it when request and connection end (request_gone,
  // connection_gone), at once if they have ended.
  void (*delivered)(DeliveryNote note);
  // The worker that had received it, a process of that user, is gone: the connection is aborted.
  void (*abandon)(uint64_t request_id, uint32_t uid);
  // It reached no worker: 503. uid: whose queue it was to enter, for UserFull.
  void (*refuse)(uint64_t request_id, Refusal why, uint32_t uid);
  // It has come back into that queue from a worker that is gone. One that ended on its way was withdrawn before it was there, so that
  // nobody would take it out: then the owner does so again.
  void (*returned)(uint64_t queue_id, uint64_t request_id);
  // Adds up to `room` body bytes to the image and hands the delivery to continue_delivery() on the channel's core; with
  // HSYS_RECEIVE_FLUSH_BODY first waits for the whole body. When the request has ended, the operation goes to
  // receive_again().
  void (*attach_body)(std::unique_ptr<Delivery> delivery, uint32_t room);
  // RECEIVE_BODY, SEND_*, CANCEL_REQUEST, RECEIVE_CERTIFICATE, WAIT_DISCONNECT of a session that may.
  void (*operate)(io::IrpPtr irp);
  // RECEIVE_BODY, SEND_* or CANCEL_REQUEST of such a request, on the channel's core. True: the session has ended it.
  bool (*conclude)(io::IrpPtr irp, const AnsweredRequest &request);
};

void register_request_owner(const RequestOwner &owner);
const RequestOwner &request_owner();

// From the owner, on the request's core. The request enters its queue; it is refused when that is full or gone, or when as many of its
// user's are under way as may be.
void submit_request(QueuedRequest request);
// The connection died, or the request was answered otherwise, before it was delivered: the queue drops it.
void withdraw_request(uint64_t queue_id, uint64_t request_id);
// At the head of its queue again: the receive that should have got it is gone.
void return_request(QueuedRequest request);
// The receive that was on its way with a request that has ended: it waits on, before those that came later. One that named
// the request fails.
void receive_again(io::IrpPtr irp);
// To a channel that had received the request: it has ended, its id is dead.
void request_gone(io::ChannelAddress channel, uint64_t request_id);
// The same when the response has ended by itself: what the session sends to end it succeeds. Of `request`, the queue fills in the ids.
void request_answered(io::ChannelAddress channel, uint64_t request_id, AnsweredRequest request);
// An operation whose request has ended on the owner's core while it was on its way there.
void operate_on_ended(io::IrpPtr irp);
void connection_gone(io::ChannelAddress channel, uint64_t connection_id);
void continue_delivery(std::unique_ptr<Delivery> delivery);

}
