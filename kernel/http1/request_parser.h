// SPDX-License-Identifier: GPL-3.0-or-later
// RequestParser: the head of an HTTP/1.x request from the bytes of a connection, incrementally and strictly (RFC 9112; limits and
// status codes: design.md 5 and 6). No byte is searched twice, whatever pieces the bytes arrive in, and the outcome does not depend
// on the pieces. One parser per connection, on the connection's core; it keeps no pointer into the buffer between calls.
#pragma once
#include "kernel/http1/refusal.h"
#include "kernel/http1/request_head.h"
#include "kernel/limits.h"
#include <cstdint>
#include <string_view>

namespace httpsys::http1 {

// The [limits] and [compat] settings that the parser reads.
struct ParserOptions {
  uint32_t max_request_line = limits::kMaxRequestLine;
  uint32_t max_request_bytes = limits::kMaxRequestBytes;
  uint32_t max_field_length = limits::kMaxFieldLength; // the parser takes at most 65535
  uint32_t max_header_count = limits::kMaxHeaderCount; // the parser takes at most 65534
  bool accept_bare_lf = false;
  bool accept_obs_fold = false;
  bool accept_transfer_encoding_with_content_length = false;
};

enum class ParseOutcome : uint8_t { NeedMore, Complete, Refused };

class RequestParser {
public:
  explicit RequestParser(const ParserOptions &options);

  // so_far: all bytes of this request received so far, from its first one on; they may have moved since the last call, but not
  // changed. Complete: head() is filled, head().head_bytes are the request's, and what follows is its body and later requests.
  // Refused: refusal() says why; head() has what was understood before (for the error log). Further calls say the same.
  ParseOutcome parse(std::string_view so_far);
  // Before the first byte of the next request.
  void reset();

  const RequestHead &head() const { return m_head; }
  const Refusal &refusal() const { return m_refusal; }
  // Whether a byte that is no blank line has arrived: the connection is no longer idle (timers).
  bool has_started() const { return m_stage != Stage::BlankLines; }

private:
  enum class Stage : uint8_t { BlankLines, RequestLine, Fields, Complete, Refused };

  // Whether the line that starts at m_line can be looked at; false: NeedMore, or refused.
  bool begin_line(std::string_view bytes);
  bool skip_blank_line(std::string_view bytes);
  Refusal check_length(std::string_view bytes, size_t line_bytes, bool is_complete) const;
  Refusal take_line(std::string_view bytes, size_t line_feed);
  Refusal take_request_line(std::string_view bytes, std::string_view line);
  Refusal take_version(std::string_view version);
  Refusal take_target(std::string_view bytes);
  Refusal take_absolute_target(std::string_view bytes, size_t scheme_length);
  Refusal take_field(std::string_view bytes, std::string_view line);
  Refusal take_folded_line(std::string_view bytes, std::string_view line);
  void refuse(const Refusal &refusal);
  uint32_t field_bytes_before(char first_byte) const;

  ParserOptions m_options;
  RequestHead m_head;
  Refusal m_refusal{};
  Stage m_stage = Stage::BlankLines;
  uint32_t m_blank_lines = 0;
  size_t m_line = 0;          // offset of the current line
  size_t m_scanned = 0;       // bytes before this offset have been searched for LF
  uint32_t m_header_bytes = 0; // header lines taken, with their ends
  uint32_t m_field_bytes = 0;  // of the last field, folded lines included
};

}
