// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/header_table.h"
#include <algorithm>
#include <doctest/doctest.h>
#include <string>

using namespace httpsys::http1;

static std::string changed(std::string_view name, int (*change)(int))
{
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(), [&](char c) { return static_cast<char>(change(c)); });
  return out;
}

TEST_CASE("every known header is found in any case, and nothing near it")
{
  for (int8_t id = 0; id < static_cast<int8_t>(kRequestHeaderCount); id++) {
    std::string name(request_header_name(static_cast<RequestHeader>(id)));
    CAPTURE(name);
    CHECK(static_cast<int8_t>(find_request_header(name)) == id);
    CHECK(static_cast<int8_t>(find_request_header(changed(name, tolower))) == id);
    CHECK(static_cast<int8_t>(find_request_header(changed(name, toupper))) == id);
    CHECK(find_request_header(name + "x") == RequestHeader::Unknown);
    CHECK(find_request_header(name.substr(1)) == RequestHeader::Unknown);
    name[name.size() / 2] ^= 1;
    CHECK(find_request_header(name) == RequestHeader::Unknown);
  }
  for (int8_t id = 0; id < static_cast<int8_t>(kResponseHeaderCount); id++) {
    std::string name(response_header_name(static_cast<ResponseHeader>(id)));
    CAPTURE(name);
    CHECK(static_cast<int8_t>(find_response_header(name)) == id);
    CHECK(static_cast<int8_t>(find_response_header(changed(name, tolower))) == id);
    CHECK(static_cast<int8_t>(find_response_header(changed(name, toupper))) == id);
    CHECK(find_response_header(name + "x") == ResponseHeader::Unknown);
  }
}

TEST_CASE("ids are HTTP_HEADER_ID's")
{
  CHECK(find_request_header("Host") == RequestHeader::Host);
  CHECK(static_cast<int>(RequestHeader::Accept) == 20);
  CHECK(static_cast<int>(RequestHeader::Host) == 28);
  CHECK(static_cast<int>(RequestHeader::UserAgent) == 40);
  CHECK(static_cast<int>(ResponseHeader::LastModified) == 19);
  CHECK(static_cast<int>(ResponseHeader::Server) == 26);
  CHECK(static_cast<int>(ResponseHeader::WwwAuthenticate) == 29);
  CHECK(find_request_header("Server") == RequestHeader::Unknown);
  CHECK(find_response_header("Host") == ResponseHeader::Unknown);
  CHECK(find_request_header("") == RequestHeader::Unknown);
  CHECK(find_request_header("Origin") == RequestHeader::Unknown);
}
