// SPDX-License-Identifier: GPL-3.0-or-later
// Malformed framing is in tests/wire/http1_corpus.txt; here: what comes out, and where it lies.
#include "kernel/http1/chunked.h"
#include <doctest/doctest.h>
#include <string>

using namespace httpsys::http1;

TEST_CASE("body pieces are views into the input, and not a byte of the next request is taken")
{
  const std::string body = "5;x=\"y\"\r\nhello\r\n007\r\n, world\r\n0\r\nTrailer: t\r\n\r\n";
  const std::string input = body + "GET /next";
  for (size_t piece = 1; piece <= input.size(); piece++) {
    CAPTURE(piece);
    ChunkedDecoder decoder({});
    std::string out;
    size_t position = 0;
    for (;;) {
      std::string_view available = std::string_view(input).substr(position, piece);
      ChunkStep step = decoder.next(available);
      REQUIRE(step.consumed <= available.size());
      if (step.outcome == ChunkOutcome::Data) {
        REQUIRE(!step.data.empty());
        CHECK(step.data.data() >= available.data());
        CHECK(step.data.data() + step.data.size() == available.data() + step.consumed);
      } else if (step.outcome == ChunkOutcome::NeedMore) {
        CHECK(step.consumed == available.size());
      }
      out += step.data;
      position += step.consumed;
      REQUIRE(step.outcome != ChunkOutcome::Refused);
      CHECK(decoder.is_done() == (step.outcome == ChunkOutcome::End));
      if (step.outcome == ChunkOutcome::End)
        break;
    }
    CHECK(out == "hello, world");
    CHECK(position == body.size());
    CHECK(decoder.next("GET").outcome == ChunkOutcome::End);
    CHECK(decoder.next("GET").consumed == 0);
  }
}

TEST_CASE("a refused body stays refused, with the data before it delivered")
{
  ChunkedDecoder decoder({});
  std::string_view input = "2\r\nabX";
  ChunkStep step = decoder.next(input);
  CHECK(step.outcome == ChunkOutcome::Data);
  CHECK(step.data == "ab");
  CHECK(decoder.next(input.substr(step.consumed)).outcome == ChunkOutcome::Refused);
  CHECK(decoder.refusal().status == 400);
  CHECK(decoder.next("\r\n0\r\n\r\n").outcome == ChunkOutcome::Refused);
}
