// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/request.h"
#include "kernel/http/connection.h"
#include "kernel/http/counters.h"
#include "kernel/http/id_tables.h"
#include "kernel/http/settings.h"
#include "uapi/layout.h"
#include <algorithm>
#include <cstring>

namespace httpsys::http {

Request::Request(Connection &connection, const http1::RequestHead &head)
  : m_connection(connection), m_head_bytes(head.head_bytes), m_expects_continue(head.expect_continue && head.has_body()),
    m_framing(head.framing), m_content_left(head.content_length), m_response(*this)
{
  m_facts.is_head = head.verb == http1::Verb::Head;
  m_facts.version_minor = head.version_minor;
  m_facts.keep_alive = head.keep_alive;
  if (m_framing == http1::Framing::Chunked)
    m_chunked.emplace(settings().parser);
  m_body.begin(head.has_body());
}

Request::~Request()
{
  VERIFY(m_id == 0);
  if (m_is_counted)
    counters().requests.fetch_sub(1, std::memory_order_relaxed);
  if (m_channel)
    counters().requests_delivered.fetch_sub(1, std::memory_order_relaxed);
}

Request *Request::find(uint64_t id)
{
  return id_tables().requests.find(id);
}

bool Request::assign_id()
{
  m_id = id_tables().requests.add(*this);
  if (m_id == 0)
    return false;
  m_is_counted = true;
  counters().requests.fetch_add(1, std::memory_order_relaxed);
  counters().requests_total.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void Request::retire_id()
{
  if (m_id == 0)
    return;
  id_tables().requests.remove(m_id);
  if (m_channel)
    queue::request_gone(*m_channel, m_id);
  m_id = 0;
}

void Request::retire_answered(bool drops_body)
{
  if (m_id == 0)
    return;
  id_tables().requests.remove(m_id);
  queue::AnsweredRequest answered;
  answered.drops_body = drops_body;
  answered.body_was_read = m_body.is_consumed();
  if (m_channel)
    queue::request_answered(*m_channel, m_id, answered);
  m_id = 0;
}

bool Request::is_only_held() const
{
  return m_body.is_consumed() || (m_body.has_ended() && m_connection.has_more_input());
}

void Request::end(NtStatus status, const std::string &reason)
{
  if (m_id != 0)
    queue::withdraw_request(m_queue_id, m_id); // it may have come back from a worker that ended
  m_response.fail(status, reason);
  end_reading(reason);
  retire_id();
}

void Request::end_reading(const std::string &reason)
{
  drop_attaching();
  m_body.fail(NtStatus::ConnectionInvalid, reason);
}

// HTTP_REQUEST.BytesReceived: head and body bytes seen until now.
static void note_bytes_received(std::vector<uint8_t> &image, uint64_t bytes)
{
  std::memcpy(image.data() + offsetof(hsys_request, bytes_received), &bytes, sizeof bytes);
}

void Request::submit(queue::QueuedRequest queued)
{
  m_queue_id = queued.queue_id;
  note_bytes_received(queued.image, m_head_bytes + m_body.received());
  queue::submit_request(std::move(queued));
}

void Request::set_delivered(queue::DeliveryNote note)
{
  if (note.share)
    m_share = std::move(note.share);
  if (m_channel && note.number < m_delivery)
    return; // of a worker that has gone
  if (!m_channel)
    counters().requests_delivered.fetch_add(1, std::memory_order_relaxed);
  m_channel = note.channel;
  m_connection.set_receiver(m_queue_id, note.channel);
  m_delivery = note.number;
}

size_t Request::take_body_bytes(std::string_view bytes, bool &ok)
{
  ok = true;
  if (m_body.has_ended())
    return 0;
  size_t consumed = 0;
  if (m_framing == http1::Framing::ContentLength) {
    consumed = static_cast<size_t>(std::min<uint64_t>(bytes.size(), m_content_left));
    m_content_left -= consumed;
    m_body.append({bytes.data(), consumed});
    if (m_content_left == 0)
      m_body.end();
  } else {
    consumed = take_chunks(bytes, ok);
  }
  m_body.serve();
  return consumed;
}

size_t Request::take_chunks(std::string_view bytes, bool &ok)
{
  size_t consumed = 0;
  while (consumed < bytes.size()) {
    http1::ChunkStep step = m_chunked->next(bytes.substr(consumed));
    consumed += step.consumed;
    if (step.outcome == http1::ChunkOutcome::Data)
      m_body.append({step.data.data(), step.data.size()});
    if (step.outcome == http1::ChunkOutcome::Refused)
      ok = false;
    if (step.outcome == http1::ChunkOutcome::End)
      m_body.end();
    if (step.outcome != http1::ChunkOutcome::Data)
      break;
  }
  return consumed;
}

bool Request::awaits_continue() const
{
  return m_expects_continue && !m_sent_continue && m_body.received() == 0 && !m_body.has_ended();
}

// RFC 9110 10.1.1: 100 goes out when the application first asks for the body, never after the response has begun.
void Request::ask_for_body()
{
  if (!awaits_continue() || m_response.has_begun())
    return;
  m_sent_continue = true;
  m_connection.send_continue();
}

void Request::receive_body(io::IrpPtr irp)
{
  ask_for_body();
  m_body.receive(std::move(irp));
  m_connection.body_was_read();
}

void Request::attach_body(std::unique_ptr<queue::Delivery> delivery, uint32_t room)
{
  VERIFY(!m_attaching);
  m_attach_room = room;
  io::IrpPtr irp = std::move(delivery->irp);
  m_attaching = std::move(delivery);
  m_attach_receive.park(std::move(irp));
  // httpapi: HttpReceiveHttpRequest; a COPY_BODY receive asks for the body as a read does.
  ask_for_body();
  continue_attaching();
}

void Request::continue_attaching()
{
  if (m_attach_receive.is_empty())
    return;
  bool waits_for_all = (m_attach_receive.first()->entry().op_flags & HSYS_RECEIVE_FLUSH_BODY) != 0;
  if (waits_for_all && !m_body.has_ended() && !m_body.has_failed() && m_body.buffered() < m_attach_room)
    return;
  finish_attaching();
}

static void send_back(std::unique_ptr<queue::Delivery> delivery)
{
  ke::CoreId core = delivery->irp->channel().core;
  ke::Cores::instance().run_on(core, [delivery = std::move(delivery)]() mutable { queue::continue_delivery(std::move(delivery)); });
}

void Request::finish_attaching()
{
  auto delivery = std::move(m_attaching);
  delivery->irp = m_attach_receive.take_first();
  delivery->body_attached = true;
  std::vector<uint8_t> &image = delivery->request.image;
  hsys_request head;
  std::memcpy(&head, image.data(), sizeof head);
  auto offset = static_cast<uint32_t>(image.size());
  m_body.take(m_attach_room, image);
  head.size = static_cast<uint32_t>(image.size());
  head.body = {offset, head.size - offset};
  if (m_body.is_consumed())
    head.flags &= ~HSYS_REQUEST_MORE_BODY;
  std::memcpy(image.data(), &head, sizeof head);
  note_bytes_received(image, m_head_bytes + m_body.received());
  m_connection.body_was_read();
  send_back(std::move(delivery));
}

// The receive is gone, the request is not: its channel decides where it goes.
void Request::on_irp_cancelled(io::IrpQueue &, io::IrpPtr irp)
{
  auto delivery = std::move(m_attaching);
  delivery->irp = std::move(irp);
  delivery->was_cancelled = true;
  send_back(std::move(delivery));
}

// The request is gone, the receive is not.
void Request::drop_attaching()
{
  m_attaching.reset();
  if (auto irp = m_attach_receive.take_first())
    queue::receive_again(std::move(irp));
}

}
