// SPDX-License-Identifier: GPL-3.0-or-later
// Channel::Impl: see channel.h. For io's own files; session.cpp makes channels and ends them, on their core, through
// this header.
#pragma once
#include "kernel/io/channel_layout.h"
#include "kernel/io/doorbell.h"
#include "kernel/io/ring_consumer.h"
#include "kernel/io/ring_producer.h"
#include "kernel/io/slot_table.h"
#include "kernel/io/waiting_output.h"
#include <atomic>
#include <deque>
#include <memory>

namespace httpsys::io {

// Set when the session has ended: nothing more is begun for it on a helper then.
using IsInVain = std::shared_ptr<const std::atomic<bool>>;

// Everything that a new channel takes over.
struct ChannelBirth {
  ChannelAddress address;
  SessionId session = 0;
  platform::PeerCredentials peer;
  se::Client client;
  WaitingOutput waiting_output;
  hsys_geometry geometry{};
  uint32_t first_index = 0;
  uint32_t first_handle_generation = 0;
  RefPtr<mm::SharedRegion> ktou, utok;
  IsInVain is_in_vain = std::make_shared<const std::atomic<bool>>(false);
  int kick = -1, bell = -1; // bell: the write end
};

// What channels tell the sessions, on core 0.
struct ChannelEvents {
  void (*revoked)(SessionId session, hsys_revocation reason) = nullptr; // the session is to end
  void (*gone)(SessionId session) = nullptr;                            // after end(): nothing of the channel is left
};

// The channels of the current core. A channel that has gone is not an error.
struct ChannelRegistry {
  // Once, before there are channels.
  static void set_events(const ChannelEvents &events);
  static void create(ChannelBirth birth);
  static void end(uint32_t number);
  static void drain(uint32_t number);
  // A turn's part of the end.
  static void run_down(uint32_t number);
  // Nothing of it is in flight any more.
  static void destroy(uint32_t number);
  // Adds this core's numbers.
  static void add_stats(hsys_control_stats &stats);
  // For the simulator: this core's.
  static void for_each(const std::function<void(const Channel::Impl &)> &visit);
};

struct Channel::Impl final : IrpOwner, ke::Poller, ke::Flushable, ke::Timer, Doorbell::Listener {
  explicit Impl(ChannelBirth birth);
  ~Impl();
  void start(Channel &own_channel);
  // Operations that channels of the current core ever admitted.
  static uint64_t operations_here();
  // For the simulator, between two turns: what is counted and is not what there is; null: nothing. The arena's takes longer.
  const char *unsound() const;

  // channel.cpp: the loop.
  bool poll() override;
  bool before_sleep() override;
  void flush() override;
  void on_timer() override;
  void on_kick() override;
  void pin();
  void pinned(NtStatus status);
  void make_hot();
  void poll_soon();
  void go_cold();
  bool arm();
  void disarm();
  void revoke(hsys_revocation reason, std::string detail);

  // channel_submit.cpp: from an entry to a running operation.
  uint32_t take_entries();
  bool admit_first(hsys_sqe &entry);
  void start_operation(const hsys_sqe &entry);
  void dispatch(const OperationRow &row, const hsys_sqe &entry, const ob::HandleTarget &target);
  Result<std::vector<uint8_t>> copy_parameters(const hsys_sqe &entry, std::string &reason);
  IrpPtr new_irp(const OperationRow &row, const hsys_sqe &entry, const ob::HandleTarget &target, std::vector<uint8_t> parameters);
  void answer(const hsys_sqe &entry, NtStatus status, std::string reason = {});
  void cancel_by_id(const hsys_sqe &entry);
  void close_handle(const hsys_sqe &entry);

  // channel_complete.cpp: from a completion to an entry.
  struct Waiting {
    uint64_t user_data;
    uint32_t irp_id;
    IrpCompletion completion;
  };
  void take_back(IrpPtr irp, IrpCompletion completion) override;
  void finish(Waiting done);
  void let_wait(Waiting done);
  void write_entry(const Waiting &done, const mm::BlockArena::Block *block, uint32_t length, uint32_t flags);
  std::optional<mm::BlockArena::Block> lend(std::span<const uint8_t> bytes);
  uint32_t take_returned_blocks();
  bool serve_waiting();

  // channel_rundown.cpp: cancellation and the end.
  struct Closing;
  // Operations of a channel that lives, some cancelled in each turn.
  struct Cancellation {
    uint64_t handle;                   // 0: of all
    bool (*wanted)(hsys_op operation); // null: all
    uint64_t before;                   // Irp numbers: what is submitted later is not meant
    IrpPtr irp;                        // completed behind them; null: nobody waits
    size_t next_slot = 0;
    std::vector<ke::CoreId> cores{}; // others that were sent messages
    bool means(const Irp &other) const;
  };
  void cancel(Irp &irp);
  bool is_cancelling(const Irp &irp) const;
  void cancel_in_slices(Cancellation cancellation);
  void cancel_slice();
  void finish_cancellations();
  void close(IrpPtr irp);
  void finish_close(IrpPtr irp, const std::vector<ke::CoreId> &cores);
  void drain();
  void end();
  void run_down();
  bool end_operations();
  bool close_handles();
  void finish_if_empty();
  void on_doorbell_idle() override { finish_if_empty(); }

  ChannelAddress address;
  SessionId session;
  IsInVain is_in_vain;
  platform::PeerCredentials peer;
  se::Client client;
  WaitingOutput waiting_output; // outputs of `waiting`
  hsys_geometry geometry; // private: never read again from ktou
  RefPtr<mm::SharedRegion> ktou;
  mm::UserMemory utok;
  hsys_kpage &kpage;
  Doorbell doorbell;
  RingConsumer submissions, returns;
  RingProducer completions;
  SlotTable slots;
  mm::BlockArena arena;
  ob::HandleTable handles;
  std::deque<Waiting> waiting; // for a block; oldest first
  std::unique_ptr<ChannelExtension> extension;
  Channel *channel = nullptr;
  uint64_t parameter_bytes = 0; // private copies of parameter blocks
  uint32_t with_core_0 = 0;     // operations that forward_to_core_0() has taken and that have not come back
  uint32_t for_core_0 = 0;      // that it has taken in this turn
  uint32_t empty_polls = 0;
  bool bell_wanted = false;
  bool lacks_credit = false;  // the oldest entry stays in the ring
  bool has_cancelled = false; // a slice, in this turn
  bool is_pinning = false;    // the client has sealed utok
  bool is_sealed = false;     // and it is pinned: before that nothing of it is read
  bool is_revoked = false;    // nothing is read from the rings any more
  bool is_draining = false;
  bool is_ending = false;
  uint64_t last_number = 0;               // of an Irp
  std::deque<Cancellation> cancellations; // one of the client's at most, and drain()'s
  size_t next_to_cancel = 0;              // of the slots, while it ends
  std::optional<std::vector<uint64_t>> to_close; // handles, when its operations have ended
  bool is_run_down = false; // end() is through; the last operation destroys the channel
};

}
