// SPDX-License-Identifier: GPL-3.0-or-later
// The head of an application's response: checks what the application gave, decides about framing and persistence, and writes the
// bytes (httpapi: HttpSendHttpResponse, Remarks; http-server-api.md 2.7 and 3.3, http-wire-and-netsh.md B.4 and B.5). Two pure steps:
// plan_response() sizes, write_response_head() fills memory of that size; nothing is allocated.
#pragma once
#include "kernel/base/result.h"
#include "kernel/http1/header_table.h"
#include <cstdint>
#include <span>
#include <string_view>

namespace httpsys::http1 {

struct KnownResponseField {
  ResponseHeader id;
  std::string_view value; // an empty one is not sent
};

struct UnknownResponseField {
  std::string_view name;
  std::string_view value;
};

// All views must stay as they are between the two steps: client memory is copied first.
struct ResponseInput {
  uint16_t status = 200;
  std::string_view reason;
  std::span<const KnownResponseField> known; // in any order of ids; fields of one id go out in their order here
  // Content-Length, Transfer-Encoding, Connection, Date and Server may come here and count as if they had come by id.
  std::span<const UnknownResponseField> unknown;

  bool request_is_head = false;
  bool request_is_http_1_0 = false;
  bool request_keep_alive = true; // RequestHead::keep_alive

  bool more_data = false;          // HTTP_SEND_RESPONSE_FLAG_MORE_DATA
  bool disconnect = false;         // ..._DISCONNECT
  bool opaque = false;             // ..._OPAQUE
  bool automatic_chunking = false; // ..._AUTOMATIC_CHUNKING
  uint64_t body_length = 0;        // bytes of the body that comes with this call

  std::string_view date;  // format_date() of now
  bool add_server = true; // DisableServerHeader 0 or 1: a response without Server gets ours
};

// How the client finds the end of the body bytes that are sent.
enum class BodyFraming : uint8_t {
  None,               // no body is sent, whatever the application gave
  ContentLength,
  ApplicationFramed,  // the application writes chunks itself: its bytes go out as they are
  AutomaticChunked,   // the daemon writes chunks around the application's bytes
  UntilClose,
  Opaque,             // after 101: raw bytes both ways
};

struct ResponsePlan {
  size_t head_bytes = 0; // that write_response_head() will write
  BodyFraming framing = BodyFraming::None;
  uint64_t content_length = 0; // bytes that the body must have, with ContentLength; one that differs ends with the connection
  bool send_body = true;       // false for HEAD, 204 and 304: drop the body bytes
  bool keep_alive = true;

  // What the two steps agree about beyond that.
  bool has_application_length = false; // Content-Length goes out in the order of ids, not at the end
  bool has_length = false;             // a Content-Length of content_length goes out
  bool has_transfer_encoding = false;  // the application's goes out
  uint32_t special_ids = 0;            // bit by id: the headers that the daemon has a say in and the application gave
};

// InvalidParameter for what HttpSendHttpResponse refuses; why is then a static sentence without its full stop.
Result<ResponsePlan> plan_response(const ResponseInput &input, const char *&why);

// Writes plan.head_bytes bytes, from the status line to the empty line.
void write_response_head(const ResponseInput &input, const ResponsePlan &plan, char *out);

}
