// SPDX-License-Identifier: GPL-3.0-or-later
// Transport: a connection's socket, with TLS on it or not: plaintext in, plaintext out, one receive and at most one send in flight,
// back-pressure, a time for every send, orderly and abrupt ends. Part of a Connection, on its core; it keeps its owner alive while
// the kernel still works for it.
#pragma once
#include "kernel/http/buffer_budget.h"
#include "kernel/http/handshake_turns.h"
#include "kernel/ke/core.h"
#include "kernel/ke/tally.h"
#include "kernel/tls/tls_stream.h"
#include <memory>
#include <span>
#include <vector>

namespace httpsys::http {

class Transport;

class TransportOwner {
public:
  virtual void ref_owner() = 0;
  virtual void unref_owner() = 0;
  virtual void on_bytes(std::span<const char> bytes) = 0;
  // The TLS handshake has finished; not called without TLS.
  virtual void on_handshake_done() = 0;
  // The question for a client certificate has come to an end; not called when the connection fails with it.
  virtual void on_certificate_outcome(const tls::TlsStream::Event &event) = 0;
  // The peer sends no more: FIN or close_notify. Bytes may still be sent.
  virtual void on_peer_end() = 0;
  // Reset, TLS failure, time-out of the lingering close, or the end of close(): nothing of the owner's goes in or out any more.
  // Called once.
  virtual void on_closed(NtStatus status, const std::string &reason) = 0;
  // After must_wait(): fewer bytes wait for the socket.
  virtual void on_writable() = 0;
  // The socket has taken all that was written.
  virtual void on_all_sent() = 0;
  // TLS has come from the client, whether or not it was more than a part of a record.
  virtual void on_ciphertext() = 0;
  // After make_room(), when nothing more has come. False: there is a reason to stay, now.
  virtual bool begin_leaving() = 0;
  // After make_room(): the connection goes on.
  virtual void on_stays() = 0;

protected:
  ~TransportOwner() = default;
};

class Transport final : ke::Flushable, ke::Timer, HandshakeStep {
public:
  Transport(TransportOwner &owner, int socket, const Endpoint &local, const Endpoint &remote);
  ~Transport();

  void start_plain();
  // Contexts come from the current core's bindings (tls_bindings.h).
  void start_tls();

  bool is_tls() const { return m_tls != nullptr; }
  tls::TlsStream &tls() { return *m_tls; }

  // Appends to the output; goes out at the end of the loop turn. Not to be called while is_write_blocked().
  void write(std::span<const uint8_t> bytes);
  void write(std::string_view text) { write({reinterpret_cast<const uint8_t *>(text.data()), text.size()}); }
  // So much waits for the socket that a sender has to wait, for on_writable().
  bool must_wait();
  // How many pieces of kWritePieceBytes go before must_wait().
  size_t pieces_left() const;
  // A TLS 1.2 renegotiation is open: application data must wait.
  bool is_write_blocked() const { return m_tls && m_state == State::Open && m_handshake_done && !m_tls->can_write(); }
  // The client has not answered yet and may never do so: what waits goes out all the same.
  void allow_writes_during_exchange() { m_tls->allow_writes_while_asking(); }
  // Asks, and sends the question.
  tls::TlsStream::AskAnswer ask_certificate();
  // Before anybody is told of the client's certificate. One that does not verify is logged, again when the verdict changes.
  void refresh_verdict();

  void pause_reading();
  void resume_reading();

  // Sends what is queued, close_notify and FIN, reads and drops for a while, closes.
  void close();
  // Reset.
  void abort(NtStatus status, const std::string &reason);
  // Another wants the place of this connection, which is idle: closes it without lingering, unless bytes of the client have come that
  // nobody has seen yet.
  void make_room();
  bool makes_room() const { return m_makes_room; }
  // The client has begun to send a record, or its handshake, and not all of it has come.
  bool has_part_of_record() const { return m_tls && (m_handshake_done ? m_tls->has_part_of_record() : m_has_received); }
  // Why the connection ends; the first reason counts, and is counted by the owner. Idle is who has not read its response, too: that is
  // seen later.
  void set_end(ke::Tally why) { m_end = m_end == ke::Tally::kCount || m_end == ke::Tally::Idle ? why : m_end; }
  // Closed with bytes that the socket had not taken.
  bool has_left_unsent() const { return m_left_unsent; }
  bool has_unsent() const { return m_is_sending; }
  // Without one so far: this one.
  ke::Tally end_or(ke::Tally why) const { return m_end == ke::Tally::kCount ? why : m_end; }
  // How log lines name the connection: "10.0.0.7:4711 -> 10.0.0.1:443 (SNI "www.example.org")", or (no SNI), or (no TLS).
  std::string label() const;
  // The line that says why the connection ended has been written.
  bool end_is_logged() const { return m_end_logged; }
  // The daemon ends: what the socket has taken still goes out when the connection is closing, otherwise it is reset.
  void end(const std::string &reason);
  bool is_closing() const { return m_state != State::Open; }
  bool is_closed() const { return m_state == State::Closed; }

private:
  class Guard;
  size_t backlog() const { return m_output.size() + m_sending.size() - m_sent; }
  void count_buffers() { m_buffered.set(m_output.capacity() + m_sending.capacity()); }
  enum class State { Open, Draining, Lingering, Closed };
  struct Receive final : platform::IoOperation {
    explicit Receive(Transport &owner) : transport(owner) {}
    void on_complete(const platform::IoResult &result) override { transport.on_received(result); }
    Transport &transport;
  };
  struct Send final : platform::IoOperation {
    explicit Send(Transport &owner) : transport(owner) {}
    void on_complete(const platform::IoResult &result) override { transport.on_sent(result); }
    Transport &transport;
  };

  void on_received(const platform::IoResult &result);
  void on_sent(const platform::IoResult &result);
  void on_data(std::span<const uint8_t> bytes);
  void on_end_of_stream();
  void flush() override;
  void on_timer() override;
  void start_receive();
  void go_on_with_tls();
  void take_step() override;
  bool is_new() const override { return !m_tls->has_begun(); }
  void pump_tls();
  void fail_tls();
  void fail_exchange(const std::string &reason);
  void append(std::span<const uint8_t> bytes);
  void take_tls_output();
  void send_slice();
  void send_rest_of_slice();
  void note_sending(bool is_sending);
  void drain_output();
  void leave();
  void stay();
  void begin_lingering();
  void break_off(NtStatus status);
  void finish(NtStatus status, const std::string &reason);
  void tell_owner(NtStatus status, const std::string &reason);
  void close_socket_when_idle();

  TransportOwner &m_owner;
  int m_socket;
  State m_state = State::Open;
  Receive m_receive;
  MultishotRight m_multishot; // while a receive of that kind is in flight
  Send m_send;
  std::unique_ptr<tls::TlsStream> m_tls;
  const Endpoint &m_local, &m_remote; // the owner's
  std::vector<uint8_t> m_output, m_sending;
  size_t m_sent = 0;  // of m_sending
  size_t m_slice = 0; // what is left of it, in flight
  size_t m_lingered = 0;
  bool m_wants_bytes = true;
  bool m_peer_ended = false;
  bool m_handshake_done = false;
  bool m_tls_ended = false; // close_notify has come
  bool m_renegotiation_logged = false;
  bool m_end_logged = false;
  bool m_left_unsent = false;
  ke::Tally m_end = ke::Tally::kCount; // kCount: not yet
  uint32_t m_logged_verdict = 0; // CertFlags
  bool m_has_waiter = false; // for on_writable()
  BufferedBytes m_buffered;
  bool m_socket_open = true;
  bool m_owner_told = false;
  bool m_is_pumping = false;
  bool m_is_sending = false; // counted
  bool m_has_received = false; // with TLS: the client has sent something
  bool m_makes_room = false;
};

}
