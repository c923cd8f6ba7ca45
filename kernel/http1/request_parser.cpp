// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/request_parser.h"
#include "kernel/base/text.h"
#include "kernel/http1/characters.h"
#include "kernel/http1/request_framing.h"
#include "kernel/url/case_map.h"
#include <algorithm>
#include <cstring>

namespace httpsys::http1 {

namespace {

constexpr Refusal kBareCr = {400, Reason::InvalidCrLf, "a CR is not followed by LF"};
constexpr Refusal kBareLf = {400, Reason::InvalidCrLf, "a line ends in LF without CR"};
constexpr Refusal kBadVerb = {400, Reason::Verb, "the request does not begin with a method"};
constexpr Refusal kBadTarget = {400, Reason::Url, "the request target is neither a path nor an http URL"};

constexpr size_t kReservedFields = 32; // more than browsers send

// FNV-1a over the lower-cased name.
constexpr uint32_t hash_name(std::string_view name)
{
  uint32_t hash = 2166136261u;
  for (char c : name)
    hash = (hash ^ static_cast<uint8_t>(url::to_lower_ascii(c))) * 16777619u;
  return hash;
}

// A folded value would reach the code that decides about hosts and bodies with line ends in it.
bool may_be_folded(RequestHeader id)
{
  return id != RequestHeader::Host && id != RequestHeader::ContentLength && id != RequestHeader::TransferEncoding &&
    id != RequestHeader::Connection && id != RequestHeader::Expect;
}

}

RequestParser::RequestParser(const ParserOptions &options) : m_options(options)
{
  // HeaderField counts in 16 bits, as HTTP_UNKNOWN_HEADER does.
  m_options.max_field_length = std::min(m_options.max_field_length, uint32_t{0xffff});
  m_options.max_header_count = std::min(m_options.max_header_count, uint32_t{HeaderField::kNone} - 1);
  m_head.fields.reserve(kReservedFields);
}

void RequestParser::reset()
{
  m_head.clear();
  m_refusal = {};
  m_stage = Stage::BlankLines;
  m_blank_lines = 0;
  m_line = m_scanned = 0;
  m_header_bytes = m_field_bytes = 0;
}

void RequestParser::refuse(const Refusal &refusal)
{
  m_refusal = refusal;
  m_stage = Stage::Refused;
}

ParseOutcome RequestParser::parse(std::string_view so_far)
{
  while (m_stage < Stage::Complete && begin_line(so_far)) {
    const void *found = m_scanned < so_far.size() ? std::memchr(so_far.data() + m_scanned, '\n', so_far.size() - m_scanned) : nullptr;
    size_t line_feed = found ? static_cast<size_t>(static_cast<const char *>(found) - so_far.data()) : so_far.size();
    if (Refusal refusal = check_length(so_far, line_feed + (found ? 1 : 0) - m_line, found != nullptr)) {
      refuse(refusal);
      break;
    }
    m_scanned = line_feed;
    if (!found)
      return ParseOutcome::NeedMore;
    m_scanned = line_feed + 1;
    if (Refusal refusal = take_line(so_far, line_feed))
      refuse(refusal);
    m_line = m_scanned;
  }
  switch (m_stage) {
  case Stage::Complete:
    return ParseOutcome::Complete;
  case Stage::Refused:
    return ParseOutcome::Refused;
  default:
    return ParseOutcome::NeedMore;
  }
}

bool RequestParser::begin_line(std::string_view bytes)
{
  if (m_stage == Stage::BlankLines) {
    while (m_stage == Stage::BlankLines && m_line < bytes.size() && (bytes[m_line] == '\r' || bytes[m_line] == '\n'))
      if (!skip_blank_line(bytes))
        return false;
    if (m_line == bytes.size() || m_stage != Stage::BlankLines)
      return false;
    // Seen before the line is complete: a TLS ClientHello on a plain port may never send an LF.
    if (!is_token_character(bytes[m_line])) {
      refuse(kBadVerb);
      return false;
    }
    m_stage = Stage::RequestLine;
  }
  if (m_line == bytes.size())
    return false;
  // The end of the head is outside the limits, and a CR can be nothing else here.
  bool is_broken_end = m_stage == Stage::Fields && bytes[m_line] == '\r' && m_line + 1 < bytes.size() && bytes[m_line + 1] != '\n';
  if (is_broken_end)
    refuse(kBareCr);
  return !is_broken_end;
}

// As the texts of refusals say.
static_assert(limits::kMaxLeadingBlankLines == 8 && limits::kMaxMergedFieldLength == 65535 && limits::kMaxVerbLength == 255);

// RFC 9112 2.2: at least one empty line before the request line is to be ignored.
bool RequestParser::skip_blank_line(std::string_view bytes)
{
  bool has_cr = bytes[m_line] == '\r';
  if (has_cr && m_line + 1 == bytes.size())
    return false;
  if (has_cr && bytes[m_line + 1] != '\n')
    refuse(kBareCr);
  else if (!has_cr && !m_options.accept_bare_lf)
    refuse(kBareLf);
  else if (++m_blank_lines > limits::kMaxLeadingBlankLines)
    refuse({400, Reason::BadRequest, "more than 8 empty lines come before the request (kMaxLeadingBlankLines)"});
  m_line += has_cr ? 2 : 1;
  m_scanned = m_line;
  return m_stage == Stage::BlankLines;
}

uint32_t RequestParser::field_bytes_before(char first_byte) const
{
  return is_blank(first_byte) && m_options.accept_obs_fold ? m_field_bytes : 0;
}

// A line without its end so far has at least one byte more. Which of two limits is named depends on them alone, not on the pieces.
Refusal RequestParser::check_length(std::string_view bytes, size_t line_bytes, bool is_complete) const
{
  size_t least = is_complete ? line_bytes : line_bytes + 1;
  if (m_stage == Stage::RequestLine) {
    if (least > m_options.max_request_line)
      return {414, Reason::UrlLength, "the request line is longer than MaxRequestLine", m_options.max_request_line};
    return {};
  }
  char first = bytes[m_line];
  if (first == '\r' || first == '\n')
    return {};
  uint32_t field_before = field_bytes_before(first);
  uint32_t field_left = m_options.max_field_length - std::min(m_options.max_field_length, field_before);
  uint32_t head_left = m_options.max_request_bytes - std::min(m_options.max_request_bytes, m_header_bytes);
  if (least <= std::min(field_left, head_left))
    return {};
  if (field_left <= head_left)
    return {431, Reason::FieldLength, "a header field is longer than MaxFieldLength", m_options.max_field_length};
  return {431, Reason::RequestLength, "the header fields are longer than MaxRequestBytes", m_options.max_request_bytes};
}

Refusal RequestParser::take_line(std::string_view bytes, size_t line_feed)
{
  std::string_view line = bytes.substr(m_line, line_feed - m_line);
  if (line.ends_with('\r'))
    line.remove_suffix(1);
  else if (!m_options.accept_bare_lf)
    return kBareLf;
  if (m_stage == Stage::RequestLine) {
    m_stage = Stage::Fields;
    return take_request_line(bytes, line);
  }
  if (!line.empty()) {
    auto line_bytes = static_cast<uint32_t>(line_feed + 1 - m_line);
    m_field_bytes = field_bytes_before(line[0]) + line_bytes;
    m_header_bytes += line_bytes;
    return is_blank(line[0]) ? take_folded_line(bytes, line) : take_field(bytes, line);
  }
  m_head.head_bytes = static_cast<uint32_t>(line_feed + 1);
  m_stage = Stage::Complete;
  if (!m_head.link_fields(bytes))
    return {431, Reason::FieldLength, "the lines of one header field are together longer than 65535 bytes (kMaxMergedFieldLength)"};
  return interpret_fields(bytes, m_options, m_head);
}

// RFC 9112 3: method SP request-target SP HTTP-version, with single spaces.
Refusal RequestParser::take_request_line(std::string_view bytes, std::string_view line)
{
  if (std::memchr(line.data(), '\r', line.size()))
    return kBareCr;
  size_t method_length = 0;
  while (method_length < line.size() && is_token_character(line[method_length]))
    method_length++;
  if (method_length > limits::kMaxVerbLength)
    return {400, Reason::Verb, "the request method is longer than 255 bytes (kMaxVerbLength)"};
  if (method_length < line.size() && line[method_length] != ' ')
    return kBadVerb;
  auto line_offset = static_cast<uint32_t>(m_line);
  m_head.method = {line_offset, static_cast<uint32_t>(method_length)};
  m_head.verb = find_verb(line.substr(0, method_length));
  size_t target = method_length + 1;
  size_t space = target < line.size() ? line.find(' ', target) : line.npos;
  if (space == line.npos || space == target)
    return {400, Reason::BadRequest, "the request line has not three parts with one space between them"};
  m_head.target = {line_offset + static_cast<uint32_t>(target), static_cast<uint32_t>(space - target)};
  if (Refusal refusal = take_version(line.substr(space + 1)))
    return refusal;
  if (m_head.verb == Verb::Connect)
    return {400, Reason::Verb, "CONNECT is for proxies"};
  return take_target(bytes);
}

Refusal RequestParser::take_version(std::string_view version)
{
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) || version[6] != '.' || !is_digit(version[7]))
    return {400, Reason::BadRequest, "the request line does not end in an HTTP version"};
  if (version[5] != '1')
    return {505, Reason::VersionNotSupported, "the major version is not 1"};
  m_head.version_minor = version[7] == '0' ? 0 : 1;
  return {};
}

Refusal RequestParser::take_target(std::string_view bytes)
{
  std::string_view target = m_head.target.of(bytes);
  for (char c : target)
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f)
      return {400, Reason::Url, "the request target has a control character"};
  if (target[0] == '/') {
    m_head.path = m_head.target;
    return {};
  }
  // RFC 9112 3.2.4.
  if (target == "*" && m_head.verb == Verb::Options) {
    m_head.form = TargetForm::Asterisk;
    return {};
  }
  for (std::string_view scheme : {std::string_view("http://"), std::string_view("https://")}) {
    if (equal_ignoring_case(target.substr(0, scheme.size()), scheme)) {
      m_head.is_https_target = scheme.size() == 8;
      return take_absolute_target(bytes, scheme.size());
    }
  }
  return kBadTarget;
}

// RFC 9112 3.2.2; an empty host is invalid there (RFC 9110 4.2.1).
Refusal RequestParser::take_absolute_target(std::string_view bytes, size_t scheme_length)
{
  std::string_view target = m_head.target.of(bytes);
  size_t end = std::min(target.find_first_of("/?#\\", scheme_length), target.size());
  m_head.form = TargetForm::Absolute;
  m_head.path = {m_head.target.offset + static_cast<uint32_t>(end), static_cast<uint32_t>(target.size() - end)};
  url::HostError error = url::parse_host(target.substr(scheme_length, end - scheme_length), m_head.host);
  if (error != url::HostError::None)
    return {400, Reason::Hostname, url::host_error_text(error)};
  if (m_head.host.kind == url::HostKind::Empty)
    return {400, Reason::Hostname, "the request target has an empty host"};
  return {};
}

// RFC 9112 5: field-name ":" OWS field-value OWS, without a blank before the colon (5.1).
Refusal RequestParser::take_field(std::string_view bytes, std::string_view line)
{
  if (m_head.fields.size() >= m_options.max_header_count)
    return {431, Reason::RequestLength, "the request has more header fields than MaxHeaderCount", m_options.max_header_count};
  size_t colon = 0;
  while (colon < line.size() && is_token_character(line[colon]))
    colon++;
  if (colon == 0 || colon == line.size() || line[colon] != ':') {
    if (line.find('\r') != line.npos)
      return kBareCr;
    return {400, Reason::Header, "a header line does not begin with a name and a colon"};
  }
  std::string_view value = trim(line.substr(colon + 1));
  if (!is_field_value(value)) {
    if (value.find('\r') != value.npos)
      return kBareCr;
    return {400, Reason::Header, "a header value has a control character"};
  }
  HeaderField &field = m_head.fields.emplace_back();
  field.name_offset = static_cast<uint32_t>(m_line);
  field.name_length = static_cast<uint16_t>(colon);
  field.value_offset = static_cast<uint32_t>(value.data() - bytes.data());
  field.value_length = static_cast<uint16_t>(value.size());
  field.id = find_request_header(line.substr(0, colon));
  if (field.id == RequestHeader::Unknown)
    field.hash = hash_name(line.substr(0, colon));
  return {};
}

// RFC 9112 5.2 (obs-fold) and 2.2 (white space between the request line and the first field).
Refusal RequestParser::take_folded_line(std::string_view bytes, std::string_view line)
{
  if (!m_options.accept_obs_fold || m_head.fields.empty())
    return {400, Reason::Header, "a header line begins with a blank"};
  HeaderField &field = m_head.fields.back();
  if (!may_be_folded(field.id))
    return {400, Reason::Header, "a header that decides about host or body is folded"};
  std::string_view value = trim(line);
  if (!is_field_value(value)) {
    if (value.find('\r') != value.npos)
      return kBareCr;
    return {400, Reason::Header, "a header value has a control character"};
  }
  if (value.empty())
    return {};
  auto offset = static_cast<uint32_t>(value.data() - bytes.data());
  field.is_folded |= field.value_length > 0;
  if (field.value_length == 0)
    field.value_offset = offset;
  field.value_length = static_cast<uint16_t>(offset + value.size() - field.value_offset);
  return {};
}

}
