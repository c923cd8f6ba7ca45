// SPDX-License-Identifier: GPL-3.0-or-later
// libFuzzer target: paths, hosts and prefixes from any bytes. Beyond "does not crash": what is accepted is canonical, and stays so.
#include "kernel/url/case_map.h"
#include "kernel/url/cooked_url.h"
#include "kernel/url/path.h"
#include "kernel/url/prefix.h"
#include "kernel/url/utf.h"
#include <cstring>
#include <optional>
#include <string>
#include <vector>

using namespace httpsys;
using namespace httpsys::url;

static void require(bool holds)
{
  if (!holds)
    __builtin_trap();
}

static std::string escaped(std::u16string_view path)
{
  std::string utf8, out;
  require(append_utf8(path, utf8));
  for (char c : utf8) {
    static constexpr char digits[] = "0123456789abcdef";
    if (c == '/')
      out += c;
    else
      out += {'%', digits[static_cast<uint8_t>(c) >> 4], digits[static_cast<uint8_t>(c) & 15]};
  }
  return out;
}

// RFC 3986 5.2.4 over again, for what has nothing else in it that could change; nullopt where it leads above the root.
static std::optional<std::u16string> without_dots(std::string_view text)
{
  std::vector<std::string_view> kept;
  std::string_view last;
  for (size_t at = 1; at <= text.size(); at += last.size() + 1) {
    last = text.substr(at, text.find('/', at) - at);
    if (last == "..") {
      if (kept.empty())
        return std::nullopt;
      kept.pop_back();
    } else if (!last.empty() && last != ".") {
      kept.push_back(last);
    }
  }
  std::u16string path;
  for (std::string_view segment : kept)
    path += u'/' + std::u16string(segment.begin(), segment.end());
  bool is_folder = last.empty() || last == "." || last == "..";
  return path.empty() || is_folder ? path + u'/' : path;
}

static void compare_path(std::string_view text)
{
  static constexpr size_t kBelowAllLimits = 200;
  bool is_plain = text.starts_with('/') && text.size() < kBelowAllLimits &&
                  text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789./") == text.npos;
  if (!is_plain)
    return;
  CanonicalPath path;
  auto wanted = without_dots(text);
  require((canonicalise_path(text, {}, path) == PathError::None) == wanted.has_value());
  require(!wanted || path.path == *wanted);
}

static void fuzz_path(std::string_view text)
{
  compare_path(text);
  CanonicalPath first, second;
  if (canonicalise_path(text, {}, first) != PathError::None)
    return;
  require(first.path.starts_with(u'/') && first.path.find(u"//") == first.path.npos);
  std::u16string closed = first.path + u'/';
  require(closed.find(u"/./") == closed.npos && closed.find(u"/../") == closed.npos);
  require(first.query_offset == CanonicalPath::kNoQuery || text[first.query_offset] == '?');
  require(canonicalise_path(escaped(first.path), {}, second) == PathError::None && second.path == first.path);
}

static void fuzz_host(std::string_view text)
{
  Host first, second;
  if (parse_host(text, first) != HostError::None)
    return;
  require((first.kind == HostKind::Empty) == text.empty());
  require(first.key.size() <= 8 * 64 * 5 && is_utf8(first.text));
  for (char c : first.key)
    require(static_cast<uint8_t>(c) > 0x20 && static_cast<uint8_t>(c) < 0x7f && to_lower_ascii(c) == c);
  require(parse_host(first.text, second) == HostError::None && second.key == first.key && second.kind == first.kind);
  CookedUrl cooked;
  Endpoint local{IpAddress::loopback(false), 80};
  require(build_cooked_url(true, first, local, u"/", "", cooked));
  require(cooked.host_offset + cooked.host_length == cooked.path_offset && cooked.text[cooked.path_offset] == u'/');
}

static void fuzz_prefix(std::string_view text)
{
  std::u16string wide(text.size() / 2, u'\0');
  std::memcpy(wide.data(), text.data(), wide.size() * 2);
  std::string reason;
  for (std::u16string_view scheme : {u"", u"http://", u"https://+:80/"}) {
    reason.clear();
    auto prefix = UrlPrefix::parse(std::u16string(scheme) + wide, reason);
    require(prefix.is_error() != reason.empty() && is_utf8(reason));
    if (prefix.is_error())
      continue;
    auto again = UrlPrefix::parse(prefix->key(), reason);
    require(!again.is_error() && again->is_same_as(*prefix) && again->key() == prefix->key());
    require(prefix_covers_path(prefix->path_key(), prefix->path_key()));
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  std::string_view text(reinterpret_cast<const char *>(data), size);
  fuzz_path(text);
  fuzz_host(text);
  fuzz_prefix(text);
  return 0;
}
