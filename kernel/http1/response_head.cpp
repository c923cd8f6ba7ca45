// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/response_head.h"
#include "kernel/base/text.h"
#include "kernel/http1/characters.h"
#include "kernel/http1/error_page.h"
#include <charconv>

namespace httpsys::http1 {

namespace {

// Those that count as known wherever they come from (http-server-api.md 3.3).
constexpr bool is_special(ResponseHeader id)
{
  return id == ResponseHeader::ContentLength || id == ResponseHeader::TransferEncoding || id == ResponseHeader::Connection ||
    id == ResponseHeader::Date || id == ResponseHeader::Server;
}

ResponseHeader special_id(std::string_view name)
{
  ResponseHeader id = find_response_header(name);
  return is_special(id) ? id : ResponseHeader::Unknown;
}

// CR, LF and NUL would let one header become two (RFC 9110 5.5); other control characters are the application's business.
bool is_sendable(std::string_view text)
{
  return is_field_value(text) || text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos;
}

constexpr uint32_t bit(ResponseHeader id) { return uint32_t{1} << static_cast<unsigned>(id); }

// Calls visit(value) for the non-empty values of a special header, those by id first.
template <typename Visit>
void for_each_value(const ResponseInput &input, uint32_t special_ids, ResponseHeader id, Visit visit)
{
  if ((special_ids & bit(id)) == 0)
    return;
  for (const KnownResponseField &field : input.known)
    if (field.id == id && !field.value.empty())
      visit(field.value);
  for (const UnknownResponseField &field : input.unknown)
    if (!field.value.empty() && special_id(field.name) == id)
      visit(field.value);
}

template <typename Visit>
void for_each_element(std::string_view list, Visit visit)
{
  while (!list.empty())
    if (std::string_view element = take_list_element(list); !element.empty())
      visit(element);
}

bool is_persistence_option(std::string_view element)
{
  return equal_ignoring_case(element, "close") || equal_ignoring_case(element, "keep-alive");
}

class Planner {
public:
  Planner(const ResponseInput &input, const char *&why) : m_input(input), m_why(why) {}
  bool run();
  ResponsePlan plan() const { return m_plan; }

private:
  bool check_status();
  bool check_texts();
  void find_special_ids();
  bool take_content_length();
  void take_transfer_encoding();
  void take_connection();
  void decide_framing();
  void decide_persistence();
  bool refuse(const char *why)
  {
    m_why = why;
    return false;
  }
  // RFC 9112 6.3 rule 1, RFC 9110 8.6.
  bool is_without_framing() const { return m_input.status < 200 || m_input.status == 204; }
  bool is_without_body() const { return is_without_framing() || m_input.status == 304 || m_input.request_is_head; }

  const ResponseInput &m_input;
  const char *&m_why;
  ResponsePlan m_plan{};
  bool m_last_is_chunked = false;
  bool m_says_close = false;
};

bool Planner::run()
{
  if (!check_status() || !check_texts())
    return false;
  find_special_ids();
  if (!take_content_length())
    return false;
  take_transfer_encoding();
  take_connection();
  decide_framing();
  decide_persistence();
  return true;
}

bool Planner::check_status()
{
  if (m_input.status < 100 || m_input.status > 999)
    return refuse("the status code is not from 100 to 999");
  if (m_input.opaque && m_input.status != 101)
    return refuse("HTTP_SEND_RESPONSE_FLAG_OPAQUE needs status code 101");
  if (m_input.status < 200 && m_input.status != 101)
    return refuse("1xx responses are sent by the daemon itself");
  if (m_input.status == 101 && !m_input.opaque)
    return refuse("status code 101 needs HTTP_SEND_RESPONSE_FLAG_OPAQUE");
  if (m_input.opaque && m_input.request_is_http_1_0)
    return refuse("an HTTP/1.0 connection cannot be upgraded");
  return true;
}

bool Planner::check_texts()
{
  if (!is_sendable(m_input.reason))
    return refuse("the reason phrase has a CR, LF or NUL");
  for (const KnownResponseField &field : m_input.known) {
    if (static_cast<size_t>(field.id) >= kResponseHeaderCount)
      return refuse("a known header has an id that responses do not have");
    if (!is_sendable(field.value))
      return refuse("a header value has a CR, LF or NUL");
  }
  for (const UnknownResponseField &field : m_input.unknown) {
    if (!is_token(field.name))
      return refuse("a header name is empty or has a character that RFC 9110 does not allow in names");
    if (!is_sendable(field.value))
      return refuse("a header value has a CR, LF or NUL");
  }
  return true;
}

void Planner::find_special_ids()
{
  for (const KnownResponseField &field : m_input.known)
    if (is_special(field.id) && !field.value.empty())
      m_plan.special_ids |= bit(field.id);
  for (const UnknownResponseField &field : m_input.unknown)
    if (ResponseHeader id = special_id(field.name); id != ResponseHeader::Unknown && !field.value.empty())
      m_plan.special_ids |= bit(id);
}

bool Planner::take_content_length()
{
  bool is_valid = true, is_same = true;
  for_each_value(m_input, m_plan.special_ids, ResponseHeader::ContentLength, [&](std::string_view value) {
    uint64_t length = 0;
    is_valid &= parse_decimal(trim(value), length);
    is_same &= !m_plan.has_application_length || length == m_plan.content_length;
    m_plan.content_length = length;
    m_plan.has_application_length = true;
  });
  if (!is_valid)
    return refuse("the Content-Length is not a decimal number below 2^64");
  if (!is_same)
    return refuse("there are two Content-Length headers that differ");
  return true;
}

void Planner::take_transfer_encoding()
{
  for_each_value(m_input, m_plan.special_ids, ResponseHeader::TransferEncoding, [&](std::string_view value) {
    for_each_element(value, [&](std::string_view element) {
      m_plan.has_transfer_encoding = true;
      m_last_is_chunked = equal_ignoring_case(element, "chunked");
    });
  });
}

void Planner::take_connection()
{
  for_each_value(m_input, m_plan.special_ids, ResponseHeader::Connection, [&](std::string_view value) {
    for_each_element(value, [&](std::string_view element) { m_says_close |= equal_ignoring_case(element, "close"); });
  });
}

void Planner::decide_framing()
{
  m_plan.send_body = !is_without_body();
  if (is_without_framing())
    m_plan.has_application_length = m_plan.has_transfer_encoding = false;
  // RFC 9112 6.2: never both. The application has framed the body, so its length would be that of the chunks.
  if (m_plan.has_transfer_encoding)
    m_plan.has_application_length = false;
  m_plan.has_length = m_plan.has_application_length;
  if (m_input.opaque) {
    m_plan.framing = BodyFraming::Opaque;
    return;
  }
  bool may_chunk = m_input.automatic_chunking && m_input.more_data && !m_input.request_is_http_1_0;
  BodyFraming framing = BodyFraming::UntilClose;
  if (m_plan.has_transfer_encoding) {
    if (m_last_is_chunked)
      framing = may_chunk ? BodyFraming::AutomaticChunked : BodyFraming::ApplicationFramed;
  } else if (m_plan.has_length) {
    framing = BodyFraming::ContentLength;
  } else if (!m_input.more_data) {
    // A HEAD request's length is that of the body that GET would get; without a body here it is not known.
    framing = BodyFraming::ContentLength;
    m_plan.content_length = m_input.body_length;
    bool is_length_of_get = m_input.request_is_head && !is_without_framing() && m_input.status != 304 && m_input.body_length > 0;
    m_plan.has_length = m_plan.send_body || is_length_of_get;
  } else if (may_chunk) {
    framing = BodyFraming::AutomaticChunked;
  }
  m_plan.framing = m_plan.send_body ? framing : BodyFraming::None;
}

void Planner::decide_persistence()
{
  bool is_chunked = m_plan.framing == BodyFraming::ApplicationFramed || m_plan.framing == BodyFraming::AutomaticChunked;
  // More or fewer bytes than promised would be read as the next response or wait for it.
  bool has_wrong_length =
    m_plan.framing == BodyFraming::ContentLength && !m_input.more_data && m_plan.content_length != m_input.body_length;
  m_plan.keep_alive = m_input.request_keep_alive && !m_input.disconnect && !m_says_close && !has_wrong_length &&
    m_plan.framing != BodyFraming::UntilClose && m_plan.framing != BodyFraming::Opaque && !(m_input.request_is_http_1_0 && is_chunked);
}

// Counts without a destination, writes with one: what is sized is what is written.
class Writer {
public:
  explicit Writer(char *out) : m_out(out) {}
  size_t size() const { return m_size; }
  void put(std::string_view text)
  {
    if (m_out)
      text.copy(m_out + m_size, text.size());
    m_size += text.size();
  }
  void put(uint64_t number)
  {
    char digits[20];
    auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
    put({digits, static_cast<size_t>(end - digits)});
  }
  void put_field(std::string_view name, std::string_view value)
  {
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }

private:
  char *m_out;
  size_t m_size = 0;
};

// The application's connection options; "close" and "keep-alive" are for us to say.
void write_connection_options(const ResponseInput &input, uint32_t special_ids, Writer &writer)
{
  bool is_first = true;
  for_each_value(input, special_ids, ResponseHeader::Connection, [&](std::string_view value) {
    for_each_element(value, [&](std::string_view element) {
      if (is_persistence_option(element))
        return;
      writer.put(is_first ? "Connection: " : ", ");
      writer.put(element);
      is_first = false;
    });
  });
  if (!is_first)
    writer.put("\r\n");
}

void write_special(const ResponseInput &input, const ResponsePlan &plan, ResponseHeader id, Writer &writer)
{
  std::string_view name = response_header_name(id);
  auto write_values = [&] { for_each_value(input, plan.special_ids, id, [&](std::string_view value) { writer.put_field(name, value); }); };
  switch (id) {
  case ResponseHeader::Connection:
    return write_connection_options(input, plan.special_ids, writer);
  case ResponseHeader::TransferEncoding:
    if (plan.has_transfer_encoding)
      write_values();
    else if (plan.framing == BodyFraming::AutomaticChunked)
      writer.put_field(name, "chunked");
    return;
  case ResponseHeader::ContentLength:
    if (plan.has_application_length) {
      writer.put("Content-Length: ");
      writer.put(plan.content_length);
      writer.put("\r\n");
    }
    return;
  case ResponseHeader::Server:
    write_values();
    if ((plan.special_ids & bit(id)) == 0 && input.add_server)
      writer.put_field(name, kServerToken);
    return;
  default:
    return; // Date is ours
  }
}

void write_known(const ResponseInput &input, const ResponsePlan &plan, Writer &writer)
{
  uint32_t present = 0;
  static_assert(kResponseHeaderCount <= 32);
  for (const KnownResponseField &field : input.known)
    present |= field.value.empty() ? 0 : bit(field.id);
  for (size_t index = 0; index < kResponseHeaderCount; index++) {
    auto id = static_cast<ResponseHeader>(index);
    if (is_special(id)) {
      write_special(input, plan, id, writer);
      continue;
    }
    if ((present >> index & 1) == 0)
      continue;
    for (const KnownResponseField &field : input.known)
      if (field.id == id && !field.value.empty())
        writer.put_field(response_header_name(id), field.value);
  }
}

// The order is HTTP.sys' (B.4): ids, unknown ones, Date, Connection, a length of ours.
void write_head(const ResponseInput &input, const ResponsePlan &plan, Writer &writer)
{
  writer.put("HTTP/1.1 ");
  writer.put(uint64_t{input.status});
  writer.put(" ");
  writer.put(input.reason);
  writer.put("\r\n");
  write_known(input, plan, writer);
  for (const UnknownResponseField &field : input.unknown)
    if (special_id(field.name) == ResponseHeader::Unknown)
      writer.put_field(field.name, field.value);
  writer.put_field("Date", input.date);
  if (!plan.keep_alive && plan.framing != BodyFraming::Opaque)
    writer.put("Connection: close\r\n");
  else if (plan.keep_alive && input.request_is_http_1_0)
    writer.put("Connection: keep-alive\r\n");
  if (plan.has_length && !plan.has_application_length) {
    writer.put("Content-Length: ");
    writer.put(plan.content_length);
    writer.put("\r\n");
  }
  writer.put("\r\n");
}

}

Result<ResponsePlan> plan_response(const ResponseInput &input, const char *&why)
{
  Planner planner(input, why);
  if (!planner.run())
    return NtStatus::InvalidParameter;
  ResponsePlan plan = planner.plan();
  Writer counter(nullptr);
  write_head(input, plan, counter);
  plan.head_bytes = counter.size();
  return plan;
}

void write_response_head(const ResponseInput &input, const ResponsePlan &plan, char *out)
{
  Writer writer(out);
  write_head(input, plan, writer);
}

}
