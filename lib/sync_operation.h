// SPDX-License-Identifier: MIT
// SyncOperation: an operation of the ring that its thread waits for and nobody can cancel: everything that configures. Lives on the
// stack of that thread.
#pragma once
#include "lib/client_session.h"
#include "lib/dispatcher.h"

namespace httpsys::lib {

class SyncOperation final : private ChannelOperation, private Waiter {
public:
  SyncOperation(hsys_op op, uint64_t handle, uint64_t object_id, uint32_t op_flags = 0);

  // head, then tail, make the parameter block. The NTSTATUS; CANCELLED when the session is dead.
  uint32_t run(ClientSession &session) { return run(session, {}, {}); }
  uint32_t run(ClientSession &session, std::span<const uint8_t> head, std::span<const uint8_t> tail);

  // CREATE_*: the new id or handle.
  uint64_t object_id() const { return m_object_id; }
  // Why it failed, in words; may be empty.
  std::string_view reason() const { return m_reason.c_str(); }

private:
  void on_completion(const Completion &completion) override;
  uint32_t m_status = 0;
  uint64_t m_object_id = 0;
  ErrorText m_reason;
};

}
