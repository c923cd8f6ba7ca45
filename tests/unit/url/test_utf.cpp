// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/url/case_map.h"
#include "kernel/url/percent.h"
#include "kernel/url/punycode.h"
#include "kernel/url/utf.h"
#include <doctest/doctest.h>
#include <string>

using namespace httpsys::url;
using namespace std::literals;

TEST_CASE("every code point survives UTF-8 to UTF-16 and back")
{
  for (char32_t value = 0; value <= 0x10ffff; value++) {
    if (is_surrogate(value))
      continue;
    char bytes[4];
    std::string_view utf8(bytes, encode_utf8(value, bytes));
    std::u16string utf16;
    std::string back;
    bool is_same = decode_utf8(utf8).value == value && decode_utf8(utf8).length == utf8.size() && append_utf16(utf8, utf16) &&
      decode_utf16(utf16).value == value && append_utf8(utf16, back) && back == utf8;
    if (!is_same)
      FAIL("U+" << static_cast<uint32_t>(value));
  }
}

TEST_CASE("ill-formed UTF-8 is refused (Unicode 15, table 3-7)")
{
  for (std::string_view text : {"\x80"sv, "\xbf"sv, "\xc0\x80"sv, "\xc1\xbf"sv, "\xc2"sv, "\xe0\x80\x80"sv, "\xe0\x9f\xbf"sv,
         "\xed\xa0\x80"sv, "\xed\xbf\xbf"sv, "\xe1\x80"sv, "\xf0\x80\x80\x80"sv, "\xf0\x8f\xbf\xbf"sv, "\xf4\x90\x80\x80"sv,
         "\xf5\x80\x80\x80"sv, "\xff"sv, "\xc2\x41"sv, "\xe1\x80\x41"sv, "\xf1\x80\x80\x41"sv}) {
    CAPTURE(text);
    std::u16string out;
    CHECK(!is_utf8(text));
    CHECK(!append_utf16(text, out));
    CHECK(decode_utf8(text).length == 0);
    CHECK(!is_utf8("eightbyt" + std::string(text)));
  }
  CHECK(is_utf8("plain text of more than eight bytes, \xc3\xa9 and \xf0\x9f\x98\x80 too"));
  CHECK(is_utf8(""));
}

TEST_CASE("unpaired surrogates are refused")
{
  for (std::u16string text : {u"\xd800"s, u"\xdc00"s, u"\xd800\xd800"s, u"\xd800x"s, u"a\xdfff"s}) {
    std::string out;
    CHECK(!append_utf8(text, out));
  }
}

TEST_CASE("quoted texts show what cannot be seen")
{
  CHECK(quoted(u"a\u200eb\n") == "\"a\\u200eb\\u000a\"");
  CHECK(quoted(u"b\u00fccher") == "\"b\u00fccher\"");
  CHECK(quoted(u"x\xd800y"s) == "\"x\uFFFDy\"");
}

TEST_CASE("case mapping is simple, locale-free and never reaches into ASCII from outside")
{
  CHECK(to_upper(u"az\u00e0\u00ff\u0101\u03c2\u03ce\u044f\u0451\u0586\u1e01\uff5a") ==
    u"AZ\u00c0\u0178\u0100\u03a3\u038f\u042f\u0401\u0556\u1e00\uff3a");
  CHECK(to_upper(u"\u00f7\u00d7\u0131\u017f\u0138\u0149\u4e2d") == u"\u00f7\u00d7\u0131\u017f\u0138\u0149\u4e2d");
  for (unsigned unit = 0; unit < 0x10000; unit++) {
    char16_t upper = to_upper(static_cast<char16_t>(unit));
    char16_t lower = to_lower(static_cast<char16_t>(unit));
    REQUIRE(to_upper(upper) == upper);
    REQUIRE(to_lower(lower) == lower);
    REQUIRE((unit < 0x80) == (upper < 0x80));
    REQUIRE(to_upper(lower) == upper);
  }
}

TEST_CASE("escapes are two hexadecimal digits, or u and four")
{
  CHECK(parse_escape("%41rest"sv)->value == 0x41);
  CHECK(parse_escape("%fFrest"sv)->value == 0xff);
  CHECK(parse_escape("%u20aCx"sv)->value == 0x20ac);
  CHECK(parse_escape("%u20aCx"sv)->length == 6);
  for (std::string_view text : {"%"sv, "%4"sv, "%4g"sv, "%g4"sv, "%u123"sv, "%u123g"sv, "%%41"sv, "%-1"sv, "% 1"sv, "%0x"sv})
    CHECK(!parse_escape(text));
}

TEST_CASE("host names get A-labels (RFC 3492 7.1)")
{
  auto ascii = [](std::u16string_view name) {
    std::string out;
    return append_ascii_name(name, out) ? out : "refused";
  };
  CHECK(ascii(u"Example.COM") == "example.com");
  CHECK(ascii(u"b\u00fccher.example") == "xn--bcher-kva.example");
  CHECK(ascii(u"B\u00dcCHER.example") == "xn--bcher-kva.example");
  CHECK(ascii(u"\u4ed6\u4eec\u4e3a\u4ec0\u4e48\u4e0d\u8bf4\u4e2d\u6587") == "xn--ihqwcrb4cv8a8dqg056pqjye");
  CHECK(ascii(u"\u043f\u043e\u0447\u0435\u043c\u0443\u0436\u0435\u043e\u043d\u0438\u043d\u0435\u0433\u043e\u0432\u043e\u0440\u044f"
              u"\u0442\u043f\u043e\u0440\u0443\u0441\u0441\u043a\u0438") == "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l");
  CHECK(ascii(u"\u305d\u306e\u30b9\u30d4\u30fc\u30c9\u3067") == "xn--d9juau41awczczp");
  CHECK(ascii(u"\U0001f600.x") == "xn--e28h.x");
  CHECK(ascii(std::u16string(64, u'\u00fc')) == "refused");
  CHECK(ascii(u"\xd800"s) == "refused");
}
