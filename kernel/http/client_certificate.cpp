// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/client_certificate.h"
#include "kernel/base/log.h"
#include "kernel/http/connection.h"
#include "kernel/http/settings.h"
#include "kernel/limits.h"
#include "uapi/layout.h"
#include "uapi/request.h"
#include <atomic>
#include <cstring>
#include <utility>
#include <vector>

namespace httpsys::http {

// Over all cores; each connection adds and takes away its own share.
static std::atomic<uint64_t> s_kept_bytes{0};

uint64_t ClientCertificateExchange::kept_bytes_total()
{
  return s_kept_bytes.load(std::memory_order_relaxed);
}

ClientCertificateExchange::~ClientCertificateExchange()
{
  VERIFY(m_waits.is_empty() && m_counted == 0);
}

// Native sizes: the structure, then the data directly behind it. Below the structure nothing is written, below both only the
// structure.
static void complete_with(io::IrpPtr irp, uint32_t structure, size_t data_bytes, std::vector<uint8_t> output)
{
  io::IrpCompletion completion;
  completion.aux = data_bytes;
  completion.information = structure;
  uint32_t room = irp->entry().out_length;
  if (room < structure) {
    completion = {};
    completion.status = NtStatus::BufferTooSmall;
  } else if (room - structure < data_bytes) {
    completion.status = NtStatus::BufferOverflow;
  } else {
    completion.information = structure + data_bytes;
    completion.output = std::move(output);
  }
  io::complete(std::move(irp), std::move(completion));
}

static_assert(static_cast<uint32_t>(tls::CertificateOrigin::Renegotiation) + HSYS_CERTIFICATE_HANDSHAKE ==
              HSYS_CERTIFICATE_RENEGOTIATION);

static std::vector<uint8_t> certificate_image(const tls::ClientCertificate &certificate, bool full_chain)
{
  hsys_certificate head{};
  head.version = 1;
  head.cert_flags = certificate.flags;
  head.way = static_cast<uint32_t>(certificate.origin) + HSYS_CERTIFICATE_HANDSHAKE;
  std::vector<uint8_t> image(sizeof head);
  image.insert(image.end(), certificate.leaf.begin(), certificate.leaf.end());
  if (full_chain)
    for (const tls::Der &issuer : certificate.chain)
      image.insert(image.end(), issuer.begin(), issuer.end());
  head.size = static_cast<uint32_t>(image.size());
  head.data = {sizeof head, head.size - static_cast<uint32_t>(sizeof head)};
  std::memcpy(image.data(), &head, sizeof head);
  return image;
}

void ClientCertificateExchange::complete_from_known(io::IrpPtr irp)
{
  m_connection.transport().refresh_verdict();
  const tls::ClientCertificate *certificate = m_connection.transport().tls().client_certificate();
  VERIFY(certificate);
  auto image = certificate_image(*certificate, (irp->entry().op_flags & HSYS_CERTIFICATE_FULL_CHAIN) != 0);
  size_t data_bytes = image.size() - sizeof(hsys_certificate);
  complete_with(std::move(irp), HSYS_NATIVE_CLIENT_CERT_INFO, data_bytes, std::move(image));
}

static std::string no_certificate(std::string_view why)
{
  return fmt::format("no client certificate: {}", why);
}

void ClientCertificateExchange::log_once(std::string_view why)
{
  if (!std::exchange(m_is_logged, true))
    log(LogKind::Certificate, "{}: {}", m_connection.transport().label(), no_certificate(why));
}

void ClientCertificateExchange::refuse(io::IrpPtr irp, NtStatus status, std::string_view why)
{
  log_once(why);
  io::complete(std::move(irp), status, no_certificate(why));
}

void ClientCertificateExchange::receive(io::IrpPtr irp)
{
  uint32_t flags = irp->entry().op_flags;
  bool is_tls = m_connection.transport().is_tls();
  if (flags == (HSYS_CERTIFICATE_CHANNEL_TOKEN | HSYS_CERTIFICATE_FULL_CHAIN))
    return io::complete(std::move(irp), NtStatus::InvalidParameter,
                        "Flags is 0, HTTP_RECEIVE_SECURE_CHANNEL_TOKEN or HTTP_RECEIVE_FULL_CHAIN");
  if (flags == HSYS_CERTIFICATE_CHANNEL_TOKEN) {
    if (!is_tls)
      return io::complete(std::move(irp), NtStatus::InvalidParameter, "a connection without TLS has no channel binding token");
    auto token = m_connection.transport().tls().context()->endpoint_binding();
    return complete_with(std::move(irp), HSYS_NATIVE_CHANNEL_BIND_STATUS, token.size(), {token.begin(), token.end()});
  }
  if (!is_tls)
    return refuse(std::move(irp), NtStatus::NotFound, "the connection is plain HTTP");
  if (m_connection.transport().is_closing())
    return refuse(std::move(irp), NtStatus::ConnectionInvalid, "the connection is about to end");
  if (irp->entry().out_length < HSYS_NATIVE_CLIENT_CERT_INFO)
    return io::complete(std::move(irp), NtStatus::BufferTooSmall);
  if (!m_is_open)
    return start(std::move(irp));
  if (m_waits.size() >= limits::kCertificateCallsWaiting)
    return refuse_one_more(std::move(irp));
  // One exchange serves all; a call after a cancelled one waits for the answer that is still due.
  if (!is_waiting())
    ke::Core::current().network_timers().set(*this, ke::Core::current().now() + settings().ssl_renegotiation);
  m_waits.park(std::move(irp));
}

// Each of them is answered with the whole certificate at the same moment.
void ClientCertificateExchange::refuse_one_more(io::IrpPtr irp)
{
  std::string why = fmt::format("{} calls for it wait on this connection already, as many as may (kCertificateCallsWaiting)",
                                limits::kCertificateCallsWaiting);
  if (!std::exchange(m_limit_is_logged, true))
    log(LogKind::Certificate, "{}: {}", m_connection.transport().label(), no_certificate(why));
  io::complete(std::move(irp), NtStatus::InsufficientResources, no_certificate(why));
}

void ClientCertificateExchange::start(io::IrpPtr irp)
{
  auto asked = m_connection.transport().ask_certificate();
  switch (asked.ask) {
  case tls::TlsStream::Ask::AlreadyKnown: return complete_from_known(std::move(irp));
  case tls::TlsStream::Ask::KnownAbsent: return refuse(std::move(irp), NtStatus::NotFound, asked.reason);
  case tls::TlsStream::Ask::CannotAsk:
    if (m_connection.transport().tls().state() == tls::TlsStream::State::Open)
      return refuse(std::move(irp), NtStatus::NotSupported, asked.reason);
    return refuse(std::move(irp), NtStatus::ConnectionInvalid, asked.reason);
  case tls::TlsStream::Ask::Started: break;
  }
  m_is_open = true;
  m_waits.park(std::move(irp));
  ke::Core::current().network_timers().set(*this, ke::Core::current().now() + settings().ssl_renegotiation);
}

bool ClientCertificateExchange::needs_input() const
{
  return is_waiting() || (m_is_open && m_connection.transport().is_write_blocked());
}

void ClientCertificateExchange::on_outcome(const tls::TlsStream::Event &event)
{
  bool has_certificate = event.outcome == tls::TlsStream::Outcome::Certificate;
  if (!has_certificate)
    log_once(event.reason);
  end_exchange();
  while (auto irp = m_waits.take_first()) {
    if (has_certificate)
      complete_from_known(std::move(irp));
    else
      io::complete(std::move(irp), NtStatus::NotFound, no_certificate(event.reason));
  }
  m_connection.certificate_wait_ended();
}

// The others wait on. After the last one the connection goes by its usual window and times.
void ClientCertificateExchange::on_irp_cancelled(io::IrpQueue &, io::IrpPtr irp)
{
  io::complete(std::move(irp), NtStatus::Cancelled);
  m_connection.give_share_back();
  m_connection.input_changed();
}

void ClientCertificateExchange::release_kept_bytes()
{
  s_kept_bytes.fetch_sub(m_counted, std::memory_order_relaxed);
  m_counted = 0;
}

void ClientCertificateExchange::end_exchange()
{
  m_is_open = false;
  ke::Core::current().network_timers().cancel(*this);
  release_kept_bytes();
}

void ClientCertificateExchange::on_connection_closed(const std::string &reason)
{
  end_exchange();
  if (is_waiting() && !m_connection.transport().end_is_logged())
    log_once(reason);
  m_waits.complete_all(NtStatus::ConnectionInvalid, no_certificate(reason));
}

void ClientCertificateExchange::note_kept_bytes(size_t kept)
{
  if (!needs_input())
    return release_kept_bytes();
  s_kept_bytes.fetch_add(kept, std::memory_order_relaxed);
  uint64_t total = s_kept_bytes.fetch_sub(m_counted, std::memory_order_relaxed) - m_counted;
  m_counted = kept;
  const uint64_t own = settings().certificate_wait_body_bytes, all = settings().certificate_wait_body_bytes_total;
  if (kept <= own && total <= all)
    return;
  std::string reason = fmt::format("{} bytes of the request came before the client's answer, more than {} allows ({}); read the body first",
                                   kept, kept > own ? "CertificateWaitBodyBytes" : "CertificateWaitBodyBytesTotal", kept > own ? own : all);
  log_once(reason);
  release_kept_bytes();
  m_connection.close_after_response();
  // The client does not read while it sends: an answer of TLS 1.2 must not wait for it.
  m_connection.transport().allow_writes_during_exchange();
  m_waits.complete_all(NtStatus::InsufficientResources, no_certificate(reason));
  m_connection.certificate_wait_ended();
}

// Of applications that the connection does not serve any more, another one's request has come since. Whether there were any.
bool ClientCertificateExchange::fail_calls_of_others(const std::string &reason)
{
  std::vector<io::IrpPtr> of_others;
  for (io::Irp *irp = m_waits.first(); irp;) {
    io::Irp *next = m_waits.next(*irp);
    if (!m_connection.is_receiver(*irp))
      of_others.push_back(m_waits.take(*irp));
    irp = next;
  }
  for (io::IrpPtr &irp : of_others)
    io::complete(std::move(irp), NtStatus::ConnectionInvalid, no_certificate(reason));
  return !of_others.empty();
}

void ClientCertificateExchange::on_timer()
{
  RefPtr<Connection> connection(m_connection);
  // All calls were cancelled: only TLS 1.2, whose responses wait for the answer, cannot go on without it.
  if (!needs_input())
    return;
  std::string reason = fmt::format("the client did not answer the request for a certificate within {} s (SslRenegotiation)",
                                   static_cast<double>(settings().ssl_renegotiation) / 1000);
  log_once(reason);
  // RFC 8446 4.6.2: the client owes the answer, and may send anything else before it. TLS 1.2 cannot go on.
  if (!connection->transport().is_write_blocked() && fail_calls_of_others(reason)) {
    if (is_waiting()) // who is served now has asked later
      ke::Core::current().network_timers().set(*this, ke::Core::current().now() + settings().ssl_renegotiation);
    return connection->certificate_wait_ended();
  }
  connection->abort(NtStatus::ConnectionInvalid, reason, ke::Tally::CertificateTime);
}

}
