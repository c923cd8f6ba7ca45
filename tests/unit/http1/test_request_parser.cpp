// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/request_parser.h"
#include <doctest/doctest.h>
#include <map>
#include <string>

using namespace httpsys;
using namespace httpsys::http1;
using namespace std::literals;

namespace {

struct Parsed {
  RequestParser parser;
  std::string bytes;
  ParseOutcome outcome;

  explicit Parsed(std::string_view text, const ParserOptions &options = {}) : parser(options), bytes(text), outcome(parser.parse(bytes)) {}
  const RequestHead &head() const { return parser.head(); }
  // The merged view: name, value in the order of the first lines.
  std::vector<std::pair<std::string, std::string>> headers() const
  {
    std::vector<std::pair<std::string, std::string>> list;
    for (const HeaderField &field : head().fields) {
      if (!field.is_first)
        continue;
      std::string value(field.merged_length, '?');
      head().copy_value(field, bytes, value.data());
      list.emplace_back(field.name().of(bytes), value);
    }
    return list;
  }
};

std::string numbered(int number) { return std::string("n").append(std::to_string(number)); }

using Headers = std::vector<std::pair<std::string, std::string>>;

}

TEST_CASE("a request head is given as offsets")
{
  Parsed parsed("\r\nPROPFIND /a/../b?x=%41 HTTP/1.1\r\nHost: LocalHost:8080\r\nQux: foo baz \r\nX-Empty:\r\n\r\nbody");
  REQUIRE(parsed.outcome == ParseOutcome::Complete);
  const RequestHead &head = parsed.head();
  CHECK(parsed.bytes.substr(head.head_bytes) == "body");
  CHECK(head.verb == Verb::Propfind);
  CHECK(static_cast<int>(head.verb) == 14);
  CHECK(head.method.of(parsed.bytes) == "PROPFIND");
  CHECK(head.target.of(parsed.bytes) == "/a/../b?x=%41");
  CHECK(head.path.of(parsed.bytes) == "/a/../b?x=%41");
  CHECK(head.form == TargetForm::Origin);
  CHECK(head.version_minor == 1);
  CHECK(head.framing == Framing::None);
  CHECK(!head.has_body());
  CHECK(head.keep_alive);
  CHECK(head.host.key == "localhost");
  CHECK(head.host.port == 8080);
  REQUIRE(head.fields.size() == 3);
  CHECK(head.fields[0].id == RequestHeader::Host);
  CHECK(head.fields[1].id == RequestHeader::Unknown);
  CHECK(parsed.headers() == Headers{{"Host", "LocalHost:8080"}, {"Qux", "foo baz"}, {"X-Empty", ""}});
  CHECK(parsed.parser.has_started());
}

TEST_CASE("the absolute target's host beats the Host field")
{
  Parsed parsed("GET http://[::1]:8080/x?y HTTP/1.1\r\nHost: other\r\n\r\n");
  REQUIRE(parsed.outcome == ParseOutcome::Complete);
  CHECK(parsed.head().form == TargetForm::Absolute);
  CHECK(!parsed.head().is_https_target);
  CHECK(parsed.head().host.text == "[::1]");
  CHECK(parsed.head().host.port == 8080);
  CHECK(parsed.head().path.of(parsed.bytes) == "/x?y");
  Parsed bare("GET https://a HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(bare.outcome == ParseOutcome::Complete);
  CHECK(bare.head().is_https_target);
  CHECK(bare.head().path.of(bare.bytes) == "");
  Parsed asterisk("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(asterisk.outcome == ParseOutcome::Complete);
  CHECK(asterisk.head().form == TargetForm::Asterisk);
  CHECK(asterisk.head().target.of(asterisk.bytes) == "*");
}

TEST_CASE("repeated headers are one header at the place of the first (G 27)")
{
  Parsed parsed("GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nAccept: a\r\nx-a: 2\r\nCookie: c=1\r\nX-B: b\r\n"
                "ACCEPT: b\r\nX-A: 3\r\ncookie: d=2\r\nAccept:\r\n\r\n");
  REQUIRE(parsed.outcome == ParseOutcome::Complete);
  CHECK(parsed.headers() ==
    Headers{{"Host", "h"}, {"X-A", "1, 2, 3"}, {"Accept", "a, b, "}, {"Cookie", "c=1; d=2"}, {"X-B", "b"}});
  CHECK(parsed.head().find(RequestHeader::Cookie)->merged_length == 8);
  CHECK(parsed.head().find(RequestHeader::Range) == nullptr);
}

TEST_CASE("a thousand unknown headers are told apart and joined")
{
  std::string text = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int index = 0; index < 999; index++)
    text.append(numbered(index % 500)).append(": ").append(std::to_string(index)).append("\r\n");
  Parsed parsed(text + "\r\n");
  REQUIRE(parsed.outcome == ParseOutcome::Complete);
  Headers headers = parsed.headers();
  REQUIRE(headers.size() == 501);
  for (int index = 0; index < 499; index++) {
    auto &[name, value] = headers[static_cast<size_t>(index) + 1];
    CHECK(name == numbered(index));
    CHECK(value == std::to_string(index).append(", ").append(std::to_string(index + 500)));
  }
  CHECK(headers[500].second == "499");
}

TEST_CASE("a joined value is limited by HTTP_KNOWN_HEADER's 16 bits")
{
  ParserOptions options;
  options.max_request_bytes = 1 << 20;
  std::string line = "X: " + std::string(16000, 'x') + "\r\n";
  std::string text = "GET / HTTP/1.1\r\nHost: h\r\n" + line + line + line + line;
  CHECK(Parsed(text + "\r\n", options).outcome == ParseOutcome::Complete);
  Parsed parsed(text + line + "\r\n", options);
  REQUIRE(parsed.outcome == ParseOutcome::Refused);
  CHECK(parsed.parser.refusal().status == 431);
  options.max_field_length = 1 << 20;
  Parsed longest("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(65530, 'x') + "\r\n\r\n", options);
  REQUIRE(longest.outcome == ParseOutcome::Complete);
  CHECK(longest.headers()[1].second.size() == 65530);
  CHECK(Parsed("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(65531, 'x') + "\r\n\r\n", options).outcome == ParseOutcome::Refused);
}

TEST_CASE("who is refused for a length reads the key or the constant, and the number")
{
  ParserOptions options;
  options.max_request_line = 100;
  options.max_field_length = 200;
  options.max_request_bytes = 300;
  options.max_header_count = 3;
  const std::string start = "GET / HTTP/1.1\r\nHost: h\r\n";
  struct Row {
    std::string head;
    const char *sentence;
  };
  const Row rows[] = {
    {"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" + start, "more than 8 empty lines come before the request (kMaxLeadingBlankLines)"},
    {"GET /" + std::string(100, 'x') + " HTTP/1.1\r\n", "the request line is longer than MaxRequestLine (100)"},
    {start + "a: " + std::string(200, 'x') + "\r\n", "a header field is longer than MaxFieldLength (200)"},
    {start + "a: " + std::string(150, 'x') + "\r\nb: " + std::string(150, 'x') + "\r\n",
     "the header fields are longer than MaxRequestBytes (300)"},
    {start + "a: 1\r\nb: 1\r\nc: 1\r\n\r\n", "the request has more header fields than MaxHeaderCount (3)"},
  };
  for (const Row &row : rows) {
    Parsed parsed(row.head, options);
    CAPTURE(row.head);
    REQUIRE(parsed.outcome == ParseOutcome::Refused);
    CHECK(parsed.parser.refusal().sentence() == row.sentence);
  }
  options = {};
  CHECK(Parsed(std::string(256, 'A') + " / HTTP/1.1\r\n", options).parser.refusal().sentence() ==
        "the request method is longer than 255 bytes (kMaxVerbLength)");
  url::PathLimits limits;
  limits.segment_max_length = 7;
  limits.segment_max_count = 9;
  CHECK(refusal_for_path(url::PathError::SegmentTooLong, limits).sentence() == "a path segment is longer than UrlSegmentMaxLength (7)");
  CHECK(refusal_for_path(url::PathError::TooManySegments, limits).sentence() == "the path has more segments than UrlSegmentMaxCount (9)");
  CHECK(refusal_for_path(url::PathError::Fragment, limits).sentence() == "the request target has a '#'");
}

TEST_CASE("folded values come out on one line (compat)")
{
  ParserOptions options;
  options.accept_obs_fold = true;
  Parsed parsed("GET / HTTP/1.1\r\nHost: h\r\nX: a\tA\t\r\n  b\r\n\t c\tC \r\nY:\r\n z\r\n\r\n", options);
  REQUIRE(parsed.outcome == ParseOutcome::Complete);
  CHECK(parsed.headers() == Headers{{"Host", "h"}, {"X", "a\tA     b    c\tC"}, {"Y", "z"}});
}

TEST_CASE("persistence follows version and Connection (B.9)")
{
  auto keep_alive = [](std::string_view version, std::string_view connection) {
    Parsed parsed("GET / HTTP/" + std::string(version) + "\r\nHost: h\r\n" + std::string(connection) + "\r\n");
    REQUIRE(parsed.outcome == ParseOutcome::Complete);
    return parsed.head().keep_alive;
  };
  CHECK(keep_alive("1.1", ""));
  CHECK(keep_alive("1.1", "Connection: keep-alive\r\n"));
  CHECK(!keep_alive("1.1", "Connection: close\r\n"));
  CHECK(!keep_alive("1.1", "Connection: keep-alive ,\t close\r\n"));
  CHECK(!keep_alive("1.0", ""));
  CHECK(keep_alive("1.0", "Connection: Keep-Alive\r\n"));
  CHECK(!keep_alive("1.0", "Connection: close, keep-alive\r\n"));
}

TEST_CASE("100-continue is for HTTP/1.1 with a body, whatever its case (B.8)")
{
  auto expects = [](std::string_view version, std::string_view fields) {
    Parsed parsed("POST / HTTP/" + std::string(version) + "\r\nHost: h\r\n" + std::string(fields) + "\r\n");
    REQUIRE(parsed.outcome == ParseOutcome::Complete);
    return parsed.head().expect_continue;
  };
  CHECK(expects("1.1", "Content-Length: 1\r\nExpect: 100-continue\r\n"));
  CHECK(expects("1.1", "Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n"));
  CHECK(!expects("1.1", "Content-Length: 0\r\nExpect: 100-continue\r\n"));
  CHECK(!expects("1.0", "Content-Length: 1\r\nExpect: 100-continue\r\n"));
  CHECK(!expects("1.1", "Content-Length: 1\r\nExpect: 200-ok\r\n"));
  CHECK(!expects("1.1", "Content-Length: 1\r\n"));
}

TEST_CASE("a parser is reused without a trace of the request before")
{
  RequestParser parser({});
  std::string first = "POST http://a:1/ HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  REQUIRE(parser.parse(first) == ParseOutcome::Complete);
  CHECK(parser.parse(first + "more") == ParseOutcome::Complete);
  parser.reset();
  CHECK(!parser.has_started());
  CHECK(parser.parse("\r\n") == ParseOutcome::NeedMore);
  CHECK(!parser.has_started());
  std::string second = "\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n";
  REQUIRE(parser.parse(second) == ParseOutcome::Complete);
  const RequestHead &head = parser.head();
  CHECK(head.host.kind == url::HostKind::Empty);
  CHECK(head.host.port == 0);
  CHECK(head.framing == Framing::None);
  CHECK(head.content_length == 0);
  CHECK(head.form == TargetForm::Origin);
  CHECK(head.version_minor == 1);
  CHECK(!head.asked_keep_alive);
  CHECK(head.fields.size() == 1);
  parser.reset();
  CHECK(parser.parse("@") == ParseOutcome::Refused);
  CHECK(parser.parse("@\r\n") == ParseOutcome::Refused);
  CHECK(parser.refusal().text == "the request does not begin with a method"sv);
  parser.reset();
  CHECK(!parser.refusal());
  CHECK(parser.parse(second) == ParseOutcome::Complete);
}

TEST_CASE("a refused request still tells the error log its request line")
{
  Parsed parsed("GET /x HTTP/1.1\r\n\r\n");
  REQUIRE(parsed.outcome == ParseOutcome::Refused);
  CHECK(parsed.head().method.of(parsed.bytes) == "GET");
  CHECK(parsed.head().target.of(parsed.bytes) == "/x");
  CHECK(parsed.parser.refusal().text == "an HTTP/1.1 request has no Host"sv);
}

TEST_CASE("verbs have HTTP_VERB's numbers")
{
  static const std::pair<std::string_view, int> rows[] = {{"OPTIONS", 3}, {"GET", 4}, {"HEAD", 5}, {"POST", 6}, {"PUT", 7}, {"DELETE", 8},
    {"TRACE", 9}, {"CONNECT", 10}, {"TRACK", 11}, {"MOVE", 12}, {"COPY", 13}, {"PROPFIND", 14}, {"PROPPATCH", 15}, {"MKCOL", 16},
    {"LOCK", 17}, {"UNLOCK", 18}, {"SEARCH", 19}, {"get", 1}, {"PATCH", 1}, {"GETX", 1}, {"BLOCK", 1}, {"PROPPATCHX", 1}, {"G", 1}};
  for (auto [name, number] : rows)
    CHECK(static_cast<int>(find_verb(name)) == number);
}
