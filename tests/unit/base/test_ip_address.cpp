// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/ip_address.h"
#include <doctest/doctest.h>

using namespace httpsys;

TEST_CASE("addresses parse strictly and print as they came")
{
  for (const char *text : {"1.2.3.4", "::1", "2001:db8::7", "0.0.0.0", "::"})
    CHECK(IpAddress::parse(text)->to_string() == text);
  CHECK(IpAddress::parse("::ffff:1.2.3.4")->to_string() == "1.2.3.4");
  for (const char *text : {"", "1.2.3", "01.2.3.4", "1.2.3.4 ", "[::1]", "fe80::1%eth0", "1.2.3.256"})
    CHECK(!IpAddress::parse(text));
  CHECK(IpAddress::parse("127.9.9.9")->is_loopback());
  CHECK(IpAddress::parse("::1")->is_loopback());
  CHECK(!IpAddress::parse("::2")->is_loopback());
  CHECK(IpAddress::parse("::")->is_any());
}

TEST_CASE("endpoints are netsh's ipport")
{
  for (const char *text : {"1.2.3.4:443", "[::1]:1", "[::]:65535"})
    CHECK(Endpoint::parse(text)->to_string() == text);
  for (const char *text : {"1.2.3.4", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "::1:443", "[1.2.3.4]:443", "1.2.3.4:+1", "1.2.3.4:080"})
    CHECK(!Endpoint::parse(text));
}
