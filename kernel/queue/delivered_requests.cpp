// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/delivered_requests.h"
#include "kernel/limits.h"
#include "kernel/queue/request_queue.h"
#include "uapi/layout.h"
#include <algorithm>
#include <cstring>

namespace httpsys::queue {

static hsys_request image_head(const QueuedRequest &request)
{
  hsys_request head;
  VERIFY(request.image.size() >= sizeof head);
  std::memcpy(&head, request.image.data(), sizeof head);
  return head;
}

// Of the image as it is: with the chunk for body bytes that were attached to it.
static uint32_t native_size(const hsys_request &head, bool version_1)
{
  uint32_t size = head.native_size - (version_1 ? hsys_native_version_2_bytes(head.flags) : 0);
  return head.body.length > 0 ? size + HSYS_NATIVE_DATA_CHUNK + head.body.length : size;
}

// Body bytes to be asked for; 0: none.
static uint32_t body_room(const Delivery &delivery)
{
  hsys_request head = image_head(delivery.request);
  const hsys_sqe &entry = delivery.irp->entry();
  bool wants_body = (entry.op_flags & (HSYS_RECEIVE_COPY_BODY | HSYS_RECEIVE_FLUSH_BODY)) != 0;
  if (!wants_body || delivery.body_attached || head.body.length > 0 || (head.flags & HSYS_REQUEST_MORE_BODY) == 0)
    return 0;
  return hsys_native_body_room(native_size(head, delivery.irp->target().version_1), entry.out_length, HSYS_BODY_READ_MAX);
}

void DeliveredRequests::deliver(std::unique_ptr<Delivery> delivery)
{
  if (m_ended || m_channel.is_ending() || delivery->was_cancelled || m_channel.is_cancelling(*delivery->irp))
    return give_back(std::move(delivery));
  uint32_t room = body_room(*delivery);
  if (room == 0)
    return hand_over(std::move(delivery));
  ke::CoreId core = ob::id_core(delivery->request.request_id);
  ke::Cores::instance().run_on(core, [delivery = std::move(delivery), room]() mutable {
    request_owner().attach_body(std::move(delivery), room);
  });
}

static bool is_retrieval(const Delivery &delivery)
{
  return delivery.irp->entry().object_id != HSYS_NULL_ID;
}

DeliveredRequests::~DeliveredRequests()
{
  for (auto &[id, delivered] : m_requests)
    leave(delivered);
}

// With an image, as the newest of its queue.
void DeliveredRequests::enter(Delivered &delivered)
{
  auto &queue = m_queues[delivered.request.queue_id];
  if (!queue)
    queue = std::make_unique<Queue>();
  delivered.queue = queue.get();
  queue->requests.prepend(delivered);
  m_unreceived.append(delivered);
}

void DeliveredRequests::leave(Delivered &delivered)
{
  if (Queue *queue = std::exchange(delivered.queue, nullptr))
    queue->requests.remove(delivered);
  forget_image(delivered);
}

void DeliveredRequests::forget_image(Delivered &delivered)
{
  if (!static_cast<ListLink<Delivered, Unreceived> &>(delivered).is_linked())
    return;
  if (m_next_look == &delivered)
    m_next_look = m_unreceived.next(delivered);
  m_unreceived.remove(delivered);
}

void DeliveredRequests::forget(Requests::iterator request)
{
  leave(request->second);
  m_requests.erase(request);
}

// Back to the head of its queue; when the session may have begun with it, it ends.
void DeliveredRequests::let_go(Requests::iterator found, RequestEnds &ends)
{
  QueuedRequest request = std::move(found->second.request);
  bool is_used = found->second.is_used;
  forget(found);
  if (is_used)
    ends.abandon(request.request_id, m_channel.uid());
  else
    return_request(std::move(request));
}

// The receive is gone, the request is not: another one gets it. One that was to be retrieved waits for the next retrieval.
void DeliveredRequests::give_back(std::unique_ptr<Delivery> delivery)
{
  uint64_t id = delivery->request.request_id;
  auto found = m_requests.find(id);
  if (!is_retrieval(*delivery)) {
    return_request(std::move(delivery->request));
  } else if (found != m_requests.end()) {
    Delivered &kept = found->second;
    kept.request = std::move(delivery->request);
    kept.is_away = false;
    if (!kept.queue) {
      RequestEnds ends;
      let_go(found, ends);
    } else {
      m_unreceived.append(kept);
    }
  }
  io::complete(std::move(delivery->irp), NtStatus::Cancelled);
}

// The newest last. A client may go from queue to queue on one connection for ever.
void DeliveredRequests::note_connection(const QueuedRequest &request)
{
  auto &queues = m_connections[request.connection_id];
  if (!queues.empty() && queues.back() == request.queue_id)
    return;
  std::erase_if(queues, [&](uint64_t queue) { return queue == request.queue_id || !m_channel.handles().has_queue(queue); });
  if (queues.size() == limits::kQueuesOfConnection)
    queues.erase(queues.begin());
  queues.push_back(request.queue_id);
}

size_t DeliveredRequests::queues_of_connections() const
{
  size_t count = 0;
  for (const auto &[id, queues] : m_connections)
    count += queues.size();
  return count;
}

void DeliveredRequests::hand_over(std::unique_ptr<Delivery> delivery)
{
  forget_received_images();
  uint64_t id = delivery->request.request_id;
  if (is_retrieval(*delivery)) {
    auto found = m_requests.find(id);
    if (found == m_requests.end())
      return io::complete(std::move(delivery->irp), NtStatus::ConnectionInvalid, kRequestGone);
    found->second.request = std::move(delivery->request);
    found->second.is_away = false;
    leave(found->second);
    enter(found->second);
    return complete_delivery(std::move(delivery->irp), found->second);
  }
  note_connection(delivery->request);
  delivery->request.deliveries++;
  DeliveryNote note{id, delivery->request.connection_id, m_channel.address(), delivery->request.deliveries,
                    std::move(delivery->request.share)};
  if (auto old = m_requests.find(id); old != m_requests.end())
    forget(old);
  Delivered &delivered = m_requests[id];
  delivered.request = std::move(delivery->request);
  enter(delivered);
  complete_delivery(std::move(delivery->irp), delivered);
  // Behind the completion, so that the owner's answer to a request that has ended meanwhile finds the record.
  ke::Cores::instance().run_on(ob::id_core(id), [note = std::move(note)]() mutable { request_owner().delivered(std::move(note)); });
}

void DeliveredRequests::complete_delivery(io::IrpPtr irp, Delivered &delivered)
{
  hsys_request head = image_head(delivered.request);
  uint32_t needed = native_size(head, irp->target().version_1);
  io::IrpCompletion completion;
  completion.information = needed;
  completion.object_id = head.request_id;
  completion.aux = head.connection_id;
  completion.delivers_request = true;
  if (irp->entry().out_length < needed) {
    completion.status = NtStatus::BufferOverflow;
    return io::complete(std::move(irp), std::move(completion));
  }
  delivered.is_retrieved = true;
  completion.output = delivered.request.image;
  io::complete(std::move(irp), std::move(completion));
}

void DeliveredRequests::retrieve(io::IrpPtr irp)
{
  Delivered *delivered = find(irp->entry().object_id, irp->target().queue);
  if (!delivered)
    return io::complete(std::move(irp), NtStatus::ConnectionInvalid, kRequestGone);
  if (delivered->is_retrieved)
    return io::complete(std::move(irp), NtStatus::EndOfFile, "the request was retrieved whole before");
  if (delivered->is_away)
    return io::complete(std::move(irp), NtStatus::InvalidDeviceState, "the request is being retrieved by another call");
  // The same way as a fresh delivery, so that the body bytes come along.
  auto delivery = std::make_unique<Delivery>();
  delivery->irp = std::move(irp);
  delivery->request = std::move(delivered->request); // its ids stay in the record
  delivered->is_away = true;
  forget_image(*delivered);
  deliver(std::move(delivery));
}

DeliveredRequests::Delivered *DeliveredRequests::find(uint64_t request_id, uint64_t queue_id)
{
  auto found = m_requests.find(request_id);
  if (found == m_requests.end() || found->second.request.queue_id != queue_id)
    return nullptr;
  // Received through a handle that is closed, when the session has another one by now.
  if (!found->second.queue || found->second.queue->is_closed)
    return nullptr;
  return &found->second;
}

bool DeliveredRequests::has_connection(uint64_t connection_id, uint64_t queue_id) const
{
  auto found = m_connections.find(connection_id);
  return found != m_connections.end() && std::ranges::find(found->second, queue_id) != found->second.end();
}

void DeliveredRequests::request_gone(uint64_t request_id)
{
  if (auto found = m_requests.find(request_id); found != m_requests.end())
    forget(found);
}

void DeliveredRequests::request_answered(uint64_t request_id, AnsweredRequest request)
{
  auto found = m_requests.find(request_id);
  if (found == m_requests.end())
    return;
  const Delivered &delivered = found->second;
  request.connection_id = delivered.request.connection_id;
  request.queue_id = delivered.request.queue_id;
  if (!m_ended && delivered.queue && !delivered.queue->is_closed)
    m_answered.add(request_id, request);
  forget(found);
}

void DeliveredRequests::operate_on_ended(io::IrpPtr irp)
{
  uint64_t id = irp->entry().object_id;
  const AnsweredRequest *answered = m_answered.find(id, irp->target().queue);
  if (!answered)
    return io::complete(std::move(irp), NtStatus::ConnectionInvalid, kRequestGone);
  // A copy: the session may end in it.
  if (request_owner().conclude(std::move(irp), AnsweredRequest(*answered)))
    m_answered.remove(id);
}

void DeliveredRequests::connection_gone(uint64_t connection_id)
{
  m_connections.erase(connection_id);
}

void DeliveredRequests::on_delivery_published(uint64_t request_id, uint32_t cq_index, bool has_output)
{
  auto found = m_requests.find(request_id);
  if (found == m_requests.end() || !has_output)
    return;
  found->second.is_published = true;
  found->second.cq_index = cq_index;
}

static bool is_received(const DeliveredRequests::Delivered &delivered, uint32_t received_up_to)
{
  if (delivered.request.image.empty())
    return !delivered.is_away; // it was so before, and the image is forgotten
  return delivered.is_retrieved && delivered.is_published && static_cast<int32_t>(delivered.cq_index - received_up_to) < 0;
}

// Two for each that comes, so that one that is never received keeps nothing that came behind it.
void DeliveredRequests::forget_received_images()
{
  uint32_t received_up_to = m_channel.received_up_to();
  for (int looks = 0; looks < 2 && !m_unreceived.is_empty(); looks++) {
    Delivered &delivered = m_next_look ? *m_next_look : *m_unreceived.first();
    m_next_look = m_unreceived.next(delivered);
    if (!is_received(delivered, received_up_to))
      continue;
    delivered.request.image = std::vector<uint8_t>(); // "= {}" would keep its memory
    forget_image(delivered);
  }
}

void DeliveredRequests::queue_closed(uint64_t queue_id)
{
  if (m_ended)
    return;
  m_answered.remove_queue(queue_id);
  auto queue = m_queues.extract(queue_id);
  if (queue.empty())
    return;
  queue.mapped()->is_closed = true;
  m_closed.push_back(std::move(queue.mapped()));
  run();
}

// Newest first, each to the head of its queue: the oldest ends up in front. Returns whether some are left.
bool DeliveredRequests::let_some_go(uint32_t received_up_to)
{
  RequestEnds ends;
  while (!m_closed.empty() && take()) {
    Delivered *delivered = m_closed.front()->requests.first();
    if (!delivered) {
      m_closed.pop_front();
    } else if (delivered->is_away) {
      leave(*delivered); // until it comes back
    } else {
      delivered->is_used = delivered->is_used || is_received(*delivered, received_up_to);
      let_go(m_requests.find(delivered->request.request_id), ends);
    }
  }
  return !m_closed.empty();
}

// Between two calls requests may end, and retrievals that were away come back.
bool DeliveredRequests::on_session_end(uint32_t received_up_to)
{
  if (!std::exchange(m_ended, true)) {
    end(); // not in turns of its own any more
    m_answered.clear();
    begin();
  }
  // One queue after the other: a session has few, or few requests of each.
  for (;;) {
    if (let_some_go(received_up_to))
      return false;
    if (m_queues.empty())
      break;
    auto queue = m_queues.extract(m_queues.begin());
    queue.mapped()->is_closed = true;
    m_closed.push_back(std::move(queue.mapped()));
  }
  while (!m_connections.empty() && take())
    m_connections.erase(m_connections.begin());
  if (!m_connections.empty())
    return false;
  end();
  return true;
}

void continue_delivery(std::unique_ptr<Delivery> delivery)
{
  io::Channel *channel = io::Channel::find(delivery->irp->channel().number);
  VERIFY(channel); // it lives until its last operation has come back
  static_cast<DeliveredRequests &>(channel->extension()).deliver(std::move(delivery));
}

void request_gone(io::ChannelAddress address, uint64_t request_id)
{
  ke::Cores::instance().run_on(address.core, [address, request_id] {
    if (auto *channel = io::Channel::find(address.number))
      static_cast<DeliveredRequests &>(channel->extension()).request_gone(request_id);
  });
}

void request_answered(io::ChannelAddress address, uint64_t request_id, AnsweredRequest request)
{
  ke::Cores::instance().run_on(address.core, [address, request_id, request] {
    if (auto *channel = io::Channel::find(address.number))
      static_cast<DeliveredRequests &>(channel->extension()).request_answered(request_id, request);
  });
}

// Behind what the owner has told the channel.
void operate_on_ended(io::IrpPtr irp)
{
  ke::CoreId core = irp->channel().core;
  ke::Cores::instance().run_on(core, [irp = std::move(irp)]() mutable {
    io::Channel *channel = io::Channel::find(irp->channel().number);
    VERIFY(channel); // it lives until its last operation has come back
    static_cast<DeliveredRequests &>(channel->extension()).operate_on_ended(std::move(irp));
  });
}

void connection_gone(io::ChannelAddress address, uint64_t connection_id)
{
  ke::Cores::instance().run_on(address.core, [address, connection_id] {
    if (auto *channel = io::Channel::find(address.number))
      static_cast<DeliveredRequests &>(channel->extension()).connection_gone(connection_id);
  });
}

}
