// SPDX-License-Identifier: MIT
// SendCall: one call of HttpSendHttpResponse or HttpSendResponseEntityBody on its way: a parameter block and a body of any length, which
// leave as SEND_RESPONSE and SEND_BODY operations with as much body each as the send arena has room for, two at a time; one outcome for
// the caller. Counted references: the caller's thread, the call itself while it is outstanding, and whoever works on it.
//
// What a client does not read must not hold the arena of all others. So the last part of it is for bytes that the daemon takes at once: the
// beginning of a response, and a piece of a body after a question, which is a SEND_BODY without bytes: it completes when the client's
// connection takes some. While it does not, such a send holds nothing of the arena.
//
// Order of locks: the channel's m_reap_mutex, m_mutex, then the channel's m_mutex and the SendQueue's. The dispatcher lock is not taken
// with m_mutex held, nor the other way round: to cancel is work to be deferred.
#pragma once
#include "lib/body_source.h"
#include "lib/parameter_block.h"
#include "lib/request_queue.h"
#include "uapi/response.h"

namespace httpsys::lib {

class SendCall final : public RefCounted<SendCall>, public PendingOperation, private DeferredWork {
public:
  // op: SEND_RESPONSE or SEND_BODY. Null without memory.
  static Ref<SendCall> create(Ref<RequestQueue> queue, hsys_op op, uint64_t request_id, uint32_t op_flags);

  // To be filled before run(): what marshal_response() or marshal_send_body() make, and the chunks.
  ParameterBlock &block() { return m_block; }
  BodySource &body() { return m_body; }

  // Starts it and, without an OVERLAPPED, waits for its end. The function's return value.
  uint32_t run(OVERLAPPED *overlapped, ULONG *bytes);

  // Sends that wait for the arena go on, after bytes of it were given back. No lock may be held but m_reap_mutex.
  static void serve_waiting(ClientSession &session);

private:
  friend class RefCounted<SendCall>;
  friend class SendQueue;
  static constexpr uint32_t kSegments = 2;               // in flight: one on its way while the next is filled
  static constexpr uint32_t kSegmentMost = 0x40000;      // body bytes of one operation;
  static constexpr uint32_t kShare = 8;                  // a send takes at most this part of what is free in the arena, or:
  static constexpr uint32_t kSegmentShareLeast = HSYS_SEND_AT_ONCE;
  static constexpr uint32_t kSegmentLeast = 0x1000;
  static constexpr uint32_t kKeptShare = 4;              // the part of the arena that is for what the daemon takes at once

  class Segment final : public ChannelOperation {
  public:
    void on_completion(const Completion &completion) override { owner->segment_completed(*this, completion); }
    SendCall *owner = nullptr;
    ArenaExtent extent;
    bool is_in_flight = false;
    bool is_question = false;
  };
  enum class Filled { Yes, NoRoom, Later, Failed }; // Later: when its operation in flight has completed
  // What a thread that has worked on a send does when it has let go of the lock.
  struct Next {
    bool is_finished = false;
    bool has_found_no_room = false;
    Ref<SendCall> successor;
  };
  using Submitted = ClientChannel::Submitted;

  SendCall(Ref<RequestQueue> queue, hsys_op op, uint64_t request_id, uint32_t op_flags);
  ~SendCall() = default;
  ClientChannel &channel() { return m_request_queue->session().channel(); }
  SendQueue &sends() { return m_request_queue->session().send_queue(); }
  Submitted start(ClientChannel::Patience patience);
  bool fill_first(std::unique_lock<std::mutex> &lock);
  Next advance(bool has_turn);
  void go_on(Next next);
  void finish();
  Segment *free_segment();
  Filled allocate(Segment &segment, uint32_t head_bytes);
  Filled fill(Segment &segment);
  void prepare(Segment &segment);
  uint32_t write_head(uint32_t body_offset, uint32_t body_bytes);
  void segment_completed(Segment &segment, const Completion &completion);
  void release(Segment &segment);
  void note_failure(uint32_t status, std::string_view reason);
  void abort_request();
  bool try_cancel() override;
  void withdrawn() override {}
  void run_deferred() override;

  const Ref<RequestQueue> m_request_queue;
  const uint64_t m_request_id;
  const uint32_t m_op_flags;
  ParameterBlock m_block;
  BodySource m_body;

  std::mutex m_mutex; // guards the members down to the next comment
  Segment m_segments[kSegments];
  hsys_op m_op; // of the next segment
  uint32_t m_in_flight = 0;
  uint64_t m_bytes_sent = 0;
  uint32_t m_status = 0;
  std::unique_ptr<ErrorText> m_reason;
  bool m_has_entered = false, m_has_left = false; // the SendQueue
  bool m_is_blocked = false;                      // by an earlier send of the request
  bool m_is_writable = false;                     // as the daemon says, if nothing is in flight
  bool m_is_all_submitted = false, m_has_failed = false, m_has_succeeded = false;
  bool m_is_finished = false;

  // SendQueue's, under its lock.
  SendCall *m_next_open = nullptr, *m_previous_open = nullptr;
  SendCall *m_next_waiting = nullptr, *m_previous_waiting = nullptr;
  bool m_is_waiting = false;
};

}
