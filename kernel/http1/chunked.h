// SPDX-License-Identifier: GPL-3.0-or-later
// ChunkedDecoder: takes chunk framing off a request body in place, incrementally (RFC 9112 7.1). Extensions are checked and ignored,
// trailers checked and dropped, lines end in CRLF only whatever [compat] says. One decoder per request with such a body, on its
// connection's core; it keeps no pointer into the input.
#pragma once
#include "kernel/http1/refusal.h"
#include "kernel/http1/request_parser.h"
#include <cstdint>
#include <string_view>

namespace httpsys::http1 {

enum class ChunkOutcome : uint8_t {
  NeedMore, // the whole input is consumed
  Data,     // data is a piece of the body, inside the input
  End,      // the message is complete; what follows the consumed bytes is the next request
  Refused,  // refusal() says why; the connection cannot be used further
};

struct ChunkStep {
  ChunkOutcome outcome;
  size_t consumed;         // bytes of the input that belong to the message, data included
  std::string_view data{}; // never empty with Data
};

class ChunkedDecoder {
public:
  // Trailer lines obey the limits of header lines.
  explicit ChunkedDecoder(const ParserOptions &options) : m_options(options) {}

  // input: the bytes that follow those consumed so far.
  ChunkStep next(std::string_view input);
  const Refusal &refusal() const { return m_refusal; }
  bool is_done() const { return m_state == State::Done; }

private:
  enum class State : uint8_t {
    Size, SizeMore, SizeLf,
    ExtensionName, ExtensionNameMore, ExtensionValue, ExtensionToken, ExtensionQuoted, ExtensionEscape, ExtensionEnd,
    Data, DataCr, DataLf,
    TrailerStart, TrailerName, TrailerValue, TrailerLf, EndLf,
    Done, Refused,
  };

  Refusal take(char c);
  Refusal take_size(char c);
  Refusal take_extension(char c);
  Refusal take_extension_end(char c);
  Refusal take_trailer(char c);
  Refusal expect(char c, char wanted, State next);

  ParserOptions m_options;
  State m_state = State::Size;
  Refusal m_refusal{};
  uint64_t m_left = 0; // bytes of the current chunk
  uint32_t m_digits = 0;
  uint32_t m_extension_length = 0; // of this chunk
  uint32_t m_extension_bytes = 0;  // of all chunks
  uint32_t m_trailer_bytes = 0;
  uint32_t m_trailer_length = 0; // of this line
  uint32_t m_trailer_count = 0;
};

}
