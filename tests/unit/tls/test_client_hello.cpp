// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/client_hello.h"
#include "tests/unit/tls/hello_builder.h"
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace httpsys::tls;
using namespace httpsys::tls::test;

static ClientHello parse(const std::string &body)
{
  return ClientHello::parse({reinterpret_cast<const uint8_t *>(body.data()), body.size()});
}

TEST_CASE("what a hello says")
{
  ClientHello plain = parse(hello_body(""));
  CHECK(plain.server_name == "");
  CHECK(!plain.offers_tls13);
  CHECK(plain.offers_tls12);
  CHECK(!plain.names_groups);
  CHECK(!plain.has_early_data);
  CHECK(!plain.offers_ticket);
  CHECK(plain.fault == nullptr);
  ClientHello full = parse(hello_body(server_name("www.example.test") + versions({0x0a0a, 0x0304, 0x0303}) + groups({0x0a0a, 29}) +
                                      key_share(29, 32) + extension(42, "")));
  CHECK(full.server_name == "www.example.test");
  CHECK(full.offers_tls13);
  CHECK(full.names_groups);
  CHECK(full.names_group_of_ours);
  CHECK(full.has_early_data);
  CHECK(full.fault == nullptr);
  CHECK(!parse(hello_body(versions({0x0303}))).offers_tls13);
  CHECK(parse(hello_body(versions({0x0303}))).offers_tls12);
  CHECK(!parse(hello_body(versions({0x0304}))).offers_tls12);
  CHECK(!parse(hello_body(extension(35, ""))).offers_ticket); // only asks for one
  CHECK(parse(hello_body(extension(35, "ticket"))).offers_ticket);
  CHECK(parse(hello_body(extension(41, "ticket"))).offers_ticket);
  CHECK(!parse(hello_body(groups({30, 256, 1}))).names_group_of_ours);
}

TEST_CASE("the versions and protocols that a hello offers")
{
  struct Row {
    std::string body;
    uint16_t best_version;
  };
  auto old = [](uint16_t version) { return number(version, 2) + hello_body("").substr(2); };
  for (const Row &row : {Row{hello_body(""), 0x0303}, Row{old(0x0302), 0x0302}, Row{old(0x0301), 0x0301}, Row{old(0x0304), 0x0303},
                         Row{old(0x0200), 0}, Row{hello_body(versions({0x0a0a, 0x0302, 0x0301})), 0x0302},
                         Row{hello_body(versions({0x0304, 0x0303})), 0x0304}, Row{hello_body(versions({0x0a0a, 0x7f1c})), 0}})
    CHECK(parse(row.body).best_version == row.best_version);
  for (uint16_t version : {uint16_t{0x0301}, uint16_t{0x0302}, uint16_t{0x0303}}) { // without extensions, RFC 5246 7.4.1.2
    std::string body = old(version);
    CHECK(parse(body.substr(0, body.size() - 2)).best_version == version);
  }
  auto alpn = [](std::initializer_list<const char *> names) {
    std::string list;
    for (const char *name : names)
      list += vector_of(name, 1);
    return hello_body(extension(16, vector_of(list, 2)));
  };
  CHECK(parse(hello_body("")).offers_http1);
  CHECK(parse(alpn({"h2", "http/1.1"})).offers_http1);
  CHECK(parse(alpn({"http/1.0"})).offers_http1);
  CHECK(parse(alpn({})).offers_http1); // malformed: for wolfSSL to refuse
  CHECK_FALSE(parse(alpn({"h2"})).offers_http1);
  CHECK(parse(alpn({"h2"})).protocols == "\"h2\"");
  CHECK(parse(alpn({"h2", "x\x01", "c", "d", "e", "f"})).protocols == "\"h2\", \"x\\u0001\", \"c\", \"d\" and 2 more");
  const std::string long_name(33, 'a');
  CHECK(parse(alpn({long_name.c_str()})).protocols == fmt::format("\"{}\"...", long_name.substr(1)));
  const std::string longest(255, '\x01');
  CHECK(parse(alpn({longest.c_str(), longest.c_str(), longest.c_str(), longest.c_str(), longest.c_str()})).protocols.size() < 1000);
}

TEST_CASE("faults")
{
  struct Row {
    std::string extensions;
    const char *fault;
  };
  const Row rows[] = {
    {key_share(29, 31), "a key share of the wrong length in the hello"},
    {key_share(29, 33), "a key share of the wrong length in the hello"},
    {key_share(23, 64), "a key share of the wrong length in the hello"},
    {key_share(0x11ec, 1215), "a key share of the wrong length in the hello"},
    {key_share(23, 65), nullptr},
    {key_share(24, 97), nullptr},
    {key_share(25, 133), nullptr},
    {key_share(0x11eb, 1249), nullptr},
    {key_share(0x11ec, 1216), nullptr},
    {key_share(0x11ed, 1665), nullptr},
    {key_share(0x0a0a, 1), nullptr}, // a group that nobody knows may be of any length (GREASE)
    {extension(0, vector_of(std::string(1, '\0') + vector_of("a", 2) + std::string(1, '\0') + vector_of("b", 2), 2)),
     "two host names in the hello"},
    {server_name("a b"), "a host name in the hello that is no name"},
    {server_name(std::string("a\0b", 3)), "a host name in the hello that is no name"},
    {server_name("caf\xc3\xa9"), "a host name in the hello that is no name"},
    {server_name("x\x7f"), "a host name in the hello that is no name"},
    {server_name("a.b"), nullptr},
  };
  for (const Row &row : rows) {
    CAPTURE(&row - rows);
    ClientHello hello = parse(hello_body(row.extensions));
    CHECK((hello.fault == nullptr) == (row.fault == nullptr));
    if (row.fault && hello.fault)
      CHECK(std::string(hello.fault) == row.fault);
  }
}

TEST_CASE("cut short or torn anywhere, a hello is survived")
{
  std::string body = hello_body(server_name("www.example.test") + versions({0x0304}) + groups({29}) + key_share(29, 32));
  for (size_t size = 0; size < body.size(); size++)
    (void)parse(body.substr(0, size));
  for (size_t i = 0; i < body.size(); i++) {
    std::string torn = body;
    torn[i] = static_cast<char>(torn[i] ^ 0xff);
    (void)parse(torn);
  }
  CHECK(parse("").server_name == "");
}
