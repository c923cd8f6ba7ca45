// SPDX-License-Identifier: MIT
#include "lib/overlapped.h"
#include "lib/error_sentence.h"
#include "lib/last_error.h"
#include "lib/reaper.h"
#include "lib/reasons.h"
#include "lib/status_map.h"
#include "uapi/status.h"
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

namespace httpsys::lib {

namespace {

constexpr uint32_t kPending = HSYS_STATUS_PENDING, kCancelled = static_cast<uint32_t>(HSYS_STATUS_CANCELLED);
constexpr ULONG_PTR kNoPacket = 1; // bit of hEvent

using OverlappedList = List<PendingOperation, OverlappedHash>;
constinit OverlappedList g_by_overlapped[1024];

// Of this thread and, unlike an address or a thread id, never of another one later.
uint64_t thread_number()
{
  static std::atomic<uint64_t> s_last{0};
  thread_local const uint64_t number = s_last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

OverlappedList &list_of(const OVERLAPPED *overlapped)
{
  uint64_t hash = reinterpret_cast<uint64_t>(overlapped) * 0x9e3779b97f4a7c15u;
  return g_by_overlapped[hash >> 54];
}

void write_result(OVERLAPPED &overlapped, uint32_t status, uint64_t bytes)
{
  __atomic_store_n(&overlapped.InternalHigh, bytes, __ATOMIC_RELAXED);
  // From here on the caller may free it.
  __atomic_store_n(&overlapped.Internal, static_cast<ULONG_PTR>(status), __ATOMIC_RELEASE);
}

}

uint32_t QueueObject::associate(CompletionPort &port, ULONG_PTR key)
{
  DispatcherGuard guard;
  if (m_port)
    return ERROR_INVALID_PARAMETER;
  m_port = Ref<CompletionPort>(&port);
  m_key = key;
  return NO_ERROR;
}

void QueueObject::add_modes(UCHAR modes)
{
  DispatcherGuard guard;
  m_modes = static_cast<UCHAR>(m_modes | modes);
}

uint32_t QueueObject::cancel(const OVERLAPPED *which, Whose whose)
{
  List<PendingOperation> withdrawn;
  uint32_t count = 0;
  uint64_t this_thread = thread_number();
  {
    DispatcherGuard guard;
    PendingOperation *operation = which ? PendingOperation::find(*which) : m_operations.first();
    while (operation) {
      PendingOperation *next = which ? nullptr : m_operations.next(*operation);
      if (&operation->queue() == this && (whose == Whose::AllThreads || operation->m_thread == this_thread)) {
        count++;
        bool is_blocking = operation->is_blocking();
        if (operation->try_cancel()) {
          PendingOperation::Leftovers leftovers;
          operation->finish(guard, leftovers, kCancelled, 0, {});
          if (!is_blocking)
            withdrawn.append(*operation);
        }
      }
      operation = next;
    }
  }
  while (PendingOperation *operation = withdrawn.take_first())
    operation->withdrawn();
  if (count)
    settle_cancelled();
  return count;
}

void QueueObject::settle_cancelled()
{
  Reaper::instance().poll();
}

PendingOperation *PendingOperation::find(const OVERLAPPED &overlapped)
{
  OverlappedList &list = list_of(&overlapped);
  for (PendingOperation *operation = list.first(); operation; operation = list.next(*operation)) {
    if (operation->m_overlapped == &overlapped)
      return operation;
  }
  return nullptr;
}

uint32_t PendingOperation::begin(QueueObject &queue, OVERLAPPED *overlapped)
{
  ULONG_PTR event = overlapped ? reinterpret_cast<ULONG_PTR>(overlapped->hEvent) : 0;
  Ref<EventObject> found;
  if (event & ~kNoPacket) {
    found = HandleMap::instance().find<EventObject>(reinterpret_cast<HANDLE>(event & ~kNoPacket));
    if (!found)
      return refuse(ERROR_INVALID_HANDLE, "hEvent of the OVERLAPPED is no event.");
  }
  Leftovers leftovers;
  if (overlapped && !(event & kNoPacket)) {
    leftovers.packet = new (std::nothrow) Packet;
    if (!leftovers.packet)
      return refuse(ERROR_NOT_ENOUGH_MEMORY, "no memory for a completion packet.");
    leftovers.packet->entry.lpOverlapped = overlapped;
  }
  DispatcherGuard guard;
  if (overlapped && find(*overlapped))
    return refuse(ERROR_INVALID_PARAMETER, "this OVERLAPPED belongs to an operation that has not completed yet.");
  m_function = current_function();
  m_overlapped = overlapped;
  m_queue = Ref<QueueObject>(&queue);
  m_event = std::move(found);
  m_packet = std::exchange(leftovers.packet, nullptr);
  link(guard);
  return NO_ERROR;
}

void PendingOperation::link(DispatcherGuard &guard)
{
  m_thread = thread_number();
  m_queue->m_operations.append(*this);
  if (!m_overlapped)
    return;
  list_of(m_overlapped).append(*this);
  Reasons::drop(guard, m_overlapped);
  if (m_event)
    m_event->reset(guard);
  else
    m_queue->reset(guard);
  write_result(*m_overlapped, kPending, 0);
}

void PendingOperation::unlink(DispatcherGuard &, Leftovers &leftovers)
{
  m_queue->m_operations.remove(*this);
  if (m_overlapped)
    list_of(m_overlapped).remove(*this);
  leftovers.queue = std::move(m_queue);
  leftovers.event = std::move(m_event);
  leftovers.packet = std::exchange(m_packet, nullptr);
}

void PendingOperation::abandon(uint32_t status)
{
  Leftovers leftovers;
  DispatcherGuard guard;
  unlink(guard, leftovers);
  if (m_overlapped)
    write_result(*m_overlapped, status, 0);
  // Only by a misuse: somebody waits for a call that has not returned.
  while (ResultWaiter *waiter = m_waiters.take_first()) {
    waiter->status = status;
    waiter->satisfy(guard);
  }
}

void PendingOperation::complete(uint32_t status, uint64_t bytes, std::string_view reason)
{
  Leftovers leftovers;
  DispatcherGuard guard;
  finish(guard, leftovers, status, bytes, reason);
}

// In the form of what fails before it is pending. Without a reason nothing is kept: the code says it all.
ErrorText PendingOperation::sentence(uint32_t status, std::string_view reason) const
{
  uint32_t code = win32_of_status(status);
  if (m_function && !reason.empty() && !is_usual_code(code))
    return error_sentence(m_function, code, reason);
  ErrorText text;
  text.assign(reason);
  return text;
}

void PendingOperation::finish(DispatcherGuard &guard, Leftovers &leftovers, uint32_t status, uint64_t bytes, std::string_view reason)
{
  unlink(guard, leftovers);
  if (!m_overlapped) {
    m_result.status = status;
    m_result.bytes = bytes;
    if (!reason.empty())
      m_reason = strdup(sentence(status, reason).c_str());
    m_result.satisfy(guard);
    return;
  }
  QueueObject &queue = *leftovers.queue;
  if (!is_success(status))
    Reasons::keep(guard, m_overlapped, sentence(status, reason).c_str());
  write_result(*m_overlapped, status, bytes);
  while (ResultWaiter *waiter = m_waiters.take_first()) {
    waiter->status = status;
    waiter->bytes = bytes;
    waiter->satisfy(guard);
  }
  if (leftovers.event)
    leftovers.event->signal(guard);
  else if (!(queue.m_modes & FILE_SKIP_SET_EVENT_ON_HANDLE))
    queue.signal(guard);
  if (queue.m_port && leftovers.packet) {
    Packet &packet = *std::exchange(leftovers.packet, nullptr);
    packet.entry.lpCompletionKey = queue.m_key;
    packet.entry.Internal = status;
    packet.entry.dwNumberOfBytesTransferred = static_cast<DWORD>(bytes);
    queue.m_port->post(guard, packet);
  }
}

uint32_t PendingOperation::wait(uint64_t &bytes)
{
  {
    DispatcherGuard guard;
    Reaper::instance().wait(guard, m_result, Deadline::after(Deadline::kInfinite));
  }
  if (m_reason)
    set_last_error_text(m_reason);
  free(std::exchange(m_reason, nullptr));
  bytes = m_result.bytes;
  return m_result.status;
}

bool PendingOperation::result_of(const OVERLAPPED &overlapped, uint32_t &status, uint64_t &bytes)
{
  status = static_cast<uint32_t>(__atomic_load_n(&overlapped.Internal, __ATOMIC_ACQUIRE));
  if (status == kPending)
    return false;
  bytes = __atomic_load_n(&overlapped.InternalHigh, __ATOMIC_RELAXED);
  return true;
}

PendingOperation::Waited PendingOperation::wait_for(const OVERLAPPED &overlapped, const Deadline &deadline, uint32_t &status,
  uint64_t &bytes)
{
  DispatcherGuard guard;
  if (result_of(overlapped, status, bytes))
    return Waited::Completed;
  PendingOperation *operation = find(overlapped);
  if (!operation)
    return Waited::NotPending;
  ResultWaiter waiter;
  operation->m_waiters.append(waiter);
  if (!Reaper::instance().wait(guard, waiter, deadline)) {
    operation->m_waiters.remove(waiter);
    return Waited::TimedOut;
  }
  status = waiter.status;
  bytes = waiter.bytes;
  return Waited::Completed;
}

void PendingOperation::forget_all()
{
  for (OverlappedList &list : g_by_overlapped)
    list.forget();
}

}
