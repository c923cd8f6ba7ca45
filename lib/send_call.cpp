// SPDX-License-Identifier: MIT
#include "lib/send_call.h"
#include "lib/last_error.h"
#include "lib/marshal_response.h"
#include "lib/status_map.h"
#include "uapi/response.h"
#include "uapi/status.h"
#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace httpsys::lib {

namespace {

// Ends the connection of a response that cannot be completed: its client would take the next one for the rest of it.
class AbortRequest final : public ChannelOperation {
public:
  AbortRequest(uint64_t handle, uint64_t request_id)
  {
    entry.op = HSYS_OP_CANCEL_REQUEST;
    entry.handle = handle;
    entry.object_id = request_id;
  }
  void on_completion(const Completion &) override { delete this; }
};

constexpr uint32_t align8(uint32_t bytes)
{
  return (bytes + 7) & ~7u;
}

}

Ref<SendCall> SendCall::create(Ref<RequestQueue> queue, hsys_op op, uint64_t request_id, uint32_t op_flags)
{
  return Ref<SendCall>::adopt(new (std::nothrow) SendCall(std::move(queue), op, request_id, op_flags));
}

SendCall::SendCall(Ref<RequestQueue> queue, hsys_op op, uint64_t request_id, uint32_t op_flags) :
  m_request_queue(std::move(queue)), m_request_id(request_id), m_op_flags(op_flags), m_op(op)
{
  for (Segment &segment : m_segments)
    segment.owner = this;
}

uint32_t SendCall::run(OVERLAPPED *overlapped, ULONG *bytes)
{
  uint32_t code = begin(*m_request_queue, overlapped);
  if (code != NO_ERROR)
    return code;
  ref(); // until finish()
  switch (start(overlapped ? ClientChannel::Patience::Refuse : ClientChannel::Patience::Wait)) {
  case Submitted::NoCredit:
    abandon(static_cast<uint32_t>(HSYS_STATUS_INSUFFICIENT_RESOURCES));
    unref();
    return refuse(ERROR_NO_SYSTEM_RESOURCES,
      "too many operations of this process are in flight: the channel to httpsysd has room for no more completions. Wait for some.");
  case Submitted::Dead:
    abandon(static_cast<uint32_t>(HSYS_STATUS_INVALID_HANDLE));
    unref();
    return refuse(ERROR_INVALID_HANDLE, "%s", channel().death_reason().data());
  default: // Cancelled: before anything was sent; it ends by that
    break;
  }
  if (overlapped)
    return ERROR_IO_PENDING;
  uint64_t count = 0;
  uint32_t status = wait(count);
  if (bytes && is_success(status))
    *bytes = static_cast<ULONG>(count);
  return win32_of_status(status);
}

// Yes: finish() will be called, or was.
SendCall::Submitted SendCall::start(ClientChannel::Patience patience)
{
  std::unique_lock lock(m_mutex);
  if (!fill_first(lock))
    return Submitted::Yes;
  Segment &segment = m_segments[0];
  segment.is_in_flight = true;
  m_in_flight = 1;
  lock.unlock();
  // Without the lock: a submission that may be refused reaps first, and so may take the locks of other sends.
  Submitted submitted = channel().submit(segment, patience);
  lock.lock();
  bool is_refused = submitted == Submitted::NoCredit || submitted == Submitted::Dead;
  if (submitted != Submitted::Yes) {
    release(segment);
    note_failure(static_cast<uint32_t>(HSYS_STATUS_CANCELLED), {});
    m_is_finished = is_refused;
  }
  Next next = advance(false);
  lock.unlock();
  go_on(std::move(next));
  if (submitted != Submitted::Yes)
    serve_waiting(m_request_queue->session());
  return is_refused ? submitted : Submitted::Yes;
}

// False: it waits for its turn or for room, or has ended; the lock is not held any more.
bool SendCall::fill_first(std::unique_lock<std::mutex> &lock)
{
  m_has_entered = true;
  m_is_blocked = !sends().enter(*this);
  while (!m_is_blocked && !m_has_failed && !sends().wait_behind_others(*this)) {
    uint32_t releases = sends().releases();
    Filled filled = fill(m_segments[0]);
    if (filled == Filled::Yes)
      return true;
    if (filled == Filled::NoRoom && sends().wait_for_arena(*this, false, releases))
      break;
  }
  Next next = m_has_failed ? advance(false) : Next();
  lock.unlock();
  go_on(std::move(next));
  return false;
}

// Submits as much as can be now. m_mutex is held.
SendCall::Next SendCall::advance(bool has_turn)
{
  Next next;
  while (m_has_entered && !m_is_blocked && !m_has_failed && !m_is_all_submitted) {
    Segment *segment = free_segment();
    if (!segment)
      break;
    uint32_t releases = sends().releases();
    Filled filled = fill(*segment);
    if (filled == Filled::Later)
      break;
    if (filled == Filled::NoRoom && sends().wait_for_arena(*this, has_turn, releases)) {
      next.has_found_no_room = true;
      break;
    }
    if (filled != Filled::Yes)
      continue;
    segment->is_in_flight = true;
    m_in_flight++;
    if (channel().submit(*segment, ClientChannel::Patience::Wait) != Submitted::Yes) {
      release(*segment);
      note_failure(static_cast<uint32_t>(HSYS_STATUS_CANCELLED), channel().death_reason());
    }
  }
  bool is_done = m_has_failed || m_is_all_submitted;
  if (is_done && m_has_entered && !std::exchange(m_has_left, true))
    next.successor = sends().leave(*this);
  if (is_done && m_in_flight == 0)
    next.is_finished = !std::exchange(m_is_finished, true);
  return next;
}

// What follows from advance(), without the lock.
void SendCall::go_on(Next next)
{
  Ref<SendCall> call(this);
  for (;;) {
    if (next.is_finished)
      call->finish();
    call = std::move(next.successor);
    if (!call)
      return;
    std::lock_guard lock(call->m_mutex);
    call->m_is_blocked = false;
    next = call->advance(false);
  }
}

// Nobody else works on it any more.
void SendCall::finish()
{
  if (m_has_failed && m_has_succeeded)
    abort_request();
  std::string_view reason = m_reason ? m_reason->c_str() : "";
  PendingOperation::complete(m_status, m_has_failed ? 0 : m_bytes_sent, reason);
  unref();
}

void SendCall::serve_waiting(ClientSession &session)
{
  Ref<SendCall> call = session.send_queue().released();
  while (call) {
    Next next;
    {
      std::lock_guard lock(call->m_mutex);
      next = call->advance(true);
    }
    bool is_full = next.has_found_no_room;
    call->go_on(std::move(next));
    if (is_full)
      return;
    call = session.send_queue().take_waiting();
  }
}

SendCall::Segment *SendCall::free_segment()
{
  for (Segment &segment : m_segments)
    if (!segment.is_in_flight)
      return &segment;
  return nullptr;
}

// Room for the next operation. What may stand in a client's way leaves the last part of the arena free; when only that is left, a send
// takes no more than the daemon does at once, and a body asks first when that is nothing.
SendCall::Filled SendCall::allocate(Segment &segment, uint32_t head_bytes)
{
  SendArena &arena = channel().send_arena();
  uint64_t share = std::clamp<uint64_t>(arena.free_bytes() / kShare, kSegmentShareLeast, kSegmentMost);
  uint32_t wanted = static_cast<uint32_t>(std::min(share, m_body.remaining()));
  uint32_t least = head_bytes + std::min(wanted, kSegmentShareLeast);
  segment.extent = arena.allocate_up_to(least, head_bytes + wanted, arena.total_bytes() / kKeptShare);
  if (segment.extent.length)
    return Filled::Yes;
  if (m_in_flight > 0)
    return Filled::Later;
  segment.is_question = m_op == HSYS_OP_SEND_BODY && !m_is_writable;
  if (segment.is_question)
    return Filled::Yes;
  wanted = std::min(wanted, HSYS_SEND_AT_ONCE); // more may have no room by then
  segment.extent = arena.allocate_up_to(head_bytes + std::min(wanted, kSegmentLeast), head_bytes + wanted);
  return segment.extent.length ? Filled::Yes : Filled::NoRoom;
}

// Puts the next operation into the segment: its block and body bytes side by side in the arena.
SendCall::Filled SendCall::fill(Segment &segment)
{
  uint32_t head_bytes = align8(m_block.size());
  segment.is_question = false;
  Filled filled = allocate(segment, head_bytes);
  if (filled != Filled::Yes)
    return filled;
  prepare(segment);
  if (segment.is_question) {
    segment.entry.in_offset = channel().empty_send().offset;
    segment.entry.in_length = channel().empty_send().length;
    return Filled::Yes;
  }
  uint32_t body_bytes = static_cast<uint32_t>(std::min<uint64_t>(m_body.remaining(), segment.extent.length - head_bytes));
  uint8_t *bytes = channel().send_bytes(segment.extent);
  if (!m_body.read(bytes + head_bytes, body_bytes)) {
    channel().send_arena().release(segment.extent);
    note_failure(static_cast<uint32_t>(HSYS_STATUS_END_OF_FILE),
      "a file of the response became shorter, or could not be read, while it was sent.");
    return Filled::Failed;
  }
  m_is_writable = false;
  m_is_all_submitted = m_body.remaining() == 0;
  segment.entry.in_offset = segment.extent.offset;
  segment.entry.in_length = write_head(segment.extent.offset + head_bytes, body_bytes);
  memcpy(bytes, m_block.data(), m_block.size());
  if (!m_is_all_submitted && m_op == HSYS_OP_SEND_RESPONSE) {
    m_op = HSYS_OP_SEND_BODY;
    m_block.clear();
    marshal_send_body(m_block); // smaller than what it replaces
  }
  return Filled::Yes;
}

void SendCall::prepare(Segment &segment)
{
  segment.entry = {};
  segment.entry.op = static_cast<uint8_t>(m_op);
  segment.entry.handle = m_request_queue->daemon_handle();
  segment.entry.object_id = m_request_id;
  segment.entry.op_flags = m_op_flags;
}

// What of the block differs from segment to segment. Its size.
uint32_t SendCall::write_head(uint32_t body_offset, uint32_t body_bytes)
{
  uint32_t flags = m_is_all_submitted ? 0 : HSYS_SEND_CONTINUES, extent_offset;
  if (m_op == HSYS_OP_SEND_RESPONSE) {
    hsys_response &head = m_block.at<hsys_response>(0);
    head.flags = flags;
    head.extent_count = body_bytes ? 1 : 0;
    head.content_bytes = m_body.total();
    extent_offset = head.extent_offset;
  } else {
    hsys_send_body &head = m_block.at<hsys_send_body>(0);
    head.flags = flags;
    head.extent_count = body_bytes ? 1 : 0;
    extent_offset = head.extent_offset;
  }
  m_block.at<hsys_extent>(extent_offset) = {body_offset, body_bytes};
  return m_block.size();
}

void SendCall::release(Segment &segment)
{
  segment.is_in_flight = false;
  m_in_flight--;
  channel().send_arena().release(segment.extent);
}

void SendCall::note_failure(uint32_t status, std::string_view reason)
{
  if (std::exchange(m_has_failed, true))
    return;
  m_status = status;
  m_reason.reset(reason.empty() ? nullptr : new (std::nothrow) ErrorText);
  if (m_reason)
    m_reason->assign(reason);
}

void SendCall::abort_request()
{
  AbortRequest *abort = new (std::nothrow) AbortRequest(m_request_queue->daemon_handle(), m_request_id);
  if (abort && channel().submit(*abort, ClientChannel::Patience::Wait) != Submitted::Yes)
    delete abort;
}

void SendCall::segment_completed(Segment &segment, const Completion &completion)
{
  Ref<SendCall> self(this);
  Next next;
  {
    std::lock_guard lock(m_mutex);
    release(segment);
    m_bytes_sent += completion.information;
    bool is_success = completion.status == HSYS_STATUS_SUCCESS;
    if (!is_success)
      note_failure(completion.status, completion.reason);
    m_is_writable = is_success && (completion.aux > 0 || segment.is_question);
    m_has_succeeded |= is_success && !segment.is_question;
    next = advance(false);
  }
  go_on(std::move(next));
  serve_waiting(m_request_queue->session());
}

// Under the dispatcher lock, which must not wait for one that is held while a file is read.
bool SendCall::try_cancel()
{
  ref(); // before: another thread may run and drop what is deferred at once
  if (!m_request_queue->session().defer(*this))
    unref();
  return false;
}

// What was submitted is the daemon's to cancel; what was not will not be.
void SendCall::run_deferred()
{
  Ref<SendCall> self = Ref<SendCall>::adopt(this);
  Next next;
  bool has_released = false;
  {
    std::lock_guard lock(m_mutex);
    if (m_is_finished)
      return;
    if (!m_is_all_submitted)
      note_failure(static_cast<uint32_t>(HSYS_STATUS_CANCELLED), {});
    for (Segment &segment : m_segments) {
      if (!segment.is_in_flight || !channel().cancel(segment))
        continue;
      release(segment);
      has_released = true;
      note_failure(static_cast<uint32_t>(HSYS_STATUS_CANCELLED), {});
    }
    if (m_has_entered)
      next = advance(false);
  }
  go_on(std::move(next));
  if (has_released)
    serve_waiting(m_request_queue->session());
}

}
