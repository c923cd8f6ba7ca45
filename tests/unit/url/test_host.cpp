// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/url/cooked_url.h"
#include "kernel/url/host.h"
#include <doctest/doctest.h>
#include <string>

using namespace httpsys;
using namespace httpsys::url;
using namespace std::literals;

namespace {

HostError error_of(std::string_view value)
{
  Host host;
  return parse_host(value, host);
}

}

TEST_CASE("hosts are parsed into kind, text, key and port")
{
  struct Row {
    std::string_view value;
    HostKind kind;
    std::string_view text;
    std::string_view key;
    uint16_t port;
  };
  static const Row rows[] = {
    {"", HostKind::Empty, "", "", 0},
    {"localhost", HostKind::Name, "localhost", "localhost", 0},
    {"LocalHost:8080", HostKind::Name, "localhost", "localhost", 8080},
    {"www.Example.com.:65535", HostKind::Name, "www.example.com.", "www.example.com", 65535},
    {"a_b-c~d", HostKind::Name, "a_b-c~d", "a_b-c~d", 0},
    {"10.0.0.5", HostKind::Ipv4, "10.0.0.5", "10.0.0.5", 0},
    {"10.0.0.5:1", HostKind::Ipv4, "10.0.0.5", "10.0.0.5", 1},
    {"[::1]", HostKind::Ipv6, "[::1]", "::1", 0},
    {"[2001:DB8:0:0::7]:443", HostKind::Ipv6, "[2001:db8:0:0::7]", "2001:db8::7", 443},
    {"[::ffff:1.2.3.4]:80", HostKind::Ipv4, "[::ffff:1.2.3.4]", "1.2.3.4", 80},
    {"b\xc3\xbc" "cher.example", HostKind::Name, "b\xc3\xbc" "cher.example", "xn--bcher-kva.example", 0},
    {"xn--bcher-kva.example", HostKind::Name, "xn--bcher-kva.example", "xn--bcher-kva.example", 0},
  };
  Host host;
  for (const Row &row : rows) {
    CAPTURE(row.value);
    REQUIRE(parse_host(row.value, host) == HostError::None);
    CHECK(host.kind == row.kind);
    CHECK(host.text == row.text);
    CHECK(host.key == row.key);
    CHECK(host.port == row.port);
  }
}

TEST_CASE("what is no host is refused with its reason (A.5)")
{
  for (std::string_view value : {"http://1.2.3.4/vdir"sv, "http://h"sv, "https://h:1/"sv})
    CHECK(error_of(value) == HostError::HasScheme);
  for (std::string_view value : {"h/x"sv, "h:80/x"sv, "h?x"sv, "h#x"sv, "h\\x"sv, "[::1]/x"sv})
    CHECK(error_of(value) == HostError::HasPath);
  for (std::string_view value : {"user@h"sv, "user:pw@h"sv, "h@"sv})
    CHECK(error_of(value) == HostError::HasUserInfo);
  for (std::string_view value : {"h:"sv, "h:0"sv, "h:65536"sv, "h:080"sv, "h:+80"sv, "h: 80"sv, "h:80a"sv, "h:80:80"sv,
         "[::1]:"sv, "[::1]80"sv, "h:99999999999"sv})
    CHECK(error_of(value) == HostError::BadPort);
  for (std::string_view value : {"1.2.3"sv, "300.1.1.1"sv, "1.2.3.4.5"sv, "01.2.3.4"sv, "1"sv, "1.2.3.4."sv, "a.123"sv})
    CHECK(error_of(value) == HostError::BadIpv4);
  for (std::string_view value : {"[::1"sv, "[]"sv, "[1.2.3.4]"sv, "[::g]"sv, "[fe80::1%3]"sv, "[fe80::1%25eth0]"sv, "[v1.x]"sv, "["sv})
    CHECK(error_of(value) == HostError::BadIpv6);
  for (std::string_view value : {"::1"sv, "2001:db8::7"sv})
    CHECK(error_of(value) == HostError::BareIpv6);
  for (std::string_view value : {"."sv, ".a"sv, "a..b"sv, ":80"sv, "a.."sv})
    CHECK(error_of(value) == HostError::EmptyLabel);
  for (std::string_view value : {"a b"sv, "a,b"sv, "*"sv, "+"sv, "a%41"sv, "a\tb"sv, "a\0b"sv, "a;b"sv, "\xff"sv, "\xc2\x85"sv,
         "\xe2\x80\x8e" "a"sv, "a'b"sv, "a\"b"sv, "{a}"sv, "a]"sv})
    CHECK(error_of(value) == HostError::BadCharacter);
  CHECK(error_of(std::string(255, 'a')) == HostError::None);
  CHECK(error_of(std::string(256, 'a')) == HostError::NameTooLong);
}

TEST_CASE("a cooked URL shows host and port, path and query (httpapi: HTTP_COOKED_URL)")
{
  Endpoint local{*IpAddress::parse("192.0.2.1"), 50000};
  Host host;
  CookedUrl url;
  auto part = [&](uint32_t offset, uint32_t length) { return std::u16string_view(url.text).substr(offset, length); };

  REQUIRE(parse_host("LOCALHOST:50000", host) == HostError::None);
  REQUIRE(build_cooked_url(false, host, local, u"/path/to", "?x=1", url));
  CHECK(url.text == u"http://localhost:50000/path/to?x=1");
  CHECK(part(url.host_offset, url.host_length) == u"localhost:50000");
  CHECK(url.host_length * sizeof(char16_t) == 30);
  CHECK(part(url.path_offset, url.path_length) == u"/path/to");
  CHECK(part(url.query_offset, url.query_length) == u"?x=1");

  REQUIRE(parse_host("[::1]", host) == HostError::None);
  REQUIRE(build_cooked_url(true, host, local, u"/", "", url));
  CHECK(url.text == u"https://[::1]:50000/");
  CHECK(url.query_length == 0);

  host.clear();
  REQUIRE(build_cooked_url(false, host, local, u"/\u00e9", "?\xc3\xa9", url));
  CHECK(url.text == u"http://192.0.2.1:50000/\u00e9?\u00c3\u00a9");
  Endpoint local6{*IpAddress::parse("2001:db8::1"), 80};
  REQUIRE(build_cooked_url(false, host, local6, u"/", "?", url));
  CHECK(url.text == u"http://[2001:db8::1]:80/?");

  std::u16string longest(32767 - std::u16string_view(u"http://192.0.2.1:50000").size(), u'/');
  CHECK(build_cooked_url(false, host, local, longest, "", url));
  CHECK(!build_cooked_url(false, host, local, longest, "?", url));
  CHECK(!build_cooked_url(false, host, local, longest + longest, "", url));
}
