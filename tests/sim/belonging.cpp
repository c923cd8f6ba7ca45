// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/belonging.h"
#include "tests/sim/exchange.h"
#include <algorithm>
#include <cstring>

namespace httpsys::sim {

namespace {

using Kind = Belonging::Kind;

bool is_digit(uint8_t byte)
{
  return byte >= '0' && byte <= '9';
}

class Search {
public:
  Search(std::span<const uint8_t> bytes, const std::function<bool(Belonging)> &is_wrong) : m_bytes(bytes), m_is_wrong(is_wrong) {}

  bool visit_units()
  {
    for (size_t at = 0; (at = find('\n', at)) < m_bytes.size(); at++)
      if (at + 1 >= kBodyUnit && tells(unit_at(at + 1 - kBodyUnit)))
        return true;
    return false;
  }

  bool visit_paths(size_t width)
  {
    for (size_t at = 0; (at = find('/', at)) < m_bytes.size(); at++)
      if (visit_path(at, width))
        return true;
    return false;
  }

  std::optional<Belonging> found() const { return m_found; }

private:
  size_t find(char wanted, size_t from) const
  {
    if (from >= m_bytes.size())
      return m_bytes.size();
    const void *found = std::memchr(m_bytes.data() + from, wanted, m_bytes.size() - from);
    return found ? static_cast<size_t>(static_cast<const uint8_t *>(found) - m_bytes.data()) : m_bytes.size();
  }

  std::optional<Belonging> unit_at(size_t at) const
  {
    std::span<const uint8_t> unit = m_bytes.subspan(at, kBodyUnit);
    if (!std::ranges::all_of(unit.subspan(1, kBodyUnit - 2), is_digit))
      return std::nullopt;
    uint32_t number = 0;
    for (size_t digit = 1; digit <= kBodyUnitDigits; digit++)
      number = number * 10 + (unit[digit] - '0');
    switch (unit[0]) {
    case kRequestBody: return Belonging{Kind::RequestBody, number};
    case kAnswerBody: return Belonging{Kind::AnswerBody, number};
    case kPoison: return Belonging{Kind::Poison, number};
    default: return std::nullopt;
    }
  }

  // A character of the path; 0 where there is none.
  uint8_t character(size_t at, size_t width) const
  {
    return at + width > m_bytes.size() || (width == 2 && m_bytes[at + 1] != 0) ? 0 : m_bytes[at];
  }

  // What is behind its digits; `at` is moved there.
  std::optional<uint32_t> number_at(size_t &at, size_t width) const
  {
    uint64_t number = 0;
    size_t begin = at;
    for (; is_digit(character(at, width)) && at - begin < 9 * width; at += width)
      number = number * 10 + (m_bytes[at] - '0');
    return at == begin ? std::nullopt : std::optional(static_cast<uint32_t>(number));
  }

  // "/s12/", and "r34" behind it. A number that is cut off tells nothing.
  bool visit_path(size_t at, size_t width)
  {
    if (character(at, width) != '/' || character(at + width, width) != 's')
      return false;
    at += 2 * width;
    auto site = number_at(at, width);
    if (!site || character(at, width) != '/')
      return false;
    if (tells(Belonging{Kind::Site, *site}))
      return true;
    at += width;
    if (character(at, width) != 'r')
      return false;
    at += width;
    auto request = number_at(at, width);
    return request && at + width <= m_bytes.size() && tells(Belonging{Kind::RequestPath, *request});
  }

  bool tells(std::optional<Belonging> belonging)
  {
    if (!belonging || !m_is_wrong(*belonging))
      return false;
    m_found = belonging;
    return true;
  }

  std::span<const uint8_t> m_bytes;
  const std::function<bool(Belonging)> &m_is_wrong;
  std::optional<Belonging> m_found;
};

}

std::optional<Belonging> find_belonging(std::span<const uint8_t> bytes, const std::function<bool(Belonging)> &is_wrong)
{
  Search search(bytes, is_wrong);
  if (!search.visit_units() && !search.visit_paths(1))
    search.visit_paths(2);
  return search.found();
}

}
