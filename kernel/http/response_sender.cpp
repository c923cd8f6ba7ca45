// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/response_sender.h"
#include "kernel/http/connection.h"
#include "kernel/http/own_answer.h"
#include "kernel/http/response_block.h"
#include "kernel/http1/response_head.h"
#include "kernel/limits.h"
#include <algorithm>
#include <array>

namespace httpsys::http {

static_assert(limits::kWritePieceBytes >= HSYS_SEND_AT_ONCE);

// No MORE_DATA, and no continuation of the same call: nothing follows.
static bool is_final(const io::Irp &irp, bool continues)
{
  return !continues && (irp.entry().op_flags & HSYS_SEND_MORE_DATA) == 0;
}

bool extents_are_inside(const io::Irp &irp, const std::vector<hsys_extent> &extents)
{
  return std::ranges::all_of(extents,
                             [&](const hsys_extent &extent) { return irp.extent(extent.offset, extent.length).has_value(); });
}

void ResponseSender::send_response(io::IrpPtr irp)
{
  if (m_begun)
    return io::complete(std::move(irp), NtStatus::InvalidDeviceState, kRespondedBefore);
  std::string reason;
  NtStatus status = encode_head(*irp, reason);
  if (!is_success(status))
    return io::complete(std::move(irp), status, std::move(reason));
  m_begun = true;
  m_sends.park(std::move(irp));
  if (m_final_accepted)
    m_request.retire_id();
  pump();
}

void ResponseSender::send_body(io::IrpPtr irp)
{
  if (!m_begun)
    return io::complete(std::move(irp), NtStatus::InvalidParameter,
                        "HttpSendHttpResponse has to come before HttpSendResponseEntityBody");
  auto block = parse_send_body_block(irp->parameters());
  if (block.is_error() || !extents_are_inside(*irp, block->extents))
    return io::complete(std::move(irp), NtStatus::InvalidParameter, kGarbledParameters);
  m_final_accepted = is_final(*irp, block->continues);
  if (irp->entry().op_flags & HSYS_SEND_DISCONNECT)
    m_keep_alive = false;
  m_sends.park(std::move(irp));
  if (m_final_accepted)
    m_request.retire_id();
  pump();
}

NtStatus ResponseSender::encode_head(const io::Irp &irp, std::string &reason)
{
  auto block = parse_response_block(irp.parameters());
  if (block.is_error()) {
    reason = kGarbledParameters;
    return block.error();
  }
  if (!extents_are_inside(irp, block->extents)) {
    reason = kGarbledParameters;
    return NtStatus::InvalidParameter;
  }
  static thread_local std::vector<http1::KnownResponseField> known;
  static thread_local std::vector<http1::UnknownResponseField> unknown;
  known.clear();
  unknown.clear();
  for (const ResponseBlock::Header &header : block->headers) {
    if (header.id == HSYS_HEADER_UNKNOWN)
      unknown.push_back({header.name, header.value});
    else
      known.push_back({static_cast<http1::ResponseHeader>(header.id), header.value});
  }
  const RequestFacts &facts = m_request.facts();
  http1::ResponseInput input;
  input.status = block->status_code;
  input.reason = block->reason;
  input.known = known;
  input.unknown = unknown;
  input.request_is_head = facts.is_head;
  input.request_is_http_1_0 = facts.version_minor == 0;
  // A client that still waits for 100 Continue may or may not send its body now: the next request could not be told from it.
  input.request_keep_alive = facts.keep_alive && !m_request.awaits_continue() && !m_request.connection().closes_after_response();
  input.more_data = (irp.entry().op_flags & HSYS_SEND_MORE_DATA) != 0;
  input.disconnect = (irp.entry().op_flags & HSYS_SEND_DISCONNECT) != 0;
  input.body_length = block->content_bytes;
  input.date = current_date();
  const char *why = "";
  auto plan = http1::plan_response(input, why);
  if (plan.is_error()) {
    reason = why;
    return plan.error();
  }
  m_head.resize(plan->head_bytes);
  http1::write_response_head(input, *plan, m_head.data());
  m_sends_body = plan->send_body;
  m_keep_alive = plan->keep_alive;
  if (plan->framing == http1::BodyFraming::ContentLength && plan->send_body)
    m_declared_length = plan->content_length;
  if (plan->framing == http1::BodyFraming::ApplicationFramed && plan->keep_alive)
    m_chunks.emplace(http1::ParserOptions());
  m_is_persistent = plan->keep_alive;
  m_final_accepted = is_final(irp, block->continues);
  return NtStatus::Success;
}

void ResponseSender::begin(io::Irp &irp)
{
  m_current = Current{&irp, {}};
  Current &current = *m_current;
  bool continues;
  // Both blocks were checked when the operation was accepted; they are the daemon's own copies.
  if (irp.operation() == HSYS_OP_SEND_RESPONSE) {
    auto block = MUST(parse_response_block(irp.parameters()));
    continues = block.continues;
    current.extents = std::move(block.extents);
  } else {
    auto block = MUST(parse_send_body_block(irp.parameters()));
    continues = block.continues;
    current.extents = std::move(block.extents);
  }
  current.is_final = is_final(irp, continues);
}

// How many of these bytes belong to the response. A client that was told that the connection goes on takes the others for the
// beginning of its next response; it may be a proxy that has sent another application's request by now.
size_t ResponseSender::count_of_response(std::span<const uint8_t> bytes)
{
  if (m_declared_length && m_is_persistent)
    return static_cast<size_t>(std::min<uint64_t>(bytes.size(), *m_declared_length - m_body_bytes));
  if (!m_chunks)
    return bytes.size();
  std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  size_t count = 0;
  for (;;) {
    auto step = m_chunks->next(text.substr(count));
    count += step.consumed;
    if (step.outcome != http1::ChunkOutcome::Data)
      return count;
  }
}

// The next bytes of the operation's part of the body, at most so many; none at its end.
std::span<const uint8_t> ResponseSender::take_body(size_t limit)
{
  Current &current = *m_current;
  while (m_sends_body && current.extent < current.extents.size()) {
    const hsys_extent &extent = current.extents[current.extent];
    auto bytes = current.irp->extent(extent.offset, extent.length);
    VERIFY(bytes); // checked when the operation was accepted, from the same private copy
    if (current.offset == extent.length) {
      current.extent++;
      current.offset = 0;
      continue;
    }
    auto piece = bytes->subspan(current.offset, std::min<size_t>(extent.length - current.offset, limit));
    if (size_t count = count_of_response(piece); count < piece.size()) {
      m_is_over = true;
      current.extent = current.extents.size();
      piece = piece.first(count);
    }
    current.offset += static_cast<uint32_t>(piece.size());
    m_body_bytes += piece.size();
    m_at_once -= std::min(m_at_once, piece.size());
    return piece;
  }
  return {};
}

// Puts one piece on the wire; false when the operation has no more.
bool ResponseSender::write_piece()
{
  Transport &transport = m_request.connection().transport();
  std::array<uint8_t, limits::kWritePieceBytes> record;
  std::span<const uint8_t> piece = {reinterpret_cast<const uint8_t *>(m_head.data()), m_head.size()};
  if (m_head.empty()) {
    piece = take_body(limits::kWritePieceBytes);
  } else if (transport.is_tls() && m_head.size() < record.size()) {
    // A short answer in one TLS record costs both sides less than in two.
    auto body = take_body(record.size() - m_head.size());
    auto end = std::ranges::copy(body, std::ranges::copy(piece, record.begin()).out).out;
    piece = {record.begin(), end};
  }
  if (piece.empty())
    return false;
  transport.write(piece);
  m_current->wire_bytes += piece.size();
  m_head.clear();
  return true;
}

io::IrpCompletion ResponseSender::completion_of(uint64_t bytes, size_t at_once)
{
  io::IrpCompletion completion;
  completion.information = bytes;
  completion.aux = at_once * HSYS_SEND_AT_ONCE;
  return completion;
}

void ResponseSender::complete_current()
{
  auto completion = completion_of(m_current->wire_bytes, m_request.connection().transport().pieces_left());
  m_at_once = completion.aux > 0 ? limits::kWritePieceBytes : 0;
  auto irp = m_sends.take(*m_current->irp);
  m_current.reset();
  io::complete(std::move(irp), std::move(completion));
}

// Bytes of the operation's part of the body are left.
bool ResponseSender::has_body_left() const
{
  const Current &current = *m_current;
  if (!m_sends_body)
    return false;
  for (size_t i = current.extent; i < current.extents.size(); i++)
    if (current.extents[i].length > (i == current.extent ? current.offset : 0))
      return true;
  return false;
}

// The head and the first piece of the body go behind whatever waits for the socket, and so does a piece behind a send whose completion
// said that one goes (HSYS_SEND_AT_ONCE): less than the window waited then, which may be smaller by now. It is little.
bool ResponseSender::must_wait(Transport &transport)
{
  const bool has_bytes = !m_head.empty() || has_body_left();
  return transport.must_wait() && !(has_bytes && m_at_once > 0);
}

// The client has all of the response, as it reads it. It may be a proxy, and its next request another application's.
bool ResponseSender::is_complete() const
{
  if (!m_begun || !m_is_persistent)
    return false;
  if (!m_sends_body)
    return true;
  return m_declared_length ? m_body_bytes == *m_declared_length : m_chunks && m_chunks->is_done();
}

// As in HTTP.sys, where the id dies with the last byte of what was declared. Here the worker may still say that this was all.
void ResponseSender::end_by_itself()
{
  m_finished = true;
  m_request.retire_answered(!m_sends_body);
}

// An operation completes with its last byte, also when the next one has to wait: the application may use its extents again.
void ResponseSender::pump()
{
  Transport &transport = m_request.connection().transport();
  while (!m_finished && !transport.is_closing() && !transport.is_write_blocked()) {
    if (m_sends.is_empty()) {
      if (!is_complete() || !m_request.is_only_held())
        return;
      end_by_itself();
      break;
    }
    if (!m_current)
      begin(*m_sends.first());
    if (must_wait(transport))
      return;
    if (write_piece() && has_body_left())
      continue;
    m_finished = m_current->is_final || m_is_over;
    complete_current();
  }
  if (!m_finished || m_has_told || transport.is_closing() || transport.is_write_blocked() || transport.must_wait())
    return;
  m_has_told = true;
  // A length that was promised and not kept: the client could not find the next response.
  if (m_is_over || (m_declared_length && *m_declared_length != m_body_bytes) || (m_chunks && !m_chunks->is_done()))
    m_keep_alive = false;
  // Ends this object.
  m_request.connection().response_finished();
}

void ResponseSender::fail(NtStatus status, const std::string &reason)
{
  m_current.reset();
  m_sends.complete_all(status, reason);
}

// A send in the middle of a response can't be taken back: what follows would be garbled.
void ResponseSender::on_irp_cancelled(io::IrpQueue &, io::IrpPtr irp)
{
  if (m_current && m_current->irp == irp.get())
    m_current.reset();
  io::complete(std::move(irp), NtStatus::Cancelled);
  m_request.connection().abort(NtStatus::ConnectionAborted, "a send of the response was cancelled", ke::Tally::Cancelled);
}

}
