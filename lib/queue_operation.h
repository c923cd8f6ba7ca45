// SPDX-License-Identifier: MIT
// QueueOperation: a call on a request queue that is one operation of the ring at a time: receives, waits, cancels. A call that blocks
// keeps it on its thread's stack; an overlapped one is allocated and deletes itself.
#pragma once
#include "lib/last_error.h"
#include "lib/request_queue.h"
#include "lib/status_map.h"
#include <new>

namespace httpsys::lib {

class QueueOperation : public PendingOperation, protected ChannelOperation, private DeferredWork {
public:
  QueueOperation(RequestQueue &queue, hsys_op op, uint64_t object_id);
  virtual ~QueueOperation() = default;

  // Starts it and, without an OVERLAPPED, waits for its end. The function's return value; the count is written at the end of a call
  // that blocks, when there is one to report. `this` is gone when an overlapped call returns.
  uint32_t run(OVERLAPPED *overlapped, ULONG *bytes);

protected:
  RequestQueue &request_queue() { return m_request_queue; }
  // Writes the caller's buffer; may change the status and the count that are reported. Returns false to have the operation submitted
  // again. Default: the count is the daemon's.
  virtual bool deliver(const Completion &completion, uint32_t &status, uint64_t &bytes);
  // What is reported when it is cancelled before it comes to the daemon again.
  virtual void deliver_cancelled(uint32_t &status, uint64_t &bytes);

private:
  void on_completion(const Completion &completion) override;
  void end(uint32_t status, uint64_t bytes, std::string_view reason);
  bool try_cancel() override;
  void withdrawn() override { delete this; }
  void run_deferred() override;
  uint32_t refuse_start(ClientChannel::Submitted submitted);

  RequestQueue &m_request_queue; // PendingOperation holds the reference
  bool m_is_overlapped = false;
  bool m_has_come_back = false;  // was completed by the daemon and submitted again
};

// Runs an Operation(queue, arguments...), on the stack or allocated.
template <typename Operation, typename... Arguments>
uint32_t run_operation(RequestQueue &queue, OVERLAPPED *overlapped, ULONG *bytes, Arguments... arguments)
{
  if (!overlapped)
    return Operation(queue, arguments...).run(nullptr, bytes);
  Operation *operation = new (std::nothrow) Operation(queue, arguments...);
  return operation ? operation->run(overlapped, bytes) : refuse(ERROR_NOT_ENOUGH_MEMORY, "no memory for an operation.");
}

}
