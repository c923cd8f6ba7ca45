// SPDX-License-Identifier: GPL-3.0-or-later
// name_text() of x509_fields.h: RFC 5280 Name to text, in the form that Windows prints (CertNameToStr, reversed order).
#include "kernel/limits.h"
#include "kernel/tls/der_reader.h"
#include "kernel/tls/x509_fields.h"
#include <algorithm>
#include <string_view>

namespace httpsys::tls {

namespace {

using Bytes = std::span<const uint8_t>;

void append_hex(std::string &text, uint8_t byte)
{
  constexpr char digits[] = "0123456789abcdef";
  text += digits[byte >> 4];
  text += digits[byte & 15];
}

void append_utf8(std::string &text, uint32_t code)
{
  if (code >= 0x110000 || (code >= 0xd800 && code < 0xe000))
    code = 0xfffd;
  auto byte = [&text](uint32_t value) { text += static_cast<char>(static_cast<uint8_t>(value)); };
  if (code < 0x80)
    return byte(code);
  if (code < 0x800) {
    byte(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      byte(0xe0 | code >> 12);
    } else {
      byte(0xf0 | code >> 18);
      byte(0x80 | (code >> 12 & 0x3f));
    }
    byte(0x80 | (code >> 6 & 0x3f));
  }
  byte(0x80 | (code & 0x3f));
}

// One code point of UTF-8 from the front of bytes; U+FFFD and one byte for what is none.
uint32_t take_utf8(Bytes &bytes)
{
  uint8_t first = bytes[0];
  size_t length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : (first & 0xf0) == 0xe0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  uint32_t code = length == 1 ? first : first & (0x7fu >> length);
  bool good = length != 0 && bytes.size() >= length;
  for (size_t i = 1; good && i < length; i++) {
    good = (bytes[i] & 0xc0) == 0x80;
    code = code << 6 | (bytes[i] & 0x3fu);
  }
  bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  if (!good || overlong) {
    bytes = bytes.subspan(1);
    return 0xfffd;
  }
  bytes = bytes.subspan(length);
  return code;
}

// Control characters (C0, DEL, C1) would let a certificate write into a log's structure or a terminal.
void append_printable(std::string &text, uint32_t code)
{
  if (code >= 0x20 && code != 0x7f && !(code >= 0x80 && code < 0xa0))
    return append_utf8(text, code);
  text += "\\x";
  append_hex(text, static_cast<uint8_t>(code));
}

std::string value_text(const DerReader::Element &value)
{
  std::string text;
  Bytes bytes = value.content;
  size_t unit = value.tag == der::kBmpString ? 2 : value.tag == der::kUniversalString ? 4 : 1;
  bool latin = value.tag == der::kT61String; // nobody writes real T.61: in practice it is ISO 8859-1
  bool utf8 = value.tag == der::kUtf8String || value.tag == 0x13 || value.tag == 0x16 || value.tag == 0x12 || value.tag == 0x1a;
  if (!latin && !utf8 && unit == 1) {
    text = "#";
    for (uint8_t byte : value.whole)
      append_hex(text, byte);
    return text;
  }
  while (bytes.size() >= unit && text.size() <= limits::kMaxNameText) {
    if (utf8) {
      append_printable(text, take_utf8(bytes));
      continue;
    }
    uint32_t code = 0;
    for (size_t i = 0; i < unit; i++)
      code = code << 8 | bytes[i];
    append_printable(text, code);
    bytes = bytes.subspan(unit);
  }
  bool quoted = text.empty() || text.front() == ' ' || text.back() == ' ' || text.front() == '#' ||
                text.find_first_of(",+=\"<>;") != std::string::npos;
  if (!quoted)
    return text;
  std::string result = "\"";
  for (char letter : text) {
    if (letter == '"')
      result += '"';
    result += letter;
  }
  result += '"';
  return result;
}

struct AttributeName {
  std::string_view oid;
  std::string_view name;
};

constexpr AttributeName kAttributeNames[] = {
  {"\x55\x04\x03", "CN"}, {"\x55\x04\x04", "SN"}, {"\x55\x04\x05", "SERIALNUMBER"}, {"\x55\x04\x06", "C"}, {"\x55\x04\x07", "L"},
  {"\x55\x04\x08", "S"}, {"\x55\x04\x09", "STREET"}, {"\x55\x04\x0a", "O"}, {"\x55\x04\x0b", "OU"}, {"\x55\x04\x0c", "T"},
  {"\x55\x04\x11", "PostalCode"}, {"\x55\x04\x2a", "G"}, {"\x55\x04\x2b", "I"}, {"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", "E"},
  {"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", "UID"}, {"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", "DC"},
};

std::string dotted_oid(Bytes oid)
{
  std::string text = "OID";
  uint64_t arc = 0;
  bool first = true;
  for (uint8_t byte : oid) {
    if (arc >> 56)
      return "OID.?";
    arc = arc << 7 | (byte & 0x7f);
    if (byte & 0x80)
      continue;
    if (first) {
      uint64_t root = std::min<uint64_t>(arc / 40, 2);
      text += '.' + std::to_string(root);
      arc -= root * 40;
      first = false;
    }
    text += '.' + std::to_string(arc);
    arc = 0;
  }
  return text;
}

std::string attribute_text(Bytes attribute)
{
  DerReader reader(attribute);
  auto oid = reader.next(der::kOid);
  auto value = reader.next();
  if (!oid || !value)
    return "?";
  for (const AttributeName &known : kAttributeNames)
    if (std::equal(oid->content.begin(), oid->content.end(), known.oid.begin(), known.oid.end(),
                   [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }))
      return std::string(known.name) + '=' + value_text(*value);
  return dotted_oid(oid->content) + '=' + value_text(*value);
}

}

std::string name_text(std::span<const uint8_t> name)
{
  std::vector<std::string> parts;
  auto sequence = DerReader(name).next(der::kSequence);
  DerReader sets(sequence ? sequence->content : Bytes());
  size_t total = 0;
  while (auto set = sets.next(der::kSet)) {
    std::string part;
    DerReader attributes(set->content);
    while (auto attribute = attributes.next(der::kSequence)) {
      if (!part.empty())
        part += " + ";
      part += attribute_text(attribute->content);
      if (part.size() > limits::kMaxNameText)
        break;
    }
    total += part.size();
    parts.push_back(std::move(part));
    if (total > limits::kMaxNameText)
      break;
  }
  std::string text;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!text.empty())
      text += ", ";
    text += *part;
  }
  if (text.size() > limits::kMaxNameText) {
    size_t end = limits::kMaxNameText;
    while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80)
      end--;
    text.resize(end);
    text += "...";
  }
  return text;
}

}
