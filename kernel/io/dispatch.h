// SPDX-License-Identifier: GPL-3.0-or-later
// The dispatch table: one row per operation of ops.def, filled at boot by the layers above (as a driver fills
// MajorFunction), read-only afterwards. A row's function runs on the channel's core and owns the operation. Rows that
// nobody fills answer NotSupported.
#pragma once
#include "kernel/io/channel.h"
#include "kernel/platform/secret_memory.h"

namespace httpsys::io {

using DispatchFunction = void (*)(Channel &channel, IrpPtr irp);

void register_operation(hsys_op operation, DispatchFunction function);
void register_extension(std::unique_ptr<ChannelExtension> (*make)(Channel &channel));
// The session of a channel gave up a handle: by CLOSE_HANDLE or by its end. Runs on the channel's core.
void register_handle_closed(void (*closed)(Channel &channel, uint64_t handle, const ob::HandleTarget &target));
// The session is over, on core 0, after its channel has been told: server sessions and URL groups of it end.
void register_session_ended(void (*ended)(SessionId session));
// Administration commands: runs on core 0; answer is called once, on core 0, with (win32_code, exit_code, text).
using AdminAnswer = std::function<void(uint32_t win32_code, uint32_t exit_code, std::string text)>;
// A file that the client has read, perhaps a private key.
struct AdminFile {
  std::string tag;
  platform::SecretText contents;
};
void register_admin(void (*execute)(std::vector<std::string> words, std::vector<AdminFile> files, AdminAnswer answer));

// What has been registered; for io itself. Null where nothing is.
struct Registrations {
  DispatchFunction operations[HSYS_OP_COUNT_MAX];
  std::unique_ptr<ChannelExtension> (*make_extension)(Channel &channel);
  void (*handle_closed)(Channel &channel, uint64_t handle, const ob::HandleTarget &target);
  void (*session_ended)(SessionId session);
  void (*execute_admin)(std::vector<std::string> words, std::vector<AdminFile> files, AdminAnswer answer);
};
const Registrations &registrations();

// Name, sizes, flags and kinds of an operation (ops.def); null for a number that is not defined.
struct OperationRow {
  const char *name;
  uint32_t in_min, in_max, op_flags, traits;
  enum class Handle : uint8_t { None, Queue, Optional } handle;
  enum class Object : uint8_t { None, Optional, Session, Group, Request, Connection, Irp } object;
};
const OperationRow *operation_row(uint8_t op);

// Whether an entry obeys its row, its handle left aside: InvalidParameter, with the reason. `row` is set when the
// operation is known. tx_bytes: size of the send arena, in which the parameter block must lie.
NtStatus check_entry(const hsys_sqe &entry, uint64_t tx_bytes, const OperationRow *&row, std::string &reason);

}
