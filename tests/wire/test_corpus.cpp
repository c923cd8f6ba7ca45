// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/wire/verdict.h"
#include <doctest/doctest.h>

static const std::vector<CorpusCase> &corpus()
{
  static const std::vector<CorpusCase> cases = read_corpus(HTTPSYS_HTTP1_CORPUS);
  return cases;
}

TEST_CASE("every case of the corpus has its verdict, in whatever pieces it arrives")
{
  CHECK(corpus().size() >= 300);
  for (const CorpusCase &one : corpus()) {
    CAPTURE(one.name);
    CAPTURE(one.reference);
    auto options = options_from(one.options);
    for (size_t piece : {0, 7, 1}) {
      // Pieces of one byte cost a copy of the head each; that is enough for the long cases with 7.
      if (piece == 1 && one.bytes.size() > 4000)
        continue;
      CAPTURE(piece);
      CHECK(verdict_of(one.bytes, options, piece) == one.verdict);
    }
  }
}

TEST_CASE("every prefix of a valid head waits for more")
{
  for (const CorpusCase &one : corpus()) {
    auto options = options_from(one.options);
    httpsys::http1::RequestParser parser(options);
    if (one.bytes.size() > 4000 || parser.parse(one.bytes) != httpsys::http1::ParseOutcome::Complete)
      continue;
    CAPTURE(one.name);
    for (size_t length = 0; length < parser.head().head_bytes; length++) {
      httpsys::http1::RequestParser fresh(options);
      std::vector<char> prefix(one.bytes.begin(), one.bytes.begin() + static_cast<ptrdiff_t>(length));
      CHECK(fresh.parse({prefix.data(), prefix.size()}) == httpsys::http1::ParseOutcome::NeedMore);
    }
  }
}
