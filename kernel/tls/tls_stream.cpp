// SPDX-License-Identifier: GPL-3.0-or-later
// The stream itself: bytes in and out, handshake, end. The certificate exchange is in tls_exchange.cpp, the failures in tls_failure.cpp.
#include "kernel/tls/tls_stream.h"
#include "kernel/ke/tally.h"
#include "kernel/tls/session_callbacks.h"
#include "kernel/tls/wolfssl_library.h"
#include <algorithm>
#include <fmt/format.h>
#include <httpsys_wolfssl.h>

namespace httpsys::tls {

namespace {

constexpr size_t kMaxWrite = 16384;
// We speak HTTP/1 only (HTTP/2 forbids both ways of asking for a certificate on demand, RFC 9113 9.2.3, RFC 8740).
char kProtocols[] = "http/1.1,http/1.0";

const char *version_name(uint16_t version)
{
  return version == 0x0302 ? "TLS 1.1" : version == 0x0301 ? "TLS 1.0" : "SSL 3.0";
}

}

TlsStream::TlsStream(ContextSelector selector) : m_selector(std::move(selector)) {}

TlsStream::~TlsStream()
{
  if (m_transcript)
    httpsys_wolfssl_free_transcript(m_session, &m_transcript);
  wolfSSL_free(m_session);
}

bool TlsStream::receive(std::span<const uint8_t> ciphertext)
{
  if (m_state == State::Open || m_state == State::Handshake) {
    m_check.append(ciphertext);
    m_has_new_input = true;
  }
  return wants_input();
}

bool TlsStream::wants_input() const
{
  return (m_state == State::Open || m_state == State::Handshake) && !m_eof && m_check.size() < limits::kTlsInputBytes;
}

void TlsStream::receive_eof()
{
  m_eof = true;
  m_has_new_input = true;
}

void TlsStream::advance()
{
  if (m_state != State::Handshake || (!m_session && !begin()))
    return;
  m_output_mark = m_output.size();
  int result = wolfSSL_accept(m_session);
  if (result == WOLFSSL_SUCCESS) {
    finish_handshake();
    return;
  }
  int code = wolfSSL_get_error(m_session, result);
  if (code != WOLFSSL_ERROR_WANT_READ)
    fail_with_library(code);
  else
    handle_wait();
}

// Waits for the whole hello, finds its context and makes the session. False: not yet, or failed.
bool TlsStream::begin()
{
  switch (m_check.read_hello()) {
  case RecordCheck::Progress::Refused:
    fail_with_refusal();
    return false;
  case RecordCheck::Progress::NeedMore:
    handle_wait();
    return false;
  case RecordCheck::Progress::Ready:
    break;
  }
  m_context = m_selector(m_check.hello().server_name);
  if (!m_context) {
    bool named = !m_check.hello().server_name.empty();
    fail("no TLS record serves this address and name", named ? Alert::UnrecognizedName : Alert::HandshakeFailure);
    return false;
  }
  if (!check_offer())
    return false;
  // Who has gone cannot finish: no signature is made for it.
  if (m_eof)
    handle_wait();
  return !m_eof && create_session();
}

bool TlsStream::check_offer()
{
  const ClientHello &hello = m_check.hello();
  if (m_context->tls13_disabled() && hello.offers_tls13 && !hello.offers_tls12) {
    fail("the client speaks TLS 1.3 only, which is disabled here", Alert::ProtocolVersion); // wolfSSL: no suite in common
  } else if (hello.best_version > 0 && hello.best_version < 0x0303) {
    fail(fmt::format("the client offers {} at most; {} served", version_name(hello.best_version),
                     m_context->tls13_disabled() ? "TLS 1.2 is" : "TLS 1.2 and TLS 1.3 are"),
         Alert::ProtocolVersion);
  } else if (!hello.offers_http1) {
    fail(fmt::format("the client offers the application protocols {} (ALPN); http/1.1 and http/1.0 are served", hello.protocols),
         Alert::NoApplicationProtocol);
  }
  return m_state != State::Failed;
}

bool TlsStream::create_session()
{
  m_session = wolfSSL_new(m_context->native());
  if (!m_session || wolfSSL_UseALPN(m_session, kProtocols, sizeof kProtocols - 1, WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS) {
    fail("no memory for a TLS session", Alert::InternalError);
    return false;
  }
  wolfSSL_SetIOReadCtx(m_session, this);
  wolfSSL_SetIOWriteCtx(m_session, this);
  wolfSSL_SetCertCbCtx(m_session, this);
  m_check.set_certificate_limit(m_context->max_client_certificate_bytes());
  if (m_context->asks_in_handshake())
    httpsys_wolfssl_ask_without_judging(m_session, stream_verify_callback);
  return true;
}

void TlsStream::finish_handshake()
{
  m_handshake_done = true;
  m_state = State::Open;
  char *protocol = nullptr;
  unsigned short size = 0;
  if (wolfSSL_ALPN_GetProtocol(m_session, &protocol, &size) == WOLFSSL_SUCCESS)
    m_application_protocol.assign(protocol, size);
  note_facts();
  if (m_check.hello().offers_ticket && !m_facts.resumed)
    ke::count(ke::Tally::TicketNotTaken);
  // A resumed session has no certificate and was not asked for one: that can still be done on demand.
  if (m_context->asks_in_handshake() && !m_facts.resumed && !accept_collected(CertificateOrigin::Handshake))
    return;
  if (is_tls13() && !m_context->asks_in_handshake()) {
    httpsys_wolfssl_restart_ticket_nonce(m_session);
    wolfSSL_send_SessionTicket(m_session); // without a ticket the next connection makes a full handshake: no failure
  }
}

size_t TlsStream::read(std::span<uint8_t> buffer)
{
  if (m_state != State::Open || buffer.empty())
    return 0;
  if (m_exchange == Exchange::Renegotiation) {
    size_t count = read_while_renegotiating(buffer);
    if (count > 0 || m_exchange == Exchange::Renegotiation || m_state != State::Open)
      return count;
  }
  int code = 0;
  // After a client has refused to renegotiate, wolfSSL announces data once with an error and gives it in the second call.
  for (int attempt = 0; attempt < 2; attempt++) {
    m_output_mark = m_output.size();
    m_is_reading = true;
    int count = wolfSSL_read(m_session, buffer.data(), static_cast<int>(std::min<size_t>(buffer.size(), kMaxWrite)));
    m_is_reading = false;
    if (!count_replies())
      return 0;
    if (count > 0) {
      check_post_handshake_answer();
      return m_state == State::Failed ? 0 : static_cast<size_t>(count);
    }
    code = wolfSSL_get_error(m_session, count);
    if (code != WC_NO_ERR_TRACE(APP_DATA_READY))
      break;
  }
  handle_read_error(code);
  return 0;
}

bool TlsStream::count_replies()
{
  m_reply_bytes += m_output.size() - m_output_mark;
  if (m_reply_bytes > limits::kTlsReplyBytes)
    fail(fmt::format("the client goes on asking for new keys and does not read the answers: more than {} bytes wait (kTlsReplyBytes)",
           limits::kTlsReplyBytes), Alert::UnexpectedMessage);
  return m_state != State::Failed;
}

void TlsStream::handle_read_error(int code)
{
  switch (code) {
  case WOLFSSL_ERROR_WANT_READ:
  case WC_NO_ERR_TRACE(APP_DATA_READY):
    if (!m_check.refusal())
      check_post_handshake_answer();
    if (m_state == State::Open)
      handle_wait();
    break;
  case WOLFSSL_ERROR_ZERO_RETURN:
    check_post_handshake_answer();
    if (m_state == State::Open)
      peer_closed(false);
    break;
  default:
    fail_with_library(code);
  }
}

// The library has taken all whole records that are here.
void TlsStream::handle_wait()
{
  if (m_check.refusal())
    fail_with_refusal();
  else if (m_eof && m_state == State::Handshake)
    fail("the client closed the connection in the handshake", Alert::CloseNotify, true);
  else if (m_eof)
    peer_closed(true);
}

void TlsStream::peer_closed(bool truncated)
{
  m_state = State::PeerClosed;
  m_truncated = truncated;
  if (m_exchange != Exchange::None)
    end_exchange(Outcome::Failed, "the client closed the connection instead of answering");
}

size_t TlsStream::write(std::span<const uint8_t> plaintext)
{
  if (!can_write() || plaintext.empty())
    return 0;
  m_output_mark = m_output.size();
  int count = wolfSSL_write(m_session, plaintext.data(), static_cast<int>(std::min(plaintext.size(), kMaxWrite)));
  if (count > 0)
    return static_cast<size_t>(count);
  fail_with_library(wolfSSL_get_error(m_session, count));
  return 0;
}

bool TlsStream::can_write() const
{
  bool is_open = m_state == State::Open || m_state == State::PeerClosed;
  bool must_wait = m_exchange == Exchange::Renegotiation && !m_writes_while_asking;
  return is_open && !must_wait && !m_shut_down && m_output.size() < limits::kTlsOutputBytes;
}

void TlsStream::shutdown()
{
  if (!m_shut_down && m_session && (m_state == State::Open || m_state == State::PeerClosed))
    wolfSSL_shutdown(m_session);
  m_shut_down = true;
}

int TlsStream::take_input(std::span<uint8_t> buffer)
{
  size_t count = m_check.take(*this, buffer);
  return count > 0 ? static_cast<int>(count) : WOLFSSL_CBIO_ERR_WANT_READ;
}

int TlsStream::append_output(std::span<const uint8_t> bytes)
{
  // wolfSSL sends some alerts twice; the first fatal one is the last that goes out.
  if (!m_muted) {
    WOLFSSL_ALERT_HISTORY history{};
    wolfSSL_get_alert_history(m_session, &history);
    m_muted = history.last_tx.level == alert_fatal;
    m_output.append(bytes);
    if (m_is_reading && !m_muted && is_tls13()) // RFC 8446 4.6.3; nothing else is answered there
      ke::count(ke::Tally::NewKeys);
  }
  return static_cast<int>(bytes.size());
}

// Never for the first hello of a connection that ran through here before, unless we have asked for it: the second guard against
// renegotiation by the client, behind the record check. And wolfSSL must have understood the same server name as we did.
int TlsStream::check_hello(int &alert)
{
  constexpr int refuse = 2;
  if (m_handshake_done && m_exchange != Exchange::Renegotiation) {
    alert = static_cast<int>(Alert::NoRenegotiation);
    return refuse;
  }
  void *name = nullptr;
  unsigned short size = wolfSSL_SNI_GetRequest(m_session, WOLFSSL_SNI_HOST_NAME, &name);
  if (std::string_view(static_cast<const char *>(name), name ? size : 0) != m_check.hello().server_name) {
    alert = static_cast<int>(Alert::UnrecognizedName);
    return refuse;
  }
  return 0;
}

bool TlsStream::is_tls13() const
{
  return wolfSSL_GetVersion(m_session) == WOLFSSL_TLSV1_3;
}

bool TlsStream::read_keys_are_on() const
{
  constexpr uint8_t header[5] = {};
  int first = -1;
  return httpsys_wolfssl_peek(m_session, header, sizeof header, &first) != -1;
}

bool TlsStream::message_is_pending() const
{
  return httpsys_wolfssl_message_pending(m_session) != 0;
}

int TlsStream::peek(std::span<const uint8_t> record, int &first) const
{
  return httpsys_wolfssl_peek(m_session, record.data(), static_cast<int>(record.size()), &first);
}

void TlsStream::allow_key_update(bool on)
{
  httpsys_wolfssl_allow_key_update(m_session, on);
}

void TlsStream::skip_record()
{
  httpsys_wolfssl_skip_record(m_session);
}

void TlsStream::warn_no_renegotiation()
{
  ke::count(ke::Tally::Renegotiation);
  httpsys_wolfssl_alert(m_session, 0, static_cast<int>(Alert::NoRenegotiation));
}

int stream_receive_callback(WOLFSSL *, char *buffer, int size, void *stream)
{
  return static_cast<TlsStream *>(stream)->take_input({reinterpret_cast<uint8_t *>(buffer), static_cast<size_t>(size)});
}

int stream_send_callback(WOLFSSL *, char *buffer, int size, void *stream)
{
  return static_cast<TlsStream *>(stream)->append_output({reinterpret_cast<const uint8_t *>(buffer), static_cast<size_t>(size)});
}

int stream_hello_callback(WOLFSSL *session, int *alert, void *)
{
  return static_cast<TlsStream *>(wolfSSL_GetIOReadCtx(session))->check_hello(*alert);
}

int stream_verify_callback(int, WOLFSSL_X509_STORE_CTX *store)
{
  return static_cast<TlsStream *>(store->userCtx)->collect_certificates(*store) ? 1 : 0;
}

}
