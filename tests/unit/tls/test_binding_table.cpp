// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/binding_table.h"
#include "tests/unit/tls/pki.h"
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::tls;
using namespace httpsys::tls::test;

TEST_CASE("lookup order: exact address, name, wildcard address")
{
  RefPtr<TlsContext> exact = make_context(), loopback = make_context(), name = make_context(), star = make_context(),
                     any4 = make_context(), any6 = make_context();
  auto endpoint = [](const char *text) { return *Endpoint::parse(text); };
  RefPtr<BindingTable> table = BindingTable::create(
    {{endpoint("192.0.2.1:443"), exact}, {endpoint("127.0.0.1:443"), loopback}, {endpoint("0.0.0.0:443"), any4},
     {endpoint("[::]:443"), any6}, {endpoint("0.0.0.0:8443"), any4}},
    {{"WWW.Example.test", 443, name}, {"*.example.test", 443, star}, {"www.example.test", 9443, name}});
  struct Row {
    const char *local;
    const char *sni;
    RefPtr<TlsContext> expected;
  };
  const Row rows[] = {
    {"192.0.2.1:443", "", exact},
    {"192.0.2.1:443", "www.example.test", exact},
    {"127.0.0.1:443", "", loopback},
    {"[::1]:443", "", loopback},
    {"127.0.0.2:443", "", any4},
    {"192.0.2.2:443", "www.example.test", name},
    {"192.0.2.2:443", "wWw.eXample.TEST.", name},
    {"192.0.2.2:443", "mail.example.test", star},
    {"192.0.2.2:443", "a.mail.example.test", any4},
    {"192.0.2.2:443", "example.test", any4},
    {"192.0.2.2:443", "*.example.test", any4},
    {"192.0.2.2:443", "elsewhere.test", any4},
    {"[2001:db8::1]:443", "", any6},
    {"[2001:db8::1]:8443", "", any4},
    {"192.0.2.2:9443", "www.example.test", name},
    {"192.0.2.2:9443", "mail.example.test", nullptr},
    {"192.0.2.2:9443", "", nullptr},
    {"192.0.2.1:80", "www.example.test", nullptr},
  };
  for (const Row &row : rows) {
    CAPTURE(row.local);
    CAPTURE(row.sni);
    CHECK(table->find(endpoint(row.local), row.sni) == row.expected);
  }
  CHECK(table->serves_port(443));
  CHECK(table->serves_port(8443));
  CHECK(table->serves_port(9443));
  CHECK(!table->serves_port(80));
  CHECK(!BindingTable::create({}, {})->serves_port(443));
}

TEST_CASE("[::1] with a record of its own does not use that of 127.0.0.1")
{
  RefPtr<TlsContext> four = make_context(), six = make_context();
  RefPtr<BindingTable> table =
    BindingTable::create({{*Endpoint::parse("127.0.0.1:443"), four}, {*Endpoint::parse("[::1]:443"), six}}, {});
  CHECK(table->find(*Endpoint::parse("[::1]:443"), "") == six);
  CHECK(table->find(*Endpoint::parse("127.0.0.1:443"), "") == four);
  RefPtr<BindingTable> only_six = BindingTable::create({{*Endpoint::parse("[::1]:443"), six}}, {});
  CHECK(!only_six->find(*Endpoint::parse("127.0.0.1:443"), ""));
}
