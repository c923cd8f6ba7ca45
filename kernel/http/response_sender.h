// SPDX-License-Identifier: GPL-3.0-or-later
// ResponseSender: takes the SEND_RESPONSE and SEND_BODY operations of one request in their order and puts head and body bytes on
// the wire as the transport takes them. An operation completes when its bytes have been copied or encrypted: its extents may be
// reused then. Part of a Request, on its core.
#pragma once
#include "kernel/http1/chunked.h"
#include "kernel/io/irp_queue.h"
#include "kernel/limits.h"
#include "uapi/response.h"
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace httpsys::queue {
struct AnsweredRequest;
}

namespace httpsys::http {

class Request;
class Transport;

// What the response head depends on.
struct RequestFacts {
  bool is_head = false;
  uint8_t version_minor = 1;
  bool keep_alive = false; // the client lets the connection persist
};

// Extents are claims of the client's: each has to lie in its send arena.
bool extents_are_inside(const io::Irp &irp, const std::vector<hsys_extent> &extents);

class ResponseSender final : io::IrpQueue::CancelHandler {
public:
  explicit ResponseSender(Request &request) : m_request(request) {}

  // Own the operation. A second response for the request: InvalidDeviceState; a body before the response: InvalidParameter.
  void send_response(io::IrpPtr irp);
  void send_body(io::IrpPtr irp);
  // The transport takes bytes again.
  void pump();
  // RECEIVE_BODY, SEND_* or CANCEL_REQUEST when the response has ended by itself. True: there is nothing left to say about it.
  static bool conclude(io::IrpPtr irp, const queue::AnsweredRequest &request);
  // The connection is gone: waiting sends fail.
  void fail(NtStatus status, const std::string &reason);

  bool has_begun() const { return m_begun; }
  // Whether the connection may serve another request after this response.
  bool keeps_connection() const { return m_keep_alive; }

private:
  // Of the first of m_sends. It stays there, so that CANCEL and the session's end find it while the client does not read.
  struct Current {
    io::Irp *irp;
    std::vector<hsys_extent> extents;
    size_t extent = 0;
    uint32_t offset = 0; // in the extent
    uint64_t wire_bytes = 0;
    bool is_final = false;
  };

  void on_irp_cancelled(io::IrpQueue &queue, io::IrpPtr irp) override;
  NtStatus encode_head(const io::Irp &irp, std::string &reason);
  void begin(io::Irp &irp);
  size_t count_of_response(std::span<const uint8_t> bytes);
  std::span<const uint8_t> take_body(size_t limit);
  bool write_piece();
  bool has_body_left() const;
  bool is_complete() const;
  void end_by_itself();
  bool must_wait(Transport &transport);
  static bool conclude_send(io::IrpPtr irp, const queue::AnsweredRequest &request);
  // bytes: on the wire. at_once: how many pieces of HSYS_SEND_AT_ONCE bytes may follow before one has to wait.
  static io::IrpCompletion completion_of(uint64_t bytes, size_t at_once);
  void complete_current();
  Request &m_request;
  io::IrpQueue m_sends{this};
  std::optional<Current> m_current;
  std::string m_head;
  bool m_begun = false;
  bool m_final_accepted = false;
  bool m_finished = false; // its last operation has completed
  bool m_has_told = false; // the connection knows, and begins the next request
  bool m_keep_alive = false;
  bool m_sends_body = true; // false for HEAD, 204, 304
  std::optional<uint64_t> m_declared_length;
  std::optional<http1::ChunkedDecoder> m_chunks; // of the application's, where the connection may go on
  bool m_is_persistent = false; // the head says that the connection goes on
  bool m_is_over = false; // the application sent more than the response that it began
  uint64_t m_body_bytes = 0;
  size_t m_at_once = limits::kWritePieceBytes; // bytes of the body that go behind whatever waits for the socket
};

}
