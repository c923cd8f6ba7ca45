// SPDX-License-Identifier: GPL-3.0-or-later
// RequestHead: what the parser found in the head of one HTTP/1.x request, as offsets into the connection's buffer; no bytes are
// copied but the host's. One object per connection, on the connection's core, reused from request to request, so that a warm one
// allocates nothing. Its offsets are valid for the buffer whose first byte is the first that parse() was given.
#pragma once
#include "kernel/http1/header_table.h"
#include "kernel/http1/verb.h"
#include "kernel/url/host.h"
#include <cstdint>
#include <string_view>
#include <vector>

namespace httpsys::http1 {

struct Range {
  uint32_t offset = 0;
  uint32_t length = 0;

  std::string_view of(std::string_view buffer) const { return buffer.substr(offset, length); }
};

// One header line (several when folded). Lines of one name form a chain that begins at the first of them; the request shows the
// chain as one header with one value.
struct HeaderField {
  static constexpr uint16_t kNone = 0xffff;

  uint32_t name_offset = 0;
  uint32_t value_offset = 0;  // trimmed
  uint32_t merged_length = 0; // of a first: bytes of the joined value
  uint32_t hash = 0;          // of an unknown name without regard to case
  uint16_t name_length = 0;
  uint16_t value_length = 0;
  uint16_t next = kNone;      // the next line of this name
  uint16_t last = kNone;      // of a first: the last line of this name
  uint16_t bucket_next = kNone;
  RequestHeader id = RequestHeader::Unknown;
  bool is_first = true;
  bool is_folded = false; // the value has line ends in it, which copy_value() makes blanks (RFC 9112 5.2)

  Range name() const { return {name_offset, name_length}; }
  Range value() const { return {value_offset, value_length}; }
};

enum class TargetForm : uint8_t { Origin, Absolute, Asterisk };
enum class Framing : uint8_t { None, ContentLength, Chunked };

struct RequestHead {
  uint32_t head_bytes = 0; // blank lines before the request included; the body begins here
  Verb verb = Verb::Unparsed;
  Range method{};
  Range target{};            // as sent (RawUrl)
  Range path{};              // the target from its path on, with the query; empty for "*" and for an absolute target without path
  TargetForm form = TargetForm::Origin;
  bool is_https_target = false; // scheme of an absolute target
  uint8_t version_minor = 1;    // 0 or 1; HTTP/1.2 and later are taken as 1.1 (RFC 9110 2.5)
  Framing framing = Framing::None;
  uint64_t content_length = 0;  // bytes, with Framing::ContentLength
  bool keep_alive = false;      // whether the client lets the connection persist (RFC 9112 9.3)
  bool asked_keep_alive = false; // it said "Connection: keep-alive"
  bool expect_continue = false; // it waits for 100 Continue before it sends its body
  url::Host host;               // of an absolute target, else of the Host field (RFC 9112 3.2.2)
  std::vector<HeaderField> fields; // in order of arrival, those that are not first of their name included

  void clear();
  bool has_body() const { return framing == Framing::Chunked || content_length > 0; }
  // First line of this known header, nullptr when there is none.
  const HeaderField *find(RequestHeader id) const;
  // Writes the value of a first, joined with the other lines of its name by ", " (Cookie: "; "), exactly merged_length bytes.
  void copy_value(const HeaderField &first, std::string_view buffer, char *out) const;

  // For the parser: chains the fields of equal names and sums merged_length. False when a value exceeds kMaxMergedFieldLength.
  bool link_fields(std::string_view buffer);

private:
  static constexpr size_t kBuckets = 128;
  uint16_t find_unknown(const HeaderField &field, std::string_view buffer, uint16_t bucket_head) const;
  void chain(uint16_t first, uint16_t index);
};

}
