// SPDX-License-Identifier: MIT
#include "lib/receive_operation.h"
#include "lib/unmarshal_request.h"
#include "uapi/status.h"
#include <algorithm>
#include <cstring>

namespace httpsys::lib {

namespace {

constexpr uint32_t kSuccess = HSYS_STATUS_SUCCESS, kMoreData = static_cast<uint32_t>(HSYS_STATUS_BUFFER_OVERFLOW),
                   kEndOfFile = static_cast<uint32_t>(HSYS_STATUS_END_OF_FILE), kCancelled = static_cast<uint32_t>(HSYS_STATUS_CANCELLED),
                   kNonsense = static_cast<uint32_t>(HSYS_STATUS_IO_DEVICE_ERROR);
constexpr uint64_t kBodyHasEnded = 1; // cqe.aux of RECEIVE_BODY

}

ReceiveRequestOperation::ReceiveRequestOperation(RequestQueue &queue, uint64_t request_id, uint32_t flags, void *buffer, uint32_t size) :
  QueueOperation(queue, HSYS_OP_RECEIVE_REQUEST, request_id), m_buffer(buffer), m_size(size)
{
  entry.op_flags = flags;
  entry.out_length = size;
}

bool ReceiveRequestOperation::deliver(const Completion &completion, uint32_t &status, uint64_t &bytes)
{
  bool version_1 = request_queue().is_version_1();
  if ((status == kMoreData || status == kSuccess) && request_queue().is_closing()) {
    status = kCancelled;
  } else if (status == kMoreData) {
    write_request_ids(version_1, m_buffer, completion.object_id, completion.aux);
    bytes = completion.information;
  } else if (status == kSuccess) {
    bytes = unmarshal_request(completion.output, version_1, m_buffer, m_size);
    if (!bytes) {
      status = kNonsense;
      return true;
    }
    const hsys_request *image = reinterpret_cast<const hsys_request *>(completion.output.data());
    if (!(image->flags & HSYS_REQUEST_MORE_BODY))
      request_queue().body_ends().note(image->request_id);
  }
  return true;
}

ReceiveBodyOperation::ReceiveBodyOperation(RequestQueue &queue, uint64_t request_id, bool fills, void *buffer, uint32_t size) :
  QueueOperation(queue, HSYS_OP_RECEIVE_BODY, request_id), m_buffer(static_cast<uint8_t *>(buffer)), m_size(size), m_fills(fills)
{
  ask_for_more();
}

void ReceiveBodyOperation::ask_for_more()
{
  entry.out_length = std::min(m_size - m_filled, HSYS_BODY_READ_MAX);
}

bool ReceiveBodyOperation::deliver(const Completion &completion, uint32_t &status, uint64_t &bytes)
{
  if (status == kSuccess) {
    if (completion.output.size() > m_size - m_filled) {
      status = kNonsense;
      return true;
    }
    if (!completion.output.empty())
      memcpy(m_buffer + m_filled, completion.output.data(), completion.output.size());
    m_filled += static_cast<uint32_t>(completion.output.size());
  }
  bool has_ended = status == kEndOfFile || (status == kSuccess && completion.aux & kBodyHasEnded);
  if (has_ended)
    request_queue().body_ends().note(entry.object_id);
  if (m_fills && status == kSuccess && !has_ended && m_filled < m_size) {
    ask_for_more();
    return false;
  }
  if (status == kMoreData) { // a buffer of no bytes: there are some
    bytes = completion.information;
  } else if (status == kSuccess || (m_filled && (status == kEndOfFile || status == kCancelled))) {
    status = kSuccess;
    bytes = m_filled;
  }
  return true;
}

// Bytes that were taken from the connection are never lost: they are a success, and the next read tells how it went on.
void ReceiveBodyOperation::deliver_cancelled(uint32_t &status, uint64_t &bytes)
{
  status = m_filled ? kSuccess : kCancelled;
  bytes = m_filled;
}

}
