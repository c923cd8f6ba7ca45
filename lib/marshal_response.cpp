// SPDX-License-Identifier: MIT
#include "lib/marshal_response.h"
#include "lib/caller_value.h"
#include "uapi/response.h"
#include <cstring>
#include <string_view>

namespace httpsys::lib {

namespace {

constexpr ULONG kResponseFlags = HTTP_RESPONSE_FLAG_MULTIPLE_ENCODINGS_AVAILABLE | HTTP_RESPONSE_FLAG_MORE_ENTITY_BODY_EXISTS;

// RFC 9110 5.6.2
bool is_token(std::string_view text)
{
  for (char c : text) {
    bool is_alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!is_alphanumeric && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
      return false;
  }
  return !text.empty();
}

// What would end a line early and let its rest be taken for another (response splitting).
bool breaks_line(std::string_view text)
{
  return memchr(text.data(), '\r', text.size()) || memchr(text.data(), '\n', text.size()) || memchr(text.data(), 0, text.size());
}

class Marshaller {
public:
  Marshaller(const HTTP_RESPONSE_V1 &response, bool version_2, ParameterBlock &block, ErrorText &why) :
    m_response(response), m_block(block), m_why(why)
  {
    if (version_2) {
      const HTTP_RESPONSE_V2 &second = static_cast<const HTTP_RESPONSE_V2 &>(response);
      m_infos = second.pResponseInfo;
      m_info_count = second.ResponseInfoCount;
    }
  }

  uint32_t run();

private:
  uint32_t refuse(uint32_t code) { return m_code = code; }
  uint32_t check_members();
  uint32_t check_info(const HTTP_RESPONSE_INFO &info, uint32_t index);
  bool reserve(uint32_t bytes, uint32_t alignment, uint32_t &offset) { return check(m_block.reserve(bytes, alignment, offset)); }
  bool append(const char *text, uint32_t length, uint32_t &offset) { return check(m_block.append(text, length, offset)); }
  bool check(ParameterBlock::Growth growth);
  bool put_reason();
  bool put_headers();
  bool put_known(uint32_t id, const HTTP_KNOWN_HEADER &header);
  bool put_multiple(uint32_t id);
  bool put_unknown(const HTTP_UNKNOWN_HEADER &header, uint32_t index);
  bool put_line(uint32_t id, std::string_view name, std::string_view value);
  const HTTP_MULTIPLE_KNOWN_HEADERS &multiple(uint32_t index) const
  {
    return *static_cast<const HTTP_MULTIPLE_KNOWN_HEADERS *>(m_infos[index].pInfo);
  }
  hsys_response &head() { return m_block.at<hsys_response>(0); }

  const HTTP_RESPONSE_V1 &m_response;
  const HTTP_RESPONSE_INFO *m_infos = nullptr;
  uint32_t m_info_count = 0;
  ParameterBlock &m_block;
  ErrorText &m_why;
  uint32_t m_code = NO_ERROR;
  uint32_t m_header_count = 0, m_headers_written = 0, m_header_offset = 0;
};

bool Marshaller::check(ParameterBlock::Growth growth)
{
  if (growth == ParameterBlock::Growth::TooLong) {
    m_why.format("the response's head is over %u bytes: status line and headers together may have that much.", HSYS_PARAMETERS_MAX);
    refuse(ERROR_INVALID_PARAMETER);
  } else if (growth == ParameterBlock::Growth::NoMemory) {
    refuse(ERROR_NOT_ENOUGH_MEMORY);
  }
  return m_code == NO_ERROR;
}

uint32_t Marshaller::check_members()
{
  const HTTP_RESPONSE_HEADERS &headers = m_response.Headers;
  if (m_response.Flags & ~kResponseFlags)
    m_why.format("HTTP_RESPONSE.Flags is 0x%x; 0x%x are known.", m_response.Flags, kResponseFlags);
  else if (m_response.StatusCode < 200 || m_response.StatusCode > 999)
    m_why.format("StatusCode %u: an application sends 200 to 999; interim responses are the server's.", m_response.StatusCode);
  else if (m_response.ReasonLength && !m_response.pReason)
    m_why.format("ReasonLength is %u, but pReason is NULL.", m_response.ReasonLength);
  else if (headers.TrailerCount)
    m_why.format("TrailerCount is %u; it is reserved and must be 0.", headers.TrailerCount);
  else if (headers.UnknownHeaderCount > kUnknownHeadersMax)
    m_why.format("UnknownHeaderCount is %u; a response takes at most %u.", headers.UnknownHeaderCount, kUnknownHeadersMax);
  else if (headers.UnknownHeaderCount && !headers.pUnknownHeaders)
    m_why.format("UnknownHeaderCount is %u, but pUnknownHeaders is NULL.", headers.UnknownHeaderCount);
  else if (m_info_count && !m_infos)
    m_why.format("ResponseInfoCount is %u, but pResponseInfo is NULL.", m_info_count);
  else
    return NO_ERROR;
  return refuse(ERROR_INVALID_PARAMETER);
}

uint32_t Marshaller::check_info(const HTTP_RESPONSE_INFO &info, uint32_t index)
{
  uint32_t type = number_of(info.Type);
  if (type == HttpResponseInfoTypeQoSProperty || type == HttpResponseInfoTypeChannelBind) {
    m_why.format("response info %u (%s) does not exist yet.", index,
      type == HttpResponseInfoTypeChannelBind ? "channel binding" : "bandwidth");
    return refuse(ERROR_NOT_SUPPORTED);
  }
  if (type != HttpResponseInfoTypeMultipleKnownHeaders) {
    m_why.format("response info %u is of the type %u; an application may give type 0.", index, type);
    return refuse(ERROR_INVALID_PARAMETER);
  }
  if (!info.pInfo || info.Length < sizeof(HTTP_MULTIPLE_KNOWN_HEADERS)) {
    m_why.format("response info %u: %u bytes at %p are no HTTP_MULTIPLE_KNOWN_HEADERS, which has %zu.", index, info.Length, info.pInfo,
      sizeof(HTTP_MULTIPLE_KNOWN_HEADERS));
    return refuse(ERROR_INVALID_PARAMETER);
  }
  const HTTP_MULTIPLE_KNOWN_HEADERS &headers = *static_cast<const HTTP_MULTIPLE_KNOWN_HEADERS *>(info.pInfo);
  if (number_of(headers.HeaderId) >= HttpHeaderResponseMaximum)
    m_why.format("response info %u: HeaderId %u is no header of a response.", index, number_of(headers.HeaderId));
  else if (headers.Flags & ~HTTP_RESPONSE_INFO_FLAGS_PRESERVE_ORDER)
    m_why.format("response info %u: Flags is 0x%x; 0x1 is known.", index, headers.Flags);
  else if (headers.KnownHeaderCount && !headers.KnownHeaders)
    m_why.format("response info %u: KnownHeaderCount is %u, but KnownHeaders is NULL.", index, headers.KnownHeaderCount);
  else
    return NO_ERROR;
  return refuse(ERROR_INVALID_PARAMETER);
}

bool Marshaller::put_reason()
{
  std::string_view reason(m_response.ReasonLength ? m_response.pReason : "", m_response.ReasonLength);
  if (breaks_line(reason)) {
    m_why.assign("pReason has a CR, LF or NUL in it, which would end the status line.");
    refuse(ERROR_INVALID_PARAMETER);
    return false;
  }
  uint32_t offset = 0;
  if (!append(reason.data(), m_response.ReasonLength, offset))
    return false;
  head().reason_offset = reason.empty() ? 0 : offset;
  head().reason_length = m_response.ReasonLength;
  return true;
}

// Ids in ascending order, the single value of an id before its multiple ones; then the unknown headers as they stand.
bool Marshaller::put_headers()
{
  m_header_count = m_response.Headers.UnknownHeaderCount;
  for (const HTTP_KNOWN_HEADER &header : m_response.Headers.KnownHeaders)
    m_header_count += header.RawValueLength != 0;
  for (uint32_t i = 0; i < m_info_count; i++) {
    if (check_info(m_infos[i], i) != NO_ERROR)
      return false;
    for (uint32_t value = 0; value < multiple(i).KnownHeaderCount; value++)
      m_header_count += multiple(i).KnownHeaders[value].RawValueLength != 0;
  }
  if (m_header_count > HSYS_PARAMETERS_MAX / sizeof(hsys_header))
    return check(ParameterBlock::Growth::TooLong);
  if (!reserve(m_header_count * static_cast<uint32_t>(sizeof(hsys_header)), alignof(hsys_header), m_header_offset))
    return false;
  for (uint32_t id = 0; id < HttpHeaderResponseMaximum; id++)
    if (!put_known(id, m_response.Headers.KnownHeaders[id]) || !put_multiple(id))
      return false;
  for (uint32_t i = 0; i < m_response.Headers.UnknownHeaderCount; i++)
    if (!put_unknown(m_response.Headers.pUnknownHeaders[i], i))
      return false;
  head().header_count = m_headers_written;
  head().header_offset = m_headers_written ? m_header_offset : 0;
  return true;
}

// Without a length it is absent, and the pointer means nothing (http-wire-and-netsh.md B.4: an empty known header is not sent).
bool Marshaller::put_known(uint32_t id, const HTTP_KNOWN_HEADER &header)
{
  if (!header.RawValueLength)
    return true;
  if (header.pRawValue && !breaks_line({header.pRawValue, header.RawValueLength}))
    return put_line(id, {}, {header.pRawValue, header.RawValueLength});
  if (header.pRawValue)
    m_why.format("the value of known header %u has a CR, LF or NUL in it, which would end the header line.", id);
  else
    m_why.format("known header %u: RawValueLength is %u, but pRawValue is NULL.", id, header.RawValueLength);
  refuse(ERROR_INVALID_PARAMETER);
  return false;
}

bool Marshaller::put_multiple(uint32_t id)
{
  for (uint32_t i = 0; i < m_info_count; i++) {
    if (number_of(multiple(i).HeaderId) != id)
      continue;
    for (uint32_t value = 0; value < multiple(i).KnownHeaderCount; value++)
      if (!put_known(id, multiple(i).KnownHeaders[value]))
        return false;
  }
  return true;
}

bool Marshaller::put_unknown(const HTTP_UNKNOWN_HEADER &header, uint32_t index)
{
  std::string_view name(header.pName ? header.pName : "", header.pName ? header.NameLength : 0);
  if (!is_token(name))
    m_why.format("unknown header %u: its name is empty or has a character that no header name may have.", index);
  else if (header.RawValueLength && !header.pRawValue)
    m_why.format("unknown header %u: RawValueLength is %u, but pRawValue is NULL.", index, header.RawValueLength);
  else if (header.RawValueLength && breaks_line({header.pRawValue, header.RawValueLength}))
    m_why.format("the value of unknown header %u has a CR, LF or NUL in it, which would end the header line.", index);
  else
    return put_line(HSYS_HEADER_UNKNOWN, name, {header.RawValueLength ? header.pRawValue : "", header.RawValueLength});
  refuse(ERROR_INVALID_PARAMETER);
  return false;
}

bool Marshaller::put_line(uint32_t id, std::string_view name, std::string_view value)
{
  uint32_t name_offset = 0, value_offset = 0;
  if (m_headers_written == m_header_count) // the caller changes the structure while we read it
    return check(ParameterBlock::Growth::TooLong);
  if (!append(name.data(), static_cast<uint32_t>(name.size()), name_offset) ||
      !append(value.data(), static_cast<uint32_t>(value.size()), value_offset))
    return false;
  hsys_header &line = m_block.at<hsys_header>(m_header_offset, m_headers_written++);
  line.id = static_cast<uint16_t>(id);
  line.name_length = static_cast<uint16_t>(name.size());
  line.name_offset = name.empty() ? 0 : name_offset;
  line.value_length = static_cast<uint16_t>(value.size());
  line.value_offset = value.empty() ? 0 : value_offset;
  return true;
}

uint32_t Marshaller::run()
{
  uint32_t head_offset = 0, extent_offset = 0;
  if (check_members() != NO_ERROR || !reserve(sizeof(hsys_response), alignof(hsys_response), head_offset))
    return m_code;
  head().version = 1;
  head().status_code = m_response.StatusCode;
  if (!put_headers() || !put_reason() || !reserve(sizeof(hsys_extent), alignof(hsys_extent), extent_offset))
    return m_code;
  head().extent_offset = extent_offset;
  head().size = m_block.size();
  return NO_ERROR;
}

}

uint32_t marshal_response(const HTTP_RESPONSE_V1 &response, bool version_2, ParameterBlock &block, ErrorText &why)
{
  return Marshaller(response, version_2, block, why).run();
}

uint32_t marshal_send_body(ParameterBlock &block)
{
  uint32_t head_offset = 0, extent_offset = 0;
  if (block.reserve(sizeof(hsys_send_body), alignof(hsys_send_body), head_offset) != ParameterBlock::Growth::Done ||
      block.reserve(sizeof(hsys_extent), alignof(hsys_extent), extent_offset) != ParameterBlock::Growth::Done)
    return ERROR_NOT_ENOUGH_MEMORY;
  hsys_send_body &head = block.at<hsys_send_body>(0);
  head.version = 1;
  head.extent_offset = extent_offset;
  head.size = block.size();
  return NO_ERROR;
}

}
