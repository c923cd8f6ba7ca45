// SPDX-License-Identifier: GPL-3.0-or-later
// The stream against wolfSSL's own client, in memory. Other peers, which are the harder test, are in tests/tls.
#include "tests/unit/tls/hello_builder.h"
#include "tests/unit/tls/memory_pair.h"
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::tls;
using namespace httpsys::tls::test;

TEST_CASE("data in both directions")
{
  initialize_library();
  for (bool tls13 : {false, true}) {
    CAPTURE(tls13);
    Pair pair(tls13);
    CHECK(!pair.stream.can_write());
    REQUIRE(pair.connect());
    CHECK(pair.asked_name == "localhost");
    CHECK(pair.stream.server_name() == "localhost");
    CHECK(pair.stream.facts().protocol == (tls13 ? 0x1000 : 0x400));
    CHECK(pair.stream.facts().cipher_type == 0x660e);
    CHECK(pair.stream.facts().cipher_strength == 128);
    CHECK(pair.stream.facts().key_exchange_type == 0xae06);
    CHECK(pair.stream.facts().key_exchange_strength == 256);
    CHECK(pair.stream.facts().cipher_suite_name == (tls13 ? "TLS_AES_128_GCM_SHA256" : "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"));
    pair.client_write("hello");
    CHECK(pair.server_read() == "hello");
    CHECK(pair.server_write("answer") == 6);
    CHECK(pair.client_read() == "answer");
    std::string large(20000, 'x');
    CHECK(pair.server_write(large) == 16384);
    CHECK(pair.server_write(large.substr(16384)) == 3616);
    CHECK(pair.client_read() == large);
    CHECK(pair.stream.client_certificate() == nullptr);
    CHECK(pair.stream.is_truncated() == false);
  }
}

TEST_CASE("after the client's close_notify bytes before it are read and an answer can still be written")
{
  initialize_library();
  for (bool tls13 : {false, true}) {
    CAPTURE(tls13);
    Pair pair(tls13);
    REQUIRE(pair.connect());
    pair.client_write("request");
    wolfSSL_shutdown(pair.client.get());
    CHECK(pair.server_read() == "request");
    CHECK(pair.stream.state() == TlsStream::State::PeerClosed);
    CHECK(!pair.stream.is_truncated());
    CHECK(!pair.stream.wants_input());
    CHECK(pair.server_write("late answer") == 11);
    size_t before = pair.stream.output().size();
    pair.stream.shutdown();
    CHECK(pair.stream.output().size() > before);
    CHECK(!pair.stream.can_write());
    CHECK(pair.server_write("x") == 0);
  }
}

TEST_CASE("the end of the socket without close_notify")
{
  initialize_library();
  for (bool tls13 : {false, true}) {
    CAPTURE(tls13);
    Pair pair(tls13);
    REQUIRE(pair.connect());
    pair.client_write("request");
    pair.stream.receive_eof();
    CHECK(pair.server_read() == "request");
    CHECK(pair.stream.state() == TlsStream::State::PeerClosed);
    CHECK(pair.stream.is_truncated());
    CHECK(pair.server_write("answer") == 6);
    CHECK(pair.client_read() == "answer");
  }
  Pair early(true);
  wolfSSL_connect(early.client.get());
  early.stream.advance();
  early.stream.receive_eof();
  early.stream.advance();
  CHECK(early.stream.state() == TlsStream::State::Failed);
  CHECK(early.stream.failure().reason == "the client closed the connection in the handshake");
  CHECK(!early.stream.failure().alert_sent);
}

TEST_CASE("no context: the handshake ends with an alert in clear")
{
  for (bool named : {false, true}) {
    TlsStream stream([](std::string_view) -> RefPtr<TlsContext> { return nullptr; });
    stream.receive(record(22, message(1, hello_body(named ? server_name("a.test") : ""))));
    stream.advance();
    CHECK(stream.state() == TlsStream::State::Failed);
    Bytes output(stream.output().begin(), stream.output().end());
    CHECK(output == Bytes{21, 3, 3, 0, 2, 2, static_cast<uint8_t>(named ? 112 : 40)});
    CHECK(stream.failure().reason == "no TLS record serves this address and name");
    CHECK(stream.ask_certificate().ask == TlsStream::Ask::CannotAsk);
    stream.shutdown();
    CHECK(stream.output().size() == 7);
  }
}

TEST_CASE("asking on demand")
{
  initialize_library();
  for (bool tls13 : {false, true}) {
    for (const char *name : {"good", "chain4", "selfsigned"}) {
      CAPTURE(tls13);
      CAPTURE(name);
      Pair pair(tls13, make_context(), name);
      REQUIRE(pair.connect());
      CHECK(pair.stream.ask_certificate().ask == TlsStream::Ask::Started);
      CHECK(pair.stream.is_asking());
      CHECK(pair.stream.ask_certificate().ask == TlsStream::Ask::Started); // one exchange
      CHECK(pair.stream.can_write() == tls13);
      CHECK((pair.server_write("meanwhile") > 0) == tls13);
      for (int i = 0; i < 6 && pair.stream.is_asking(); i++) {
        CHECK(pair.client_read() == (i == 0 && tls13 ? "meanwhile" : ""));
        CHECK(pair.server_read() == "");
      }
      auto event = pair.stream.take_event();
      REQUIRE(event);
      CHECK(event->outcome == TlsStream::Outcome::Certificate);
      CHECK(!pair.stream.take_event());
      const ClientCertificate *certificate = pair.stream.client_certificate();
      REQUIRE(certificate);
      std::vector<Der> sent = pki_chain(name);
      CHECK(certificate->leaf == sent[0]);
      CHECK(certificate->chain == std::vector<Der>(sent.begin() + 1, sent.end()));
      CHECK(certificate->origin == (tls13 ? CertificateOrigin::PostHandshake : CertificateOrigin::Renegotiation));
      CHECK(certificate->flags == (std::string(name) == "selfsigned" ? 0x800B0109 : 0));
      CHECK(pair.stream.ask_certificate().ask == TlsStream::Ask::AlreadyKnown);
      CHECK(pair.server_write("afterwards") == 10);
      CHECK(pair.client_read() == "afterwards");
      pair.client_write("still here");
      CHECK(pair.server_read() == "still here");
    }
  }
}

// Certificate, proof of the key and Finished are records of their own: any of them may come alone.
TEST_CASE("a client's answer may come byte by byte")
{
  initialize_library();
  for (bool tls13 : {false, true}) {
    for (const char *certificate : {"good", static_cast<const char *>(nullptr)}) {
      CAPTURE(tls13);
      CAPTURE(certificate);
      Pair pair(tls13, make_context(), certificate);
      REQUIRE(pair.connect());
      std::string got;
      pair.tamper = [&](std::vector<uint8_t> &bytes) {
        for (uint8_t one : std::exchange(bytes, {})) {
          pair.stream.receive({&one, 1});
          got += pair.server_read();
        }
      };
      REQUIRE(pair.stream.ask_certificate().ask == TlsStream::Ask::Started);
      pair.end_exchange();
      CHECK(pair.stream.state() == TlsStream::State::Open);
      CHECK_FALSE(pair.stream.is_asking());
      CHECK((pair.stream.client_certificate() != nullptr) == (certificate != nullptr));
      pair.client_write("still here");
      CHECK(got == "still here");
    }
  }
}

// wolfSSL keeps the rest of a record; a renegotiation that goes on would put the next record in its place.
TEST_CASE("asking while a record has been read in part loses no byte")
{
  initialize_library();
  for (bool tls13 : {false, true}) {
    CAPTURE(tls13);
    Pair pair(tls13);
    REQUIRE(pair.connect());
    std::string sent, got;
    for (int i = 0; i < 100; i++)
      sent += "line " + std::to_string(i) + '\n';
    pair.client_write(sent);
    pair.client_write(sent);
    uint8_t buffer[10];
    got.assign(reinterpret_cast<char *>(buffer), pair.stream.read(buffer));
    CHECK(got.size() == 10);
    CHECK(pair.stream.ask_certificate().ask == TlsStream::Ask::Started);
    pair.client_write(sent);
    for (int i = 0; i < 6 && pair.stream.is_asking(); i++) {
      got += pair.server_read();
      pair.client_read();
    }
    CHECK(got == sent + sent + sent);
    CHECK(pair.stream.client_certificate() != nullptr);
  }
}

TEST_CASE("what comes in the middle of an exchange")
{
  initialize_library();
  SUBCASE("data between the messages of a renegotiation")
  {
    Pair pair(false);
    REQUIRE(pair.connect());
    REQUIRE(pair.stream.ask_certificate().ask == TlsStream::Ask::Started);
    std::string got;
    for (int i = 0; i < 6 && pair.stream.is_asking(); i++) {
      pair.client_write(std::to_string(i));
      pair.client_read();
      pair.client_write("+");
      got += pair.server_read();
    }
    CHECK(pair.stream.client_certificate());
    got += pair.server_read();
    CHECK(got.starts_with("0+1+"));
    CHECK(pair.server_write("answer") == 6);
    CHECK(pair.client_read() == "answer");
  }
  SUBCASE("data before and behind the answer in TLS 1.3")
  {
    Pair pair(true);
    REQUIRE(pair.connect());
    REQUIRE(pair.stream.ask_certificate().ask == TlsStream::Ask::Started);
    pair.client_write("before");
    pair.client_read();
    pair.client_write("behind");
    CHECK(pair.server_read() == "beforebehind");
    CHECK(pair.stream.client_certificate());
  }
  SUBCASE("a renegotiation that the client begins at the same moment is the answer")
  {
    Pair pair(false);
    REQUIRE(pair.connect());
    CHECK(wolfSSL_Rehandshake(pair.client.get()) != WOLFSSL_SUCCESS); // its hello is on the way
    REQUIRE(pair.stream.ask_certificate().ask == TlsStream::Ask::Started);
    pair.end_exchange();
    CHECK(!pair.stream.is_asking());
    CHECK(pair.stream.renegotiations_refused() == 0);
    CHECK(pair.stream.client_certificate());
  }
  SUBCASE("one that it begins afterwards is refused, and nothing changes")
  {
    Pair pair(false);
    REQUIRE(pair.connect());
    REQUIRE(pair.stream.ask_certificate().ask == TlsStream::Ask::Started);
    pair.end_exchange();
    REQUIRE(pair.stream.client_certificate());
    pair.client_read();
    CHECK(wolfSSL_Rehandshake(pair.client.get()) != WOLFSSL_SUCCESS);
    CHECK(pair.server_read() == "");
    CHECK(pair.stream.renegotiations_refused() == 1);
    CHECK(pair.stream.state() == TlsStream::State::Open);
    CHECK(pair.stream.client_certificate()->origin == CertificateOrigin::Renegotiation);
    CHECK(pair.server_write("still here") == 10);
  }
}

TEST_CASE("a verdict does not outlive the dates that it stands on")
{
  initialize_library();
  static time_t s_later = 0;
  ContextSettings with_list = pki_settings();
  with_list.revocations_pem = pki("root.crl");
  for (const ContextSettings &settings : {pki_settings(), with_list}) {
    Pair pair(true, make_context(settings), "good");
    REQUIRE(pair.connect());
    REQUIRE(pair.stream.ask_certificate().ask == TlsStream::Ask::Started);
    pair.end_exchange();
    REQUIRE(pair.stream.client_certificate());
    CHECK(pair.stream.client_certificate()->flags == 0);
    s_later = time(nullptr) + 86400 * 3660LL; // certificate and list of the PKI last ten years, its root a hundred
    wc_SetTimeCb([](time_t *) { return s_later; });
    pair.stream.refresh_verdict();
    wc_SetTimeCb(nullptr);
    CHECK(pair.stream.client_certificate()->flags == 0x800B0101);
    pair.stream.refresh_verdict(); // a bad one is not judged again by the clock alone
    CHECK(pair.stream.client_certificate()->flags == 0x800B0101);
  }
}

TEST_CASE("a client without a certificate")
{
  initialize_library();
  for (bool tls13 : {false, true}) {
    CAPTURE(tls13);
    Pair pair(tls13, make_context(), nullptr);
    REQUIRE(pair.connect());
    CHECK(pair.stream.ask_certificate().ask == TlsStream::Ask::Started);
    pair.end_exchange();
    auto event = pair.stream.take_event();
    REQUIRE(event);
    CHECK(event->outcome == TlsStream::Outcome::None);
    CHECK(pair.stream.ask_certificate().ask == TlsStream::Ask::KnownAbsent);
    CHECK(pair.stream.ask_certificate().reason == "the client was asked and sent no certificate");
    CHECK(pair.server_write("afterwards") == 10);
    CHECK(pair.client_read() == "afterwards");
  }
}

TEST_CASE("a client that leaves instead of answering")
{
  initialize_library();
  for (bool tls13 : {false, true}) {
    CAPTURE(tls13);
    Pair pair(tls13);
    REQUIRE(pair.connect());
    CHECK(pair.stream.ask_certificate().ask == TlsStream::Ask::Started);
    CHECK(pair.server_read() == "");
    CHECK(!pair.stream.take_event());
    pair.stream.receive_eof();
    CHECK(pair.server_read() == "");
    auto event = pair.stream.take_event();
    REQUIRE(event);
    CHECK(event->outcome == TlsStream::Outcome::Failed);
    CHECK(event->reason == "the client closed the connection instead of answering");
    CHECK(pair.stream.ask_certificate().ask == TlsStream::Ask::CannotAsk);
  }
}

TEST_CASE("a certificate list over the limit ends the connection with our words")
{
  initialize_library();
  ContextSettings settings = pki_settings();
  settings.max_client_certificate_bytes = 1000;
  for (bool tls13 : {false, true}) {
    CAPTURE(tls13);
    Pair pair(tls13, make_context(settings), "chain4");
    REQUIRE(pair.connect());
    CHECK(pair.stream.ask_certificate().ask == TlsStream::Ask::Started);
    pair.end_exchange();
    auto event = pair.stream.take_event();
    REQUIRE(event);
    CHECK(event->outcome == TlsStream::Outcome::Failed);
    CHECK(event->reason.find("more than the 1000 of MaxClientCertificateBytes") != std::string::npos);
    CHECK(pair.stream.state() == TlsStream::State::Failed);
    CHECK(pair.stream.failure().alert_sent.value_or(0) == (tls13 ? 42 : 40));
    CHECK(pair.stream.client_certificate() == nullptr);
  }
}

TEST_CASE("asked in the handshake")
{
  initialize_library();
  ContextSettings settings = pki_settings();
  settings.ask_in_handshake = true;
  for (bool tls13 : {false, true}) {
    CAPTURE(tls13);
    Pair pair(tls13, make_context(settings));
    REQUIRE(pair.connect());
    CHECK(pair.stream.ask_certificate().ask == TlsStream::Ask::AlreadyKnown);
    CHECK(pair.stream.client_certificate()->origin == CertificateOrigin::Handshake);
    CHECK(pair.stream.client_certificate()->flags == 0);
    CHECK(!pair.stream.take_event());
    Pair without(tls13, make_context(settings), nullptr);
    REQUIRE(without.connect());
    CHECK(without.stream.ask_certificate().ask == TlsStream::Ask::KnownAbsent);
  }
}

// Every byte that a client sends, up to the end of an exchange on demand, is wrong once.
TEST_CASE("a byte that is wrong anywhere is survived, and makes nobody's certificate good")
{
  initialize_library();
  RefPtr<TlsContext> context = make_context();
  for (bool tls13 : {false, true}) {
    constexpr size_t nothing = SIZE_MAX, step = 5;
    size_t total = 0; // bytes of a client; known after the first turn, in which nothing is wrong
    for (size_t wrong = nothing; wrong == nothing || wrong < total; wrong = wrong == nothing ? 0 : wrong + step) {
      Pair pair(tls13, context);
      size_t sent = 0;
      pair.tamper = [&](std::vector<uint8_t> &bytes) {
        if (wrong >= sent && wrong < sent + bytes.size())
          bytes[wrong - sent] ^= static_cast<uint8_t>(1u << wrong % 8);
        sent += bytes.size();
      };
      if (pair.connect() && pair.stream.ask_certificate().ask == TlsStream::Ask::Started) {
        for (int i = 0; i < 6 && pair.stream.is_asking(); i++) {
          pair.client_read();
          pair.server_read();
        }
      }
      if (wrong == nothing) {
        total = sent;
        CHECK(pair.stream.client_certificate());
      }
      if (pair.stream.state() == TlsStream::State::Failed)
        CHECK(!pair.stream.failure().reason.empty());
      if (pair.stream.client_certificate())
        CHECK(pair.stream.client_certificate()->leaf == pki_leaf("good"));
      pair.stream.receive_eof();
      pair.server_read();
    }
    CHECK(total > 1000);
  }
}

TEST_CASE("a client that asks for new keys for ever must read the answers")
{
  initialize_library();
  auto ask_for_keys = [](Pair &pair) {
    REQUIRE(wolfSSL_update_keys(pair.client.get()) == WOLFSSL_SUCCESS);
    CHECK(pair.server_read() == "");
    return pair.client_read(); // wolfSSL's client asks only when it has had the last answer
  };
  SUBCASE("then it may")
  {
    Pair pair(true);
    REQUIRE(pair.connect());
    for (int i = 0; i < 2000; i++) {
      ask_for_keys(pair);
      pair.stream.output_has_gone();
    }
    CHECK(pair.stream.state() == TlsStream::State::Open);
  }
  SUBCASE("else the connection ends")
  {
    Pair pair(true);
    REQUIRE(pair.connect());
    int count = 0;
    while (pair.stream.state() == TlsStream::State::Open && count++ < 2000)
      ask_for_keys(pair);
    CHECK(count > 500);
    CHECK(pair.stream.state() == TlsStream::State::Failed);
    CHECK(pair.stream.failure().alert_sent == 10);
    CHECK(pair.stream.failure().reason.find("new keys") != std::string::npos);
  }
}

TEST_CASE("output and input have their limits")
{
  initialize_library();
  Pair pair(true);
  REQUIRE(pair.connect());
  std::string block(16384, 'x');
  size_t written = 0;
  while (size_t count = pair.server_write(block))
    written += count;
  CHECK(pair.stream.output().size() >= limits::kTlsOutputBytes);
  CHECK(pair.stream.output().size() < limits::kTlsOutputBytes + 17000);
  CHECK(pair.client_read().size() == written);
  CHECK(pair.stream.can_write());
  for (int i = 0; i < 3; i++)
    pair.client_write(block);
  CHECK(pair.stream.wants_input());
  pair.client_write(block);
  CHECK(!pair.stream.wants_input());
  CHECK(pair.server_read().size() == 4 * block.size());
  CHECK(pair.stream.wants_input());
}
