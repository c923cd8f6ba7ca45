// SPDX-License-Identifier: GPL-3.0-or-later
// Each row of wolfssl.md 4.13 is a case.
#include "kernel/tls/record_check.h"
#include "tests/unit/tls/hello_builder.h"
#include <deque>
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::tls;
using namespace httpsys::tls::test;

namespace {

struct FakeSession final : RecordSession {
  bool tls13 = false, done = false, keys = false, renegotiating = false, requested = false, pending = false;
  std::deque<int> peeks; // inner types of the next records that are peeked at
  int first_byte = 1;
  mutable int peeked = 0;
  int skipped = 0, warned = 0;
  std::vector<bool> key_updates;

  bool is_tls13() const override { return tls13; }
  bool handshake_is_done() const override { return done; }
  bool read_keys_are_on() const override { return keys; }
  bool is_renegotiating() const override { return renegotiating; }
  bool request_is_open() const override { return requested; }
  bool message_is_pending() const override { return pending; }
  int peek(std::span<const uint8_t>, int &first) const override
  {
    first = first_byte;
    return peeks.at(static_cast<size_t>(peeked++));
  }
  void allow_key_update(bool on) override { key_updates.push_back(on); }
  void skip_record() override { skipped++; }
  void warn_no_renegotiation() override { warned++; }
};

// A check and the library behind it.
struct Fixture {
  RecordCheck check;
  FakeSession session;

  void feed(const Bytes &bytes) { check.append(bytes); }
  // What the library gets if it reads header and body of one record, as wolfSSL does; empty: nothing.
  Bytes take()
  {
    Bytes header(5);
    size_t count = check.take(session, header);
    if (count == 0)
      return {};
    REQUIRE(count == 5);
    Bytes body(static_cast<size_t>(header[3] << 8 | header[4]) + 10); // it may ask for more than there is
    size_t got = check.take(session, body);
    REQUIRE(got == body.size() - 10);
    header.insert(header.end(), body.begin(), body.begin() + static_cast<long>(got));
    return header;
  }
  void begin(bool tls13)
  {
    feed(record(22, message(1, hello_body(tls13 ? versions({0x0304}) : ""))));
    REQUIRE(check.read_hello() == RecordCheck::Progress::Ready);
    REQUIRE(!take().empty());
    session.tls13 = tls13;
  }
  void open(bool tls13)
  {
    begin(tls13);
    if (!tls13) {
      feed(record(20, "\x01"));
      REQUIRE(!take().empty());
    }
    session.done = session.keys = true;
  }
  int alert() const { return check.refusal() ? static_cast<int>(check.refusal()->alert) : -1; }
  std::string reason() const { return check.refusal() ? check.refusal()->reason : ""; }
};

int refused_before_hello(const Bytes &bytes)
{
  Fixture fixture;
  fixture.feed(bytes);
  fixture.check.read_hello();
  return fixture.alert();
}

Bytes text_bytes(const std::string &text)
{
  return {text.begin(), text.end()};
}

}

TEST_CASE("before the hello")
{
  CHECK(refused_before_hello(text_bytes("GET / HTTP/1.1\r\n\r\n")) == 10);
  CHECK(refused_before_hello({0x80, 0x2e, 0x01, 0x00, 0x02, 0x00}) == 70); // SSL 2
  CHECK(refused_before_hello({0, 0, 0, 0, 0}) == 10);
  CHECK(refused_before_hello(record(24, "heartbeat")) == 10);
  CHECK(refused_before_hello(record(22, "x", 0x0203)) == 70);
  CHECK(refused_before_hello(record(22, "x", 0x0403)) == 70);
  CHECK(refused_before_hello(record(22, "")) == 10);
  CHECK(refused_before_hello(record(23, "data")) == 10);
  CHECK(refused_before_hello(record(23, "")) == 10);
  CHECK(refused_before_hello(record(20, "\x01")) == 10);
  CHECK(refused_before_hello(record(22, message(2, "server's"))) == 10);
  CHECK(refused_before_hello({22, 3, 1, 0x40, 0x01}) == 22); // by the header alone
  CHECK(refused_before_hello({22, 3, 1, 0x40, 0x00}) == -1);
  Fixture fixture;
  fixture.feed(record(21, "\x02\x28"));
  CHECK(fixture.check.read_hello() == RecordCheck::Progress::Refused);
  CHECK(fixture.check.refusal()->is_silent);
  CHECK(fixture.reason() == "the client sent the alert handshake_failure instead of a hello");
  Fixture http;
  http.feed(text_bytes("POST /x"));
  http.check.read_hello();
  CHECK(http.reason() == "plain HTTP on a TLS port");
}

TEST_CASE("a hello of any minor version reaches the library as 3.3, when it is whole")
{
  for (uint16_t version : std::initializer_list<uint16_t>{0x0300, 0x0301, 0x0303, 0x0304, 0x03ff}) {
    Fixture fixture;
    Bytes hello = record(22, message(1, hello_body(server_name("a.test"))), version);
    for (uint8_t byte : hello) {
      CHECK(fixture.check.read_hello() == RecordCheck::Progress::NeedMore);
      fixture.feed({byte});
    }
    REQUIRE(fixture.check.read_hello() == RecordCheck::Progress::Ready);
    REQUIRE(fixture.check.read_hello() == RecordCheck::Progress::Ready); // asking again changes nothing
    CHECK(fixture.check.hello().server_name == "a.test");
    CHECK(fixture.take() == record(22, message(1, hello_body(server_name("a.test")))));
    CHECK(fixture.take().empty());
    CHECK(fixture.alert() == -1);
  }
}

TEST_CASE("a hello in fragments is joined")
{
  std::string hello = message(1, hello_body(server_name("a.test")));
  for (size_t size : {1u, 2u, 3u, 5u, 40u}) {
    Fixture fixture;
    for (size_t at = 0; at < hello.size(); at += size)
      fixture.feed(record(22, hello.substr(at, size)));
    REQUIRE(fixture.check.read_hello() == RecordCheck::Progress::Ready);
    CHECK(fixture.take() == record(22, hello));
  }
  SUBCASE("over 16 KiB it comes in as few records as possible")
  {
    std::string large = message(1, hello_body(server_name("a.test") + extension(21, std::string(40000, '\0'))));
    Fixture fixture;
    for (size_t at = 0; at < large.size(); at += 1000)
      fixture.feed(record(22, large.substr(at, 1000)));
    REQUIRE(fixture.check.read_hello() == RecordCheck::Progress::Ready);
    CHECK(fixture.check.hello().server_name == "a.test");
    CHECK(fixture.take() == record(22, large.substr(0, 16384)));
    CHECK(fixture.take() == record(22, large.substr(16384, 16384)));
    CHECK(fixture.take() == record(22, large.substr(32768)));
    CHECK(fixture.take().empty());
  }
  SUBCASE("another type in between")
  {
    Fixture fixture;
    fixture.feed(record(22, hello.substr(0, 20)));
    fixture.feed(record(21, "\x01\x5a"));
    fixture.feed(record(22, hello.substr(20)));
    CHECK(fixture.check.read_hello() == RecordCheck::Progress::Refused);
    CHECK(fixture.alert() == 10);
  }
  SUBCASE("too long, by its header")
  {
    Fixture fixture;
    fixture.feed(record(22, number(1, 1) + number(limits::kMaxHandshakeMessage + 1, 3)));
    CHECK(fixture.check.read_hello() == RecordCheck::Progress::Refused);
    CHECK(fixture.alert() == 50);
    Fixture allowed;
    allowed.feed(record(22, number(1, 1) + number(limits::kMaxHandshakeMessage, 3)));
    CHECK(allowed.check.read_hello() == RecordCheck::Progress::NeedMore);
  }
  SUBCASE("something behind it in the record")
  {
    Fixture fixture;
    fixture.feed(record(22, hello + message(16, "key")));
    CHECK(fixture.check.read_hello() == RecordCheck::Progress::Refused);
    CHECK(fixture.alert() == 10);
    Fixture one_byte;
    one_byte.feed(record(22, hello + "x"));
    CHECK(one_byte.check.read_hello() == RecordCheck::Progress::Refused);
  }
}

TEST_CASE("hellos that wolfSSL would answer wrongly")
{
  auto alert_for = [](const std::string &extensions) { return refused_before_hello(record(22, message(1, hello_body(extensions)))); };
  CHECK(alert_for(versions({0x0304}) + groups({30, 256})) == 40);
  CHECK(alert_for(versions({0x0304}) + groups({30, 23})) == -1);
  CHECK(alert_for(versions({0x0304})) == -1); // without the extension: a matter of wolfSSL's
  CHECK(alert_for(versions({0x0303}) + groups({30})) == -1);
  CHECK(alert_for(key_share(29, 31)) == 47);
  CHECK(alert_for(server_name("a b")) == 47);
}

TEST_CASE("record lengths")
{
  struct Row {
    bool tls13, open;
    uint8_t type;
    size_t most;
  };
  const Row rows[] = {{true, false, 22, 16384},        {true, true, 23, 16384 + 256},  {true, true, 22, 16384},
                      {false, false, 22, 16384},       {false, true, 23, 16384 + 2048}, {false, true, 22, 16384 + 2048}};
  for (const Row &row : rows) {
    CAPTURE(&row - rows);
    Fixture good, bad;
    for (Fixture *fixture : {&good, &bad})
      row.open ? fixture->open(row.tls13) : fixture->begin(row.tls13);
    good.feed({row.type, 3, 3, static_cast<uint8_t>(row.most >> 8), static_cast<uint8_t>(row.most)});
    bad.feed({row.type, 3, 3, static_cast<uint8_t>((row.most + 1) >> 8), static_cast<uint8_t>(row.most + 1)});
    CHECK(good.take().empty());
    CHECK(good.alert() == -1);
    CHECK(bad.take().empty());
    CHECK(bad.alert() == 22);
  }
}

TEST_CASE("TLS 1.3: ChangeCipherSpec")
{
  Fixture fixture;
  fixture.begin(true);
  fixture.session.keys = true;
  fixture.feed(record(20, "\x01"));
  fixture.feed(record(23, "finished"));
  CHECK(fixture.take() == record(23, "finished")); // the first is dropped
  fixture.feed(record(20, "\x01"));
  CHECK(fixture.take().empty());
  CHECK(fixture.alert() == 10);
  for (const std::string &body : {std::string("\x02"), std::string("\x01\x01"), std::string(1, '\0')}) {
    Fixture wrong;
    wrong.begin(true);
    wrong.feed(record(20, body));
    CHECK(wrong.take().empty());
    CHECK(wrong.alert() == 10);
  }
  Fixture late;
  late.open(true);
  late.feed(record(20, "\x01"));
  CHECK(late.take().empty());
  CHECK(late.alert() == 10);
}

TEST_CASE("TLS 1.3: alerts in clear")
{
  Fixture early; // before keys: the library's business
  early.begin(true);
  early.feed(record(21, "\x02\x28", 0x0301));
  CHECK(early.take() == record(21, "\x02\x28"));
  Fixture late;
  late.begin(true);
  late.session.keys = true;
  late.feed(record(21, "\x02\x33"));
  CHECK(late.take().empty());
  REQUIRE(late.check.refusal());
  CHECK(late.check.refusal()->is_silent);
  CHECK(late.reason() == "the client could not read our answer: decrypt_error (alert 51)");
}

TEST_CASE("TLS 1.3: a handshake record in clear")
{
  SUBCASE("is the second hello, before keys; it may be in fragments")
  {
    Fixture fixture;
    fixture.begin(true);
    std::string hello = message(1, hello_body(server_name("b.test")));
    fixture.feed(record(22, hello.substr(0, 3), 0x0301));
    CHECK(fixture.take().empty());
    fixture.feed(record(22, hello.substr(3), 0x0301));
    CHECK(fixture.take() == record(22, hello));
    CHECK(fixture.check.hello().server_name == ""); // the first one's name counts
  }
  SUBCASE("is refused afterwards")
  {
    Fixture fixture;
    fixture.open(true);
    fixture.feed(record(22, message(24, "x")));
    CHECK(fixture.take().empty());
    CHECK(fixture.alert() == 10);
  }
}

TEST_CASE("TLS 1.3: early data that was not accepted is dropped")
{
  Fixture fixture;
  fixture.feed(record(22, message(1, hello_body(versions({0x0304}) + extension(42, "")))));
  REQUIRE(fixture.check.read_hello() == RecordCheck::Progress::Ready);
  REQUIRE(!fixture.take().empty());
  fixture.session.tls13 = fixture.session.keys = true;
  SUBCASE("until a record decrypts")
  {
    fixture.session.peeks = {0, 0, 22};
    for (const char *body : {"early 1", "early 2", "finished", "next"})
      fixture.feed(record(23, body));
    CHECK(fixture.take() == record(23, "finished"));
    CHECK(fixture.take() == record(23, "next"));
    CHECK(fixture.session.peeked == 3);
  }
  SUBCASE("until a second hello comes")
  {
    fixture.session.keys = false;
    fixture.session.peeks = {-1, -1};
    std::string hello = message(1, hello_body(versions({0x0304})));
    fixture.feed(record(23, "early"));
    fixture.feed(record(22, hello));
    fixture.feed(record(23, "finished"));
    CHECK(fixture.take() == record(22, hello));
    CHECK(fixture.take() == record(23, "finished"));
    CHECK(fixture.session.peeked == 1);
  }
  SUBCASE("up to a limit")
  {
    size_t taken = 0;
    fixture.session.peeks.assign(10, 0);
    for (int i = 0; i < 10; i++) {
      fixture.feed(record(23, std::string(16384, 'e')));
      taken += fixture.take().size();
    }
    CHECK(taken == 10 * 16389 - 3 * 16389);
  }
}

TEST_CASE("TLS 1.3: nothing may come between the fragments of a handshake message")
{
  Fixture fixture;
  fixture.open(true);
  fixture.session.pending = true;
  fixture.session.peeks = {22, 23};
  fixture.feed(record(23, "more of it"));
  fixture.feed(record(23, "data"));
  CHECK(fixture.take() == record(23, "more of it"));
  CHECK(fixture.take().empty());
  CHECK(fixture.alert() == 10);
}

TEST_CASE("TLS 1.3: KeyUpdate while a request is open")
{
  Fixture fixture;
  fixture.open(true);
  fixture.feed(record(23, "nobody peeks"));
  CHECK(!fixture.take().empty());
  CHECK(fixture.session.peeked == 0);
  fixture.session.requested = true;
  fixture.session.peeks = {23, 22, 22};
  fixture.session.first_byte = 24;
  fixture.feed(record(23, "data"));
  CHECK(!fixture.take().empty());
  CHECK(fixture.session.key_updates.empty());
  fixture.feed(record(23, "update"));
  CHECK(!fixture.take().empty());
  CHECK(fixture.session.key_updates == std::vector<bool>{true});
  CHECK(fixture.take().empty()); // the library asks for the next header
  CHECK(fixture.session.key_updates == std::vector<bool>{true, false});
  fixture.session.first_byte = 11;
  fixture.feed(record(23, "certificate"));
  CHECK(!fixture.take().empty());
  CHECK(fixture.session.key_updates == std::vector<bool>{true, false});
}

TEST_CASE("TLS 1.2: the client's flight in clear")
{
  SUBCASE("is joined")
  {
    Fixture fixture;
    fixture.begin(false);
    std::string flight = message(11, number(0, 3)) + message(16, std::string(66, 'k'));
    fixture.feed(record(22, flight.substr(0, 2)));
    fixture.feed(record(22, flight.substr(2, 20)));
    CHECK(fixture.take() == record(22, flight.substr(0, 7))); // what is whole goes on
    CHECK(fixture.take().empty());
    fixture.feed(record(22, flight.substr(22)));
    CHECK(fixture.take() == record(22, flight.substr(7)));
    fixture.feed(record(20, "\x01"));
    CHECK(fixture.take() == record(20, "\x01"));
    fixture.feed(record(22, "encrypted finished"));
    CHECK(fixture.take() == record(22, "encrypted finished"));
  }
  SUBCASE("ChangeCipherSpec of the wrong length, or inside a message")
  {
    Fixture fixture;
    fixture.begin(false);
    fixture.feed(record(20, "\x01\x01"));
    CHECK(fixture.take().empty());
    CHECK(fixture.alert() == 10);
    Fixture inside;
    inside.begin(false);
    inside.feed(record(22, number(16, 1)));
    inside.feed(record(20, "\x01"));
    CHECK(inside.take().empty());
    CHECK(inside.alert() == 10);
  }
  SUBCASE("a certificate list over the limit, by its header")
  {
    Fixture fixture;
    fixture.begin(false);
    fixture.check.set_certificate_limit(1000);
    fixture.feed(record(22, number(11, 1) + number(1003, 3)));
    CHECK(fixture.take().empty());
    CHECK(fixture.alert() == -1);
    Fixture over;
    over.begin(false);
    over.check.set_certificate_limit(1000);
    over.feed(record(22, number(11, 1) + number(1004, 3)));
    CHECK(over.take().empty());
    CHECK(over.alert() == 42);
    CHECK(over.reason() == "the client's certificate list has 1001 bytes, more than the 1000 of MaxClientCertificateBytes");
  }
  SUBCASE("does not fill the memory")
  {
    Fixture fixture;
    fixture.begin(false);
    size_t records = 0;
    while (fixture.alert() == -1 && records++ < 100) // never ends a message
      fixture.feed(record(22, number(16, 1) + number(limits::kMaxHandshakeMessage + 1, 3) + std::string(16000, 'x'))), fixture.take();
    CHECK(records == 1);
    CHECK(fixture.alert() == 50);
  }
}

TEST_CASE("TLS 1.2: renegotiation by the client is answered with warnings, then refused")
{
  Fixture fixture;
  fixture.open(false);
  for (int i = 1; i <= 3; i++) {
    fixture.feed(record(22, "encrypted hello"));
    fixture.feed(record(23, "data"));
    CHECK(fixture.take() == record(23, "data"));
    CHECK(fixture.session.skipped == i);
    CHECK(fixture.session.warned == i);
  }
  fixture.feed(record(22, "encrypted hello"));
  CHECK(fixture.take().empty());
  CHECK(fixture.alert() == 100);
  Fixture asked;
  asked.open(false);
  asked.session.renegotiating = true;
  asked.feed(record(22, "the answer"));
  CHECK(asked.take() == record(22, "the answer"));
  CHECK(asked.session.warned == 0);
}

TEST_CASE("a refusal is the end")
{
  Fixture fixture;
  fixture.open(false);
  fixture.feed(record(22, ""));
  CHECK(fixture.take().empty());
  fixture.feed(record(23, "data"));
  CHECK(fixture.take().empty());
  CHECK(fixture.alert() == 10);
}
