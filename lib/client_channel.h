// SPDX-License-Identifier: MIT
// ClientChannel: the library's side of a ring pair: submission, credit, IRP slots, reaping, return of blocks, death. Any thread may
// submit; one thread at a time reaps. Belongs to a ClientSession.
//
// Two locks. m_mutex guards submission and the slot table: short, no system call inside, doorbells after it. m_reap_mutex is held
// by whoever reaps, while callers' buffers are written and operations complete; it is taken before m_mutex and before any lock
// that on_completion() takes.
#pragma once
#include "lib/channel_memory.h"
#include "lib/send_arena.h"
#include "uapi/ops.h"
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>

namespace httpsys::lib {

// What an operation ended with. Valid during ChannelOperation::on_completion() only.
struct Completion {
  uint32_t status = 0; // NTSTATUS
  uint64_t information = 0, object_id = 0, aux = 0;
  std::span<const uint8_t> output; // in the receive arena; read it once
  std::string_view reason;         // in words, on failure; may be empty
};

// One entry of the submission ring. Its maker keeps it until on_completion() was called.
class ChannelOperation {
public:
  ChannelOperation() = default;
  ChannelOperation(const ChannelOperation &) = delete;
  ChannelOperation &operator=(const ChannelOperation &) = delete;

  hsys_sqe entry{}; // all members but irp_id and user_data are the maker's

  // Called once for every time that submit() accepted the operation, by the thread that reaps, with m_reap_mutex held: it may submit
  // with Patience::Wait, this operation too, and may delete the operation.
  virtual void on_completion(const Completion &completion) = 0;

protected:
  ~ChannelOperation() = default;

private:
  friend class ClientChannel;
  enum class State : uint8_t { Idle, Waiting, Submitted };
  ChannelOperation *m_next = nullptr, *m_previous = nullptr; // m_waiting
  State m_state = State::Idle;
  bool m_has_credit = false; // while waiting: a slot is set aside for it
  bool m_is_cancelled = false;
};

class ClientChannel {
public:
  // What to do with an operation that finds no completion credit.
  enum class Patience { Refuse, Wait };
  enum class Submitted { Yes, NoCredit, Dead, Cancelled };

  explicit ClientChannel(ChannelMemory &memory) : m_memory(memory) {}
  ~ClientChannel();
  ClientChannel(const ClientChannel &) = delete;
  ClientChannel &operator=(const ClientChannel &) = delete;

  // Once, before anything else. False without memory.
  bool initialise();

  // Only Yes is followed by on_completion(). Cancelled: cancel() was called for the operation before.
  Submitted submit(ChannelOperation &operation, Patience patience);

  // Asks the daemon to cancel the operation; one that is not submitted now will not be any more. The operation must exist (the caller
  // holds the lock that on_completion() takes first). True when it had not left the library: it is the caller's again, and
  // on_completion() is not called.
  bool cancel(ChannelOperation &operation);

  // Completes what the daemon has published, hands blocks back, submits what waited. `rang`: the bell is readable and the caller will
  // arm(): empty it first. `wait`: when another thread reaps, wait for it and look again; otherwise return at once. True when
  // something completed. The caller holds a reference to the session.
  bool reap(bool rang, bool wait);

  // Asks the daemon to ring at the next completion. False when there is one already: reap again. A dead channel has nothing to come.
  bool arm();

  // Finds out now whether the daemon still lives.
  void look();

  // Ends the session: everything that is outstanding completes with CANCELLED and the reason.
  void fail(std::string_view reason);
  bool is_dead() const { return m_dead.load(std::memory_order_acquire); }
  // In words; empty while it lives.
  std::string_view death_reason() const { return is_dead() ? m_death_reason.c_str() : std::string_view(); }

  SendArena &send_arena() { return m_arena; }
  // The parameter block of a SEND_BODY without bytes that is not the last of its call: behind the arena, all calls have the same one.
  const ArenaExtent &empty_send() const { return m_empty_send; }
  uint8_t *send_bytes(const ArenaExtent &extent) { return m_memory.send_arena() + extent.offset; }
  int bell() const { return m_memory.bell(); }

  // Slots in use; for tests.
  uint32_t operations_in_flight();

private:
  static constexpr uint32_t kBatch = 32;
  struct Slot {
    ChannelOperation *operation = nullptr;
    uint16_t sequence = 0;
  };
  class CancelOperation;

  bool may_use_reserve(const ChannelOperation &operation) const;
  bool has_credit(const ChannelOperation &operation) const;
  bool has_space();
  void append_waiting(ChannelOperation &operation);
  void remove_waiting(ChannelOperation &operation);
  void place(ChannelOperation &operation);
  bool refill();
  bool publish();
  uint32_t reap_batch();
  bool complete_entry(const hsys_cqe &entry, ChannelOperation *operation, bool is_in_session);
  void return_block(uint32_t block);
  bool publish_returns();
  bool finish_batch(const uint16_t *slots, uint32_t count);
  void fail_locked(std::string_view reason);
  void fail_lost();
  void look_for_death();

  ChannelMemory &m_memory;
  SendArena m_arena;
  ArenaExtent m_empty_send;
  std::atomic<bool> m_dead{false};
  ErrorText m_death_reason; // written once, before m_dead

  std::mutex m_mutex; // guards the members down to the next comment
  std::unique_ptr<Slot[]> m_slots;
  std::unique_ptr<uint16_t[]> m_free_slots;
  uint32_t m_free_count = 0;
  uint32_t m_set_aside = 0; // credits of waiting operations
  uint32_t m_sq_tail = 0, m_sq_published = 0, m_sq_head = 0;
  ChannelOperation *m_waiting_first = nullptr, *m_waiting_last = nullptr;
  std::atomic<uint32_t> m_waiting_count{0}; // written under m_mutex

  std::mutex m_reap_mutex; // guards the rest
  uint32_t m_cq_head = 0;
  uint32_t m_ret_tail = 0, m_ret_published = 0;
  uint64_t m_next_look = 0; // CLOCK_MONOTONIC milliseconds
};

}
