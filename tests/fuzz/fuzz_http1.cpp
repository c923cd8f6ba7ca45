// SPDX-License-Identifier: GPL-3.0-or-later
// libFuzzer target: request heads, chunked bodies and response heads from any bytes. Beyond "does not crash": the outcome does not
// depend on the pieces, ranges lie in the buffer, and a response is exactly as long as planned and cannot be split.
#include "kernel/http1/chunked.h"
#include "kernel/http1/response_head.h"
#include "tests/wire/verdict.h"
#include <vector>

using namespace httpsys;
using namespace httpsys::http1;

static void require(bool holds)
{
  if (!holds)
    __builtin_trap();
}

static void check_ranges(std::string_view bytes, const ParserOptions &options)
{
  RequestParser parser(options);
  if (parser.parse(bytes) != ParseOutcome::Complete)
    return;
  const RequestHead &head = parser.head();
  require(head.head_bytes <= bytes.size());
  size_t lines = 0;
  for (const HeaderField &field : head.fields) {
    require(field.name_length > 0 && field.name_offset + field.name_length <= head.head_bytes);
    require(field.value_offset + field.value_length <= head.head_bytes);
    if (!field.is_first)
      continue;
    std::vector<char> value(field.merged_length);
    head.copy_value(field, bytes, value.data());
    for (char c : value)
      require(c != '\r' && c != '\n' && c != '\0');
    for (const HeaderField *line = &field;; line = &head.fields[line->next], lines++)
      if (line->next == HeaderField::kNone)
        break;
    lines++;
  }
  require(lines == head.fields.size());
}

static void fuzz_request(uint8_t selector, std::string_view bytes)
{
  ParserOptions options;
  options.accept_bare_lf = selector & 1;
  options.accept_obs_fold = selector & 2;
  options.accept_transfer_encoding_with_content_length = selector & 4;
  if (selector & 8) {
    options.max_request_line = 64;
    options.max_field_length = 40;
    options.max_request_bytes = 100;
    options.max_header_count = 5;
  }
  std::string whole = verdict_of(bytes, options, 0);
  require(whole == verdict_of(bytes, options, 1) && whole == verdict_of(bytes, options, 5));
  check_ranges(bytes, options);
}

// The bytes, cut at 0xff, are the application's texts.
static void fuzz_response(uint8_t selector, std::string_view bytes)
{
  std::vector<std::string_view> words;
  for (size_t cut = 0; cut != bytes.npos && words.size() < 16;) {
    cut = bytes.find('\xff');
    words.push_back(bytes.substr(0, cut));
    bytes.remove_prefix(cut == bytes.npos ? 0 : cut + 1);
  }
  words.resize(16);
  ResponseInput input;
  input.status = static_cast<uint16_t>(selector & 0x40 ? 101 : 190 + selector % 120);
  input.reason = words[0];
  input.date = "Sun, 06 Nov 1994 08:49:37 GMT";
  input.more_data = selector & 1;
  input.request_is_head = selector & 2;
  input.request_is_http_1_0 = selector & 4;
  input.automatic_chunking = selector & 8;
  input.opaque = selector & 16;
  const KnownResponseField known[] = {{static_cast<ResponseHeader>(selector % 31), words[1]}, {ResponseHeader::ContentLength, words[2]},
    {ResponseHeader::Connection, words[3]}};
  const UnknownResponseField unknown[] = {{words[4], words[5]}, {words[6], words[7]}, {words[8], words[9]}};
  input.known = known;
  input.unknown = unknown;
  const char *why = nullptr;
  auto plan = plan_response(input, why);
  require(plan.is_error() == (why != nullptr));
  if (plan.is_error())
    return;
  std::vector<char> head(plan->head_bytes);
  write_response_head(input, *plan, head.data());
  std::string_view text(head.data(), head.size());
  // At most: status line, three and three fields, Transfer-Encoding, Server, Date, Connection, Content-Length, and the empty line.
  size_t lines = 0;
  for (size_t at = 0; (at = text.find('\n', at)) != text.npos; at++) {
    require(text[at - 1] == '\r');
    lines++;
  }
  require(lines <= 13 && text.ends_with("\r\n\r\n") && text.find("\r\n\r\n") == text.size() - 4);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  std::string_view bytes(reinterpret_cast<const char *>(data) + 1, size - 1);
  fuzz_request(data[0], bytes);
  fuzz_response(data[0], bytes);
  return 0;
}
