// SPDX-License-Identifier: GPL-3.0-or-later
// Request: one request of a connection, from its complete head to the end of its response and of its body. Owned by the connection,
// on its core; others know its id. The id dies when the final send is accepted or
// the response is complete without one, the object when response and body have both ended.
#pragma once
#include "kernel/http/entity_body.h"
#include "kernel/http/response_sender.h"
#include "kernel/http1/chunked.h"
#include "kernel/http1/request_parser.h"
#include "kernel/queue/request_owner.h"
#include <optional>

namespace httpsys::http {

class Connection;

class Request final : io::IrpQueue::CancelHandler {
public:
  Request(Connection &connection, const http1::RequestHead &head);
  ~Request();

  // The live request of that id on the current core; null after its final send, too.
  static Request *find(uint64_t id);

  // Gives the request an id; false when the core has no more.
  bool assign_id();
  // From here on operations with the id find nothing; the worker's channel is told.
  void retire_id();
  // The same when the response is complete, and the worker has not said that this was all.
  void retire_answered(bool drops_body);
  // Nothing keeps the request from ending but the word of its worker: there is nothing to read for it, or the next request has come,
  // whoever's it is.
  bool is_only_held() const;
  // The response has been sent: nothing is read of the body any more.
  void end_reading(const std::string &reason);
  // Before the object ends: gives back or fails everything that waits for it, and takes it out of its queue.
  void end(NtStatus status, const std::string &reason);
  uint64_t id() const { return m_id; }

  Connection &connection() { return m_connection; }
  EntityBody &body() { return m_body; }
  ResponseSender &response() { return m_response; }
  const RequestFacts &facts() const { return m_facts; }
  // Into its queue. On one core the whole way to the worker, and even a refusal, happens inside this call.
  void submit(queue::QueuedRequest queued);

  // Feeds bytes that follow the head. Returns how many belong to this request; false in `ok` for broken chunk framing (see
  // chunk_refusal()).
  size_t take_body_bytes(std::string_view bytes, bool &ok);
  const http1::Refusal &chunk_refusal() const { return m_chunked->refusal(); }

  // What counts for the user whose queue has or had it, when the request has ended and its connection is held on for it.
  queue::RequestShare take_share() { return std::move(m_share); }
  bool is_delivered() const { return m_channel.has_value(); }
  void set_delivered(queue::DeliveryNote note);
  // HSYS_RECEIVE_COPY_BODY and _FLUSH_BODY of the receive that gets this request.
  void attach_body(std::unique_ptr<queue::Delivery> delivery, uint32_t room);
  // Body bytes have come, or the body ended or failed: a waiting attach_body() may go on.
  void continue_attaching();

  // httpapi: HttpReceiveRequestEntityBody.
  void receive_body(io::IrpPtr irp);
  bool awaits_continue() const;

private:
  void on_irp_cancelled(io::IrpQueue &queue, io::IrpPtr irp) override;
  size_t take_chunks(std::string_view bytes, bool &ok);
  void ask_for_body();
  void finish_attaching();
  void drop_attaching();
  Connection &m_connection;
  uint64_t m_id = 0;
  uint64_t m_queue_id = 0;
  RequestFacts m_facts;
  uint32_t m_head_bytes;
  bool m_expects_continue;
  bool m_sent_continue = false;
  bool m_is_counted = false;
  http1::Framing m_framing;
  uint64_t m_content_left;
  std::optional<http1::ChunkedDecoder> m_chunked;
  EntityBody m_body;
  ResponseSender m_response;
  std::optional<io::ChannelAddress> m_channel; // of the latest delivery
  uint32_t m_delivery = 0;                     // its number
  queue::RequestShare m_share;                 // since the first one
  std::unique_ptr<queue::Delivery> m_attaching; // waits for body bytes, its operation in m_attach_receive
  uint32_t m_attach_room = 0;
  io::IrpQueue m_attach_receive{this};
};

}
