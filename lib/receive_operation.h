// SPDX-License-Identifier: MIT
// The operations that fill a caller's buffer with a request, or with bytes of its body. One object per call (queue_operation.h).
#pragma once
#include "lib/queue_operation.h"

namespace httpsys::lib {

// HttpReceiveHttpRequest. The buffer has room for the structure.
class ReceiveRequestOperation final : public QueueOperation {
public:
  ReceiveRequestOperation(RequestQueue &queue, uint64_t request_id, uint32_t flags, void *buffer, uint32_t size);

private:
  bool deliver(const Completion &completion, uint32_t &status, uint64_t &bytes) override;
  void *m_buffer;
  uint32_t m_size;
};

// HttpReceiveRequestEntityBody. fills: until the buffer is full or the body has ended.
class ReceiveBodyOperation final : public QueueOperation {
public:
  ReceiveBodyOperation(RequestQueue &queue, uint64_t request_id, bool fills, void *buffer, uint32_t size);

private:
  bool deliver(const Completion &completion, uint32_t &status, uint64_t &bytes) override;
  void deliver_cancelled(uint32_t &status, uint64_t &bytes) override;
  void ask_for_more();
  uint8_t *m_buffer;
  uint32_t m_size;
  bool m_fills;
  uint32_t m_filled = 0;
};

}
