// SPDX-License-Identifier: GPL-3.0-or-later
// HTTP_REQUEST as callers read it, from images as httpsysd makes them (http-server-api.md 3.1 to 3.5).
#include "lib/ssl_protocol_info.h"
#include "lib/unmarshal_request.h"
#include "tests/unit/lib/request_image.h"
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <random>

using namespace httpsys::lib;

namespace {

// A buffer of exactly that size with guards on both sides.
class Buffer {
public:
  explicit Buffer(uint32_t size, uint32_t shift = 0) : m_bytes(size + 128 + shift, 0xee), m_size(size), m_shift(shift) {}
  void *data() { return m_bytes.data() + 64 + m_shift; }
  uint32_t size() const { return m_size; }
  bool is_guarded() const
  {
    for (size_t i = 0; i < m_bytes.size(); i++)
      if ((i < 64 + m_shift || i >= 64 + m_shift + m_size) && m_bytes[i] != 0xee)
        return false;
    return true;
  }
  bool contains(const void *pointer, size_t bytes)
  {
    auto *begin = static_cast<const uint8_t *>(data()), *at = static_cast<const uint8_t *>(pointer);
    return at >= begin && at + bytes <= begin + m_size;
  }
  const HTTP_REQUEST_V2 &request() { return *static_cast<const HTTP_REQUEST_V2 *>(data()); }

private:
  std::vector<uint8_t> m_bytes;
  uint32_t m_size, m_shift;
};

uint32_t unmarshal(ImageBuilder &image, Buffer &buffer, bool version_1 = false)
{
  uint32_t written = unmarshal_request(image.vector(), version_1, buffer.data(), buffer.size());
  CHECK(buffer.is_guarded());
  return written;
}

std::u16string text(PCWSTR begin, USHORT bytes)
{
  return {begin, bytes / 2u};
}

}

TEST_CASE("a plain GET: every member, in exactly the size that layout.h computes")
{
  ImageBuilder image({.url_context = 0x0123456789abcdef,
    .known = {{28, "localhost:8080"}, {40, "curl/8"}}, .unknown = {{"X-Qux", "foo baz"}}});
  Buffer buffer(image.native_size());
  REQUIRE(unmarshal(image, buffer) == image.native_size());
  const HTTP_REQUEST_V2 &request = buffer.request();
  CHECK(request.Flags == 0);
  CHECK(request.ConnectionId == 0x2002);
  CHECK(request.RequestId == 0x1001);
  CHECK(request.UrlContext == 0x0123456789abcdef);
  CHECK(request.Version.MajorVersion == 1);
  CHECK(request.Version.MinorVersion == 1);
  CHECK(request.Verb == HttpVerbGET);
  CHECK(request.UnknownVerbLength == 0);
  CHECK(request.pUnknownVerb == nullptr);
  CHECK(std::string(request.pRawUrl) == "/path?x=1");
  CHECK(request.RawUrlLength == 9);
  CHECK(text(request.CookedUrl.pFullUrl, request.CookedUrl.FullUrlLength) == u"http://localhost:8080/path?x=1");
  CHECK(request.CookedUrl.pFullUrl[request.CookedUrl.FullUrlLength / 2] == 0);
  CHECK(request.CookedUrl.HostLength == 28);
  CHECK(text(request.CookedUrl.pHost, request.CookedUrl.HostLength) == u"localhost:8080");
  CHECK(text(request.CookedUrl.pAbsPath, request.CookedUrl.AbsPathLength) == u"/path");
  CHECK(text(request.CookedUrl.pQueryString, request.CookedUrl.QueryStringLength) == u"?x=1");
  CHECK(request.BytesReceived == 321);
  CHECK(request.RawConnectionId == 0x3003);
  CHECK(request.EntityChunkCount == 0);
  CHECK(request.pEntityChunks == nullptr);
  CHECK(request.pSslInfo == nullptr);
  CHECK(request.RequestInfoCount == 0);
  CHECK(request.pRequestInfo == nullptr);
  CHECK(request.Headers.TrailerCount == 0);
  CHECK(request.Headers.pTrailers == nullptr);
  CHECK(std::string(request.Headers.KnownHeaders[HttpHeaderHost].pRawValue) == "localhost:8080");
  CHECK(request.Headers.KnownHeaders[HttpHeaderHost].RawValueLength == 14);
  CHECK(std::string(request.Headers.KnownHeaders[HttpHeaderUserAgent].pRawValue) == "curl/8");
  REQUIRE(request.Headers.UnknownHeaderCount == 1);
  const HTTP_UNKNOWN_HEADER &unknown = request.Headers.pUnknownHeaders[0];
  CHECK(std::string(unknown.pName) == "X-Qux");
  CHECK(unknown.NameLength == 5);
  CHECK(std::string(unknown.pRawValue) == "foo baz");
  CHECK(unknown.RawValueLength == 7);
  for (const void *pointer : {static_cast<const void *>(request.pRawUrl), static_cast<const void *>(request.CookedUrl.pFullUrl),
                              static_cast<const void *>(unknown.pName), static_cast<const void *>(request.Address.pRemoteAddress),
                              static_cast<const void *>(request.Headers.pUnknownHeaders)})
    CHECK(buffer.contains(pointer, 1));
}

TEST_CASE("known headers: absent is NULL, present and empty is a pointer to nothing; unknown and empty is NULL")
{
  ImageBuilder image({.known = {{24, ""}}, .unknown = {{"X-Empty", ""}}});
  Buffer buffer(image.native_size());
  REQUIRE(unmarshal(image, buffer) == image.native_size());
  const HTTP_REQUEST_HEADERS &headers = buffer.request().Headers;
  CHECK(headers.KnownHeaders[HttpHeaderAuthorization].RawValueLength == 0);
  REQUIRE(headers.KnownHeaders[HttpHeaderAuthorization].pRawValue != nullptr);
  CHECK(*headers.KnownHeaders[HttpHeaderAuthorization].pRawValue == 0);
  CHECK(buffer.contains(headers.KnownHeaders[HttpHeaderAuthorization].pRawValue, 1));
  CHECK(headers.KnownHeaders[HttpHeaderCookie].RawValueLength == 0);
  CHECK(headers.KnownHeaders[HttpHeaderCookie].pRawValue == nullptr);
  CHECK(headers.pUnknownHeaders[0].RawValueLength == 0);
  CHECK(headers.pUnknownHeaders[0].pRawValue == nullptr);
}

TEST_CASE("an unknown verb, no query, both address families")
{
  bool is_ipv6 = false;
  SUBCASE("IPv4") {}
  SUBCASE("IPv6") { is_ipv6 = true; }
  ImageBuilder image({.verb = HttpVerbUnknown, .unknown_verb = "PURGE", .raw_url = "/", .path = u"/", .query = u"", .is_ipv6 = is_ipv6});
  Buffer buffer(image.native_size());
  REQUIRE(unmarshal(image, buffer) == image.native_size());
  const HTTP_REQUEST_V2 &request = buffer.request();
  CHECK(request.Verb == HttpVerbUnknown);
  CHECK(std::string(request.pUnknownVerb) == "PURGE");
  CHECK(request.UnknownVerbLength == 5);
  CHECK(request.CookedUrl.pQueryString == nullptr);
  CHECK(request.CookedUrl.QueryStringLength == 0);
  char name[64];
  if (is_ipv6) {
    auto *remote = reinterpret_cast<const sockaddr_in6 *>(request.Address.pRemoteAddress);
    CHECK(remote->sin6_family == 10);
    CHECK(ntohs(remote->sin6_port) == 50123);
    CHECK(std::string(inet_ntop(AF_INET6, &remote->sin6_addr, name, sizeof name)) == "2021:2223:2425:2627:2829:2a2b:2c2d:2e2f");
    CHECK(buffer.contains(remote, sizeof *remote));
  } else {
    auto *local = reinterpret_cast<const sockaddr_in *>(request.Address.pLocalAddress);
    CHECK(local->sin_family == 2);
    CHECK(ntohs(local->sin_port) == 8080);
    CHECK(std::string(inet_ntop(AF_INET, &local->sin_addr, name, sizeof name)) == "64.65.66.67");
  }
}

TEST_CASE("a connection without addresses has none")
{
  ImageBuilder image({});
  image.image().remote.family = image.image().local.family = 0;
  Buffer buffer(image.native_size() - 32);
  REQUIRE(unmarshal(image, buffer) == image.native_size() - 32);
  CHECK(buffer.request().Address.pRemoteAddress == nullptr);
  CHECK(buffer.request().Address.pLocalAddress == nullptr);
}

TEST_CASE("TLS without and with a client's certificate")
{
  std::string der = "0\x82 not quite a certificate";
  for (bool has_certificate : {false, true}) {
    FakeRequest fake{.is_tls = true, .certificate_flags = 0x800B0109};
    if (has_certificate)
      fake.certificate = der;
    ImageBuilder image(fake);
    Buffer buffer(image.native_size());
    REQUIRE(unmarshal(image, buffer) == image.native_size());
    const HTTP_SSL_INFO *tls = buffer.request().pSslInfo;
    REQUIRE(tls != nullptr);
    CHECK(reinterpret_cast<uintptr_t>(tls) % 8 == reinterpret_cast<uintptr_t>(buffer.data()) % 8);
    CHECK(tls->ServerCertKeySize == 2048);
    CHECK(tls->ConnectionKeySize == 256);
    CHECK(std::string(tls->pServerCertIssuer) == "CN=Test CA");
    CHECK(tls->ServerCertIssuerSize == 10);
    CHECK(std::string(tls->pServerCertSubject) == "CN=localhost");
    CHECK(tls->ServerCertSubjectSize == 12);
    CHECK((tls->SslClientCertNegotiated != 0) == has_certificate);
    REQUIRE((tls->pClientCertInfo != nullptr) == has_certificate);
    if (!has_certificate)
      continue;
    CHECK(tls->pClientCertInfo->CertFlags == 0x800B0109);
    CHECK(std::string(reinterpret_cast<char *>(tls->pClientCertInfo->pCertEncoded), tls->pClientCertInfo->CertEncodedSize) == der);
    CHECK(buffer.contains(tls->pClientCertInfo->pCertEncoded, tls->pClientCertInfo->CertEncodedSize));
    CHECK(tls->pClientCertInfo->Token == nullptr);
    CHECK(tls->pClientCertInfo->CertDeniedByMapper == FALSE);
  }
}

TEST_CASE("body bytes are one memory chunk and fill the buffer to its last byte")
{
  ImageBuilder image({.body = "12345678", .has_more_body = true});
  uint32_t size = image.native_size() + sizeof(HTTP_DATA_CHUNK) + 8;
  Buffer buffer(size);
  REQUIRE(unmarshal(image, buffer) == size);
  const HTTP_REQUEST_V2 &request = buffer.request();
  CHECK(request.Flags == HTTP_REQUEST_FLAG_MORE_ENTITY_BODY_EXISTS);
  REQUIRE(request.EntityChunkCount == 1);
  const HTTP_DATA_CHUNK &chunk = request.pEntityChunks[0];
  CHECK(chunk.DataChunkType == HttpDataChunkFromMemory);
  CHECK(chunk.FromMemory.BufferLength == 8);
  CHECK(std::string(static_cast<char *>(chunk.FromMemory.pBuffer), 8) == "12345678");
  CHECK(static_cast<uint8_t *>(chunk.FromMemory.pBuffer) + 8 == static_cast<uint8_t *>(buffer.data()) + size);
}

TEST_CASE("a version 1 queue gets HTTP_REQUEST_V1, sixteen bytes less")
{
  ImageBuilder first({}, true), second({}, false);
  CHECK(first.native_size() + 16 == second.native_size());
  Buffer buffer(first.native_size());
  REQUIRE(unmarshal(first, buffer, true) == first.native_size());
  CHECK(buffer.request().RequestId == 0x1001);
  CHECK(std::string(buffer.request().pRawUrl) == "/path?x=1");
  CHECK(request_structure_size(true) == 848);
  CHECK(request_structure_size(false) == 864);
}

TEST_CASE("one byte too few: nothing is written")
{
  ImageBuilder image({.body = "body"});
  uint32_t size = image.native_size() + sizeof(HTTP_DATA_CHUNK) + 4;
  Buffer buffer(size - 1);
  CHECK(unmarshal(image, buffer) == 0);
  for (uint32_t i = 0; i < buffer.size(); i++)
    REQUIRE(static_cast<uint8_t *>(buffer.data())[i] == 0xee);
}

TEST_CASE("a buffer that is aligned to four bytes only will do")
{
  ImageBuilder image({.unknown = {{"A", "b"}}, .is_tls = true, .certificate = "der"});
  Buffer buffer(image.native_size(), 4);
  CHECK(unmarshal(image, buffer) == image.native_size());
}

TEST_CASE("ids alone: the rest of the structure is zero")
{
  for (bool version_1 : {false, true}) {
    uint32_t size = request_structure_size(version_1);
    Buffer buffer(size);
    write_request_ids(version_1, buffer.data(), 0x11, 0x22);
    CHECK(buffer.is_guarded());
    HTTP_REQUEST_V2 expected{};
    expected.RequestId = 0x11;
    expected.ConnectionId = 0x22;
    CHECK(memcmp(buffer.data(), &expected, size) == 0);
  }
}

TEST_CASE("images that are not what the ABI says are refused, whatever is wrong")
{
  FakeRequest fake{.known = {{28, "h"}}, .unknown = {{"A", "b"}, {"C", "d"}}, .body = "body",
    .is_tls = true, .certificate = "der"};
  Buffer buffer(100000);
  auto refused = [&](auto &&spoil) {
    ImageBuilder image(fake);
    spoil(image);
    return unmarshal(image, buffer) == 0;
  };
  CHECK_FALSE(refused([](ImageBuilder &) {}));
  CHECK(refused([](ImageBuilder &image) { image.vector().resize(543); }));
  CHECK(refused([](ImageBuilder &image) { image.vector().clear(); }));
  CHECK(refused([](ImageBuilder &image) { image.image().size++; }));
  CHECK(refused([](ImageBuilder &image) { image.image().version = 2; }));
  CHECK(refused([](ImageBuilder &image) { image.image().raw_url.offset = 0xfffffff0; }));
  CHECK(refused([](ImageBuilder &image) { image.image().raw_url.length = 0xffffffff; }));
  CHECK(refused([](ImageBuilder &image) { image.image().raw_url.offset = 0; }));
  CHECK(refused([](ImageBuilder &image) { image.image().known[40] = {600, 100000}; }));
  CHECK(refused([](ImageBuilder &image) { image.image().unknown_count = 0x10000000; }));
  CHECK(refused([](ImageBuilder &image) { image.image().unknown_offset = 0xfffffff8; }));
  CHECK(refused([](ImageBuilder &image) { image.image().unknown_offset = 545; }));
  CHECK(refused([](ImageBuilder &image) { image.image().host_length = 1000; }));
  CHECK(refused([](ImageBuilder &image) { image.image().path_offset = 0xffffffff; }));
  CHECK(refused([](ImageBuilder &image) { image.image().query_offset = image.image().url.length + 1; }));
  CHECK(refused([](ImageBuilder &image) { image.image().client_certificate.length = 0x7fffffff; }));
  CHECK(refused([](ImageBuilder &image) {
    for (hsys_text &text : image.image().known)
      text = {8, image.image().size - 8};
  }));
}

TEST_CASE("random damage never writes outside of the buffer")
{
  std::mt19937 random(7);
  FakeRequest fake{.known = {{28, "h"}, {3, "x"}}, .unknown = {{"A", "b"}, {"C", "d"}}, .body = "body",
    .is_tls = true, .certificate = "der"};
  for (int round = 0; round < 20000; round++) {
    ImageBuilder image(fake);
    for (unsigned damage = random() % 4 + 1; damage-- > 0;)
      image.vector()[random() % image.vector().size()] = static_cast<uint8_t>(random() % 3 ? random() % 8 : random());
    Buffer buffer(864 + static_cast<uint32_t>(random() % 600));
    unmarshal(image, buffer);
  }
}

TEST_CASE("TLS versions and cipher suites in Schannel's numbers")
{
  struct Row {
    uint16_t version, suite;
    ULONG protocol, cipher, cipher_bits, hash, hash_bits;
  };
  const Row rows[] = {
    {0x0304, 0x1301, 0x1000, 0x660e, 128, 0x800c, 256},
    {0x0304, 0x1302, 0x1000, 0x6610, 256, 0x800d, 384},
    {0x0304, 0x1303, 0x1000, 0, 256, 0x800c, 256},
    {0x0303, 0xc02f, 0x400, 0x660e, 128, 0x800c, 256},
    {0x0303, 0xc030, 0x400, 0x6610, 256, 0x800d, 384},
    {0x0303, 0xc02b, 0x400, 0x660e, 128, 0x800c, 256},
    {0x0303, 0xc02c, 0x400, 0x6610, 256, 0x800d, 384},
    {0x0303, 0xcca8, 0x400, 0, 256, 0x800c, 256},
    {0x0303, 0xcca9, 0x400, 0, 256, 0x800c, 256},
    {0x0303, 0x0001, 0x400, 0, 0, 0, 0},
  };
  for (const Row &row : rows) {
    CAPTURE(row.suite);
    HTTP_SSL_PROTOCOL_INFO info = httpsys::lib::ssl_protocol_info(row.version, row.suite);
    CHECK(info.Protocol == row.protocol);
    CHECK(info.CipherType == row.cipher);
    CHECK(info.CipherStrength == row.cipher_bits);
    CHECK(info.HashType == row.hash);
    CHECK(info.HashStrength == row.hash_bits);
    CHECK(info.KeyExchangeType == 0xae06);
    CHECK(info.KeyExchangeStrength == 0);
  }
}
