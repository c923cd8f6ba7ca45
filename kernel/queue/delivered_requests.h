// SPDX-License-Identifier: GPL-3.0-or-later
// DeliveredRequests: the requests and connections that a session has received, kept with its channel: the authority for
// "may this session name this id" (trust rule T10), and what goes back to the queue when the session ends before it has
// received them. There may be as many as connections, so what is done with all is done some in each turn. Owned by the channel's core.
#pragma once
#include "kernel/io/dispatch.h"
#include "kernel/queue/answered_requests.h"
#include "kernel/queue/request_ends.h"
#include "kernel/queue/return_work.h"
#include <deque>
#include <unordered_map>
#include <vector>

namespace httpsys::queue {

class DeliveredRequests final : public io::ChannelExtension, ReturnWork {
public:
  explicit DeliveredRequests(io::Channel &channel) : m_channel(channel) {}
  ~DeliveredRequests();

  struct OfQueue; // tags of lists
  struct Unreceived;
  struct Delivered;
  // Those of a queue, the newest delivery first.
  struct Queue {
    IntrusiveList<Delivered, OfQueue> requests;
    bool is_closed = false; // the session has no handle of it any more, or another one since
  };
  struct Delivered : ListLink<Delivered, OfQueue>, ListLink<Delivered, Unreceived> {
    QueuedRequest request;     // its image is kept until the client has received it whole
    Queue *queue = nullptr;    // whose list it is in; null when it was away while its queue was closed, or the session ended
    bool is_retrieved = false; // a receive gave the whole image; false after BUFFER_OVERFLOW alone
    bool is_away = false;      // a retrieval has the image, on the request's core
    bool is_used = false;      // the session has operated on it: nobody else could answer it any more
    bool is_published = false;
    uint32_t cq_index = 0; // of the entry that gave the whole image
  };

  // Finishes a receive of the queue: records the request, notes its owner, completes the operation. A receive that was
  // cancelled meanwhile gives the request back.
  void deliver(std::unique_ptr<Delivery> delivery);
  // RECEIVE_REQUEST with an id: after BUFFER_OVERFLOW. The request stays this session's until it has ended.
  void retrieve(io::IrpPtr irp);
  // The session has no handle of the queue any more (httpapi: HttpCloseRequestQueue): what it has not received goes back,
  // the rest is aborted; some at once, others in the turns that follow.
  void queue_closed(uint64_t queue_id);
  // The request, if this session has received it through that queue.
  Delivered *find(uint64_t request_id, uint64_t queue_id);
  bool has_connection(uint64_t connection_id, uint64_t queue_id) const;
  void request_gone(uint64_t request_id);
  void request_answered(uint64_t request_id, AnsweredRequest request);
  // An operation of a request that is not there any more.
  void operate_on_ended(io::IrpPtr irp);
  void connection_gone(uint64_t connection_id);
  size_t count() const { return m_requests.size(); }
  size_t answered_count() const { return m_answered.count(); }
  size_t connection_count() const { return m_connections.size(); }
  size_t queues_of_connections() const; // that may name them, of all
  size_t note_count() const { return m_unreceived.size(); } // of requests with images

  void on_delivery_published(uint64_t request_id, uint32_t cq_index, bool has_output) override;
  bool on_session_end(uint32_t received_up_to) override;

private:
  using Requests = std::unordered_map<uint64_t, Delivered>;
  bool return_some() override { return let_some_go(m_channel.received_up_to()); }
  void hand_over(std::unique_ptr<Delivery> delivery);
  void give_back(std::unique_ptr<Delivery> delivery);
  void complete_delivery(io::IrpPtr irp, Delivered &delivered);
  void note_connection(const QueuedRequest &request);
  void enter(Delivered &delivered);
  void leave(Delivered &delivered);
  void forget(Requests::iterator request);
  void let_go(Requests::iterator request, RequestEnds &ends);
  void forget_image(Delivered &delivered);
  void forget_received_images();
  bool let_some_go(uint32_t received_up_to);
  io::Channel &m_channel;
  Requests m_requests;
  std::unordered_map<uint64_t, std::unique_ptr<Queue>> m_queues;
  std::deque<std::unique_ptr<Queue>> m_closed;       // whose requests go back or end, some in each turn
  std::unordered_map<uint64_t, std::vector<uint64_t>> m_connections; // connection id -> the queues through which requests of it came last
  AnsweredRequests m_answered;
  IntrusiveList<Delivered, Unreceived> m_unreceived; // with images, in the order of delivery
  Delivered *m_next_look = nullptr;                  // of m_unreceived, for forget_received_images(); null: its first
  bool m_ended = false;
};

}
