// SPDX-License-Identifier: GPL-3.0-or-later
// ClientCertificateExchange: the RECEIVE_CERTIFICATE operations of one connection: channel tokens and known certificates at once,
// otherwise one exchange with the client for all that wait, its time limit, and the bound on the body bytes that are kept
// meanwhile. Part of a Connection, on its core.
#pragma once
#include "kernel/io/irp_queue.h"
#include "kernel/ke/core.h"
#include "kernel/tls/tls_stream.h"
#include <string_view>

namespace httpsys::http {

class Connection;

class ClientCertificateExchange final : ke::Timer, io::IrpQueue::CancelHandler {
public:
  explicit ClientCertificateExchange(Connection &connection) : m_connection(connection) {}
  ~ClientCertificateExchange();

  // httpapi: HttpReceiveClientCertificate. Owns the operation.
  void receive(io::IrpPtr irp);
  // TLS has come to an end with the question.
  void on_outcome(const tls::TlsStream::Event &event);
  void on_connection_closed(const std::string &reason);
  bool is_waiting() const { return !m_waits.is_empty(); }
  // The client's answer may lie behind any number of bytes, and somebody waits for it, a blocked response at least: bytes
  // are kept beyond the usual window.
  bool needs_input() const;
  // The bytes that the connection keeps have changed. Past a limit nothing waits any longer.
  void note_kept_bytes(size_t kept);

  static uint64_t kept_bytes_total();

private:
  void on_timer() override;
  void on_irp_cancelled(io::IrpQueue &queue, io::IrpPtr irp) override;
  void start(io::IrpPtr irp);
  void refuse(io::IrpPtr irp, NtStatus status, std::string_view why);
  void refuse_one_more(io::IrpPtr irp);
  void log_once(std::string_view why);
  void complete_from_known(io::IrpPtr irp);
  void release_kept_bytes();
  void end_exchange();
  bool fail_calls_of_others(const std::string &reason);
  Connection &m_connection;
  io::IrpQueue m_waits{this};
  bool m_is_open = false; // the client has been asked and has not answered; longer than is_waiting() when calls are cancelled
  bool m_is_logged = false; // why there is none: it stays so, however often it is asked
  bool m_limit_is_logged = false;
  size_t m_counted = 0;   // of this connection, in the total
};

}
