// SPDX-License-Identifier: GPL-3.0-or-later
// Irp: one admitted operation of a client. Whoever holds the IrpPtr owns the operation; ownership moves with Tasks from
// core to core, and complete() takes it away: "completed exactly once" is a property of the type. An Irp that is
// destroyed uncompleted ends the daemon. It is made and finished by its channel on the channel's core.
#pragma once
#include "kernel/base/intrusive_list.h"
#include "kernel/base/result.h"
#include "kernel/ke/core.h"
#include "kernel/mm/uaccess.h"
#include "kernel/ob/handle_table.h"
#include "kernel/se/quota.h"
#include "uapi/ops.h"
#include "uapi/ring.h"
#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace httpsys::io {

using SessionId = uint64_t;

// Names a channel from any core. Numbers are never reused while the daemon runs.
struct ChannelAddress {
  ke::CoreId core = 0;
  uint32_t number = 0;
  bool operator==(const ChannelAddress &) const = default;
};

class Irp;
class IrpQueue;
class Channel;
using IrpPtr = std::unique_ptr<Irp>;

struct IrpCompletion {
  NtStatus status = NtStatus::Success;
  uint64_t information = 0;      // cqe.information
  uint64_t object_id = 0;        // cqe.object_id
  uint64_t aux = 0;              // cqe.aux
  std::vector<uint8_t> output{}; // goes into a lent block (HSYS_CQE_BLOCK); at most HSYS_BLOCK_MAX bytes
  std::string reason{};          // in words, on failure: lent as HSYS_CQE_REASON, cut to HSYS_REASON_MAX; for httpsys_last_error_text()
  bool delivers_request = false; // tell the channel's extension where the entry lies
};

// Success, with the id or handle of what was created.
inline IrpCompletion completion_with_id(uint64_t id)
{
  IrpCompletion completion;
  completion.object_id = id;
  return completion;
}

// Makes operations and takes them back on its core, when they are completed: a channel, or a test that stands in for
// one. It must outlive them.
class IrpOwner {
public:
  struct Origin {
    SessionId session = 0;
    ChannelAddress channel;
    se::Client client;
  };
  // The part of the client's memory that extents may name.
  struct SendArena {
    mm::UserMemory memory;
    uint64_t offset = 0, bytes = 0;
  };
  // On the core of irp->channel(); the irp is to be destroyed.
  virtual void take_back(IrpPtr irp, IrpCompletion completion) = 0;

protected:
  IrpOwner() = default;
  ~IrpOwner() = default;
  IrpOwner(const IrpOwner &) = delete;
  IrpOwner &operator=(const IrpOwner &) = delete;
  IrpPtr make_irp(const Origin &origin, const hsys_sqe &entry, std::vector<uint8_t> parameters, const ob::HandleTarget &target,
                  const SendArena &arena);
};

class Irp : public ListLink<Irp> {
public:
  ~Irp(); // VERIFY: completed

  // The private copy of the entry, validated by the op table: handle, flags, sizes, reserved members.
  const hsys_sqe &entry() const { return m_entry; }
  hsys_op operation() const { return static_cast<hsys_op>(m_entry.op); }
  // The private copy of the parameter block.
  std::span<const uint8_t> parameters() const { return m_parameters; }
  SessionId session() const { return m_session; }
  ChannelAddress channel() const { return m_channel; }
  const se::Client &client() const { return m_client; }
  uint32_t uid() const { return m_client.uid; }
  // What the handle named when the operation was admitted; all zero for operations without one.
  const ob::HandleTarget &target() const { return m_target; }
  // Bytes of the send arena that an extent names; nullopt when it lies outside, or when the operation has no extents
  // (HSYS_OP_EXTENTS). Valid while the Irp lives.
  std::optional<std::span<const uint8_t>> extent(uint32_t offset, uint32_t length) const;
  // The client, its CLOSE or its end has asked for the end of this operation, and nobody has been told yet. Parking
  // takes notice by itself; this is for owners that do not park.
  bool is_cancel_requested() const { return m_cancel_requested.load(std::memory_order_seq_cst); }

private:
  friend class IrpOwner;
  friend class Channel;
  friend class IrpQueue;
  friend void complete(IrpPtr irp, IrpCompletion completion);
  static constexpr ke::CoreId kNotParked = UINT32_MAX;
  Irp() = default;
  hsys_sqe m_entry{};
  std::vector<uint8_t> m_parameters;
  SessionId m_session = 0;
  ChannelAddress m_channel;
  se::Client m_client;
  ob::HandleTarget m_target;
  IrpOwner::SendArena m_arena;
  IrpOwner *m_owner = nullptr;
  IrpCompletion m_completion; // on its way back
  bool m_completed = false;
  uint64_t m_number = 0; // in the order of its channel's ring
  bool m_is_with_core_0 = false; // counted by its channel
  IrpQueue *m_queue = nullptr; // where it is parked; of the parking core alone
  // The channel sets the flag and then reads the core, park() sets the core and then reads the flag, all sequentially
  // consistent: one of the two sees the other's store, so a cancellation reaches an operation that is on its way to a
  // queue.
  std::atomic<bool> m_cancel_requested{false};
  std::atomic<ke::CoreId> m_parked_core{kNotParked};
};

// Ends the operation, from any core. The completion goes back to the channel, which lives until all its operations have
// come back.
void complete(IrpPtr irp, IrpCompletion completion);
void complete(IrpPtr irp, NtStatus status, std::string reason = {});

}
