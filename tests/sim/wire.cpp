// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/wire.h"
#include "kernel/tls/wolfssl_library.h"
#include "tests/sim/tls_material.h"
#include <algorithm>
#include <fmt/format.h>

namespace httpsys::sim {

using platform::SimSocket;

namespace {

class PlainWire final : public Wire {
public:
  using Wire::Wire;
  void send(std::string_view bytes) override { m_socket->send(bytes); }
  std::string receive() override { return m_socket->take(); }
};

class TlsWire final : public Wire {
public:
  TlsWire(std::shared_ptr<SimSocket> socket, const TlsPeerOptions &options);
  void send(std::string_view bytes) override;
  std::string receive() override;
  bool has_ended_well() const override { return m_has_close_notify; }
  bool is_ready() const override { return m_is_ready; }
  std::string complaint() const override { return m_complaint; }
  void end_politely() override;

private:
  void note_error(int result);
  void write();
  int take(char *buffer, int size);
  std::string m_input, m_unsent;
  tls::ContextPointer m_context;
  tls::SessionPointer m_session;
  bool m_is_ready = false, m_has_close_notify = false, m_has_failed = false;
  std::string m_complaint;
};

void use_certificate(WOLFSSL_CTX *context)
{
  auto *chain = reinterpret_cast<const uint8_t *>(kClientCertificate);
  wolfSSL_CTX_use_certificate_chain_buffer(context, chain, sizeof kClientCertificate - 1);
  auto *key = reinterpret_cast<const uint8_t *>(kClientKey);
  wolfSSL_CTX_use_PrivateKey_buffer(context, key, sizeof kClientKey - 1, WOLFSSL_FILETYPE_PEM);
}

TlsWire::TlsWire(std::shared_ptr<SimSocket> socket, const TlsPeerOptions &options)
    : Wire(std::move(socket)), m_context(wolfSSL_CTX_new(options.is_tls13 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method()))
{
  WOLFSSL_CTX *context = m_context.get();
  wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_NONE, nullptr);
  wolfSSL_CTX_SetIORecv(context, [](WOLFSSL *, char *buffer, int size, void *self) {
    return static_cast<TlsWire *>(self)->take(buffer, size);
  });
  wolfSSL_CTX_SetIOSend(context, [](WOLFSSL *, char *buffer, int size, void *self) {
    static_cast<TlsWire *>(self)->m_socket->send({buffer, static_cast<size_t>(size)});
    return size;
  });
  if (options.has_certificate)
    use_certificate(context);
  if (options.can_be_asked) {
    wolfSSL_CTX_UseSecureRenegotiation(context);
    if (options.is_tls13)
      wolfSSL_CTX_allow_post_handshake_auth(context);
  }
  m_session.reset(wolfSSL_new(context));
  wolfSSL_SetIOReadCtx(m_session.get(), this);
  wolfSSL_SetIOWriteCtx(m_session.get(), this);
}

int TlsWire::take(char *buffer, int size)
{
  m_input += m_socket->take();
  size_t count = std::min(m_input.size(), static_cast<size_t>(size));
  m_input.copy(buffer, count);
  m_input.erase(0, count);
  return count > 0 ? static_cast<int>(count) : static_cast<int>(WOLFSSL_CBIO_ERR_WANT_READ);
}

// The daemon is the only one that speaks to this peer: what TLS finds wrong is the daemon's, unless a part of it was lost with the end.
void TlsWire::note_error(int result)
{
  int error = wolfSSL_get_error(m_session.get(), result);
  if (error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE || error == APP_DATA_READY)
    return;
  m_has_close_notify |= error == WOLFSSL_ERROR_ZERO_RETURN;
  if (error == WOLFSSL_ERROR_ZERO_RETURN || m_has_failed)
    return;
  m_has_failed = true;
  WOLFSSL_ALERT_HISTORY alerts{};
  wolfSSL_get_alert_history(m_session.get(), &alerts);
  m_complaint = fmt::format("TLS error {}, alert received {}", error, alerts.last_rx.code);
}

void TlsWire::send(std::string_view text)
{
  m_unsent += text;
  write();
}

// In the middle of a renegotiation wolfSSL wants to be read from first.
void TlsWire::write()
{
  while (!m_unsent.empty() && !m_has_failed) {
    int count = wolfSSL_write(m_session.get(), m_unsent.data(), static_cast<int>(std::min<size_t>(m_unsent.size(), 16384)));
    if (count <= 0)
      return note_error(count);
    m_unsent.erase(0, static_cast<size_t>(count));
  }
}

std::string TlsWire::receive()
{
  std::string text;
  if (m_has_failed)
    return text;
  if (!m_is_ready) {
    int result = wolfSSL_connect(m_session.get());
    m_is_ready = result == WOLFSSL_SUCCESS;
    if (!m_is_ready) {
      note_error(result);
      return text;
    }
  }
  char buffer[4096];
  int count;
  do {
    count = wolfSSL_read(m_session.get(), buffer, sizeof buffer);
    text.append(buffer, static_cast<size_t>(std::max(count, 0)));
  } while (count > 0 || wolfSSL_get_error(m_session.get(), count) == APP_DATA_READY);
  note_error(count);
  write();
  return text;
}

void TlsWire::end_politely()
{
  if (m_is_ready)
    wolfSSL_shutdown(m_session.get());
  Wire::end_politely();
}

}

std::unique_ptr<Wire> plain_wire(std::shared_ptr<SimSocket> socket)
{
  return std::make_unique<PlainWire>(std::move(socket));
}

std::unique_ptr<Wire> tls_wire(std::shared_ptr<SimSocket> socket, const TlsPeerOptions &options)
{
  return std::make_unique<TlsWire>(std::move(socket), options);
}

}
