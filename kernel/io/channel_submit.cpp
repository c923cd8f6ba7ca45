// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/canary.h"
#include "kernel/base/checked_math.h"
#include "kernel/base/log.h"
#include "kernel/io/channel_impl.h"
#include "kernel/io/per_core.h"
#include <fmt/format.h>

namespace httpsys::io {

static PerCore<uint64_t> s_operations; // ever admitted

uint64_t Channel::Impl::operations_here()
{
  return s_operations.here();
}

// Bounded, so that a client that floods its ring leaves the others their turn (trust rule T8).
uint32_t Channel::Impl::take_entries()
{
  if (!submissions.refresh()) {
    revoke(HSYS_REVOKED_SQ_INDEX, "sq_tail is further ahead of sq_head than the submission ring is long");
    return 0;
  }
  uint32_t taken = 0;
  hsys_sqe entry;
  lacks_credit = false;
  for_core_0 = 0;
  auto has_turn = [&] {
    return (taken < limits::kEntriesPerTurn && for_core_0 < limits::kOperationsForCore0PerTurn) || is_broken(Canary::WorkNotBounded);
  };
  while (has_turn() && submissions.available() > 0 && admit_first(entry)) {
    taken++;
    start_operation(entry);
  }
  if (taken > 0 && submissions.publish_head(offsetof(hsys_upage, space_wake))) {
    bell_wanted = true;
    ke::Core::current().request_flush(*this);
  }
  if (lacks_credit && !is_set())
    ke::Core::current().timers().set(*this, ke::Core::current().now() + limits::kCreditVisitMilliseconds);
  return taken;
}

// Each cancels as many operations as there are, 65536 perhaps: one after the other.
static bool cancels_many(const hsys_sqe &entry)
{
  return entry.op == HSYS_OP_CLOSE_HANDLE || entry.op == HSYS_OP_SHUTDOWN_REQUEST_QUEUE;
}

// Copies the oldest entry out and reserves what it needs; false when it must stay in the ring or broke the protocol.
bool Channel::Impl::admit_first(hsys_sqe &entry)
{
  if (is_revoked)
    return false;
  // Core 0 has the ports and names of all: whoever gives it much to do waits, and not those behind him.
  if (with_core_0 >= limits::kOperationsWithCore0) {
    lacks_credit = true;
    return false;
  }
  submissions.copy_first({reinterpret_cast<uint8_t *>(&entry), sizeof entry});
  if (cancels_many(entry) && (has_cancelled || !cancellations.empty()))
    return false;
  const OperationRow *row = operation_row(entry.op);
  bool may_use_reserve = row && (row->traits & HSYS_OP_RESERVE);
  Admission &admission = completions.admission();
  bool is_slot_free = !slots.has(entry.irp_id) || slots.is_free(entry.irp_id, admission);
  // The client may have reaped since we last looked.
  if ((!admission.has_credit(may_use_reserve) || !is_slot_free) && !completions.refresh_head()) {
    revoke(HSYS_REVOKED_CQ_INDEX, "cq_head moved back or past cq_tail");
    return false;
  }
  if (!is_slot_free && !slots.is_free(entry.irp_id, admission) && !is_broken(Canary::SlotNotChecked)) {
    revoke(HSYS_REVOKED_IRP_IN_USE,
           fmt::format("it named IRP slot {} again before it had reaped the completion", HSYS_IRP_SLOT(entry.irp_id)));
    return false;
  }
  if (!admission.has_credit(may_use_reserve)) {
    lacks_credit = true;
    return false;
  }
  if (is_broken(Canary::EntryReadAgain))
    submissions.copy_first({reinterpret_cast<uint8_t *>(&entry), sizeof entry});
  submissions.advance();
  admission.admit();
  s_operations.here()++;
  return true;
}

void Channel::Impl::start_operation(const hsys_sqe &entry)
{
  std::string reason;
  const OperationRow *row = nullptr;
  if (!slots.has(entry.irp_id))
    return answer(entry, NtStatus::InvalidParameter, fmt::format("IRP slots are numbered from 0 to {}", geometry.cq_entries - 1));
  slots.enter(entry.irp_id);
  NtStatus status = check_entry(entry, geometry.tx_bytes, row, reason);
  if (status != NtStatus::Success)
    return answer(entry, status, std::move(reason));
  ob::HandleTarget target;
  if (entry.handle != 0 || row->handle == OperationRow::Handle::Queue) {
    auto found = handles.find(entry.handle);
    if (found.is_error())
      return answer(entry, found.error(), fmt::format("{}: the request queue handle is not open in this process", row->name));
    target = **found;
  }
  dispatch(*row, entry, target);
}

void Channel::Impl::dispatch(const OperationRow &row, const hsys_sqe &entry, const ob::HandleTarget &target)
{
  if (entry.op == HSYS_OP_NOP)
    return answer(entry, NtStatus::Success);
  if (entry.op == HSYS_OP_CANCEL)
    return cancel_by_id(entry);
  if (entry.op == HSYS_OP_CLOSE_HANDLE)
    return close_handle(entry);
  auto function = registrations().operations[entry.op];
  if (!function)
    return answer(entry, NtStatus::NotSupported, fmt::format("{} is not there yet", row.name));
  if (is_draining && entry.op == HSYS_OP_RECEIVE_REQUEST && entry.object_id == HSYS_NULL_ID)
    return answer(entry, NtStatus::Cancelled, "the daemon is ending");
  std::string reason;
  auto parameters = copy_parameters(entry, reason);
  if (parameters.is_error())
    return answer(entry, parameters.error(), std::move(reason));
  function(*channel, new_irp(row, entry, target, parameters.release_value()));
}

// Whole, once (trust rules T1, T2). What a client has in flight fits its send arena, unless its blocks overlap.
Result<std::vector<uint8_t>> Channel::Impl::copy_parameters(const hsys_sqe &entry, std::string &reason)
{
  if (entry.in_length > geometry.tx_bytes - parameter_bytes) {
    reason = fmt::format("the parameter blocks of the operations in flight are longer than the send arena of {} bytes", geometry.tx_bytes);
    return NtStatus::InsufficientResources;
  }
  std::vector<uint8_t> parameters(entry.in_length);
  TRY(utok.copy_in(geometry.tx_offset + entry.in_offset, parameters));
  if (is_broken(Canary::ParametersReadAgain))
    TRY(utok.copy_in(geometry.tx_offset + entry.in_offset, parameters));
  if (is_broken(Canary::ParametersInPlace)) {
    const auto offset = checked_add<uint64_t>(geometry.tx_offset, entry.in_offset);
    const auto place = utok.body_span(geometry.tx_offset, geometry.tx_bytes, *offset, entry.in_length);
    parameters.assign(place->begin(), place->end());
  }
  return parameters;
}

IrpPtr Channel::Impl::new_irp(const OperationRow &row, const hsys_sqe &entry, const ob::HandleTarget &target,
                              std::vector<uint8_t> parameters)
{
  parameter_bytes += parameters.size();
  SendArena send_arena;
  if (row.traits & HSYS_OP_EXTENTS)
    send_arena = {utok, geometry.tx_offset, geometry.tx_bytes};
  IrpPtr irp = make_irp({session, address, client}, entry, std::move(parameters), target, send_arena);
  irp->m_number = ++last_number;
  slots.set_irp(*irp);
  return irp;
}

// Completes an operation that never became an Irp.
void Channel::Impl::answer(const hsys_sqe &entry, NtStatus status, std::string reason)
{
  IrpCompletion completion;
  completion.status = status;
  completion.reason = std::move(reason);
  finish({entry.user_data, entry.irp_id, std::move(completion)});
}

void Channel::Impl::cancel_by_id(const hsys_sqe &entry)
{
  if (entry.object_id > UINT32_MAX)
    return answer(entry, NtStatus::InvalidParameter, "CANCEL names its target by the low word of object_id alone");
  Irp *target = slots.find(static_cast<uint32_t>(entry.object_id));
  const OperationRow *row = target ? operation_row(target->entry().op) : nullptr;
  if (!row || !(row->traits & HSYS_OP_CANCELLABLE))
    return answer(entry, NtStatus::NotFound);
  cancel(*target);
  answer(entry, NtStatus::Success);
}

}
