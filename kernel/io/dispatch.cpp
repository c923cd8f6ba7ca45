// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/dispatch.h"
#include "kernel/base/canary.h"
#include "kernel/base/checked_math.h"
#include "uapi/response.h"
#include <array>
#include <fmt/format.h>

namespace httpsys::io {

static Registrations s_registrations{};

const Registrations &registrations()
{
  return s_registrations;
}

void register_operation(hsys_op operation, DispatchFunction function)
{
  VERIFY(operation_row(static_cast<uint8_t>(operation)) && !s_registrations.operations[operation]);
  s_registrations.operations[operation] = function;
}

void register_extension(std::unique_ptr<ChannelExtension> (*make)(Channel &channel))
{
  s_registrations.make_extension = make;
}

void register_handle_closed(void (*closed)(Channel &channel, uint64_t handle, const ob::HandleTarget &target))
{
  s_registrations.handle_closed = closed;
}

void register_session_ended(void (*ended)(SessionId session))
{
  s_registrations.session_ended = ended;
}

void register_admin(void (*execute)(std::vector<std::string> words, std::vector<AdminFile> files, AdminAnswer answer))
{
  s_registrations.execute_admin = execute;
}

static constexpr std::array<OperationRow, HSYS_OP_COUNT_MAX> make_rows()
{
  using Handle = OperationRow::Handle;
  using Object = OperationRow::Object;
  // The words of ops.def.
  constexpr auto handle_NONE = Handle::None, handle_QUEUE = Handle::Queue, handle_OPTIONAL = Handle::Optional;
  constexpr auto object_NONE = Object::None, object_OPTIONAL = Object::Optional, object_SESSION = Object::Session,
                 object_GROUP = Object::Group, object_REQUEST = Object::Request, object_CONNECTION = Object::Connection,
                 object_IRP = Object::Irp;
  std::array<OperationRow, HSYS_OP_COUNT_MAX> rows{};
#define HSYS_OP(name, number, handle, object, in_min, in_max, op_flags, traits) \
  rows[number] = {#name, static_cast<uint32_t>(in_min), in_max, op_flags, traits, handle_##handle, object_##object};
#include "uapi/ops.def"
#undef HSYS_OP
  return rows;
}

static constexpr auto kRows = make_rows();

const OperationRow *operation_row(uint8_t op)
{
  return op < kRows.size() && kRows[op].name ? &kRows[op] : nullptr;
}

NtStatus check_entry(const hsys_sqe &entry, uint64_t tx_bytes, const OperationRow *&row, std::string &reason)
{
  row = operation_row(entry.op);
  if (!row)
    reason = fmt::format("operation {} is not known", entry.op);
  else if ((entry.flags != 0 || entry.reserved0 != 0 || entry.reserved1 != 0 || entry.reserved2 != 0) &&
           !is_broken(Canary::ReservedBitsIgnored))
    reason = fmt::format("{}: a reserved member of the entry is not 0", row->name);
  else if ((entry.op_flags & ~row->op_flags) != 0)
    reason = fmt::format("{}: flags {:#x} are not known", row->name, entry.op_flags & ~row->op_flags);
  else if (!(row->traits & HSYS_OP_OUTPUT) && entry.out_length != 0)
    reason = fmt::format("{}: has no output, but a buffer of {} bytes", row->name, entry.out_length);
  else if (entry.in_length < row->in_min || entry.in_length > row->in_max)
    reason = fmt::format("{}: a parameter block of {} bytes, {} to {} are allowed", row->name, entry.in_length, row->in_min, row->in_max);
  else if (!range_fits(entry.in_offset, entry.in_length, tx_bytes))
    reason = fmt::format("{}: the parameter block lies outside of the send arena", row->name);
  else if (row->handle == OperationRow::Handle::None && entry.handle != 0)
    reason = fmt::format("{}: takes no handle", row->name);
  else if (row->object == OperationRow::Object::None && entry.object_id != 0)
    reason = fmt::format("{}: takes no object id", row->name);
  else
    return NtStatus::Success;
  return NtStatus::InvalidParameter;
}

}
