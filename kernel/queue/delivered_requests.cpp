// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/delivered_requests.h"
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

void DeliveredRequests::deliver(std::unique_ptr<Delivery> delivery)
{
  if (m_ended || m_channel.is_ending()) {
    return_request(std::move(delivery->request));
    return io::complete(std::move(delivery->irp), NtStatus::Cancelled);
  }
  hsys_request head = image_head(delivery->request);
  const hsys_sqe &entry = delivery->irp->entry();
  bool wants_body = (entry.op_flags & (HSYS_RECEIVE_COPY_BODY | HSYS_RECEIVE_FLUSH_BODY)) != 0;
  uint32_t room = hsys_native_body_room(native_size(head, delivery->irp->target().version_1), entry.out_length, UINT32_MAX);
  uint64_t id = delivery->request.request_id;
  if (wants_body && head.body.length == 0 && !delivery->body_attached && room > 0 && (head.flags & HSYS_REQUEST_MORE_BODY)) {
    room = std::min(room, static_cast<uint32_t>(HSYS_BODY_READ_MAX));
    ke::Cores::instance().run_on(ob::id_core(id), [delivery = std::move(delivery), room]() mutable {
      request_owner().attach_body(std::move(delivery), room);
    });
    return;
  }
  forget_received_images();
  auto &queues = m_connections[delivery->request.connection_id];
  if (std::ranges::find(queues, delivery->request.queue_id) == queues.end())
    queues.push_back(delivery->request.queue_id);
  Delivered &delivered = m_requests[id];
  delivered = {std::move(delivery->request)};
  m_unreceived.push_back(id);
  complete_delivery(std::move(delivery->irp), delivered);
  // Behind the completion, so that the owner's answer to a request that has ended meanwhile finds the record.
  ke::Cores::instance().run_on(ob::id_core(id), [id, address = m_channel.address()] { request_owner().delivered(id, address); });
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
    return io::complete(std::move(irp), NtStatus::ConnectionInvalid, "the request is not one of this process' requests, or it has ended");
  if (delivered->is_retrieved)
    return io::complete(std::move(irp), NtStatus::EndOfFile, "the request was retrieved whole before");
  // The same way as a fresh delivery, so that the body bytes come along.
  auto delivery = std::make_unique<Delivery>();
  delivery->irp = std::move(irp);
  delivery->request = std::move(delivered->request);
  std::erase(m_unreceived, delivery->request.request_id);
  m_requests.erase(delivery->request.request_id);
  deliver(std::move(delivery));
}

DeliveredRequests::Delivered *DeliveredRequests::find(uint64_t request_id, uint64_t queue_id)
{
  auto found = m_requests.find(request_id);
  if (found == m_requests.end() || found->second.request.queue_id != queue_id)
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
  m_requests.erase(request_id);
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
  return delivered.is_retrieved && delivered.is_published && static_cast<int32_t>(delivered.cq_index - received_up_to) < 0;
}

void DeliveredRequests::forget_received_images()
{
  uint32_t received_up_to = m_channel.received_up_to();
  while (!m_unreceived.empty()) {
    auto found = m_requests.find(m_unreceived.front());
    if (found != m_requests.end()) {
      if (!is_received(found->second, received_up_to))
        return;
      found->second.request.image = {};
    }
    m_unreceived.pop_front();
  }
}

void DeliveredRequests::on_session_end(uint32_t received_up_to)
{
  m_ended = true;
  // Newest first, each to the head of its queue: the oldest ends up in front.
  for (auto id = m_unreceived.rbegin(); id != m_unreceived.rend(); ++id) {
    auto found = m_requests.find(*id);
    if (found == m_requests.end() || is_received(found->second, received_up_to))
      continue;
    return_request(std::move(found->second.request));
    m_requests.erase(found);
  }
  for (auto &[id, delivered] : m_requests)
    ke::Cores::instance().run_on(ob::id_core(id), [id = id] { request_owner().abandon(id); });
  m_requests.clear();
  m_connections.clear();
  m_unreceived.clear();
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

void connection_gone(io::ChannelAddress address, uint64_t connection_id)
{
  ke::Cores::instance().run_on(address.core, [address, connection_id] {
    if (auto *channel = io::Channel::find(address.number))
      static_cast<DeliveredRequests &>(channel->extension()).connection_gone(connection_id);
  });
}

}
