// SPDX-License-Identifier: GPL-3.0-or-later
// TlsStream: how a connection ends with an error, and what the log says of it. The order is that of wolfssl.md 4.11.
#include "kernel/tls/tls_stream.h"
#include "kernel/tls/wolfssl_library.h"
#include <array>
#include <fmt/format.h>
#include <httpsys_wolfssl.h>

namespace httpsys::tls {

namespace {

// The alert for an error that wolfSSL ends with without having sent one.
Alert alert_for(int code)
{
  switch (code) {
  case WC_NO_ERR_TRACE(PARSE_ERROR):
  case WC_NO_ERR_TRACE(UNKNOWN_HANDSHAKE_TYPE):
  case WC_NO_ERR_TRACE(OUT_OF_ORDER_E):
  case WC_NO_ERR_TRACE(SANITY_MSG_E):
  case WC_NO_ERR_TRACE(DUPLICATE_MSG_E):
    return Alert::UnexpectedMessage;
  case WC_NO_ERR_TRACE(LENGTH_ERROR):
    return Alert::RecordOverflow;
  case WC_NO_ERR_TRACE(VERIFY_MAC_ERROR):
  case WC_NO_ERR_TRACE(AES_GCM_AUTH_E):
    return Alert::BadRecordMac;
  case WC_NO_ERR_TRACE(VERIFY_FINISHED_ERROR):
  case WC_NO_ERR_TRACE(SIG_VERIFY_E):
  case WC_NO_ERR_TRACE(VERIFY_CERT_ERROR):
    return Alert::DecryptError;
  case WC_NO_ERR_TRACE(ECC_PEERKEY_ERROR):
  case WC_NO_ERR_TRACE(EXT_MISSING):
  case WC_NO_ERR_TRACE(INVALID_PARAMETER):
    return Alert::IllegalParameter;
  case WC_NO_ERR_TRACE(VERSION_ERROR):
    return Alert::ProtocolVersion;
  case WC_NO_ERR_TRACE(BUFFER_E):
  case WC_NO_ERR_TRACE(ASN_PARSE_E):
  case WC_NO_ERR_TRACE(INCOMPLETE_DATA):
  case WC_NO_ERR_TRACE(BUFFER_ERROR):
  case WC_NO_ERR_TRACE(HANDSHAKE_SIZE_ERROR):
    return Alert::DecodeError;
  default:
    return Alert::HandshakeFailure;
  }
}

}

void TlsStream::fail_with_refusal()
{
  const RecordCheck::Refusal &refusal = *m_check.refusal();
  fail(refusal.reason, refusal.alert, refusal.is_silent);
}

void TlsStream::fail_with_library(int code)
{
  WOLFSSL_ALERT_HISTORY history{};
  wolfSSL_get_alert_history(m_session, &history);
  if (history.last_rx.level == alert_fatal) {
    m_failure.alert_received = static_cast<uint8_t>(history.last_rx.code);
    fail(fmt::format("the client refused with the alert {} ({})", alert_name(history.last_rx.code), history.last_rx.code),
         Alert::CloseNotify, true);
    return;
  }
  if (history.last_rx.code == close_notify && history.last_rx.level == alert_warning) { // too many warnings end with this code too
    httpsys_wolfssl_alert(m_session, 0, close_notify);
    fail("the client closed the connection", Alert::CloseNotify, true);
    return;
  }
  // A share that is off its curve is found after the ServerHello has been written: the alert is to be the only answer.
  if (code == WC_NO_ERR_TRACE(ECC_PEERKEY_ERROR) && m_state == State::Handshake)
    m_output.truncate(std::min(m_output_mark, m_output.size()));
  if (!m_certificate_fault.empty())
    fail(m_certificate_fault, Alert::BadCertificate);
  else
    fail(library_reason(code), alert_for(code));
}

std::string TlsStream::library_reason(int code) const
{
  if (code == WC_NO_ERR_TRACE(HANDSHAKE_SIZE_ERROR))
    return fmt::format("a handshake message of more than {} bytes; a client's certificate list may have {} (MaxClientCertificateBytes)",
                       limits::kMaxHandshakeMessage, m_context->max_client_certificate_bytes());
  if (code == WC_NO_ERR_TRACE(MAX_CHAIN_ERROR))
    return fmt::format("the client's certificate list has more than {} certificates (kMaxClientChain)", limits::kMaxClientChain);
  if (code == WC_NO_ERR_TRACE(SCR_DIFFERENT_CERT_E))
    return "the client renegotiated with another certificate than before";
  return fmt::format("{} ({})", wolfssl_error_text(code), code);
}

void TlsStream::fail(std::string reason, Alert alert, bool is_silent)
{
  if (m_state == State::Failed)
    return;
  if (!is_silent && !m_session) { // before a session, alerts go out in clear (RFC 8446 6)
    // A client of an old version takes no record of a newer one (RFC 5246 E.1).
    uint16_t version = m_check.hello().best_version;
    uint8_t minor = version == 0 || version > 0x0303 ? 3 : static_cast<uint8_t>(version & 0xff);
    const std::array<uint8_t, 7> record = {21, 3, minor, 0, 2, 2, static_cast<uint8_t>(alert)};
    m_output.append(record);
    m_failure.alert_sent = static_cast<uint8_t>(alert);
  } else if (m_session) {
    if (!is_silent)
      httpsys_wolfssl_alert(m_session, 1, static_cast<int>(alert)); // unless a fatal one has gone out already
    WOLFSSL_ALERT_HISTORY history{};
    wolfSSL_get_alert_history(m_session, &history);
    if (history.last_tx.level == alert_fatal)
      m_failure.alert_sent = static_cast<uint8_t>(history.last_tx.code);
  }
  m_failure.reason = std::move(reason);
  m_state = State::Failed;
  if (m_exchange != Exchange::None)
    end_exchange(Outcome::Failed, m_failure.reason);
}

}
