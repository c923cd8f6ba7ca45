// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/wire/verdict.h"
#include "kernel/http1/chunked.h"
#include <cstdio>
#include <cstdlib>
#include <fstream>

using namespace httpsys;
using namespace httpsys::http1;

[[noreturn]] static void fail(const std::string &what)
{
  std::fprintf(stderr, "http1 corpus: %s\n", what.c_str());
  std::exit(2);
}

// Decodes escapes up to the end or, inside \{N*...}, up to the closing brace.
static std::string unescape(std::string_view &text, bool is_nested)
{
  std::string out;
  while (!text.empty()) {
    char c = text[0];
    text.remove_prefix(1);
    if (is_nested && c == '}')
      return out;
    if (c != '\\') {
      out += c;
      continue;
    }
    if (text.empty())
      fail("a backslash at the end");
    char kind = text[0];
    text.remove_prefix(1);
    if (kind == 'x') {
      out += static_cast<char>(std::stoi(std::string(text.substr(0, 2)), nullptr, 16));
      text.remove_prefix(2);
    } else if (kind == '{') {
      size_t star = text.find('*');
      int count = std::stoi(std::string(text.substr(0, star)));
      text.remove_prefix(star + 1);
      std::string piece = unescape(text, true);
      for (int index = 0; index < count; index++)
        out += piece;
    } else if (std::string_view("rnt0\\").find(kind) != std::string_view::npos) {
      out += kind == 'r' ? '\r' : kind == 'n' ? '\n' : kind == 't' ? '\t' : kind == '0' ? '\0' : '\\';
    } else {
      fail(std::string("unknown escape ") + kind);
    }
  }
  if (is_nested)
    fail("a \\{ without its }");
  return out;
}

std::vector<CorpusCase> read_corpus(const char *path)
{
  std::ifstream file(path);
  if (!file)
    fail(std::string("cannot open ") + path);
  std::vector<CorpusCase> cases;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#')
      continue;
    std::string fields[4];
    std::string_view rest = line;
    for (std::string &field : fields) {
      size_t bar = rest.find(" | ");
      if (bar == rest.npos)
        fail("five fields wanted: " + line);
      field = rest.substr(0, bar);
      rest.remove_prefix(bar + 3);
    }
    cases.push_back({fields[0], fields[1], fields[2], fields[3], unescape(rest, false)});
  }
  return cases;
}

ParserOptions options_from(std::string_view words)
{
  ParserOptions options;
  options.accept_bare_lf = words.find("lf") != words.npos;
  options.accept_obs_fold = words.find("fold") != words.npos;
  options.accept_transfer_encoding_with_content_length = words.find("tecl") != words.npos;
  if (words.find("bytes") != words.npos)
    options.max_request_bytes = 65536;
  return options;
}

static std::string refused(const Refusal &refusal) { return std::to_string(refusal.status) + ' ' + reason_name(refusal.reason); }

static std::string chunked_verdict(std::string_view bytes, const ParserOptions &options, size_t piece)
{
  ChunkedDecoder decoder(options);
  size_t body = 0, position = 0;
  while (position < bytes.size()) {
    ChunkStep step = decoder.next(bytes.substr(position, piece));
    position += step.consumed;
    body += step.data.size();
    if (step.outcome == ChunkOutcome::Refused)
      return "chunked " + refused(decoder.refusal());
    if (step.outcome == ChunkOutcome::End)
      return "chunked=" + std::to_string(body) + " rest=" + std::to_string(bytes.size() - position);
  }
  return "chunked short";
}

std::string verdict_of(std::string_view bytes, const ParserOptions &options, size_t piece)
{
  if (piece == 0)
    piece = bytes.size() + 1;
  RequestParser parser(options);
  ParseOutcome outcome = ParseOutcome::NeedMore;
  for (size_t length = 0; outcome == ParseOutcome::NeedMore && length < bytes.size();) {
    length = std::min(length + piece, bytes.size());
    // A copy of exact size lets the sanitizers see every read behind the end.
    std::vector<char> so_far(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
    outcome = parser.parse({so_far.data(), so_far.size()});
  }
  if (outcome == ParseOutcome::NeedMore)
    return "more";
  if (outcome == ParseOutcome::Refused)
    return refused(parser.refusal());
  const RequestHead &head = parser.head();
  if (head.form != TargetForm::Asterisk) {
    url::CanonicalPath path;
    if (Refusal refusal = refusal_for_path(url::canonicalise_path(head.path.of(bytes), {}, path), {}))
      return refused(refusal);
  }
  std::string_view rest = bytes.substr(head.head_bytes);
  std::string verdict = "none rest=" + std::to_string(rest.size());
  if (head.framing == Framing::ContentLength) {
    verdict = "length=" + std::to_string(head.content_length);
    verdict += rest.size() < head.content_length ? " short" : " rest=" + std::to_string(rest.size() - head.content_length);
  } else if (head.framing == Framing::Chunked) {
    verdict = chunked_verdict(rest, options, piece);
  }
  return verdict + (head.keep_alive ? "" : " close");
}
