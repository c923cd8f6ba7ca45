// SPDX-License-Identifier: GPL-3.0-or-later
// EntityBody: the decoded bytes of one request body between the connection, which appends what arrives, and the RECEIVE_BODY
// operations, which take it. Part of a Request, on its core.
#pragma once
#include "kernel/io/irp_queue.h"
#include <deque>
#include <span>
#include <vector>

namespace httpsys::http {

class EntityBody {
public:
  // A request without a body has ended from the start.
  void begin(bool has_body) { m_ended = !has_body; }

  // What has arrived; serve() follows when no more is there for now, so that the last bytes are known to be the last.
  void append(std::span<const char> bytes);
  void end() { m_ended = true; }
  // Completes the operations that wait for what has arrived.
  void serve();
  // The rest will never come: waiting and later reads fail.
  void fail(NtStatus status, const std::string &reason);

  // httpapi: HttpReceiveRequestEntityBody. Owns the operation: completes it or parks it until bytes come, in order. A read of zero
  // bytes waits for data and completes BufferOverflow with information 1, taking nothing. At the end: EndOfFile. aux bit 0 of a
  // success: the body ended with these bytes.
  void receive(io::IrpPtr irp);
  // Takes at most maximum bytes, for HSYS_RECEIVE_COPY_BODY.
  void take(size_t maximum, std::vector<uint8_t> &out);
  // Throws away what has arrived and was not taken.
  void drop();

  bool has_ended() const { return m_ended; } // all bytes have arrived
  bool is_consumed() const { return m_ended && m_buffered == 0; }
  bool has_failed() const { return !is_success(m_failure); }
  size_t buffered() const { return m_buffered; }   // bytes that arrived and were not taken
  uint64_t received() const { return m_received; } // bytes that arrived altogether
  bool is_awaited() const { return !m_reads.is_empty(); }

private:
  bool complete_read(io::IrpPtr &irp);
  std::deque<std::vector<uint8_t>> m_chunks;
  size_t m_front_taken = 0; // of m_chunks.front()
  size_t m_buffered = 0;
  uint64_t m_received = 0;
  bool m_ended = false;
  NtStatus m_failure = NtStatus::Success;
  std::string m_failure_reason;
  io::IrpQueue m_reads;
};

}
