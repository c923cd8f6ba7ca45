// SPDX-License-Identifier: GPL-3.0-or-later
// TlsStream: the client's certificate, on demand and in the handshake. The order of the library calls is not free: wolfssl.md 4.6, 4.7 and
// 5.1 to 5.4 say what each of them prevents.
#include "kernel/tls/session_callbacks.h"
#include "kernel/tls/tls_stream.h"
#include "kernel/tls/wolfssl_library.h"
#include <algorithm>
#include <iterator>
#include <utility>
#include <httpsys_wolfssl.h>

namespace httpsys::tls {

static constexpr size_t kMaxRecordText = 16384;

TlsStream::AskAnswer TlsStream::ask_certificate()
{
  if (m_certificate)
    return {Ask::AlreadyKnown, ""};
  if (m_certificate_absent)
    return {Ask::KnownAbsent, m_certificate_absent_reason};
  if (m_exchange != Exchange::None)
    return {Ask::Started, ""};
  if (m_state != State::Open || m_shut_down)
    return {Ask::CannotAsk, "the connection is closed or closing"};
  return is_tls13() ? ask_post_handshake() : ask_renegotiation();
}

void TlsStream::prepare_question()
{
  m_collected.clear();
  m_certificate_fault.clear();
  httpsys_wolfssl_ask_without_judging(m_session, stream_verify_callback);
  httpsys_wolfssl_forget_peer_certificate(m_session);
}

TlsStream::AskAnswer TlsStream::ask_post_handshake()
{
  prepare_question();
  if (httpsys_wolfssl_rewind_transcript(m_session, &m_transcript) != 0) {
    fail("no memory for a certificate request", Alert::InternalError);
    return {Ask::CannotAsk, m_failure.reason};
  }
  m_finished_before = peer_finished();
  m_output_mark = m_output.size();
  int result = httpsys_wolfssl_request_certificate(m_session, m_questions++);
  if (result == WC_NO_ERR_TRACE(POST_HAND_AUTH_ERROR))
    return {Ask::CannotAsk, "the client speaks TLS 1.3 and did not offer post_handshake_auth"};
  if (result != WOLFSSL_SUCCESS) {
    fail_with_library(result);
    return {Ask::CannotAsk, m_failure.reason};
  }
  m_exchange = Exchange::PostHandshake;
  return {Ask::Started, ""};
}

TlsStream::AskAnswer TlsStream::ask_renegotiation()
{
  if (!wolfSSL_SSL_get_secure_renegotiation_support(m_session))
    return {Ask::CannotAsk, "the client speaks TLS 1.2 and did not offer renegotiation_info"};
  prepare_question();
  httpsys_wolfssl_forget_hello_answers(m_session);
  m_has_begun_renegotiating = false;
  m_exchange = Exchange::Renegotiation; // before the first call: the callbacks ask for it
  m_has_new_input = true;               // whatever lies in the input has not been looked at by a renegotiation
  if (wolfSSL_pending(m_session) > 0)
    return {Ask::Started, ""}; // read() begins when these bytes are out: wolfSSL would put the next ones in their place
  m_output_mark = m_output.size();
  int result = go_on_renegotiating(); // sends HelloRequest and waits
  int code = result == WOLFSSL_SUCCESS ? 0 : wolfSSL_get_error(m_session, result);
  if (code != 0 && code != WOLFSSL_ERROR_WANT_READ && code != WC_NO_ERR_TRACE(APP_DATA_READY)) {
    fail_with_library(code);
    m_event.reset();
    return {Ask::CannotAsk, m_failure.reason};
  }
  return {Ask::Started, ""};
}

// wolfSSL_Rehandshake forgets with each call that the client has proved its key: a Finished that came later than the proof would fail.
int TlsStream::go_on_renegotiating()
{
  return std::exchange(m_has_begun_renegotiating, true) ? wolfSSL_negotiate(m_session) : wolfSSL_Rehandshake(m_session);
}

// Never called in a loop without new bytes: a library that has given up would begin anew with every call.
size_t TlsStream::read_while_renegotiating(std::span<uint8_t> buffer)
{
  if (wolfSSL_pending(m_session) > 0) { // the rest of a record of which a part has been read
    int count = wolfSSL_read(m_session, buffer.data(), static_cast<int>(std::min(buffer.size(), kMaxRecordText)));
    if (count > 0)
      return static_cast<size_t>(count);
  }
  if (!m_has_new_input)
    return 0;
  m_has_new_input = false;
  m_output_mark = m_output.size();
  int result = go_on_renegotiating();
  int code = result == WOLFSSL_SUCCESS ? 0 : wolfSSL_get_error(m_session, result);
  WOLFSSL_ALERT_HISTORY history{};
  wolfSSL_get_alert_history(m_session, &history);
  bool refused = history.last_rx.level == alert_warning && history.last_rx.code == no_renegotiation;
  if (refused && (code == WOLFSSL_ERROR_WANT_READ || code == WC_NO_ERR_TRACE(APP_DATA_READY))) {
    end_exchange(Outcome::None, "the client refused to renegotiate");
    return 0;
  }
  if (code == 0) {
    note_facts();
    finish_exchange();
    return 0;
  }
  if (code == WC_NO_ERR_TRACE(APP_DATA_READY)) {
    int count = wolfSSL_read(m_session, buffer.data(), static_cast<int>(std::min(buffer.size(), kMaxRecordText)));
    m_has_new_input = true; // more may lie behind these bytes
    if (count > 0)
      return static_cast<size_t>(count);
    code = wolfSSL_get_error(m_session, count);
  }
  handle_read_error(code);
  return 0;
}

std::vector<uint8_t> TlsStream::peer_finished() const
{
  std::vector<uint8_t> finished(64); // TLS 1.3 with SHA-384: 48
  finished.resize(std::min(finished.size(), wolfSSL_get_peer_finished(m_session, finished.data(), finished.size())));
  return finished;
}

// The client's Finished is the only sign that ends every kind of answer, the empty one included.
void TlsStream::check_post_handshake_answer()
{
  if (m_exchange == Exchange::PostHandshake && peer_finished() != m_finished_before)
    finish_exchange();
}

void TlsStream::finish_exchange()
{
  bool renegotiated = m_exchange == Exchange::Renegotiation;
  if (!accept_collected(renegotiated ? CertificateOrigin::Renegotiation : CertificateOrigin::PostHandshake))
    return;
  if (m_certificate)
    end_exchange(Outcome::Certificate, "");
  else
    end_exchange(Outcome::None, "the client was asked and sent no certificate");
}

bool TlsStream::accept_collected(CertificateOrigin origin)
{
  if (m_collected.empty()) {
    m_certificate_absent = true;
    m_certificate_absent_reason = "the client was asked and sent no certificate";
    return true;
  }
  if (!httpsys_wolfssl_certificate_verified(m_session)) {
    fail("the client did not prove that it has the key of its certificate", Alert::HandshakeFailure);
    return false;
  }
  m_certificate = std::make_unique<ClientCertificate>();
  m_certificate->leaf = std::move(m_collected.front());
  m_certificate->chain.assign(std::make_move_iterator(m_collected.begin() + 1), std::make_move_iterator(m_collected.end()));
  m_certificate->origin = origin;
  m_collected.clear();
  m_judge = nullptr;
  refresh_verdict();
  return true;
}

// Authorities and revocation lists are valid for new requests at once (design: httpsysctl): an old connection asks today's binding.
void TlsStream::refresh_verdict()
{
  if (!m_certificate)
    return;
  RefPtr<TlsContext> judge = m_selector(server_name());
  if (!judge)
    judge = m_context;
  if (judge == m_judge && verification_time() <= m_verdict_good_until)
    return;
  m_judge = judge;
  std::vector<Der> list{m_certificate->leaf};
  list.insert(list.end(), m_certificate->chain.begin(), m_certificate->chain.end());
  TrustVerdict verdict = judge->client_trust().judge(list);
  m_verdict_good_until = verdict.good_until;
  m_certificate->flags = verdict.flags;
  m_certificate->reason = std::move(verdict.reason);
}

void TlsStream::end_exchange(Outcome outcome, std::string reason)
{
  m_exchange = Exchange::None;
  if (outcome == Outcome::None) {
    m_certificate_absent = true;
    m_certificate_absent_reason = reason;
  }
  m_event = Event{outcome, std::move(reason)};
}

std::optional<TlsStream::Event> TlsStream::take_event()
{
  return std::exchange(m_event, std::nullopt);
}

// Runs inside the library, before CertificateVerify: copies and returns.
bool TlsStream::collect_certificates(const WOLFSSL_X509_STORE_CTX &store)
{
  m_collected.clear();
  size_t bytes = 0;
  for (int i = 0; i < store.totalCerts; i++)
    bytes += 3 + (is_tls13() ? 2 : 0) + size_t{store.certs[i].length}; // RFC 8446 4.4.2; extensions of a client's entries do not exist
  if (bytes > m_context->max_client_certificate_bytes()) {
    m_certificate_fault = certificate_limit_text(bytes, m_context->max_client_certificate_bytes());
    return false;
  }
  for (int i = 0; i < store.totalCerts; i++)
    m_collected.emplace_back(store.certs[i].buffer, store.certs[i].buffer + store.certs[i].length);
  return true;
}

}
