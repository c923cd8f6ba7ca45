// SPDX-License-Identifier: GPL-3.0-or-later
// What our parsers make of the bytes of one connection, in one line, for comparison with http1_corpus.txt and with other parsers.
#pragma once
#include "kernel/http1/request_parser.h"
#include <string>
#include <string_view>
#include <vector>

struct CorpusCase {
  std::string name;
  std::string options;
  std::string verdict;
  std::string reference;
  std::string bytes;
};

// Ends the program when the file cannot be read or has a malformed line.
std::vector<CorpusCase> read_corpus(const char *path);

// "lf,fold" as in the corpus.
httpsys::http1::ParserOptions options_from(std::string_view words);

// Feeds the bytes in pieces of this many; 0: all at once.
std::string verdict_of(std::string_view bytes, const httpsys::http1::ParserOptions &options, size_t piece);
