// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/canary.h"
#include "kernel/io/channel_impl.h"
#include "kernel/io/irp_queue.h"
#include <algorithm>

namespace httpsys::io {

// Asks for the end of an operation: at once when it is parked here, by a message when it is parked elsewhere. On its
// way between cores it takes notice when it is parked; otherwise it is about to come back by itself. Once is enough until it has been
// noticed: a client that cancels one operation again and again must not fill another core's inbox.
void Channel::Impl::cancel(Irp &irp)
{
  if (irp.m_cancel_requested.exchange(true, std::memory_order_seq_cst))
    return;
  ke::CoreId core = irp.m_parked_core.load(std::memory_order_seq_cst);
  if (core == Irp::kNotParked)
    return;
  if (is_broken(Canary::ClaimedElsewhere) && core != address.core)
    return complete(irp.m_queue->take(irp), NtStatus::Cancelled);
  ke::Cores::instance().run_on(core, [owner = address, id = irp.entry().irp_id] { IrpQueue::cancel_parked(owner, id); });
}

bool Channel::Impl::Cancellation::means(const Irp &other) const
{
  return other.m_number < before && (handle == 0 || other.entry().handle == handle) && (!wanted || wanted(other.operation()));
}

bool Channel::Impl::is_cancelling(const Irp &irp) const
{
  return irp.is_cancel_requested() || std::ranges::any_of(cancellations, [&](const Cancellation &one) { return one.means(irp); });
}

// The first slice at once, unless this turn has had one.
void Channel::Impl::cancel_in_slices(Cancellation cancellation)
{
  cancellations.push_back(std::move(cancellation));
  if (!has_cancelled)
    cancel_slice();
  if (!cancellations.empty())
    make_hot();
}

// Tens of thousands of operations perhaps, of a client that lives and can have as many again.
void Channel::Impl::cancel_slice()
{
  has_cancelled = true;
  Cancellation &cancellation = cancellations.front();
  auto &cores = cancellation.cores;
  cancellation.next_slot = slots.visit_irps(cancellation.next_slot, limits::kOperationsEndedPerTurn, [&](Irp &irp) {
    if (!cancellation.means(irp))
      return;
    ke::CoreId core = irp.m_parked_core.load(std::memory_order_seq_cst);
    if (core != Irp::kNotParked && core != address.core && std::ranges::find(cores, core) == cores.end())
      cores.push_back(core);
    cancel(irp);
  });
  if (cancellation.next_slot < slots.slot_count())
    return;
  Cancellation done = std::move(cancellation);
  cancellations.pop_front();
  if (done.irp && done.irp->operation() == HSYS_OP_CLOSE_HANDLE)
    return finish_close(std::move(done.irp), done.cores);
  if (done.irp)
    complete(std::move(done.irp), NtStatus::Success);
}

// A CLOSE_HANDLE that waits until the operations of its handle that were parked have come back.
struct Channel::Impl::Closing {
  IrpPtr irp;
  size_t cores_to_answer;

  void core_answered(Channel::Impl &impl)
  {
    if (--cores_to_answer == 0)
      impl.close(std::move(irp));
  }
};

void Channel::Impl::close(IrpPtr irp)
{
  if (auto closed = registrations().handle_closed)
    closed(*channel, irp->entry().handle, irp->target());
  complete(std::move(irp), NtStatus::Success);
}

void Channel::Impl::close_handle(const hsys_sqe &entry)
{
  ob::HandleTarget target = MUST(handles.remove(entry.handle));
  IrpPtr irp = new_irp(*operation_row(entry.op), entry, target, {});
  uint64_t number = irp->m_number;
  cancel_in_slices({entry.handle, nullptr, number, std::move(irp), 0, {}});
}

void Channel::Impl::finish_close(IrpPtr irp, const std::vector<ke::CoreId> &cores)
{
  auto closing = std::make_shared<Closing>();
  closing->irp = std::move(irp);
  closing->cores_to_answer = cores.size() + 1;
  // Messages between two cores keep their order: behind the cancellations, and their completions come before the
  // answer.
  for (ke::CoreId core : cores) {
    ke::Cores::instance().run_on(core, [this, closing, home = address.core] {
      ke::Cores::instance().run_on(home, [this, closing] { closing->core_answered(*this); });
    });
  }
  closing->core_answered(*this);
}

void Channel::Impl::drain()
{
  if (is_draining || is_ending)
    return;
  is_draining = true;
  if (!is_revoked)
    __atomic_store_n(&kpage.state, static_cast<uint32_t>(HSYS_CHANNEL_DRAINING), __ATOMIC_RELEASE);
  bell_wanted = true;
  ke::Core::current().request_flush(*this);
  if (!is_sealed)
    return; // there are no operations
  cancel_in_slices({0, [](hsys_op operation) { return operation == HSYS_OP_RECEIVE_REQUEST; }, last_number + 1, nullptr, 0, {}});
}

// The session has ended: its process is gone, or was cut off.
void Channel::Impl::end()
{
  if (is_ending)
    return;
  // A client that lives on looks at the state when it has stored cq_head: it shows nobody what it receives from here on.
  if (!is_revoked)
    __atomic_store_n(&kpage.state, static_cast<uint32_t>(HSYS_CHANNEL_ENDED), __ATOMIC_SEQ_CST);
  if (is_sealed)
    completions.refresh_head(); // what is not possible is not believed: the last valid one stays
  is_ending = true;
  auto &core = ke::Core::current();
  if (Poller::is_linked())
    core.remove_poller(*this);
  if (Flushable::is_linked())
    core.cancel_flush(*this);
  core.timers().cancel(*this);
  doorbell.stop();
  run_down();
}

// Tens of thousands of operations and requests and thousands of handles perhaps: some in each turn. Operations first, so that what the
// session has not received is not given to a receive of its own.
void Channel::Impl::run_down()
{
  bool is_done = end_operations();
  if (is_done && !to_close)
    is_done = extension->on_session_end(completions.admission().head());
  if (is_done && !to_close) {
    finish_cancellations();
    to_close.emplace();
    handles.for_each([&](uint64_t handle, ob::HandleTarget &) { to_close->push_back(handle); });
  }
  if (!is_done || !close_handles())
    return ke::Cores::instance().post(address.core, [number = address.number] { ChannelRegistry::run_down(number); });
  auto &core = ke::Core::current();
  core.timers().set(*this, core.now() + limits::kRundownWarningMilliseconds);
  is_run_down = true;
  finish_if_empty();
}

// Those that the session's end found: it has cancelled all that they mean.
void Channel::Impl::finish_cancellations()
{
  for (Cancellation &one : std::exchange(cancellations, {})) {
    if (one.irp && one.irp->operation() == HSYS_OP_CLOSE_HANDLE)
      close(std::move(one.irp));
    else if (one.irp)
      complete(std::move(one.irp), NtStatus::Success);
  }
}

bool Channel::Impl::end_operations()
{
  next_to_cancel = slots.visit_irps(next_to_cancel, limits::kOperationsEndedPerTurn, [&](Irp &irp) { cancel(irp); });
  if (next_to_cancel < slots.slot_count())
    return false;
  // To free a page takes as long as to end an operation.
  for (size_t steps = 0; !waiting.empty(); waiting.pop_front()) {
    const Waiting &done = waiting.front();
    if (steps >= limits::kOperationsEndedPerTurn)
      return false;
    steps += 1 + done.completion.output.size() / 4096;
    waiting_output.give(done.completion.output.size());
    slots.drop(done.irp_id);
    completions.admission().drop();
  }
  return true;
}

bool Channel::Impl::close_handles()
{
  for (uint32_t count = 0; !to_close->empty(); count++) {
    if (count == limits::kHandlesEndedPerTurn)
      return false;
    uint64_t handle = to_close->back();
    to_close->pop_back();
    ob::HandleTarget target = MUST(handles.remove(handle));
    if (auto closed = registrations().handle_closed)
      closed(*channel, handle, target);
  }
  return true;
}

void Channel::Impl::finish_if_empty()
{
  if (!is_run_down || completions.admission().in_flight() > 0 || !doorbell.is_idle())
    return;
  is_run_down = false; // once
  ke::Core::current().timers().cancel(*this);
  // The caller may be one of our own functions.
  ke::Cores::instance().post(address.core, [number = address.number] { ChannelRegistry::destroy(number); });
}

}
