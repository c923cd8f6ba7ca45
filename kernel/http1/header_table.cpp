// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/header_table.h"
#include "kernel/base/text.h"
#include <array>
#include <cstring>
#include <span>

namespace httpsys::http1 {

namespace {

constexpr std::array<std::string_view, kRequestHeaderCount> kRequestNames = {
  "Cache-Control", "Connection", "Date", "Keep-Alive", "Pragma", "Trailer", "Transfer-Encoding", "Upgrade", "Via", "Warning",
  "Allow", "Content-Length", "Content-Type", "Content-Encoding", "Content-Language", "Content-Location", "Content-MD5",
  "Content-Range", "Expires", "Last-Modified", "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization",
  "Cookie", "Expect", "From", "Host", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
  "Max-Forwards", "Proxy-Authorization", "Referer", "Range", "TE", "Translate", "User-Agent"};

constexpr std::array<std::string_view, kResponseHeaderCount> kResponseNames = {
  "Cache-Control", "Connection", "Date", "Keep-Alive", "Pragma", "Trailer", "Transfer-Encoding", "Upgrade", "Via", "Warning",
  "Allow", "Content-Length", "Content-Type", "Content-Encoding", "Content-Language", "Content-Location", "Content-MD5",
  "Content-Range", "Expires", "Last-Modified", "Accept-Ranges", "Age", "ETag", "Location", "Proxy-Authenticate", "Retry-After",
  "Server", "Set-Cookie", "Vary", "WWW-Authenticate"};

constexpr size_t kSlots = 128;

// Length, first and last letter tell all names of a table apart.
struct HashFactors {
  uint32_t length = 0, first = 0, last = 0;
  constexpr size_t slot(std::string_view name) const
  {
    uint32_t first_letter = static_cast<uint8_t>(name.front()) | 0x20u;
    uint32_t last_letter = static_cast<uint8_t>(name.back()) | 0x20u;
    return (static_cast<uint32_t>(name.size()) * length + first_letter * first + last_letter * last) % kSlots;
  }
};

struct PerfectHash {
  HashFactors factors{};
  std::array<int8_t, kSlots> ids{};
};

constexpr bool fill(std::span<const std::string_view> names, PerfectHash &hash)
{
  hash.ids.fill(-1);
  for (size_t id = 0; id < names.size(); id++) {
    int8_t &slot = hash.ids[hash.factors.slot(names[id])];
    if (slot >= 0)
      return false;
    slot = static_cast<int8_t>(id);
  }
  return true;
}

constexpr PerfectHash find_perfect_hash(std::span<const std::string_view> names)
{
  for (uint32_t length = 1; length < kSlots; length += 2) {
    for (uint32_t first = 1; first < kSlots; first += 2) {
      for (uint32_t last = 1; last < kSlots; last += 2) {
        PerfectHash hash{{length, first, last}, {}};
        if (fill(names, hash))
          return hash;
      }
    }
  }
  return {};
}

constexpr PerfectHash kRequestHash = find_perfect_hash(kRequestNames);
constexpr PerfectHash kResponseHash = find_perfect_hash(kResponseNames);
static_assert(kRequestHash.factors.length != 0 && kResponseHash.factors.length != 0);

template <typename Word>
Word load(const char *bytes)
{
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// Bit 0x20 tells the cases of a letter apart; of other token characters only '-' and digits are in known names, and no two tokens
// that differ in that bit alone are both such characters. Loads overlap instead of ending in single bytes.
template <typename Word>
bool equal_words(const char *known, const char *name, size_t length)
{
  constexpr Word kCaseBits = static_cast<Word>(0x2020202020202020u);
  for (size_t position = 0; position + sizeof(Word) <= length; position += sizeof(Word))
    if ((load<Word>(known + position) | kCaseBits) != (load<Word>(name + position) | kCaseBits))
      return false;
  size_t last = length - sizeof(Word);
  return (load<Word>(known + last) | kCaseBits) == (load<Word>(name + last) | kCaseBits);
}

bool equal_tokens(std::string_view known, std::string_view name)
{
  if (known.size() != name.size())
    return false;
  if (name.size() >= 8)
    return equal_words<uint64_t>(known.data(), name.data(), name.size());
  if (name.size() >= 4)
    return equal_words<uint32_t>(known.data(), name.data(), name.size());
  return equal_ignoring_case(known, name);
}

int8_t find(std::span<const std::string_view> names, const PerfectHash &hash, std::string_view name)
{
  if (name.empty())
    return -1;
  int8_t id = hash.ids[hash.factors.slot(name)];
  return id >= 0 && equal_tokens(names[static_cast<size_t>(id)], name) ? id : int8_t{-1};
}

}

RequestHeader find_request_header(std::string_view name) { return static_cast<RequestHeader>(find(kRequestNames, kRequestHash, name)); }

ResponseHeader find_response_header(std::string_view name)
{
  return static_cast<ResponseHeader>(find(kResponseNames, kResponseHash, name));
}

std::string_view request_header_name(RequestHeader id) { return kRequestNames[static_cast<size_t>(id)]; }

std::string_view response_header_name(ResponseHeader id) { return kResponseNames[static_cast<size_t>(id)]; }

}
