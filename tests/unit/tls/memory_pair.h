// SPDX-License-Identifier: GPL-3.0-or-later
// A wolfSSL client and a TlsStream that exchange their bytes in memory.
#pragma once
#include "kernel/tls/tls_stream.h"
#include "kernel/tls/wolfssl_library.h"
#include "tests/unit/tls/pki.h"
#include <algorithm>
#include <doctest/doctest.h>
#include <functional>

namespace httpsys::tls::test {

// A wolfSSL client and a TlsStream that exchange their bytes.
class Pair {
public:
  // The client's certificate and key by their names in the PKI; without a key name the certificate's own, null for none at all.
  explicit Pair(bool tls13, RefPtr<TlsContext> context = make_context(), const char *certificate = "good", const char *key_name = nullptr)
    : m_context(wolfSSL_CTX_new(tls13 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method()))
    , stream([this, context](std::string_view name) {
      asked_name = name;
      return context;
    })
  {
    wolfSSL_CTX_set_verify(m_context.get(), WOLFSSL_VERIFY_NONE, nullptr);
    wolfSSL_CTX_SetIORecv(m_context.get(), [](WOLFSSL *, char *buffer, int size, void *self) {
      std::vector<uint8_t> &input = static_cast<Pair *>(self)->m_to_client;
      size_t count = std::min(input.size(), static_cast<size_t>(size));
      std::copy_n(input.begin(), count, buffer);
      input.erase(input.begin(), input.begin() + static_cast<long>(count));
      return count > 0 ? static_cast<int>(count) : static_cast<int>(WOLFSSL_CBIO_ERR_WANT_READ);
    });
    wolfSSL_CTX_SetIOSend(m_context.get(), [](WOLFSSL *, char *buffer, int size, void *self) {
      std::vector<uint8_t> bytes(buffer, buffer + size);
      if (static_cast<Pair *>(self)->tamper)
        static_cast<Pair *>(self)->tamper(bytes);
      static_cast<Pair *>(self)->stream.receive(bytes);
      return size;
    });
    if (certificate) {
      std::string chain = pki(std::string(certificate) + ".pem"), key = pki(std::string(key_name ? key_name : certificate) + ".key");
      REQUIRE(wolfSSL_CTX_use_certificate_chain_buffer(m_context.get(), reinterpret_cast<const uint8_t *>(chain.data()),
                                                       static_cast<long>(chain.size())) == WOLFSSL_SUCCESS);
      REQUIRE(wolfSSL_CTX_use_PrivateKey_buffer(m_context.get(), reinterpret_cast<const uint8_t *>(key.data()),
                                                static_cast<long>(key.size()), WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS);
    }
    wolfSSL_CTX_UseSecureRenegotiation(m_context.get());
    if (tls13)
      wolfSSL_CTX_allow_post_handshake_auth(m_context.get());
    client.reset(wolfSSL_new(m_context.get()));
    wolfSSL_SetIOReadCtx(client.get(), this);
    wolfSSL_SetIOWriteCtx(client.get(), this);
    wolfSSL_UseSNI(client.get(), WOLFSSL_SNI_HOST_NAME, "localhost", 9);
  }
  // Both sides go on until nothing moves.
  bool connect()
  {
    for (int i = 0; i < 10; i++) {
      int result = wolfSSL_connect(client.get());
      stream.advance();
      deliver();
      if (result == WOLFSSL_SUCCESS && stream.state() != TlsStream::State::Handshake)
        return stream.state() == TlsStream::State::Open;
    }
    return false;
  }
  void deliver()
  {
    m_to_client.insert(m_to_client.end(), stream.output().begin(), stream.output().end());
    stream.consume_output(stream.output().size());
  }
  std::string server_read()
  {
    std::string text;
    uint8_t buffer[100];
    while (size_t count = stream.read(buffer))
      text.append(reinterpret_cast<char *>(buffer), count);
    deliver();
    return text;
  }
  std::string client_read()
  {
    deliver();
    std::string text;
    char buffer[100];
    for (int count; (count = wolfSSL_read(client.get(), buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(count));
    return text;
  }
  // The client answers what it was asked.
  void end_exchange()
  {
    for (int i = 0; i < 6 && stream.is_asking(); i++) {
      client_read();
      server_read();
    }
  }
  void client_write(const std::string &text)
  {
    REQUIRE(wolfSSL_write(client.get(), text.data(), static_cast<int>(text.size())) == static_cast<int>(text.size()));
  }
  size_t server_write(const std::string &text)
  {
    return stream.write({reinterpret_cast<const uint8_t *>(text.data()), text.size()});
  }

private:
  ContextPointer m_context; // both before the stream: it reads the client's pointers in its destructor's callbacks
  std::vector<uint8_t> m_to_client;

public:
  std::function<void(std::vector<uint8_t> &)> tamper; // sees, and may change, what the client sends
  std::string asked_name;
  TlsStream stream;
  SessionPointer client;
};

}
