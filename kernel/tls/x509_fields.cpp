// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/x509_fields.h"
#include "kernel/tls/der_reader.h"
#include <algorithm>
#include <string_view>

namespace httpsys::tls {

namespace {

using Bytes = std::span<const uint8_t>;

bool is_oid(Bytes oid, std::string_view bytes)
{
  return std::equal(oid.begin(), oid.end(), bytes.begin(), bytes.end(),
                    [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); });
}

// Days since 1970-01-01 of a date of the Gregorian calendar.
int64_t days_since_epoch(int64_t year, int64_t month, int64_t day)
{
  year -= month <= 2;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

// RFC 5280 4.1.2.5: YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ.
std::optional<int64_t> parse_time(const std::optional<DerReader::Element> &element)
{
  if (!element || (element->tag != der::kUtcTime && element->tag != der::kGeneralizedTime))
    return std::nullopt;
  Bytes text = element->content;
  size_t year_digits = element->tag == der::kUtcTime ? 2 : 4;
  if (text.size() != year_digits + 11 || text.back() != 'Z')
    return std::nullopt;
  text = text.first(text.size() - 1);
  if (!std::all_of(text.begin(), text.end(), [](uint8_t digit) { return digit >= '0' && digit <= '9'; }))
    return std::nullopt;
  auto number = [&text](size_t digits) {
    int64_t value = 0;
    for (uint8_t digit : text.first(digits))
      value = value * 10 + (digit - '0');
    text = text.subspan(digits);
    return value;
  };
  int64_t year = number(year_digits);
  if (year_digits == 2)
    year += year < 50 ? 2000 : 1900;
  int64_t month = number(2), day = number(2), hour = number(2), minute = number(2), second = number(2);
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
    return std::nullopt;
  return ((days_since_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
}

uint32_t bit_length(Bytes integer)
{
  integer = without_leading_zeros(integer);
  if (integer.empty())
    return 0;
  uint32_t bits = static_cast<uint32_t>(std::min<size_t>(integer.size(), 1u << 20)) * 8;
  for (uint8_t first = integer[0]; !(first & 0x80); first = static_cast<uint8_t>(first << 1))
    bits--;
  return bits;
}

SignatureHash pss_hash(DerReader parameters)
{
  auto sequence = parameters.next(der::kSequence);
  if (!sequence)
    return SignatureHash::Bits256;
  DerReader fields(sequence->content);
  auto tagged = fields.next(der::context(0));
  auto algorithm = tagged ? DerReader(tagged->content).next(der::kSequence) : std::nullopt;
  auto oid = algorithm ? DerReader(algorithm->content).next(der::kOid) : std::nullopt;
  if (oid && is_oid(oid->content, "\x60\x86\x48\x01\x65\x03\x04\x02\x04"))
    return SignatureHash::Bits224;
  if (oid && is_oid(oid->content, "\x60\x86\x48\x01\x65\x03\x04\x02\x02"))
    return SignatureHash::Bits384;
  if (oid && is_oid(oid->content, "\x60\x86\x48\x01\x65\x03\x04\x02\x03"))
    return SignatureHash::Bits512;
  return SignatureHash::Bits256;
}

SignatureHash parse_signature_hash(Bytes algorithm)
{
  DerReader fields(algorithm);
  auto oid = fields.next(der::kOid);
  if (!oid)
    return SignatureHash::Bits256;
  using namespace std::literals;
  constexpr std::string_view rsa = "\x2a\x86\x48\x86\xf7\x0d\x01\x01"sv, ecdsa = "\x2a\x86\x48\xce\x3d\x04\x03"sv;
  Bytes id = oid->content;
  if (id.size() == rsa.size() + 1 && is_oid(id.first(rsa.size()), rsa)) {
    if (id.back() == 10) // id-RSASSA-PSS
      return pss_hash(fields);
    return id.back() == 14 ? SignatureHash::Bits224 :
           id.back() == 12 ? SignatureHash::Bits384 :
           id.back() == 13 ? SignatureHash::Bits512 :
                             SignatureHash::Bits256;
  }
  if (id.size() == ecdsa.size() + 1 && is_oid(id.first(ecdsa.size()), ecdsa))
    return id.back() == 1 ? SignatureHash::Bits224 :
           id.back() == 3 ? SignatureHash::Bits384 :
           id.back() == 4 ? SignatureHash::Bits512 :
                            SignatureHash::Bits256;
  return SignatureHash::Bits256;
}

void parse_key(Bytes info, X509Fields &fields)
{
  DerReader reader(info);
  auto algorithm = reader.next(der::kSequence);
  auto key = reader.next(der::kBitString);
  auto oid = algorithm ? DerReader(algorithm->content).next(der::kOid) : std::nullopt;
  if (!oid || !key || key->content.empty())
    return;
  Bytes bits = key->content.subspan(1);
  if (is_oid(oid->content, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01") || is_oid(oid->content, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a")) {
    auto sequence = DerReader(bits).next(der::kSequence);
    auto modulus = sequence ? DerReader(sequence->content).next(der::kInteger) : std::nullopt;
    fields.key_type = KeyType::Rsa;
    fields.is_pss_key = oid->content.back() == 0x0a;
    fields.key_bits = modulus ? bit_length(modulus->content) : 0;
  } else if (is_oid(oid->content, "\x2a\x86\x48\xce\x3d\x02\x01") && !bits.empty()) {
    // The point tells the field's size: 04, X, Y or 02/03, X. 66 bytes are P-521, the one field that is no multiple of 8.
    size_t coordinate = bits[0] == 4 ? (bits.size() - 1) / 2 : bits.size() - 1;
    fields.key_type = KeyType::Ecdsa;
    fields.key_bits = coordinate == 66 ? 521 : static_cast<uint32_t>(std::min<size_t>(coordinate, 1024)) * 8;
  } else if (is_oid(oid->content, "\x2b\x65\x70")) {
    fields.key_type = KeyType::Ed25519;
    fields.key_bits = 256;
  }
}

uint16_t parse_key_usage(Bytes value)
{
  auto bits = DerReader(value).next(der::kBitString);
  uint16_t usage = 0;
  for (size_t i = 0; bits && i + 1 < bits->content.size() && i < 2; i++)
    for (unsigned bit = 0; bit < 8; bit++)
      if (bits->content[i + 1] & 0x80u >> bit)
        usage = static_cast<uint16_t>(usage | 1u << (i * 8 + bit));
  return usage;
}

void parse_extended_usage(Bytes value, X509Fields &fields)
{
  fields.has_extended_usage = true;
  fields.allows_client = fields.allows_server = false;
  auto sequence = DerReader(value).next(der::kSequence);
  if (!sequence)
    return;
  DerReader reader(sequence->content);
  while (auto oid = reader.next(der::kOid)) {
    bool any = is_oid(oid->content, std::string_view("\x55\x1d\x25\x00", 4));
    fields.allows_server |= any || is_oid(oid->content, "\x2b\x06\x01\x05\x05\x07\x03\x01");
    fields.allows_client |= any || is_oid(oid->content, "\x2b\x06\x01\x05\x05\x07\x03\x02");
  }
}

void parse_basic_constraints(Bytes value, X509Fields &fields)
{
  auto constraints = DerReader(value).next(der::kSequence);
  if (!constraints)
    return;
  DerReader reader(constraints->content);
  auto authority = reader.next(der::kBoolean);
  fields.is_authority = authority && authority->content.size() == 1 && authority->content[0] != 0;
  if (auto length = reader.next(der::kInteger))
    fields.path_length = length->content.size() == 1 && length->content[0] < 0x80 ? length->content[0] : 0u;
}

void parse_extensions(Bytes list, X509Fields &fields)
{
  auto sequence = DerReader(list).next(der::kSequence);
  if (!sequence)
    return;
  DerReader reader(sequence->content);
  while (auto extension = reader.next(der::kSequence)) {
    DerReader parts(extension->content);
    auto oid = parts.next(der::kOid);
    parts.next(der::kBoolean);
    auto value = parts.next(der::kOctetString);
    if (!oid || !value || oid->content.size() != 3 || oid->content[0] != 0x55 || oid->content[1] != 0x1d)
      continue;
    if (oid->content[2] == 15) {
      fields.key_usage = parse_key_usage(value->content);
    } else if (oid->content[2] == 19) {
      parse_basic_constraints(value->content, fields);
    } else if (oid->content[2] == 30) {
      fields.has_name_constraints = true;
    } else if (oid->content[2] == 37) {
      parse_extended_usage(value->content, fields);
    }
  }
}

}

// What stands behind the body: the algorithm once more (RFC 5280 4.1.1.2), whole bytes of a signature, nothing else. wolfSSL takes other
// bytes as well, and nothing signs these.
static bool is_signature(DerReader parts, Bytes algorithm)
{
  auto repeated = parts.next(der::kSequence), signature = parts.next(der::kBitString);
  return repeated && std::ranges::equal(repeated->whole, algorithm) && signature && !signature->content.empty() &&
         signature->content[0] == 0 && parts.is_empty();
}

std::span<const uint8_t> without_leading_zeros(std::span<const uint8_t> integer)
{
  while (!integer.empty() && integer[0] == 0)
    integer = integer.subspan(1);
  return integer;
}

std::optional<X509Fields> X509Fields::parse(std::span<const uint8_t> certificate)
{
  X509Fields fields;
  auto outer = DerReader(certificate).next(der::kSequence);
  if (!outer || outer->whole.size() != certificate.size())
    return std::nullopt;
  DerReader parts(outer->content);
  auto body = parts.next(der::kSequence);
  if (!body)
    return std::nullopt;
  DerReader reader(body->content);
  if (auto tagged = reader.next(der::context(0))) {
    auto version = DerReader(tagged->content).next(der::kInteger);
    if (!version || version->content.size() != 1 || version->content[0] > 2)
      return std::nullopt;
    fields.version = version->content[0] + 1u;
  }
  auto serial = reader.next(der::kInteger);
  auto algorithm = reader.next(der::kSequence);
  auto issuer = reader.next(der::kSequence);
  auto validity = reader.next(der::kSequence);
  auto subject = reader.next(der::kSequence);
  auto key = reader.next(der::kSequence);
  if (!serial || !algorithm || !issuer || !validity || !subject || !key || !is_signature(parts, algorithm->whole))
    return std::nullopt;
  DerReader dates(validity->content);
  auto not_before = parse_time(dates.next()), not_after = parse_time(dates.next());
  if (!not_before || !not_after)
    return std::nullopt;
  fields.serial = serial->content;
  fields.issuer = issuer->whole;
  fields.subject = subject->whole;
  fields.key = key->whole;
  fields.not_before = *not_before;
  fields.not_after = *not_after;
  fields.signature_hash = parse_signature_hash(algorithm->content);
  parse_key(key->content, fields);
  while (auto rest = reader.next()) // [1] and [2] are unique identifiers
    if (rest->tag == der::context(3))
      parse_extensions(rest->content, fields);
  return fields;
}

bool X509Fields::is_self_issued() const
{
  return std::equal(issuer.begin(), issuer.end(), subject.begin(), subject.end());
}

std::optional<RevocationListFields> RevocationListFields::parse(std::span<const uint8_t> list)
{
  RevocationListFields fields;
  auto outer = DerReader(list).next(der::kSequence);
  auto body = outer ? DerReader(outer->content).next(der::kSequence) : std::nullopt;
  if (!body)
    return std::nullopt;
  DerReader reader(body->content);
  reader.next(der::kInteger); // version, absent in v1
  auto algorithm = reader.next(der::kSequence);
  auto issuer = reader.next(der::kSequence);
  auto this_update = parse_time(reader.next());
  if (!algorithm || !issuer || !this_update)
    return std::nullopt;
  fields.issuer = issuer->whole;
  fields.this_update = *this_update;
  auto element = reader.next();
  if (element && (element->tag == der::kUtcTime || element->tag == der::kGeneralizedTime)) {
    fields.next_update = parse_time(element);
    if (!fields.next_update)
      return std::nullopt;
    element = reader.next();
  }
  if (element && element->tag == der::kSequence) {
    DerReader entries(element->content);
    while (auto entry = entries.next(der::kSequence)) {
      auto serial = DerReader(entry->content).next(der::kInteger);
      if (!serial)
        return std::nullopt;
      fields.serials.push_back(without_leading_zeros(serial->content));
    }
    element = reader.next();
  }
  auto extensions = element && element->tag == der::context(0) ? DerReader(element->content).next(der::kSequence) : std::nullopt;
  DerReader extension_reader(extensions ? extensions->content : std::span<const uint8_t>());
  while (auto extension = extension_reader.next(der::kSequence)) {
    auto oid = DerReader(extension->content).next(der::kOid);
    fields.is_delta |= oid && is_oid(oid->content, "\x55\x1d\x1b");
  }
  return fields;
}

}
