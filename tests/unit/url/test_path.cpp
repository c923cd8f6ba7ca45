// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/url/path.h"
#include "kernel/url/utf.h"
#include <doctest/doctest.h>
#include <random>
#include <string>

using namespace httpsys;
using namespace httpsys::url;
using namespace std::literals;

namespace {

std::string canonical(std::string_view target)
{
  CanonicalPath result;
  if (PathError error = canonicalise_path(target, {}, result); error != PathError::None)
    return path_error_text(error);
  std::string utf8;
  REQUIRE(append_utf8(result.path, utf8));
  return utf8;
}

PathError error_of(std::string_view target, PathLimits limits = {})
{
  CanonicalPath result;
  return canonicalise_path(target, limits, result);
}

struct Row {
  std::string_view raw;
  std::string_view cooked;
};

// A request target that has this canonical path.
std::string escaped(std::u16string_view path)
{
  std::string utf8;
  REQUIRE(append_utf8(path, utf8));
  std::string out;
  for (char c : utf8) {
    if (isalnum(static_cast<unsigned char>(c)) || c == '/' || c == '.') {
      out += c;
      continue;
    }
    static constexpr char digits[] = "0123456789ABCDEF";
    out += {'%', digits[static_cast<uint8_t>(c) >> 4], digits[static_cast<uint8_t>(c) & 15]};
  }
  return out;
}

}

TEST_CASE("paths are cooked as http-wire-and-netsh.md A.4 says")
{
  static const Row rows[] = {
    {"", "/"}, {"/", "/"}, {"/a", "/a"}, {"/a/", "/a/"}, {"/A/b", "/A/b"},
    // Step 6: decoded once, as UTF-8 (G 16).
    {"/%41", "/A"}, {"/%252F", "/%2F"}, {"/%25", "/%"}, {"/%C3%A9", "/\u00e9"}, {"/%e4%b8%ad", "/\u4e2d"}, {"/a%20b", "/a b"},
    {"/%F0%9F%98%80", "/\U0001f600"}, {"/%3F%23", "/?#"}, {"/%7e~", "/~~"},
    // Step 5: raw UTF-8.
    {"/\xc3\xa9", "/\u00e9"}, {"/\xf0\x9f\x98\x80", "/\U0001f600"},
    // Step 7: %u.
    {"/%u4e2d", "/\u4e2d"}, {"/%U0041", "/A"}, {"/%uD83D%uDE00", "/\U0001f600"}, {"/a%u002fb", "/a/b"},
    // Step 10: separators.
    {"/a\\b", "/a/b"}, {"/a%2Fb", "/a/b"}, {"/a%2fb", "/a/b"}, {"/a%5Cb", "/a/b"}, {"/a%5cb", "/a/b"}, {"/\\a", "/a"},
    // Step 11: slashes (G 17, G 20).
    {"//a/b//c", "/a/b/c"}, {"///base/path1/path2", "/base/path1/path2"}, {"/a//", "/a/"}, {"/%2F%2Fa", "/a"}, {"////", "/"},
    // Step 12: dot segments (G 18, G 19; RFC 3986 5.2.4).
    {"/a/d/../b/c", "/a/b/c"}, {"/a/./b/c", "/a/b/c"}, {"/a/b/%2E%2E/c", "/a/c"}, {"/a/%2e./b", "/b"}, {"/a/.", "/a/"},
    {"/a/..", "/"}, {"/a/b/..", "/a/"}, {"/.", "/"}, {"/./", "/"}, {"/a/b/../..", "/"}, {"/a/b/c/./../../g", "/a/g"},
    {"/...", "/..."}, {"/..a", "/..a"}, {"/.a", "/.a"}, {"/a.", "/a."}, {"/a/...//x", "/a/.../x"}, {"/a%2F..%2Fb", "/b"},
    {"/a\\..\\b", "/b"}, {"/%u002e%u002E", "the path leads above the root"},
    // Step 13: collapsed before ".." is applied.
    {"/base/call//../bat", "/base/bat"},
    // The query is no part of it.
    {"/a?b/../c", "/a"}, {"/?", "/"}, {"/a?%zz", "/a"},
  };
  for (const Row &row : rows) {
    CAPTURE(row.raw);
    CHECK(canonical(row.raw) == row.cooked);
  }
}

TEST_CASE("targets are refused with their reason")
{
  for (std::string_view target : {"a"sv, "*"sv, "\\a"sv, "http://h/"sv, "%2F"sv})
    CHECK(error_of(target) == PathError::NotAbsolute);
  CHECK(error_of("?query=value/1/2") == PathError::MissingPath);
  for (std::string_view target : {"/%"sv, "/%4"sv, "/%G1"sv, "/a%"sv, "/%u12"sv, "/%u12G4"sv, "/%%"sv, "/%E1%8"sv, "/%uD83D%"sv})
    CHECK(error_of(target) == PathError::BadEscape);
  for (std::string_view target : {"/\xe1"sv, "/\xc0\xaf"sv, "/%C0%AF"sv, "/%E1"sv, "/%80"sv, "/%ED%A0%80"sv, "/%FF"sv, "/%F8%80%80%80"sv,
         "/%c3\xa9"sv, "/\xc3%a9"sv, "/%C3%u00A9"sv, "/%uD83D"sv, "/%uDE00"sv, "/%uD83D%u0041"sv, "/%uD83Dx"sv, "/%uD83D%DE%00"sv,
         "/a?\xe1"sv})
    CHECK(error_of(target) == PathError::NotUtf8);
  for (std::string_view target : {"/.."sv, "/../a"sv, "/a/../.."sv, "/%2e%2e/a"sv, "/..\\a"sv, "/a/../../b"sv, "//../"sv, "/./.."sv})
    CHECK(error_of(target) == PathError::AboveRoot);
  for (std::string_view target : {"/#"sv, "/a#b"sv, "/a?b#c"sv})
    CHECK(error_of(target) == PathError::Fragment);
}

TEST_CASE("control characters are refused raw and escaped (G 14, G 15)")
{
  for (unsigned byte = 0; byte < 256; byte++) {
    std::string raw = "/a" + std::string(1, static_cast<char>(byte)) + "b";
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string escape = {'/', '%', digits[byte >> 4], digits[byte & 15]};
    CAPTURE(byte);
    CHECK((error_of(raw) == PathError::ControlCharacter) == (byte <= 0x20 || byte == 0x7f));
    CHECK((error_of(escape) == PathError::ControlCharacter) == (byte < 0x20 || byte == 0x7f));
    CHECK((error_of("/?" + raw) == PathError::ControlCharacter) == (byte <= 0x20 || byte == 0x7f));
  }
  for (std::string_view target : {"/%C2%80"sv, "/%C2%9F"sv, "/\xc2\x85"sv, "/%u0000"sv, "/%u009f"sv})
    CHECK(error_of(target) == PathError::ControlCharacter);
  CHECK(error_of("/%C2%A0") == PathError::None);
}

TEST_CASE("segments are limited in length and number (G 30, G 31)")
{
  CHECK(error_of("/" + std::string(260, 'a')) == PathError::None);
  CHECK(error_of("/" + std::string(261, 'a')) == PathError::SegmentTooLong);
  CHECK(error_of("/" + std::string(261, 'a') + "/../b") == PathError::SegmentTooLong);
  CHECK(error_of("/" + std::string(261, 'a'), {0, 0}) == PathError::None);
  std::string decoded;
  for (int index = 0; index < 260; index++)
    decoded += "%41";
  CHECK(error_of("/" + decoded) == PathError::None);
  CHECK(error_of("/" + decoded + "%41") == PathError::SegmentTooLong);
  std::string many;
  for (int index = 0; index < 255; index++)
    many += "/a";
  CHECK(error_of(many) == PathError::None);
  CHECK(error_of(many + "/") == PathError::None);
  CHECK(error_of(many + "/a") == PathError::TooManySegments);
  CHECK(error_of(many + "/../a") == PathError::None);
  CHECK(error_of(many + "/a", {260, 256}) == PathError::None);
}

TEST_CASE("the query is found and left alone")
{
  CanonicalPath result;
  CHECK(canonicalise_path("/a/../b?x=%41/../?y\xc3\xa9", {}, result) == PathError::None);
  CHECK(result.path == u"/b");
  CHECK(result.query_offset == 7);
  CHECK(canonicalise_path("/a%3Fb", {}, result) == PathError::None);
  CHECK(result.query_offset == CanonicalPath::kNoQuery);
}

TEST_CASE("cooking is idempotent: the escaped canonical path cooks to itself")
{
  std::mt19937 random(20261123);
  static constexpr std::string_view pieces[] = {"/", "//", "a", "B", ".", "..", "%2e", "%2F", "\\", "%5c", "%41", "%25", "%252e", "%C3%A9",
    "\xc3\xa9", "%u4e2d", "%uD83D%uDE00", "?", "%3f", " ", "%", "%zz", "\xff", "%20", "%00", "~", "+", ";x=1", "#"};
  size_t accepted = 0;
  for (int round = 0; round < 20000; round++) {
    std::string target = "/";
    for (size_t count = random() % 12; count > 0; count--)
      target += pieces[random() % (sizeof pieces / sizeof *pieces)];
    CanonicalPath first;
    if (canonicalise_path(target, {}, first) != PathError::None)
      continue;
    accepted++;
    CAPTURE(target);
    REQUIRE(first.path.starts_with(u'/'));
    REQUIRE(first.path.find(u"//") == first.path.npos);
    REQUIRE((first.path + u'/').find(u"/./") == first.path.npos);
    REQUIRE((first.path + u'/').find(u"/../") == first.path.npos);
    CanonicalPath second;
    REQUIRE(canonicalise_path(escaped(first.path), {}, second) == PathError::None);
    REQUIRE(second.path == first.path);
  }
  CHECK(accepted > 1000);
}
