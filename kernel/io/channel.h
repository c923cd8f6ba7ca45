// SPDX-License-Identifier: GPL-3.0-or-later
// Channel: the daemon's side of a ring pair: admission with credit, validation by the op table, dispatch, completions,
// doorbells, rundown. Owned by one core. It ends when its session has ended and every operation has come back.
#pragma once
#include "kernel/io/irp.h"
#include "kernel/mm/block_arena.h"
#include "kernel/ob/handle_table.h"
#include "kernel/platform/platform.h"
#include <functional>

namespace httpsys::io {

// What the layers above keep per channel (requests delivered to it, for example). Lives and dies with the channel.
class ChannelExtension {
public:
  virtual ~ChannelExtension() = default;
  // The completion that delivers this request (IrpCompletion::delivers_request) was published as entry cq_index;
  // has_output: its block holds the image. Maybe called from inside complete().
  virtual void on_delivery_published(uint64_t request_id, uint32_t cq_index, bool has_output) = 0;
  // The session has ended; received_up_to: the last cq_head. Entries at or beyond it were not received. Called after
  // its operations were told to cancel, before its handles are closed. False: this turn has had its part, and the next one calls again.
  virtual bool on_session_end(uint32_t received_up_to) = 0;
};

class Channel {
public:
  ~Channel();
  Channel(const Channel &) = delete;
  // The channel of that number, on the current core; null when it has ended.
  static Channel *find(uint32_t number);

  ChannelAddress address() const;
  SessionId session() const;
  const se::Client &client() const;
  uint32_t uid() const;
  uint32_t pid() const;
  const std::string &program() const;
  ob::HandleTable &handles();
  // Made by the factory that the upper layer registered (dispatch.h), at the channel's birth.
  ChannelExtension &extension();

  // Sends the operation to another core (or runs at once on this one). handler runs there and owns it. CANCEL finds it
  // wherever it is parked.
  void forward(IrpPtr irp, ke::CoreId core, void (*handler)(IrpPtr));
  // To core 0, which has names and ports of all: at most limits::kOperationsWithCore0 of a channel at a time, and
  // kOperationsForCore0PerTurn in a turn; the next ones stay in the ring.
  void forward_to_core_0(IrpPtr irp, void (*handler)(IrpPtr));
  bool is_ending() const;
  // Cancels every operation that this channel submitted before irp, on the same handle, for which wanted(operation) is true, wherever it
  // is parked (wanted null: all); some in each turn. Then irp succeeds.
  void cancel_operations(IrpPtr irp, bool (*wanted)(hsys_op operation));
  // Whether the operation is, or will be in a later turn.
  bool is_cancelling(const Irp &irp) const;
  // The last valid cq_head of the client: completion entries below it have been received.
  uint32_t received_up_to();

  struct Impl; // channel_impl.h, for io itself

private:
  friend struct ChannelRegistry;
  explicit Channel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> m_impl;
};

}
