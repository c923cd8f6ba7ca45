// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/http_reader.h"
#include "kernel/base/text.h"
#include <charconv>
#include <string_view>

namespace httpsys::sim {

static std::optional<uint64_t> number(std::string_view text, int base)
{
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value) : std::nullopt;
}

// The status line and the fields up to `end`, where the empty line is.
bool HttpReader::read_head(HttpAnswer &answer, size_t end, bool is_head, std::string &what_is_wrong)
{
  std::string_view head = std::string_view(m_bytes).substr(0, end);
  auto status = head.size() < 12 || !head.starts_with("HTTP/1.1 ") ? std::nullopt : number(head.substr(9, 3), 10);
  if (!status) {
    what_is_wrong = "no status line: " + std::string(head.substr(0, 40));
    return false;
  }
  answer.status = static_cast<uint16_t>(*status);
  m_length = {};
  m_is_chunked = false;
  for (size_t at = head.find("\r\n"); at != std::string_view::npos;) {
    size_t next = head.find("\r\n", at + 2);
    std::string_view line = head.substr(at + 2, next == std::string_view::npos ? next : next - at - 2);
    at = next;
    size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon + 2 > line.size()) {
      what_is_wrong = "no field: " + std::string(line);
      return false;
    }
    answer.fields++;
    std::string name = lower_ascii(line.substr(0, colon)), value = lower_ascii(line.substr(colon + 2));
    if (name == "content-length") {
      if (m_length || !(m_length = number(value, 10)))
        what_is_wrong = "Content-Length: " + value;
    }
    m_is_chunked |= name == "transfer-encoding" && value == "chunked";
    answer.closes |= name == "connection" && value == "close";
  }
  if (m_is_chunked && m_length)
    what_is_wrong = "both Content-Length and chunked";
  m_has_body = !is_head && answer.status >= 200 && answer.status != 204 && answer.status != 304;
  return what_is_wrong.empty();
}

bool HttpReader::read_chunks(HttpAnswer &answer, size_t at, std::string &what_is_wrong)
{
  for (;;) {
    size_t line_end = m_bytes.find("\r\n", at);
    if (line_end == std::string::npos)
      return false;
    auto size = number(std::string_view(m_bytes).substr(at, line_end - at), 16);
    if (!size) {
      what_is_wrong = "chunk size " + m_bytes.substr(at, line_end - at);
      return false;
    }
    size_t data = line_end + 2;
    if (m_bytes.size() < data + *size + 2) {
      if (*size > 0)
        answer.body += m_bytes.substr(data, *size);
      return false;
    }
    answer.body += m_bytes.substr(data, *size);
    if (m_bytes.compare(data + *size, 2, "\r\n") != 0)
      what_is_wrong = "no line end behind a chunk";
    at = data + *size + 2;
    if (*size > 0 && what_is_wrong.empty())
      continue;
    m_bytes.erase(0, at);
    return true;
  }
}

// True: whole, and taken.
bool HttpReader::read_body(HttpAnswer &answer, size_t at, std::string &what_is_wrong)
{
  if (!m_has_body) {
    m_bytes.erase(0, at);
    return true;
  }
  if (m_is_chunked)
    return read_chunks(answer, at, what_is_wrong);
  answer.body = m_bytes.substr(at, m_length.value_or(m_bytes.size()));
  if (!m_length) {
    answer.closes = answer.ends_with_connection = true;
    return false;
  }
  if (answer.body.size() < *m_length)
    return false;
  m_bytes.erase(0, at + *m_length);
  return true;
}

std::optional<HttpAnswer> HttpReader::take(bool is_head, bool has_ended, std::string &what_is_wrong)
{
  for (;;) {
    HttpAnswer answer;
    size_t end = m_bytes.find("\r\n\r\n");
    if (end == std::string::npos) {
      answer.is_cut = has_ended && !m_bytes.empty();
      if (has_ended)
        m_bytes.clear();
      return answer.is_cut ? std::optional(answer) : std::nullopt;
    }
    if (!read_head(answer, end, is_head, what_is_wrong))
      return std::nullopt;
    if (answer.status < 200) {
      m_bytes.erase(0, end + 4);
      continue;
    }
    if (read_body(answer, end + 4, what_is_wrong))
      return answer;
    if (!has_ended || !what_is_wrong.empty())
      return std::nullopt;
    answer.is_cut = !answer.ends_with_connection;
    m_bytes.clear();
    return answer;
  }
}

}
