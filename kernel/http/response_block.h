// SPDX-License-Identifier: GPL-3.0-or-later
// The parameter blocks of SEND_RESPONSE and SEND_BODY (uapi/response.h), checked. They come from a client: every offset and count
// is looked at once, in the daemon's private copy; the views point into that copy. Pure functions.
#pragma once
#include "kernel/base/result.h"
#include "uapi/response.h"
#include <span>
#include <string_view>
#include <vector>

namespace httpsys::http {

// In words, for those who send.
inline constexpr const char *kGarbledParameters = "the operation's parameter block contradicts itself";
inline constexpr const char *kRespondedBefore = "a response was sent for this request before";

struct ResponseBlock {
  uint16_t status_code = 0;
  std::string_view reason;
  bool continues = false; // HSYS_SEND_CONTINUES
  uint64_t content_bytes = 0;
  struct Header {
    uint16_t id; // HTTP_HEADER_ID or HSYS_HEADER_UNKNOWN
    std::string_view name, value;
  };
  std::vector<Header> headers;
  std::vector<hsys_extent> extents;
};

struct SendBodyBlock {
  bool continues = false;
  std::vector<hsys_extent> extents;
};

// InvalidParameter for a block that contradicts itself: sizes, counts, offsets outside, unknown header ids, reserved members, more
// extent bytes than HSYS_SEND_BYTES_MAX or than content_bytes. Header bytes are checked where they are encoded.
Result<ResponseBlock> parse_response_block(std::span<const uint8_t> block);
Result<SendBodyBlock> parse_send_body_block(std::span<const uint8_t> block);

}
