// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/url/path.h"
#include "kernel/url/percent.h"
#include "kernel/url/utf.h"
#include <array>

namespace httpsys::url {

namespace {

enum class ByteClass : uint8_t { Plain, Separator, Percent, High, Control, Query, Fragment };

constexpr std::array<ByteClass, 256> make_classes()
{
  std::array<ByteClass, 256> classes{};
  for (size_t byte = 0; byte < 256; byte++)
    classes[byte] = byte <= 0x20 || byte == 0x7f ? ByteClass::Control : byte >= 0x80 ? ByteClass::High : ByteClass::Plain;
  classes['/'] = classes['\\'] = ByteClass::Separator;
  classes['%'] = ByteClass::Percent;
  classes['?'] = ByteClass::Query;
  classes['#'] = ByteClass::Fragment;
  return classes;
}

constexpr std::array<ByteClass, 256> kClasses = make_classes();

ByteClass class_of(char c) { return kClasses[static_cast<uint8_t>(c)]; }

class Canonicaliser {
public:
  Canonicaliser(std::string_view input, const PathLimits &limits, CanonicalPath &result)
    : m_input(input), m_limits(limits), m_result(result)
  {
  }
  PathError run();

private:
  PathError take_path();
  PathError take_plain();
  PathError take_raw_utf8();
  PathError take_escape();
  PathError take_escaped_utf8(uint8_t first);
  PathError take_unicode_escape(char16_t first);
  PathError put(char32_t value);
  PathError end_segment(bool is_last);
  PathError check_query(std::string_view query) const;
  bool is_too_long(size_t length) const { return m_limits.segment_max_length != 0 && length > m_limits.segment_max_length; }

  std::string_view m_input;
  const PathLimits &m_limits;
  CanonicalPath &m_result;
  size_t m_position = 0;
  char16_t *m_out = nullptr;
  size_t m_length = 0;
  size_t m_segment_start = 0;
  uint32_t m_segments = 0;
};

PathError Canonicaliser::run()
{
  m_result.query_offset = CanonicalPath::kNoQuery;
  if (!m_input.empty() && m_input[0] != '/')
    return m_input[0] == '?' ? PathError::MissingPath : PathError::NotAbsolute;
  // No step makes more units than the bytes that it takes, and there is one '/' of our own.
  m_result.path.resize(m_input.size() + 1);
  m_out = m_result.path.data();
  m_out[0] = u'/';
  m_length = m_segment_start = 1;
  if (PathError error = take_path(); error != PathError::None)
    return error;
  if (PathError error = end_segment(true); error != PathError::None)
    return error;
  m_result.path.resize(m_length);
  if (m_position == m_input.size())
    return PathError::None;
  m_result.query_offset = m_position;
  return check_query(m_input.substr(m_position + 1));
}

PathError Canonicaliser::take_path()
{
  while (m_position < m_input.size()) {
    PathError error = PathError::None;
    switch (class_of(m_input[m_position])) {
    case ByteClass::Plain:
      error = take_plain();
      break;
    case ByteClass::Separator:
      m_position++;
      error = end_segment(false);
      break;
    case ByteClass::Percent:
      error = take_escape();
      break;
    case ByteClass::High:
      error = take_raw_utf8();
      break;
    case ByteClass::Control:
      return PathError::ControlCharacter;
    case ByteClass::Fragment:
      return PathError::Fragment;
    case ByteClass::Query:
      return PathError::None;
    }
    if (error != PathError::None)
      return error;
  }
  return PathError::None;
}

PathError Canonicaliser::take_plain()
{
  while (m_position < m_input.size() && class_of(m_input[m_position]) == ByteClass::Plain)
    m_out[m_length++] = static_cast<uint8_t>(m_input[m_position++]);
  return is_too_long(m_length - m_segment_start) ? PathError::SegmentTooLong : PathError::None;
}

PathError Canonicaliser::take_raw_utf8()
{
  CodePoint point = decode_utf8(m_input.substr(m_position));
  if (point.length == 0)
    return PathError::NotUtf8;
  m_position += point.length;
  return put(point.value);
}

PathError Canonicaliser::take_escape()
{
  auto escape = parse_escape(m_input.substr(m_position));
  if (!escape)
    return PathError::BadEscape;
  m_position += escape->length;
  return escape->is_unicode ? take_unicode_escape(escape->value) : take_escaped_utf8(static_cast<uint8_t>(escape->value));
}

// The octets of one code point come all escaped or all raw: a mixture has no use but to be read differently by someone else.
PathError Canonicaliser::take_escaped_utf8(uint8_t first)
{
  char octets[4] = {static_cast<char>(first)};
  size_t count = 1;
  size_t wanted = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (; count < wanted; count++) {
    if (m_position >= m_input.size() || m_input[m_position] != '%')
      return PathError::NotUtf8;
    auto escape = parse_escape(m_input.substr(m_position));
    if (!escape)
      return PathError::BadEscape;
    if (escape->is_unicode)
      return PathError::NotUtf8;
    octets[count] = static_cast<char>(escape->value);
    m_position += escape->length;
  }
  CodePoint point = decode_utf8({octets, count});
  return point.length == count ? put(point.value) : PathError::NotUtf8;
}

PathError Canonicaliser::take_unicode_escape(char16_t first)
{
  if (!is_surrogate(first))
    return put(first);
  if (m_position >= m_input.size() || m_input[m_position] != '%')
    return PathError::NotUtf8;
  auto second = parse_escape(m_input.substr(m_position));
  if (!second)
    return PathError::BadEscape;
  const char16_t pair[] = {first, second->value};
  CodePoint point = decode_utf16({pair, 2});
  if (!second->is_unicode || point.length != 2)
    return PathError::NotUtf8;
  m_position += second->length;
  return put(point.value);
}

// A decoded character that is not plain.
PathError Canonicaliser::put(char32_t value)
{
  if (value < 0x20 || (value >= 0x7f && value <= 0x9f))
    return PathError::ControlCharacter;
  if (value == '/' || value == '\\')
    return end_segment(false);
  m_length += encode_utf16(value, m_out + m_length);
  return is_too_long(m_length - m_segment_start) ? PathError::SegmentTooLong : PathError::None;
}

// Empty segments vanish before dot segments are looked at: "/a/b//../c" is "/a/c" (A.4 step 13).
PathError Canonicaliser::end_segment(bool is_last)
{
  std::u16string_view segment(m_out + m_segment_start, m_length - m_segment_start);
  if (segment.empty())
    return PathError::None;
  if (segment == u".") {
    m_length = m_segment_start;
    return PathError::None;
  }
  if (segment == u"..") {
    if (m_segments == 0)
      return PathError::AboveRoot;
    m_segments--;
    m_length = m_segment_start - 1;
    while (m_out[m_length - 1] != u'/')
      m_length--;
    m_segment_start = m_length;
    return PathError::None;
  }
  m_segments++;
  if (m_limits.segment_max_count != 0 && m_segments > m_limits.segment_max_count)
    return PathError::TooManySegments;
  if (!is_last) {
    m_out[m_length++] = u'/';
    m_segment_start = m_length;
  }
  return PathError::None;
}

PathError Canonicaliser::check_query(std::string_view query) const
{
  bool has_high_bytes = false;
  for (char c : query) {
    ByteClass byte_class = class_of(c);
    if (byte_class == ByteClass::Control)
      return PathError::ControlCharacter;
    if (byte_class == ByteClass::Fragment)
      return PathError::Fragment;
    has_high_bytes |= byte_class == ByteClass::High;
  }
  return has_high_bytes && !is_utf8(query) ? PathError::NotUtf8 : PathError::None;
}

}

const char *path_error_text(PathError error)
{
  switch (error) {
  case PathError::None:
    return "the path is valid";
  case PathError::NotAbsolute:
    return "the request target does not begin with '/'";
  case PathError::MissingPath:
    return "the request target has a query but no path";
  case PathError::BadEscape:
    return "the path has a '%' that does not begin an escape";
  case PathError::ControlCharacter:
    return "the request target has a blank or a control character";
  case PathError::NotUtf8:
    return "the request target is not UTF-8";
  case PathError::Fragment:
    return "the request target has a '#'";
  case PathError::AboveRoot:
    return "the path leads above the root";
  case PathError::SegmentTooLong:
    return "a path segment is longer than UrlSegmentMaxLength";
  case PathError::TooManySegments:
    return "the path has more segments than UrlSegmentMaxCount";
  }
  return "";
}

PathError canonicalise_path(std::string_view path_and_query, const PathLimits &limits, CanonicalPath &result)
{
  return Canonicaliser(path_and_query, limits, result).run();
}

}
