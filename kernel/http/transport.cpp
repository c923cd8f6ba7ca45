// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/transport.h"
#include "kernel/base/canary.h"
#include "kernel/base/log.h"
#include "kernel/base/text.h"
#include "kernel/http/buffer_budget.h"
#include "kernel/http/counters.h"
#include "kernel/http/spare_buffers.h"
#include "kernel/http/tls_bindings.h"
#include "kernel/limits.h"
#include "kernel/net/listener_set.h"
#include <array>
#include <utility>

namespace httpsys::http {

// Keeps the owner, and with it the transport, alive through a call that may end it.
class Transport::Guard {
public:
  explicit Guard(TransportOwner &owner) : m_owner(owner) { m_owner.ref_owner(); }
  ~Guard() { m_owner.unref_owner(); }

private:
  TransportOwner &m_owner;
};

Transport::Transport(TransportOwner &owner, int socket, const Endpoint &local, const Endpoint &remote)
  : m_owner(owner), m_socket(socket), m_receive(*this), m_send(*this), m_local(local), m_remote(remote)
{
}

Transport::~Transport()
{
  VERIFY(!m_socket_open && !m_receive.is_in_flight() && !m_send.is_in_flight());
}

void Transport::start_plain()
{
  m_owner.ref_owner(); // the socket's; released when it is closed
  start_receive();
}

void Transport::start_tls()
{
  m_tls = std::make_unique<tls::TlsStream>([this](std::string_view name) { return tls_bindings().find(m_local, name); });
  start_plain();
}

void Transport::start_receive()
{
  if (m_receive.is_in_flight() || !m_wants_bytes || m_peer_ended || m_state == State::Closed)
    return;
  // What comes at the end is dropped unread.
  if (m_state == State::Open && m_tls && !m_tls->wants_input())
    return;
  // A client that sends much at once would have it all kept, whatever its window is.
  if (buffers_are_short() || !m_multishot.take())
    ke::Core::current().io().receive_one(m_socket, m_receive);
  else
    ke::Core::current().io().receive_multishot(m_socket, m_receive);
}

void Transport::pause_reading()
{
  if (!m_wants_bytes)
    return;
  m_wants_bytes = false;
  if (m_receive.is_in_flight())
    ke::Core::current().io().cancel(m_receive);
}

void Transport::resume_reading()
{
  if (m_wants_bytes)
    return;
  m_wants_bytes = true;
  // While a cancelled receive is still on its way back, its completion starts the next one.
  start_receive();
}

void Transport::on_received(const platform::IoResult &result)
{
  Guard guard(m_owner);
  if (!result.data.empty())
    on_data(result.data);
  if (result.more)
    return;
  m_multishot.give();
  if (m_state == State::Closed)
    return close_socket_when_idle();
  bool may_go_on =
      is_success(result.status) || result.status == NtStatus::Cancelled || result.status == NtStatus::InsufficientResources;
  // One whose client has gone meanwhile leaves too, and not when its turn for a handshake has come.
  if ((may_go_on || result.status == NtStatus::EndOfFile) && m_makes_room && m_state == State::Open)
    return leave();
  if (result.status == NtStatus::EndOfFile)
    return on_end_of_stream();
  if (may_go_on)
    return start_receive();
  break_off(result.status);
}

void Transport::on_data(std::span<const uint8_t> bytes)
{
  if (m_state == State::Closed)
    return;
  if (m_state == State::Lingering) {
    m_lingered += bytes.size();
    if (m_lingered > limits::kLingerBytes)
      finish(NtStatus::Success, {});
    return;
  }
  if (m_state == State::Draining)
    return;
  if (m_makes_room)
    stay();
  if (!m_tls)
    return m_owner.on_bytes({reinterpret_cast<const char *>(bytes.data()), bytes.size()});
  m_has_received = true;
  m_tls->receive(bytes);
  go_on_with_tls();
  if (m_state == State::Open)
    m_owner.on_ciphertext();
  if (m_receive.is_in_flight() && m_state == State::Open && !m_tls->wants_input())
    ke::Core::current().io().cancel(m_receive);
}

void Transport::on_end_of_stream()
{
  m_peer_ended = true;
  if (m_state == State::Lingering)
    return finish(NtStatus::Success, {});
  if (m_state != State::Open)
    return;
  if (m_tls) {
    m_tls->receive_eof();
    // Who says hello and goes has no place among those that wait, and costs no signature.
    if (HandshakeStep::is_linked() && is_new()) {
      HandshakeTurns::here().forget(*this);
      return pump_tls();
    }
    return go_on_with_tls();
  }
  m_owner.on_peer_end();
}

void Transport::append(std::span<const uint8_t> bytes)
{
  size_t size = m_output.size() + bytes.size();
  if (size > m_output.capacity() && size > limits::kIdleBufferBytes) {
    std::vector<uint8_t> larger = take_spare(size);
    if (larger.capacity() >= size) {
      larger.assign(m_output.begin(), m_output.end());
      m_output.swap(larger);
    }
  }
  m_output.insert(m_output.end(), bytes.begin(), bytes.end());
  note_sending(true);
}

void Transport::take_tls_output()
{
  auto bytes = m_tls->output();
  if (bytes.empty() || m_state == State::Closed)
    return;
  append(bytes);
  m_tls->consume_output(bytes.size());
  count_buffers();
  ke::Core::current().request_flush(*this);
}

// What may take long waits for its turn, and what comes meanwhile for that.
void Transport::go_on_with_tls()
{
  if (HandshakeStep::is_linked())
    return;
  if ((m_handshake_done && !m_tls->is_asking()) || HandshakeTurns::here().may_go(*this))
    pump_tls();
}

void Transport::take_step()
{
  Guard guard(m_owner);
  pump_tls();
  if (m_state == State::Open)
    m_owner.on_ciphertext();
}

// Everything that TLS has to say after input or a question: plaintext, the end of the handshake or of an exchange, the peer's end,
// failure.
void Transport::pump_tls()
{
  if (m_is_pumping)
    return;
  m_is_pumping = true;
  m_tls->advance();
  take_tls_output();
  if (!m_handshake_done && (m_tls->state() == tls::TlsStream::State::Open || m_tls->state() == tls::TlsStream::State::PeerClosed)) {
    m_handshake_done = true;
    refresh_verdict();
    m_owner.on_handshake_done();
  }
  std::array<uint8_t, limits::kWritePieceBytes> buffer;
  while (size_t count = m_state == State::Open ? m_tls->read(buffer) : 0)
    m_owner.on_bytes({reinterpret_cast<const char *>(buffer.data()), count});
  take_tls_output();
  m_is_pumping = false;
  if (m_tls->renegotiations_refused() > 0 && !std::exchange(m_renegotiation_logged, true))
    log(LogKind::Tls, "{}: the client began a renegotiation: refused, only httpsysd may begin one", label());
  if (m_state != State::Open)
    return;
  if (m_tls->state() == tls::TlsStream::State::Failed)
    return fail_tls();
  if (auto event = m_tls->take_event()) {
    if (event->outcome == tls::TlsStream::Outcome::Failed)
      return fail_exchange(event->reason);
    refresh_verdict();
    m_owner.on_certificate_outcome(*event);
  }
  if (m_state == State::Open && m_tls->state() == tls::TlsStream::State::PeerClosed && !m_tls_ended) {
    m_tls_ended = true;
    m_owner.on_peer_end();
  }
  start_receive();
}

// The alert has to reach the peer, so the socket lingers; for the owner the connection is over now.
void Transport::fail_tls()
{
  const auto &failure = m_tls->failure();
  std::string reason = failure.reason;
  if (failure.alert_sent)
    reason += fmt::format(" (alert {} sent)", *failure.alert_sent);
  if (failure.alert_received)
    reason += fmt::format(" (alert {} received)", *failure.alert_received);
  set_end(m_handshake_done ? ke::Tally::TlsFailed : ke::Tally::HandshakeFailed);
  log(LogKind::Tls, "{}: TLS failed: {}", label(), reason);
  m_end_logged = true;
  drain_output();
  tell_owner(NtStatus::ConnectionInvalid, reason);
}

// The client ended its side instead of answering: a failed exchange ends the connection. Without close_notify: a response that this cuts
// short must not look whole.
void Transport::fail_exchange(const std::string &reason)
{
  set_end(ke::Tally::CertificateFailed);
  log(LogKind::Certificate, "{}: no client certificate: {}", label(), reason);
  m_end_logged = true;
  drain_output();
  tell_owner(NtStatus::ConnectionInvalid, reason);
}

tls::TlsStream::AskAnswer Transport::ask_certificate()
{
  auto answer = m_tls->ask_certificate();
  take_tls_output();
  ke::Core::current().request_flush(*this); // looks whether TLS has failed over it
  return answer;
}

void Transport::refresh_verdict()
{
  m_tls->refresh_verdict();
  const tls::ClientCertificate *certificate = m_tls->client_certificate();
  uint32_t flags = certificate ? certificate->flags : 0;
  if (flags != std::exchange(m_logged_verdict, flags) && flags != 0) {
    ke::count(ke::Tally::BadCertificate);
    log(LogKind::Certificate, "{}: a client certificate that does not verify: {} (CertFlags 0x{:08X})",
        label(), certificate->reason, flags);
  }
}

void Transport::write(std::span<const uint8_t> bytes)
{
  if (m_state != State::Open)
    return;
  if (!m_tls) {
    append(bytes);
  } else {
    while (!bytes.empty()) {
      size_t taken = m_tls->write(bytes.first(std::min(bytes.size(), limits::kWritePieceBytes)));
      take_tls_output();
      if (taken == 0)
        break; // it has failed; flush() looks
      bytes = bytes.subspan(taken);
    }
  }
  count_buffers();
  ke::Core::current().request_flush(*this);
}

bool Transport::must_wait()
{
  bool is_full = backlog() >= buffer_windows().output;
  m_has_waiter = m_has_waiter || is_full;
  return is_full;
}

size_t Transport::pieces_left() const
{
  static constexpr size_t kPiece = limits::kWritePieceBytes + 256; // with what TLS adds
  size_t window = buffer_windows().output;
  return window > backlog() ? (window - backlog() - 1) / kPiece + 1 : 0;
}

void Transport::flush()
{
  Guard guard(m_owner);
  if (m_state == State::Open && m_tls && m_tls->state() == tls::TlsStream::State::Failed)
    fail_tls(); // in a write or a question, where nobody pumps
  if (m_send.is_in_flight() || m_state == State::Closed)
    return;
  if (m_sent == m_sending.size()) {
    m_sending.clear();
    m_sent = 0;
    m_sending.swap(m_output);
  }
  if (!m_sending.empty())
    return send_slice();
  note_sending(false);
  if (m_tls)
    m_tls->output_has_gone();
  for (auto *buffer : {&m_output, &m_sending})
    if (buffer->capacity() > limits::kIdleBufferBytes)
      keep_spare(*buffer);
  count_buffers();
  if (m_state == State::Draining && m_makes_room)
    finish(NtStatus::Success, {});
  else if (m_state == State::Draining)
    begin_lingering();
  else
    m_owner.on_all_sent();
}

// A slice at a time shows whether the client goes on reading.
void Transport::send_slice()
{
  m_slice = std::min(m_sending.size() - m_sent, limits::kSendSliceBytes);
  auto &core = ke::Core::current();
  bool is_wanted = m_makes_room && m_state == State::Draining;
  core.network_timers().set(*this, core.now() + (is_wanted ? limits::kRoomMilliseconds : limits::kSendMilliseconds));
  send_rest_of_slice();
}

void Transport::send_rest_of_slice()
{
  ke::Core::current().io().send(m_socket, std::span<const uint8_t>(m_sending).subspan(m_sent, m_slice), m_send);
}

void Transport::on_sent(const platform::IoResult &result)
{
  Guard guard(m_owner);
  if (m_state == State::Closed)
    return close_socket_when_idle();
  if (!is_success(result.status)) {
    ke::Core::current().network_timers().cancel(*this);
    return break_off(result.status);
  }
  m_sent += result.value;
  m_slice -= result.value;
  if (m_slice == 0)
    ke::Core::current().network_timers().cancel(*this);
  else
    send_rest_of_slice(); // the slice's time goes on
  if (m_state == State::Open && m_has_waiter && backlog() < buffer_windows().output) {
    m_has_waiter = false;
    m_owner.on_writable();
  }
  if (m_state != State::Closed)
    flush();
}

void Transport::note_sending(bool is_sending)
{
  if (is_sending == m_is_sending)
    return;
  m_is_sending = is_sending;
  if (is_sending)
    counters().sending.fetch_add(1, std::memory_order_relaxed);
  else
    counters().sending.fetch_sub(1, std::memory_order_relaxed);
}

void Transport::close()
{
  if (m_state != State::Open)
    return;
  if (m_tls) {
    m_tls->shutdown();
    take_tls_output();
  }
  drain_output();
}

void Transport::make_room()
{
  m_makes_room = true;
  // What the kernel has taken off the socket for this receive, and not told yet, comes with its end.
  if (m_receive.is_in_flight())
    ke::Core::current().io().cancel(m_receive);
  else
    leave();
}

void Transport::leave()
{
  Guard guard(m_owner);
  if (platform::system().has_unreceived(m_socket) || !m_owner.begin_leaving()) {
    stay();
    return start_receive();
  }
  if (!m_handshake_done)
    return finish(NtStatus::Success, {});
  close();
}

void Transport::stay()
{
  m_makes_room = false;
  net::ListenerSet::instance().note_stays();
  m_owner.on_stays();
}

void Transport::drain_output()
{
  m_state = State::Draining;
  HandshakeTurns::here().forget(*this);
  m_wants_bytes = true;
  start_receive();
  ke::Core::current().request_flush(*this);
}

void Transport::begin_lingering()
{
  m_state = State::Lingering;
  platform::system().shutdown_send(m_socket);
  if (m_peer_ended)
    return finish(NtStatus::Success, {});
  ke::Core::current().network_timers().set(*this, ke::Core::current().now() + limits::kLingerMilliseconds);
}

// The lingering is over, or a send has not got through: a peer that does not read must not hold a connection.
void Transport::on_timer()
{
  Guard guard(m_owner);
  if (m_state == State::Lingering || (m_state == State::Draining && m_makes_room))
    return finish(NtStatus::Success, {});
  log(LogKind::Connection, "{}: reset, the client took less than {} bytes in {} s (kSendMilliseconds)", label(), m_slice,
      limits::kSendMilliseconds / 1000);
  m_end_logged = true;
  set_end(ke::Tally::SendTime);
  abort(NtStatus::ConnectionAborted, "the client does not read the response");
}

std::string Transport::label() const
{
  std::string name = !m_tls ? "no TLS" : m_tls->server_name().empty() ? "no SNI" : "SNI " + quoted(m_tls->server_name());
  return fmt::format("{} -> {} ({})", m_remote.to_string(), m_local.to_string(), name);
}

void Transport::abort(NtStatus status, const std::string &reason)
{
  if (m_state == State::Closed)
    return;
  platform::system().set_reset_on_close(m_socket);
  finish(status, reason);
}

// With a reset, also when the client did not send one: a response without a length that is cut short must not look whole.
void Transport::break_off(NtStatus status)
{
  if (status == NtStatus::ConnectionAborted)
    return abort(status, "the client reset the connection");
  set_end(ke::Tally::System);
  std::string reason = fmt::format("the system broke the connection off ({})", status_name(status));
  log(LogKind::Connection, "{}: reset, {}", label(), reason);
  m_end_logged = true;
  if (is_broken(Canary::CutShortWithFin))
    return finish(NtStatus::ConnectionAborted, reason);
  abort(NtStatus::ConnectionAborted, reason);
}

void Transport::end(const std::string &reason)
{
  set_end(ke::Tally::Shutdown);
  if (m_state == State::Open)
    abort(NtStatus::ConnectionAborted, reason);
  else
    finish(NtStatus::Success, reason);
}

void Transport::finish(NtStatus status, const std::string &reason)
{
  if (m_state == State::Closed)
    return;
  m_state = State::Closed;
  m_left_unsent = backlog() > 0;
  Guard guard(m_owner);
  ke::Core::current().network_timers().cancel(*this);
  ke::Core::current().cancel_flush(*this);
  HandshakeTurns::here().forget(*this);
  keep_spare(m_output); // m_sending is the kernel's yet
  count_buffers();
  note_sending(false);
  if (m_receive.is_in_flight())
    ke::Core::current().io().cancel(m_receive);
  if (m_send.is_in_flight())
    ke::Core::current().io().cancel(m_send);
  tell_owner(status, reason);
  close_socket_when_idle();
}

void Transport::tell_owner(NtStatus status, const std::string &reason)
{
  if (m_owner_told)
    return;
  m_owner_told = true;
  m_owner.on_closed(status, reason);
}

// The kernel must have let go of the socket and of our buffers.
void Transport::close_socket_when_idle()
{
  if (!m_socket_open || m_receive.is_in_flight() || m_send.is_in_flight())
    return;
  m_socket_open = false;
  net::ListenerSet::instance().close_connection(m_socket, m_makes_room);
  m_owner.unref_owner();
}

}
