// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/chunked.h"
#include "kernel/http1/characters.h"
#include "kernel/url/percent.h"
#include <algorithm>

namespace httpsys::http1 {

namespace {

constexpr Refusal kNoCrLf = {400, Reason::InvalidCrLf, "a line of the chunked body does not end in CRLF"};
constexpr Refusal kBadSize = {400, Reason::BadRequest, "a chunk does not begin with its size in hexadecimal digits"};
constexpr Refusal kBadExtension = {400, Reason::BadRequest, "a chunk extension is malformed"};
constexpr Refusal kBadTrailer = {400, Reason::Header, "a trailer line is malformed"};

}

ChunkStep ChunkedDecoder::next(std::string_view input)
{
  for (size_t position = 0; position < input.size() && m_state < State::Done;) {
    if (m_state == State::Data) {
      auto length = static_cast<size_t>(std::min<uint64_t>(m_left, input.size() - position));
      m_left -= length;
      if (m_left == 0)
        m_state = State::DataCr;
      return {ChunkOutcome::Data, position + length, input.substr(position, length)};
    }
    m_refusal = take(input[position++]);
    if (m_refusal)
      m_state = State::Refused;
    else if (m_state == State::Done)
      return {ChunkOutcome::End, position};
  }
  if (m_state == State::Done)
    return {ChunkOutcome::End, 0};
  if (m_state == State::Refused)
    return {ChunkOutcome::Refused, 0};
  return {ChunkOutcome::NeedMore, input.size()};
}

Refusal ChunkedDecoder::expect(char c, char wanted, State next)
{
  if (c != wanted)
    return kNoCrLf;
  m_state = next;
  return {};
}

Refusal ChunkedDecoder::take(char c)
{
  switch (m_state) {
  case State::Size:
  case State::SizeMore:
    return take_size(c);
  case State::SizeLf:
    m_extension_length = 0;
    return expect(c, '\n', m_left == 0 ? State::TrailerStart : State::Data);
  case State::DataCr:
    return expect(c, '\r', State::DataLf);
  case State::DataLf:
    m_digits = 0;
    return expect(c, '\n', State::Size);
  case State::EndLf:
    return expect(c, '\n', State::Done);
  case State::TrailerStart:
  case State::TrailerName:
  case State::TrailerValue:
  case State::TrailerLf:
    return take_trailer(c);
  default:
    return take_extension(c);
  }
}

// RFC 9112 7.1: 1*HEXDIG, no blanks around it. Zeros in front count as digits, so that they end somewhere.
Refusal ChunkedDecoder::take_size(char c)
{
  constexpr uint32_t kMaxDigits = 16;
  if (int digit = url::hex_value(static_cast<uint8_t>(c)); digit >= 0) {
    if (++m_digits > kMaxDigits)
      return {400, Reason::Number, "a chunk size has more than 16 digits"};
    m_left = m_left << 4 | static_cast<unsigned>(digit);
    m_state = State::SizeMore;
    return {};
  }
  if (m_state == State::Size)
    return kBadSize;
  return take_extension_end(c);
}

// After a size, a complete extension name, or a complete value.
Refusal ChunkedDecoder::take_extension_end(char c)
{
  if (c == '\r') {
    m_state = State::SizeLf;
    return {};
  }
  if (c == '\n')
    return kNoCrLf;
  if (c != ';')
    return m_state == State::SizeMore ? kBadSize : kBadExtension;
  m_state = State::ExtensionName;
  m_extension_length++;
  m_extension_bytes++;
  return {};
}

// RFC 9112 7.1.1: *( ";" token [ "=" ( token / quoted-string ) ] ), without the optional blanks that nobody may send.
Refusal ChunkedDecoder::take_extension(char c)
{
  static_assert(limits::kMaxChunkExtensionLength == 1024 && limits::kMaxChunkExtensionBytes == 16384);
  if (++m_extension_length > limits::kMaxChunkExtensionLength)
    return {400, Reason::FieldLength, "the extensions of a chunk are longer than 1024 bytes (kMaxChunkExtensionLength)"};
  if (++m_extension_bytes > limits::kMaxChunkExtensionBytes)
    return {400, Reason::FieldLength, "the chunk extensions of a body are longer than 16384 bytes (kMaxChunkExtensionBytes)"};
  bool is_token = is_token_character(c);
  switch (m_state) {
  case State::ExtensionName:
    m_state = State::ExtensionNameMore;
    return is_token ? Refusal{} : kBadExtension;
  case State::ExtensionNameMore:
    if (c == '=')
      m_state = State::ExtensionValue;
    return is_token || c == '=' ? Refusal{} : take_extension_end(c);
  case State::ExtensionValue:
    m_state = c == '"' ? State::ExtensionQuoted : State::ExtensionToken;
    return is_token || c == '"' ? Refusal{} : kBadExtension;
  case State::ExtensionToken:
    return is_token ? Refusal{} : take_extension_end(c);
  case State::ExtensionQuoted:
    m_state = c == '"' ? State::ExtensionEnd : c == '\\' ? State::ExtensionEscape : State::ExtensionQuoted;
    return is_field_character(c) ? Refusal{} : kBadExtension;
  case State::ExtensionEscape:
    m_state = State::ExtensionQuoted;
    return is_field_character(c) ? Refusal{} : kBadExtension;
  default:
    return take_extension_end(c);
  }
}

// RFC 9112 7.1.2: header lines, checked like them and dropped.
Refusal ChunkedDecoder::take_trailer(char c)
{
  if (m_state == State::TrailerStart && c == '\r') {
    m_state = State::EndLf;
    return {};
  }
  if (++m_trailer_bytes > m_options.max_request_bytes)
    return {431, Reason::RequestLength, "the trailers are longer than MaxRequestBytes", m_options.max_request_bytes};
  if (++m_trailer_length > m_options.max_field_length)
    return {431, Reason::FieldLength, "a trailer is longer than MaxFieldLength", m_options.max_field_length};
  switch (m_state) {
  case State::TrailerStart:
    if (++m_trailer_count > m_options.max_header_count)
      return {431, Reason::RequestLength, "there are more trailers than MaxHeaderCount", m_options.max_header_count};
    m_state = State::TrailerName;
    return is_token_character(c) ? Refusal{} : kBadTrailer;
  case State::TrailerName:
    if (c == ':')
      m_state = State::TrailerValue;
    return is_token_character(c) || c == ':' ? Refusal{} : kBadTrailer;
  case State::TrailerValue:
    if (c == '\r')
      m_state = State::TrailerLf;
    if (c == '\n')
      return kNoCrLf;
    return is_field_character(c) || c == '\r' ? Refusal{} : kBadTrailer;
  default:
    m_trailer_length = 0;
    return expect(c, '\n', State::TrailerStart);
  }
}

}
