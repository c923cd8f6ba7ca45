// SPDX-License-Identifier: GPL-3.0-or-later
// DerReader walks over DER elements (X.690) of hostile bytes: bounded, definite lengths only, no copies. A value on the stack of a parser;
// the spans that it gives live as long as the bytes under it.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

namespace httpsys::tls {

namespace der {
inline constexpr uint8_t kBoolean = 0x01, kInteger = 0x02, kBitString = 0x03, kOctetString = 0x04, kOid = 0x06, kEnumerated = 0x0a,
                         kUtf8String = 0x0c, kT61String = 0x14, kUtcTime = 0x17, kGeneralizedTime = 0x18, kUniversalString = 0x1c,
                         kBmpString = 0x1e, kSequence = 0x30, kSet = 0x31;
// Constructed context tag [n].
constexpr uint8_t context(uint8_t number) { return static_cast<uint8_t>(0xa0 | number); }
}

class DerReader {
public:
  struct Element {
    uint8_t tag = 0;
    std::span<const uint8_t> content;
    std::span<const uint8_t> whole; // tag and length included
  };

  explicit DerReader(std::span<const uint8_t> bytes) : m_rest(bytes) {}
  bool is_empty() const { return m_rest.empty(); }
  // The next element of any tag; nullopt at the end, or if it is cut short or not DER (then nothing more can be read).
  std::optional<Element> next()
  {
    if (m_rest.size() < 2 || (m_rest[0] & 0x1f) == 0x1f) // X.509 has no tag numbers over 30
      return fail();
    size_t header = 2, length = m_rest[1];
    if (length & 0x80) {
      size_t bytes = length & 0x7f;
      if (bytes == 0 || bytes > 4 || m_rest.size() < 2 + bytes || m_rest[2] == 0)
        return fail();
      length = 0;
      for (size_t i = 0; i < bytes; i++)
        length = length << 8 | m_rest[2 + i];
      if (length < 0x80)
        return fail();
      header += bytes;
    }
    if (length > m_rest.size() - header)
      return fail();
    Element element{m_rest[0], m_rest.subspan(header, length), m_rest.first(header + length)};
    m_rest = m_rest.subspan(header + length);
    return element;
  }
  // The next element, if it has this tag; else nullopt and the reader stays where it is.
  std::optional<Element> next(uint8_t tag)
  {
    if (m_rest.empty() || m_rest[0] != tag)
      return std::nullopt;
    return next();
  }

private:
  std::optional<Element> fail()
  {
    m_rest = {};
    return std::nullopt;
  }
  std::span<const uint8_t> m_rest;
};

}
