// SPDX-License-Identifier: GPL-3.0-or-later
// HTTP_RESPONSE as callers fill it, and the block that httpsysd gets (http-server-api.md 2.7, 3.2, 3.3).
#include "lib/marshal_response.h"
#include "uapi/response.h"
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace httpsys::lib;

namespace {

struct Outcome {
  uint32_t code;
  std::string why;
  std::vector<uint8_t> block;
  const hsys_response &head() const { return *reinterpret_cast<const hsys_response *>(block.data()); }
  std::string text(uint32_t offset, uint32_t length) const
  {
    REQUIRE(offset + length <= block.size());
    return {block.begin() + offset, block.begin() + offset + length};
  }
  // "id|name|value"
  std::vector<std::string> lines() const
  {
    std::vector<std::string> result;
    for (uint32_t i = 0; i < head().header_count; i++) {
      hsys_header line;
      memcpy(&line, block.data() + head().header_offset + i * sizeof line, sizeof line);
      CHECK(line.reserved0 == 0);
      result.push_back((line.id == HSYS_HEADER_UNKNOWN ? "?" : std::to_string(line.id)) + "|" + text(line.name_offset, line.name_length) +
        "|" + text(line.value_offset, line.value_length));
    }
    return result;
  }
};

Outcome marshal(const HTTP_RESPONSE_V2 &response, bool version_2 = true)
{
  ParameterBlock block;
  ErrorText why;
  uint32_t code = marshal_response(response, version_2, block, why);
  return {code, why.c_str(), {block.data(), block.data() + block.size()}};
}

HTTP_RESPONSE_V2 ok()
{
  HTTP_RESPONSE_V2 response{};
  response.StatusCode = 200;
  response.pReason = "OK";
  response.ReasonLength = 2;
  return response;
}

void set(HTTP_KNOWN_HEADER &header, const char *value)
{
  header.pRawValue = value;
  header.RawValueLength = static_cast<USHORT>(strlen(value));
}

using Lines = std::vector<std::string>;

}

TEST_CASE("a status and nothing else")
{
  Outcome outcome = marshal(ok());
  REQUIRE(outcome.code == NO_ERROR);
  CHECK(outcome.head().size == outcome.block.size());
  CHECK(outcome.head().version == 1);
  CHECK(outcome.head().status_code == 200);
  CHECK(outcome.text(outcome.head().reason_offset, outcome.head().reason_length) == "OK");
  CHECK(outcome.head().header_count == 0);
  CHECK(outcome.head().extent_count == 0);
  CHECK(outcome.head().extent_offset % 4 == 0);
  CHECK(outcome.head().extent_offset + sizeof(hsys_extent) == outcome.block.size());
  CHECK(outcome.head().reserved0 == 0);
  HTTP_RESPONSE_V2 silent{};
  silent.StatusCode = 404;
  outcome = marshal(silent);
  CHECK(outcome.code == NO_ERROR);
  CHECK(outcome.head().reason_length == 0);
}

TEST_CASE("known headers by ascending id, then unknown ones as they stand")
{
  HTTP_RESPONSE_V2 response = ok();
  set(response.Headers.KnownHeaders[HttpHeaderServer], "me");
  set(response.Headers.KnownHeaders[HttpHeaderContentType], "text/plain");
  HTTP_UNKNOWN_HEADER unknown[] = {{3, 1, "X-B", "2"}, {14, 2, "Content-Length", "10"}, {3, 0, "X-A", nullptr}};
  response.Headers.pUnknownHeaders = unknown;
  response.Headers.UnknownHeaderCount = 3;
  Outcome outcome = marshal(response);
  REQUIRE(outcome.code == NO_ERROR);
  CHECK(outcome.lines() == Lines{"12||text/plain", "26||me", "?|X-B|2", "?|Content-Length|10", "?|X-A|"});
  CHECK(outcome.head().header_offset % 4 == 0);
}

TEST_CASE("a known header without length is absent, whatever its pointer is")
{
  HTTP_RESPONSE_V2 response = ok();
  response.Headers.KnownHeaders[HttpHeaderServer].pRawValue = reinterpret_cast<PCSTR>(8);
  Outcome outcome = marshal(response);
  CHECK(outcome.code == NO_ERROR);
  CHECK(outcome.lines() == Lines{});
}

TEST_CASE("several values of a known header, the single one first")
{
  HTTP_RESPONSE_V2 response = ok();
  set(response.Headers.KnownHeaders[HttpHeaderSetCookie], "single=0");
  set(response.Headers.KnownHeaders[HttpHeaderVary], "Accept");
  HTTP_KNOWN_HEADER cookies[2] = {};
  set(cookies[0], "a=1");
  set(cookies[1], "b=2");
  HTTP_KNOWN_HEADER ages[2] = {};
  set(ages[0], "5");
  HTTP_MULTIPLE_KNOWN_HEADERS multiple[] = {{HttpHeaderSetCookie, HTTP_RESPONSE_INFO_FLAGS_PRESERVE_ORDER, 2, cookies},
    {HttpHeaderAge, 0, 2, ages}};
  HTTP_RESPONSE_INFO infos[] = {{HttpResponseInfoTypeMultipleKnownHeaders, sizeof multiple[0], &multiple[0]},
    {HttpResponseInfoTypeMultipleKnownHeaders, sizeof multiple[1], &multiple[1]}};
  response.pResponseInfo = infos;
  response.ResponseInfoCount = 2;
  CHECK(marshal(response).lines() == Lines{"21||5", "27||single=0", "27||a=1", "27||b=2", "28||Accept"});
  SUBCASE("on a version 1 queue there is nothing behind the structure")
  {
    response.pResponseInfo = reinterpret_cast<HTTP_RESPONSE_INFO *>(1);
    response.ResponseInfoCount = 77;
    Outcome outcome = marshal(response, false);
    CHECK(outcome.code == NO_ERROR);
    CHECK(outcome.lines() == Lines{"27||single=0", "28||Accept"});
  }
}

TEST_CASE("bytes above 0x7f and TAB pass; CR, LF and NUL do not")
{
  HTTP_RESPONSE_V2 response = ok();
  set(response.Headers.KnownHeaders[HttpHeaderServer], "caf\xc3\xa9\tbar");
  CHECK(marshal(response).lines() == Lines{"26||caf\xc3\xa9\tbar"});
  for (std::string bad : {std::string("a\r\nSet-Cookie: x"), std::string("a\n"), std::string("a\r"), std::string("a\0b", 3)}) {
    USHORT length = static_cast<USHORT>(bad.size());
    HTTP_RESPONSE_V2 in_known = ok(), in_unknown = ok(), in_name = ok(), in_reason = ok(), in_multiple = ok();
    in_known.Headers.KnownHeaders[HttpHeaderServer] = {length, bad.data()};
    HTTP_UNKNOWN_HEADER value{1, length, "A", bad.data()}, name{length, 1, bad.data(), "v"};
    in_unknown.Headers.pUnknownHeaders = &value;
    in_name.Headers.pUnknownHeaders = &name;
    in_unknown.Headers.UnknownHeaderCount = in_name.Headers.UnknownHeaderCount = 1;
    in_reason.pReason = bad.data();
    in_reason.ReasonLength = length;
    HTTP_KNOWN_HEADER known{length, bad.data()};
    HTTP_MULTIPLE_KNOWN_HEADERS multiple{HttpHeaderSetCookie, 0, 1, &known};
    HTTP_RESPONSE_INFO info{HttpResponseInfoTypeMultipleKnownHeaders, sizeof multiple, &multiple};
    in_multiple.pResponseInfo = &info;
    in_multiple.ResponseInfoCount = 1;
    for (const HTTP_RESPONSE_V2 *refused : {&in_known, &in_unknown, &in_name, &in_reason, &in_multiple}) {
      Outcome outcome = marshal(*refused);
      CHECK(outcome.code == ERROR_INVALID_PARAMETER);
      CHECK(outcome.why != "");
    }
  }
}

TEST_CASE("every member that is refused says so")
{
  auto refused = [](uint32_t code, auto &&spoil) {
    HTTP_RESPONSE_V2 response = ok();
    spoil(response);
    Outcome outcome = marshal(response);
    CHECK(outcome.why != "");
    return outcome.code == code;
  };
  constexpr uint32_t k87 = ERROR_INVALID_PARAMETER;
  CHECK(refused(k87, [](auto &response) { response.Flags = 4; }));
  for (int status : {0, 99, 100, 101, 199, 1000, 65535})
    CHECK(refused(k87, [&](auto &response) { response.StatusCode = static_cast<USHORT>(status); }));
  CHECK(refused(k87, [](auto &response) { response.pReason = nullptr; }));
  CHECK(refused(k87, [](auto &response) { response.Headers.TrailerCount = 1; }));
  CHECK(refused(k87, [](auto &response) { response.Headers.UnknownHeaderCount = 1; }));
  CHECK(refused(k87, [](auto &response) { response.Headers.UnknownHeaderCount = 10000; }));
  CHECK(refused(k87, [](auto &response) { response.Headers.KnownHeaders[0].RawValueLength = 1; }));
  CHECK(refused(k87, [](auto &response) { response.ResponseInfoCount = 1; }));
  HTTP_UNKNOWN_HEADER unknown{};
  auto with_unknown = [&](auto &response) {
    response.Headers.pUnknownHeaders = &unknown;
    response.Headers.UnknownHeaderCount = 1;
  };
  CHECK(refused(k87, with_unknown));
  unknown = {3, 1, nullptr, "v"};
  CHECK(refused(k87, with_unknown));
  unknown = {1, 1, "A", nullptr};
  CHECK(refused(k87, with_unknown));
  for (const char *name : {"A:", "A B", " A", "A\x80", "(A)", "A\""}) {
    unknown = {static_cast<USHORT>(strlen(name)), 1, name, "v"};
    CHECK(refused(k87, with_unknown));
  }
}

TEST_CASE("every response info that is refused says so")
{
  HTTP_KNOWN_HEADER header{1, "v"};
  HTTP_MULTIPLE_KNOWN_HEADERS multiple{HttpHeaderSetCookie, 0, 1, &header};
  HTTP_RESPONSE_INFO info{HttpResponseInfoTypeMultipleKnownHeaders, sizeof multiple, &multiple};
  auto code = [&] {
    HTTP_RESPONSE_V2 response = ok();
    response.pResponseInfo = &info;
    response.ResponseInfoCount = 1;
    Outcome outcome = marshal(response);
    CHECK((outcome.code == NO_ERROR || outcome.why != ""));
    return outcome.code;
  };
  CHECK(code() == NO_ERROR);
  info.Length = sizeof multiple - 1;
  CHECK(code() == ERROR_INVALID_PARAMETER);
  info.Length = sizeof multiple + 8;
  CHECK(code() == NO_ERROR);
  info.pInfo = nullptr;
  CHECK(code() == ERROR_INVALID_PARAMETER);
  info.pInfo = &multiple;
  multiple.HeaderId = static_cast<HTTP_HEADER_ID>(30);
  CHECK(code() == ERROR_INVALID_PARAMETER);
  memset(&multiple.HeaderId, 0xff, sizeof multiple.HeaderId);
  CHECK(code() == ERROR_INVALID_PARAMETER);
  multiple = {HttpHeaderSetCookie, 2, 1, &header};
  CHECK(code() == ERROR_INVALID_PARAMETER);
  multiple = {HttpHeaderSetCookie, 0, 1, nullptr};
  CHECK(code() == ERROR_INVALID_PARAMETER);
  multiple = {HttpHeaderSetCookie, 0, 0, nullptr};
  CHECK(code() == NO_ERROR);
  for (auto [type, expected] : {std::pair<int, uint32_t>{1, ERROR_INVALID_PARAMETER}, {2, ERROR_NOT_SUPPORTED}, {3, ERROR_NOT_SUPPORTED},
         {4, ERROR_INVALID_PARAMETER}, {-1, ERROR_INVALID_PARAMETER}}) {
    memcpy(&info.Type, &type, sizeof type);
    CHECK(code() == expected);
  }
}

TEST_CASE("a head up to 64 KiB, not a byte more")
{
  HTTP_RESPONSE_V2 response = ok();
  std::string value(60000, 'v'), more(6000, 'w');
  response.Headers.KnownHeaders[HttpHeaderServer] = {static_cast<USHORT>(value.size()), value.data()};
  Outcome outcome = marshal(response);
  CHECK(outcome.code == NO_ERROR);
  CHECK(outcome.lines() == Lines{"26||" + value});
  response.Headers.KnownHeaders[HttpHeaderVary] = {static_cast<USHORT>(more.size()), more.data()};
  outcome = marshal(response);
  CHECK(outcome.code == ERROR_INVALID_PARAMETER);
  CHECK(outcome.why.find("65536") != std::string::npos);
  std::vector<HTTP_UNKNOWN_HEADER> many(9999, HTTP_UNKNOWN_HEADER{1, 1, "A", "b"});
  HTTP_RESPONSE_V2 full = ok();
  full.Headers.pUnknownHeaders = many.data();
  full.Headers.UnknownHeaderCount = 9999;
  CHECK(marshal(full).code == ERROR_INVALID_PARAMETER);
  full.Headers.UnknownHeaderCount = 3000;
  outcome = marshal(full);
  CHECK(outcome.code == NO_ERROR);
  CHECK(outcome.lines() == Lines(3000, "?|A|b"));
}

TEST_CASE("the block of a body send")
{
  ParameterBlock block;
  REQUIRE(marshal_send_body(block) == NO_ERROR);
  const hsys_send_body &head = block.at<hsys_send_body>(0);
  CHECK(block.size() == sizeof head + sizeof(hsys_extent));
  CHECK(head.size == block.size());
  CHECK(head.version == 1);
  CHECK(head.extent_offset == sizeof head);
}
