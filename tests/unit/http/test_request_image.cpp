// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/request_image.h"
#include "kernel/http1/request_parser.h"
#include "uapi/layout.h"
#include <cstring>
#include <doctest/doctest.h>

using namespace httpsys;

namespace {

struct Built {
  std::vector<uint8_t> bytes;
  hsys_request image;

  std::string text(hsys_text place) const
  {
    REQUIRE(place.offset >= sizeof image);
    REQUIRE(place.offset + place.length < bytes.size());
    CHECK(bytes[place.offset + place.length] == 0);
    return {reinterpret_cast<const char *>(bytes.data()) + place.offset, place.length};
  }
  std::vector<hsys_request_header> unknown() const
  {
    std::vector<hsys_request_header> headers(image.unknown_count);
    if (!headers.empty())
      std::memcpy(headers.data(), bytes.data() + image.unknown_offset, headers.size() * sizeof headers[0]);
    return headers;
  }
};

Built build(const std::string &request, http::ImageFacts facts = {})
{
  static const http1::ParserOptions options;
  http1::RequestParser parser(options);
  REQUIRE(parser.parse(request) == http1::ParseOutcome::Complete);
  url::CookedUrl cooked;
  REQUIRE(url::build_cooked_url(facts.is_tls, parser.head().host, {*IpAddress::parse("127.0.0.1"), 8080}, u"/a/b", "?q=1", cooked));
  facts.local = {*IpAddress::parse("127.0.0.1"), 8080};
  facts.remote = {*IpAddress::parse("::1"), 5000};
  Built built;
  built.bytes = http::build_request_image(parser.head(), request, cooked, facts);
  std::memcpy(&built.image, built.bytes.data(), sizeof built.image);
  return built;
}

}

TEST_CASE("an image holds the request and its own exact native size")
{
  auto built = build("BREW /a/b?q=1 HTTP/1.0\r\nHost: x\r\nAccept: a\r\nX-One: 1\r\nAccept: b\r\nx-one:  2 \r\nCookie:\r\n\r\n");
  const hsys_request &image = built.image;
  CHECK(image.size == built.bytes.size());
  CHECK(image.version == 1);
  CHECK(image.verb == static_cast<uint32_t>(http1::Verb::Unknown));
  CHECK(built.text(image.unknown_verb) == "BREW");
  CHECK(built.text(image.raw_url) == "/a/b?q=1");
  CHECK(image.version_minor == 0);
  CHECK(built.text(image.known[20]) == "a, b");
  CHECK(image.known[25].offset != 0); // present and empty
  CHECK(image.known[25].length == 0);
  CHECK(image.known[40].offset == 0);
  auto unknown = built.unknown();
  REQUIRE(unknown.size() == 1);
  CHECK(built.text(unknown[0].name) == "X-One");
  CHECK(built.text(unknown[0].value) == "1, 2");
  CHECK(image.remote.family == 10);
  CHECK(image.local.family == 2);
  CHECK(image.local.port == 8080);
  CHECK(image.flags == 0);
  CHECK(image.native_size == hsys_native_request_size(&image, unknown.data(), 0));
  // V2, one unknown header, both addresses, URL with NUL, and every string with its NUL.
  uint32_t strings = sizeof "BREW" + sizeof "/a/b?q=1" + sizeof "x" + sizeof "a, b" + sizeof "" + sizeof "X-One" + sizeof "1, 2";
  CHECK(image.native_size == 864 + 24 + 32 + 16 + image.url.length + 2 + strings);
}

TEST_CASE("the cooked URL's parts lie in it")
{
  auto built = build("GET /a/b?q=1 HTTP/1.1\r\nHost: x:8080\r\n\r\n");
  std::u16string url(built.image.url.length / 2, u' ');
  std::memcpy(url.data(), built.bytes.data() + built.image.url.offset, built.image.url.length);
  CHECK(url == u"http://x:8080/a/b?q=1");
  CHECK(url.substr(built.image.host_offset / 2, built.image.host_length / 2) == u"x:8080");
  CHECK(url.substr(built.image.path_offset / 2, built.image.path_length / 2) == u"/a/b");
  CHECK(url.substr(built.image.query_offset / 2, built.image.query_length / 2) == u"?q=1");
}

TEST_CASE("TLS facts and the client's certificate")
{
  std::vector<uint8_t> der(700, 0x30);
  http::ImageFacts facts;
  facts.is_tls = true;
  facts.server_key_bits = 256;
  facts.connection_key_bits = 128;
  facts.tls_version = 0x0304;
  facts.server_issuer = "CN=CA";
  facts.server_subject = "CN=server";
  auto plain = build("GET /a/b HTTP/1.1\r\nHost: x\r\n\r\n", facts);
  CHECK(plain.image.flags == HSYS_REQUEST_TLS);
  CHECK(plain.text(plain.image.server_subject) == "CN=server");
  facts.client_certificate = der;
  facts.client_certificate_flags = 0x800B0109;
  auto built = build("GET /a/b HTTP/1.1\r\nHost: x\r\n\r\n", facts);
  CHECK(built.image.flags == (HSYS_REQUEST_TLS | HSYS_REQUEST_CLIENT_CERTIFICATE));
  CHECK(built.image.client_certificate.length == 700);
  CHECK(built.image.client_certificate_flags == 0x800B0109);
  CHECK(built.image.native_size == plain.image.native_size + 32 + 700);
  CHECK(hsys_native_request_size(&built.image, nullptr, 1) == built.image.native_size - 16 - 48);
}

TEST_CASE("a body to come is announced")
{
  CHECK(build("POST /a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n").image.flags == HSYS_REQUEST_MORE_BODY);
  CHECK(build("POST /a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").image.flags == HSYS_REQUEST_MORE_BODY);
  CHECK(build("POST /a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").image.flags == 0);
}
