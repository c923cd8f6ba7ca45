// SPDX-License-Identifier: MIT
// Operations on request queues, overlapped and blocking alike, as far as callers see them: what is pending, how it completes (exactly
// once), who waits for it, how it is cancelled. What an operation does is its derived class' business.
//
// How one goes: begin(); submit; then, by whichever thread reaps, complete(). Or abandon(), when submitting failed.
#pragma once
#include "lib/error_text.h"
#include "lib/handle_map.h"
#include "lib/iocp.h"
#include "lib/event_object.h"
#include "lib/list.h"
#include "lib/waitable.h"
#include <string_view>

namespace httpsys::lib {

class PendingOperation;

// A request queue, as a handle: signalled like a file of Windows, when an operation without an event of its own has completed.
class QueueObject : public WaitableObject {
public:
  static constexpr HandleKind kKind = HandleKind::RequestQueue;

  // CreateIoCompletionPort: NO_ERROR, or ERROR_INVALID_PARAMETER when the queue has a port already.
  uint32_t associate(CompletionPort &port, ULONG_PTR key);
  // Adds FILE_SKIP_...; there is no way back, as on Windows.
  void add_modes(UCHAR modes);

  enum class Whose { AllThreads, ThisThread };
  // Cancels what is pending, or one operation of it, blocking ones of other threads included; those complete with STATUS_CANCELLED,
  // or with what they got before. How many were asked to end.
  uint32_t cancel(const OVERLAPPED *which, Whose whose);

protected:
  QueueObject() : WaitableObject(kKind, false, false) {}
  // Operations whose end takes more than the dispatcher lock allows have left it to the next thread that reaps: this one.
  virtual void settle_cancelled();

private:
  friend class PendingOperation;
  // Guarded by the dispatcher lock.
  List<PendingOperation> m_operations;
  Ref<CompletionPort> m_port;
  ULONG_PTR m_key = 0;
  UCHAR m_modes = 0;
};

// A thread in GetOverlappedResult.
class ResultWaiter : public Waiter, public ListLink<ResultWaiter> {
public:
  uint32_t status = 0;
  uint64_t bytes = 0;
};

struct OverlappedHash; // tag of the list by address

class PendingOperation : public ListLink<PendingOperation>, public ListLink<PendingOperation, OverlappedHash> {
public:
  PendingOperation(const PendingOperation &) = delete;
  PendingOperation &operator=(const PendingOperation &) = delete;

  // overlapped: the caller's, or null for a call that blocks. Marks the OVERLAPPED pending and resets its event. NO_ERROR. Else nothing
  // has begun, and the thread's last error text says why: ERROR_INVALID_HANDLE when hEvent is no event, ERROR_INVALID_PARAMETER when
  // the OVERLAPPED is another operation's that has not completed, ERROR_NOT_ENOUGH_MEMORY.
  uint32_t begin(QueueObject &queue, OVERLAPPED *overlapped);

  // Submitting failed: no completion follows. The OVERLAPPED keeps the status, as nothing of it may stay pending.
  void abandon(uint32_t status);

  // Ends the operation: writes the OVERLAPPED, sets the event, posts the packet; or wakes the blocked call, whose thread may then
  // destroy the operation at once. Without the dispatcher lock. status: NTSTATUS; reason: why it failed, or empty. As every call says
  // ERROR_IO_PENDING first, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS skips no packet.
  void complete(uint32_t status, uint64_t bytes, std::string_view reason);

  // For a call that blocks: waits for complete(). The NTSTATUS; a reason becomes the thread's last error text.
  uint32_t wait(uint64_t &bytes);

  bool is_blocking() const { return m_overlapped == nullptr; }
  QueueObject &queue() const { return *m_queue; }

  // Reads the OVERLAPPED's state: true and its result when the operation has completed.
  static bool result_of(const OVERLAPPED &overlapped, uint32_t &status, uint64_t &bytes);
  enum class Waited { Completed, TimedOut, NotPending };
  // Waits for the operation of an OVERLAPPED. NotPending: it says that it is pending, but no operation of ours has it.
  static Waited wait_for(const OVERLAPPED &overlapped, const Deadline &deadline, uint32_t &status, uint64_t &bytes);

  // In a child of fork().
  static void forget_all();

protected:
  PendingOperation() = default;
  ~PendingOperation() = default;

  // Asks that the operation end early; the dispatcher lock is held. True: it had not left the library and will not complete by itself;
  // it is then completed with STATUS_CANCELLED, and withdrawn() is called.
  virtual bool try_cancel() = 0;
  // After such a completion, without locks, for operations that do not block: the operation is the owner's again, to delete.
  virtual void withdrawn() = 0;

private:
  friend class QueueObject;
  // What must not be freed under the dispatcher lock.
  struct Leftovers {
    Ref<QueueObject> queue;
    Ref<EventObject> event;
    Packet *packet = nullptr;
    ~Leftovers() { delete packet; }
  };
  void link(DispatcherGuard &guard);
  void unlink(DispatcherGuard &guard, Leftovers &leftovers);
  void finish(DispatcherGuard &guard, Leftovers &leftovers, uint32_t status, uint64_t bytes, std::string_view reason);
  static PendingOperation *find(const OVERLAPPED &overlapped);

  ErrorText sentence(uint32_t status, std::string_view reason) const;

  const char *m_function = nullptr; // that has begun it
  OVERLAPPED *m_overlapped = nullptr;
  Ref<QueueObject> m_queue;
  Ref<EventObject> m_event;
  Packet *m_packet = nullptr;
  uint64_t m_thread = 0; // who began it
  List<ResultWaiter> m_waiters;
  // Of a blocking call.
  ResultWaiter m_result;
  char *m_reason = nullptr; // of malloc()
};

}
