// SPDX-License-Identifier: GPL-3.0-or-later
// Clients that show somebody else's certificate: without CertificateVerify, or with one made by another key. None may ever be reported as
// the owner of that certificate, in whichever way it was asked.
#include "tests/unit/tls/memory_pair.h"
#include <doctest/doctest.h>
#include <httpsys_wolfssl.h>

using namespace httpsys;
using namespace httpsys::tls;
using namespace httpsys::tls::test;

extern "C" int httpsys_hostile_silent;
int httpsys_hostile_silent = 0; // 1: clients of this process send no CertificateVerify

namespace {

enum class Way { Handshake, OnDemand };

// Both sides go on until the question is answered or the connection is over.
void run(Pair &pair, Way way)
{
  bool connected = pair.connect();
  if (way == Way::Handshake) {
    for (int i = 0; i < 3; i++) {
      pair.client_read();
      pair.server_read();
    }
    return;
  }
  REQUIRE(connected);
  CHECK(pair.stream.ask_certificate().ask == TlsStream::Ask::Started);
  for (int i = 0; i < 6 && pair.stream.is_asking(); i++) {
    pair.client_read();
    pair.server_read();
  }
}

RefPtr<TlsContext> context_for(Way way)
{
  ContextSettings settings = pki_settings();
  settings.ask_in_handshake = way == Way::Handshake;
  return make_context(settings);
}

}

TEST_CASE("an honest client, for comparison")
{
  initialize_library();
  httpsys_hostile_silent = 0;
  for (bool tls13 : {false, true}) {
    for (Way way : {Way::Handshake, Way::OnDemand}) {
      Pair pair(tls13, context_for(way));
      run(pair, way);
      REQUIRE(pair.stream.client_certificate());
      CHECK(pair.stream.client_certificate()->flags == 0);
    }
  }
}

TEST_CASE("no CertificateVerify")
{
  initialize_library();
  for (bool tls13 : {false, true}) {
    for (Way way : {Way::Handshake, Way::OnDemand}) {
      CAPTURE(tls13);
      CAPTURE(static_cast<int>(way));
      httpsys_hostile_silent = 1;
      Pair pair(tls13, context_for(way));
      run(pair, way);
      httpsys_hostile_silent = 0;
      CHECK(pair.stream.client_certificate() == nullptr);
      CHECK(pair.stream.state() == TlsStream::State::Failed);
      CHECK(pair.stream.failure().alert_sent.has_value());
      if (way == Way::OnDemand) {
        auto event = pair.stream.take_event();
        REQUIRE(event);
        CHECK(event->outcome == TlsStream::Outcome::Failed);
      }
    }
  }
}

TEST_CASE("a CertificateVerify by another key")
{
  initialize_library();
  for (bool tls13 : {false, true}) {
    for (Way way : {Way::Handshake, Way::OnDemand}) {
      CAPTURE(tls13);
      CAPTURE(static_cast<int>(way));
      Pair pair(tls13, context_for(way), "good", "selfsigned");
      run(pair, way);
      CHECK(pair.stream.client_certificate() == nullptr);
      CHECK(pair.stream.state() == TlsStream::State::Failed);
      CHECK(pair.stream.failure().alert_sent == 51); // decrypt_error, RFC 8446 4.4.3
    }
  }
}

// TlsStream asks no second time once there is a certificate. Should that ever change, the shim's guard must hold (wolfssl.md 5.2): wolfSSL
// remembers for the life of the connection that some CertificateVerify was good.
namespace {

struct Side {
  SessionPointer session;
  std::vector<uint8_t> input;
  Side *other = nullptr;

  explicit Side(WOLFSSL_CTX *context) : session(wolfSSL_new(context))
  {
    wolfSSL_SSLSetIORecv(session.get(), [](WOLFSSL *, char *buffer, int size, void *self) {
      std::vector<uint8_t> &bytes = static_cast<Side *>(self)->input;
      size_t count = std::min(bytes.size(), static_cast<size_t>(size));
      std::copy_n(bytes.begin(), count, buffer);
      bytes.erase(bytes.begin(), bytes.begin() + static_cast<long>(count));
      return count > 0 ? static_cast<int>(count) : static_cast<int>(WOLFSSL_CBIO_ERR_WANT_READ);
    });
    wolfSSL_SSLSetIOSend(session.get(), [](WOLFSSL *, char *buffer, int size, void *self) {
      std::vector<uint8_t> &bytes = static_cast<Side *>(self)->other->input;
      bytes.insert(bytes.end(), buffer, buffer + size);
      return size;
    });
    wolfSSL_SetIOReadCtx(session.get(), this);
    wolfSSL_SetIOWriteCtx(session.get(), this);
  }
  int read()
  {
    char buffer[16];
    int count = wolfSSL_read(session.get(), buffer, sizeof buffer);
    return count > 0 ? 0 : wolfSSL_get_error(session.get(), count);
  }
};

void load(WOLFSSL_CTX *context, const char *name)
{
  std::string chain = pki(std::string(name) + ".pem"), key = pki(std::string(name) + ".key");
  REQUIRE(wolfSSL_CTX_use_certificate_chain_buffer(context, reinterpret_cast<const uint8_t *>(chain.data()),
                                                   static_cast<long>(chain.size())) == WOLFSSL_SUCCESS);
  REQUIRE(wolfSSL_CTX_use_PrivateKey_buffer(context, reinterpret_cast<const uint8_t *>(key.data()), static_cast<long>(key.size()),
                                            WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS);
}

}

TEST_CASE("a second request does not trust the first CertificateVerify")
{
  initialize_library();
  ContextPointer server_context(wolfSSL_CTX_new(wolfTLSv1_3_server_method())), client_context(wolfSSL_CTX_new(wolfTLSv1_3_client_method()));
  load(server_context.get(), "server");
  load(client_context.get(), "selfsigned");
  wolfSSL_CTX_set_num_tickets(server_context.get(), 0);
  wolfSSL_CTX_set_verify(client_context.get(), WOLFSSL_VERIFY_NONE, nullptr);
  wolfSSL_CTX_allow_post_handshake_auth(client_context.get());
  Side server(server_context.get()), client(client_context.get());
  server.other = &client;
  client.other = &server;
  for (int i = 0; i < 5; i++) {
    wolfSSL_connect(client.session.get());
    wolfSSL_accept(server.session.get());
  }
  static std::vector<Der> seen;
  VerifyCallback callback = [](int, WOLFSSL_X509_STORE_CTX *store) {
    seen.assign(1, Der(store->certs[0].buffer, store->certs[0].buffer + store->certs[0].length));
    return 1;
  };
  auto ask = [&](int number) {
    httpsys_wolfssl_ask_without_judging(server.session.get(), callback);
    httpsys_wolfssl_forget_peer_certificate(server.session.get());
    REQUIRE(httpsys_wolfssl_request_certificate(server.session.get(), number) == WOLFSSL_SUCCESS);
    CHECK(!httpsys_wolfssl_certificate_verified(server.session.get()));
    client.read();
    return server.read();
  };
  CHECK(ask(0) == WOLFSSL_ERROR_WANT_READ);
  CHECK(seen == std::vector<Der>{pki_leaf("selfsigned")});
  CHECK(httpsys_wolfssl_certificate_verified(server.session.get()));

  std::string stolen = pki("good.pem");
  REQUIRE(wolfSSL_use_certificate_chain_buffer(client.session.get(), reinterpret_cast<const uint8_t *>(stolen.data()),
                                               static_cast<long>(stolen.size())) == WOLFSSL_SUCCESS);
  httpsys_hostile_silent = 1;
  int error = ask(1);
  httpsys_hostile_silent = 0;
  CHECK(seen == std::vector<Der>{pki_leaf("good")}); // it did send it
  CHECK(error == WC_NO_ERR_TRACE(OUT_OF_ORDER_E));
  CHECK(!httpsys_wolfssl_certificate_verified(server.session.get()));
}
