// SPDX-License-Identifier: MIT
#include "lib/queue_operation.h"
#include "lib/reaper.h"
#include "uapi/status.h"

namespace httpsys::lib {

QueueOperation::QueueOperation(RequestQueue &queue, hsys_op op, uint64_t object_id) : m_request_queue(queue)
{
  entry.op = static_cast<uint8_t>(op);
  entry.handle = queue.daemon_handle();
  entry.object_id = object_id;
}

uint32_t QueueOperation::run(OVERLAPPED *overlapped, ULONG *bytes)
{
  m_is_overlapped = overlapped != nullptr;
  Ref<RequestQueue> queue(&m_request_queue); // an overlapped operation may be gone as soon as it is submitted
  uint32_t code = begin(*queue, overlapped);
  if (code == NO_ERROR) {
    auto patience = overlapped ? ClientChannel::Patience::Refuse : ClientChannel::Patience::Wait;
    auto submitted = queue->session().channel().submit(*this, patience);
    if (submitted == ClientChannel::Submitted::Yes)
      code = ERROR_IO_PENDING;
    else
      code = refuse_start(submitted);
  }
  if (overlapped) {
    if (code != ERROR_IO_PENDING)
      delete this;
    return code;
  }
  if (code != ERROR_IO_PENDING)
    return code;
  uint64_t count = 0;
  uint32_t status = wait(count);
  code = win32_of_status(status);
  if (bytes && (is_success(status) || code == ERROR_MORE_DATA || code == ERROR_HANDLE_EOF))
    *bytes = static_cast<ULONG>(count);
  return code;
}

// Not submitted. ERROR_IO_PENDING: it was cancelled meanwhile and has ended by that.
uint32_t QueueOperation::refuse_start(ClientChannel::Submitted submitted)
{
  switch (submitted) {
  case ClientChannel::Submitted::Cancelled:
    end(static_cast<uint32_t>(HSYS_STATUS_CANCELLED), 0, {});
    return ERROR_IO_PENDING;
  case ClientChannel::Submitted::NoCredit:
    abandon(static_cast<uint32_t>(HSYS_STATUS_INSUFFICIENT_RESOURCES));
    return refuse(ERROR_NO_SYSTEM_RESOURCES,
      "too many operations of this process are in flight: the channel to httpsysd has room for no more completions. Wait for some.");
  default:
    abandon(static_cast<uint32_t>(HSYS_STATUS_INVALID_HANDLE));
    return refuse(ERROR_INVALID_HANDLE, "%s", m_request_queue.session().channel().death_reason().data());
  }
}

bool QueueOperation::deliver(const Completion &completion, uint32_t &, uint64_t &bytes)
{
  bytes = is_success(completion.status) ? completion.information : 0;
  return true;
}

void QueueOperation::deliver_cancelled(uint32_t &status, uint64_t &bytes)
{
  status = static_cast<uint32_t>(HSYS_STATUS_CANCELLED);
  bytes = 0;
}

void QueueOperation::on_completion(const Completion &completion)
{
  uint32_t status = completion.status;
  uint64_t bytes = 0;
  if (deliver(completion, status, bytes))
    return end(status, bytes, completion.reason);
  m_has_come_back = true;
  // From here on another thread may end it.
  if (m_request_queue.session().channel().submit(*this, ClientChannel::Patience::Wait) != ClientChannel::Submitted::Yes)
    run_deferred();
}

void QueueOperation::end(uint32_t status, uint64_t bytes, std::string_view reason)
{
  bool is_overlapped = m_is_overlapped;
  PendingOperation::complete(status, bytes, reason);
  if (is_overlapped)
    delete this;
}

// One that has something to deliver already must not end as cancelled here: its bytes would be lost.
bool QueueOperation::try_cancel()
{
  if (!m_request_queue.session().channel().cancel(*this))
    return false;
  if (!m_has_come_back)
    return true;
  m_request_queue.session().defer(*this);
  return false;
}

void QueueOperation::run_deferred()
{
  uint32_t status = 0;
  uint64_t bytes = 0;
  deliver_cancelled(status, bytes);
  end(status, bytes, {});
}

}
