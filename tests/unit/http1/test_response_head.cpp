// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/response_head.h"
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace httpsys;
using namespace httpsys::http1;
using namespace std::literals;

namespace {

using Id = ResponseHeader;

constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr std::string_view kServer = "Server: Microsoft-HTTPAPI/2.0\r\n";

struct Response {
  ResponseInput input;
  std::vector<KnownResponseField> known;
  std::vector<UnknownResponseField> unknown;
  ResponsePlan plan{};

  std::string head()
  {
    prepare();
    const char *why = "";
    auto result = plan_response(input, why);
    if (result.is_error())
      return why;
    plan = *result;
    // Filled, so that a byte too few shows.
    std::string out(plan.head_bytes, '\1');
    write_response_head(input, plan, out.data());
    CHECK(out.find('\1') == out.npos);
    return out;
  }
  const char *why()
  {
    prepare();
    const char *reason = "accepted";
    auto result = plan_response(input, reason);
    CHECK(result.is_error() == (reason != "accepted"sv));
    CHECK((!result.is_error() || result.error() == NtStatus::InvalidParameter));
    return reason;
  }

private:
  void prepare()
  {
    input.known = known;
    input.unknown = unknown;
    input.date = kDate;
  }
};

// A head with the lines before and after Date, without the status line.
std::string lines(std::string_view before, std::string_view after = "")
{
  return std::string(before) + "Date: " + std::string(kDate) + "\r\n" + std::string(after) + "\r\n";
}

std::string ok(std::string_view before, std::string_view after = "") { return "HTTP/1.1 200 OK\r\n" + lines(before, after); }

Response response(uint16_t status = 200, std::string_view reason = "OK")
{
  Response made;
  made.input.status = status;
  made.input.reason = reason;
  return made;
}

}

TEST_CASE("headers go out in HTTP.sys' order (B.4)")
{
  Response r = response();
  r.known = {{Id::Vary, "*"}, {Id::ContentType, "text/plain"}, {Id::SetCookie, "a=1"}, {Id::CacheControl, "no-store"},
    {Id::SetCookie, "b=2"}, {Id::Etag, ""}};
  r.unknown = {{"X-B", "1"}, {"X-Empty", ""}, {"x-b", "2"}};
  r.input.body_length = 3;
  CHECK(r.head() == ok("Cache-Control: no-store\r\nContent-Type: text/plain\r\nServer: Microsoft-HTTPAPI/2.0\r\nSet-Cookie: a=1\r\n"
                       "Set-Cookie: b=2\r\nVary: *\r\nX-B: 1\r\nX-Empty: \r\nx-b: 2\r\n", "Content-Length: 3\r\n"));
  CHECK(r.plan.framing == BodyFraming::ContentLength);
  CHECK(r.plan.content_length == 3);
  CHECK(r.plan.send_body);
  CHECK(r.plan.keep_alive);
}

TEST_CASE("status line: always HTTP/1.1, the blank stays without a phrase")
{
  Response r = response(999, "");
  r.input.request_is_http_1_0 = true;
  CHECK(r.head().starts_with("HTTP/1.1 999 \r\n"));
  CHECK(response(404, "N\xc3\xb6").head().starts_with("HTTP/1.1 404 N\xc3\xb6\r\n"));
}

TEST_CASE("Date is ours, Server is the application's or ours (B.5)")
{
  Response r = response();
  r.known = {{Id::Date, "yesterday"}};
  r.unknown = {{"DATE", "tomorrow"}};
  CHECK(r.head() == ok(kServer, "Content-Length: 0\r\n"));
  r.known = {{Id::Server, "mine/1"}};
  CHECK(r.head() == ok("Server: mine/1\r\n", "Content-Length: 0\r\n"));
  r.known.clear();
  r.unknown = {{"server", "mine/2"}};
  CHECK(r.head() == ok("Server: mine/2\r\n", "Content-Length: 0\r\n"));
  r.unknown = {{"server", ""}};
  CHECK(r.head() == ok(kServer, "Content-Length: 0\r\n"));
  r.unknown.clear();
  r.input.add_server = false;
  CHECK(r.head() == ok("", "Content-Length: 0\r\n"));
}

TEST_CASE("Content-Length: one, the application's or ours")
{
  Response r = response();
  CHECK(r.head() == ok(kServer, "Content-Length: 0\r\n"));
  r.input.body_length = 8;
  r.known = {{Id::ContentLength, "8"}};
  CHECK(r.head() == ok("Content-Length: 8\r\n" + std::string(kServer)));
  CHECK(r.plan.keep_alive);
  r.unknown = {{"content-length", "8"}};
  CHECK(r.head() == ok("Content-Length: 8\r\n" + std::string(kServer)));
  r.known.clear();
  CHECK(r.head() == ok("Content-Length: 8\r\n" + std::string(kServer)));
  // Wine's test: header 6, body 8; sent as it is, then the connection ends.
  r.unknown = {{"Content-Length", " 006 "}};
  CHECK(r.head() == ok("Content-Length: 6\r\n" + std::string(kServer), "Connection: close\r\n"));
  CHECK(!r.plan.keep_alive);
  CHECK(r.plan.content_length == 6);
  r.input.more_data = true;
  CHECK(r.head() == ok("Content-Length: 6\r\n" + std::string(kServer)));
  CHECK(r.plan.keep_alive);
  for (std::string_view bad : {"+1"sv, "-1"sv, "1, 1"sv, "0x1"sv, "18446744073709551616"sv, "one"sv}) {
    r.unknown = {{"Content-Length", bad}};
    CHECK(r.why() == "the Content-Length is not a decimal number below 2^64"sv);
  }
  r.unknown = {{"Content-Length", "1"}};
  r.known = {{Id::ContentLength, "2"}};
  CHECK(r.why() == "there are two Content-Length headers that differ"sv);
}

TEST_CASE("an application that frames its body itself is left alone")
{
  Response r = response();
  r.input.more_data = true;
  r.unknown = {{"Transfer-Encoding", "chunked"}};
  CHECK(r.head() == ok("Transfer-Encoding: chunked\r\n" + std::string(kServer)));
  CHECK(r.plan.framing == BodyFraming::ApplicationFramed);
  CHECK(r.plan.keep_alive);
  r.input.more_data = false;
  r.input.body_length = 5;
  CHECK(r.head() == ok("Transfer-Encoding: chunked\r\n" + std::string(kServer)));
  CHECK(r.plan.framing == BodyFraming::ApplicationFramed);
  // RFC 9112 6.2: not both.
  r.known = {{Id::ContentLength, "5"}};
  CHECK(r.head() == ok("Transfer-Encoding: chunked\r\n" + std::string(kServer)));
  r.unknown = {{"Transfer-Encoding", "gzip"}};
  r.known.clear();
  CHECK(r.head() == ok("Transfer-Encoding: gzip\r\n" + std::string(kServer), "Connection: close\r\n"));
  CHECK(r.plan.framing == BodyFraming::UntilClose);
  r.unknown = {{"Transfer-Encoding", "chunked"}};
  r.input.request_is_http_1_0 = true;
  CHECK(r.head() == ok("Transfer-Encoding: chunked\r\n" + std::string(kServer), "Connection: close\r\n"));
}

TEST_CASE("without a length the connection is the end, unless chunking was asked for")
{
  Response r = response();
  r.input.more_data = true;
  CHECK(r.head() == ok(kServer, "Connection: close\r\n"));
  CHECK(r.plan.framing == BodyFraming::UntilClose);
  CHECK(!r.plan.keep_alive);
  r.input.automatic_chunking = true;
  CHECK(r.head() == ok("Transfer-Encoding: chunked\r\n" + std::string(kServer)));
  CHECK(r.plan.framing == BodyFraming::AutomaticChunked);
  CHECK(r.plan.keep_alive);
  r.known = {{Id::TransferEncoding, "chunked"}};
  CHECK(r.head() == ok("Transfer-Encoding: chunked\r\n" + std::string(kServer)));
  CHECK(r.plan.framing == BodyFraming::AutomaticChunked);
  r.known = {{Id::ContentLength, "9"}};
  CHECK(r.head() == ok("Content-Length: 9\r\n" + std::string(kServer)));
  r.known.clear();
  r.input.request_is_http_1_0 = true;
  CHECK(r.head() == ok(kServer, "Connection: close\r\n"));
  CHECK(r.plan.framing == BodyFraming::UntilClose);
  r.input.request_is_http_1_0 = false;
  r.input.more_data = false;
  r.input.body_length = 4;
  CHECK(r.head() == ok(kServer, "Content-Length: 4\r\n"));
}

TEST_CASE("HEAD, 204 and 304 have no body (B.10)")
{
  Response r = response();
  r.input.request_is_head = true;
  CHECK(r.head() == ok(kServer));
  CHECK(!r.plan.send_body);
  CHECK(r.plan.framing == BodyFraming::None);
  r.input.body_length = 7;
  CHECK(r.head() == ok(kServer, "Content-Length: 7\r\n"));
  r.known = {{Id::ContentLength, "99"}};
  CHECK(r.head() == ok("Content-Length: 99\r\n" + std::string(kServer)));
  CHECK(r.plan.keep_alive);
  r.known.clear();
  r.input.more_data = true;
  CHECK(r.head() == ok(kServer));
  CHECK(r.plan.keep_alive);

  Response none = response(204, "No Content");
  none.input.body_length = 3;
  none.known = {{Id::ContentLength, "3"}, {Id::TransferEncoding, "chunked"}};
  CHECK(none.head() == "HTTP/1.1 204 No Content\r\n" + lines(kServer));
  CHECK(!none.plan.send_body);
  CHECK(none.plan.keep_alive);
  Response cached = response(304, "Not Modified");
  CHECK(cached.head() == "HTTP/1.1 304 Not Modified\r\n" + lines(kServer));
  cached.known = {{Id::ContentLength, "3"}};
  CHECK(cached.head() == "HTTP/1.1 304 Not Modified\r\n" + lines("Content-Length: 3\r\n" + std::string(kServer)));
  CHECK(!cached.plan.send_body);
}

TEST_CASE("Connection is ours to say, other options are the application's")
{
  Response r = response();
  r.known = {{Id::Connection, "close"}};
  CHECK(r.head() == ok(kServer, "Connection: close\r\nContent-Length: 0\r\n"));
  CHECK(!r.plan.keep_alive);
  r.known.clear();
  r.unknown = {{"connection", "Keep-Alive, CLOSE"}};
  CHECK(r.head() == ok(kServer, "Connection: close\r\nContent-Length: 0\r\n"));
  r.unknown = {{"connection", "keep-alive"}};
  CHECK(r.head() == ok(kServer, "Content-Length: 0\r\n"));
  r.unknown = {{"connection", "X-Hop, close"}, {"Connection", "other"}};
  CHECK(r.head() == ok("Connection: X-Hop, other\r\n" + std::string(kServer), "Connection: close\r\nContent-Length: 0\r\n"));
  r.unknown.clear();
  r.input.disconnect = true;
  CHECK(r.head() == ok(kServer, "Connection: close\r\nContent-Length: 0\r\n"));
  r.input.disconnect = false;
  r.input.request_keep_alive = false;
  CHECK(r.head() == ok(kServer, "Connection: close\r\nContent-Length: 0\r\n"));
  r.input.request_is_http_1_0 = true;
  CHECK(r.head() == ok(kServer, "Connection: close\r\nContent-Length: 0\r\n"));
  r.input.request_keep_alive = true;
  CHECK(r.head() == ok(kServer, "Connection: keep-alive\r\nContent-Length: 0\r\n"));
}

TEST_CASE("101 with OPAQUE opens a raw pipe, and nothing else is 1xx (B.12)")
{
  Response r = response(101, "Switching Protocols");
  r.input.opaque = r.input.more_data = true;
  r.known = {{Id::Upgrade, "websocket"}};
  r.unknown = {{"Connection", "Upgrade"}};
  CHECK(r.head() == "HTTP/1.1 101 Switching Protocols\r\n" + lines("Connection: Upgrade\r\nUpgrade: websocket\r\n" + std::string(kServer)));
  CHECK(r.plan.framing == BodyFraming::Opaque);
  r.known = {{Id::Upgrade, "websocket"}, {Id::Connection, "Upgrade"}, {Id::ContentLength, "0"}};
  r.unknown.clear();
  CHECK(r.head() == "HTTP/1.1 101 Switching Protocols\r\n" + lines("Connection: Upgrade\r\nUpgrade: websocket\r\n" + std::string(kServer)));
  r.input.request_is_http_1_0 = true;
  CHECK(r.why() == "an HTTP/1.0 connection cannot be upgraded"sv);
  r.input.request_is_http_1_0 = false;
  r.input.opaque = false;
  CHECK(r.why() == "status code 101 needs HTTP_SEND_RESPONSE_FLAG_OPAQUE"sv);
  r.input.status = 200;
  r.input.opaque = true;
  CHECK(r.why() == "HTTP_SEND_RESPONSE_FLAG_OPAQUE needs status code 101"sv);
  for (uint16_t status : std::initializer_list<uint16_t>{100, 102, 103, 199})
    CHECK(response(status).why() == "1xx responses are sent by the daemon itself"sv);
  for (uint16_t status : std::initializer_list<uint16_t>{0, 99, 1000, 65535})
    CHECK(response(status).why() == "the status code is not from 100 to 999"sv);
}

TEST_CASE("responses cannot be split")
{
  for (std::string_view bad : {"a\rb"sv, "a\nb"sv, "a\0b"sv, "a\r\nSet-Cookie: x"sv, "long enough for a word\n"sv}) {
    CHECK(response(200, bad).why() == "the reason phrase has a CR, LF or NUL"sv);
    Response r = response();
    r.known = {{Id::Location, bad}};
    CHECK(r.why() == "a header value has a CR, LF or NUL"sv);
    r.known.clear();
    r.unknown = {{"X", bad}};
    CHECK(r.why() == "a header value has a CR, LF or NUL"sv);
    r.unknown = {{bad, "x"}};
    CHECK(r.why() == "a header name is empty or has a character that RFC 9110 does not allow in names"sv);
  }
  for (std::string_view name : {""sv, "a b"sv, "a:"sv, "a\xe9"sv, " a"sv, "\t"sv}) {
    Response r = response();
    r.unknown = {{name, "x"}};
    CHECK(r.why() == "a header name is empty or has a character that RFC 9110 does not allow in names"sv);
  }
  Response r = response();
  r.known = {{static_cast<Id>(30), "x"}};
  CHECK(r.why() == "a known header has an id that responses do not have"sv);
  r.known = {{Id::Unknown, "x"}};
  CHECK(r.why() == "a known header has an id that responses do not have"sv);
  r.known.clear();
  r.unknown = {{"X", "tab\tand \x01 \x7f \xff pass"}};
  CHECK(r.why() == "accepted"sv);
}
