// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support/tls_client.h"
#include "tests/unit/tls/pki.h"
#include <algorithm>
#include <doctest/doctest.h>

namespace httpsys::test {

TlsClient::TlsClient(std::shared_ptr<SimSocket> socket, const TlsClientOptions &options)
    : m_socket(std::move(socket)),
      m_context(wolfSSL_CTX_new(options.tls13 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method()))
{
  WOLFSSL_CTX *context = m_context.get();
  wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_NONE, nullptr);
  wolfSSL_CTX_SetIORecv(context, [](WOLFSSL *, char *buffer, int size, void *self) {
    auto &client = *static_cast<TlsClient *>(self);
    client.m_input += client.m_socket->take();
    size_t count = std::min(client.m_input.size(), static_cast<size_t>(size));
    client.m_input.copy(buffer, count);
    client.m_input.erase(0, count);
    return count > 0 ? static_cast<int>(count) : static_cast<int>(WOLFSSL_CBIO_ERR_WANT_READ);
  });
  wolfSSL_CTX_SetIOSend(context, [](WOLFSSL *, char *buffer, int size, void *self) {
    static_cast<TlsClient *>(self)->m_socket->send({buffer, static_cast<size_t>(size)});
    return size;
  });
  if (options.certificate) {
    std::string chain = tls::test::pki(std::string(options.certificate) + ".pem");
    std::string key = tls::test::pki(std::string(options.certificate) + ".key");
    REQUIRE(wolfSSL_CTX_use_certificate_chain_buffer(context, reinterpret_cast<const uint8_t *>(chain.data()),
                                                     static_cast<long>(chain.size())) == WOLFSSL_SUCCESS);
    REQUIRE(wolfSSL_CTX_use_PrivateKey_buffer(context, reinterpret_cast<const uint8_t *>(key.data()), static_cast<long>(key.size()),
                                              WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS);
  }
  if (options.can_be_asked) {
    wolfSSL_CTX_UseSecureRenegotiation(context);
    if (options.tls13)
      wolfSSL_CTX_allow_post_handshake_auth(context);
  }
  m_session.reset(wolfSSL_new(context));
  wolfSSL_SetIOReadCtx(m_session.get(), this);
  wolfSSL_SetIOWriteCtx(m_session.get(), this);
}

bool TlsClient::connect()
{
  return wolfSSL_connect(m_session.get()) == WOLFSSL_SUCCESS;
}

void TlsClient::write(std::string_view text)
{
  while (!text.empty()) {
    int count = wolfSSL_write(m_session.get(), text.data(), static_cast<int>(std::min<size_t>(text.size(), 16384)));
    REQUIRE(count > 0);
    text.remove_prefix(static_cast<size_t>(count));
  }
}

std::string TlsClient::read()
{
  std::string text;
  char buffer[4096];
  for (int count; (count = wolfSSL_read(m_session.get(), buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(count));
  return text;
}

void TlsClient::shutdown()
{
  wolfSSL_shutdown(m_session.get());
}

}
