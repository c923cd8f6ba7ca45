// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/url/case_map.h"
#include "kernel/url/prefix.h"
#include <doctest/doctest.h>
#include <string>

using namespace httpsys;
using namespace httpsys::url;
using namespace std::literals;

namespace {

UrlPrefix parsed(std::u16string_view text)
{
  std::string reason;
  auto prefix = UrlPrefix::parse(text, reason);
  CAPTURE(reason);
  REQUIRE(!prefix.is_error());
  REQUIRE(reason.empty());
  return prefix.release_value();
}

std::string reason_for(std::u16string_view text)
{
  std::string reason;
  auto prefix = UrlPrefix::parse(text, reason);
  REQUIRE(prefix.is_error());
  CHECK(prefix.error() == NtStatus::InvalidParameter);
  return reason;
}

}

TEST_CASE("prefixes of every kind")
{
  UrlPrefix prefix = parsed(u"http://+:8080/App/x y/");
  CHECK(!prefix.is_https());
  CHECK(prefix.host() == PrefixHost::StrongWildcard);
  CHECK(prefix.port() == 8080);
  CHECK(prefix.path() == u"/App/x y/");
  CHECK(prefix.path_key() == u"/APP/X Y/");
  CHECK(prefix.text() == u"http://+:8080/App/x y/");
  CHECK(prefix.quoted_text() == "\"http://+:8080/App/x y/\"");
  CHECK(prefix.display_text() == u"HTTP://+:8080/APP/X Y/");
  CHECK(!prefix.is_loopback_only());

  prefix = parsed(u"https://*:443/");
  CHECK(prefix.is_https());
  CHECK(prefix.host() == PrefixHost::WeakWildcard);
  CHECK(prefix.path() == u"/");

  prefix = parsed(u"http://WWW.Example.com:80/");
  CHECK(prefix.host() == PrefixHost::Name);
  CHECK(prefix.host_key() == "www.example.com");

  CHECK(parsed(u"http://b\u00fccher.example:80/").host_key() == "xn--bcher-kva.example");
  CHECK(parsed(u"http://LOCALHOST:80/").is_loopback_only());
  CHECK(parsed(u"http://127.0.0.1:80/").is_loopback_only());
  CHECK(parsed(u"http://[::1]:80/").is_loopback_only());
  CHECK(!parsed(u"http://192.0.2.1:80/").is_loopback_only());

  prefix = parsed(u"http://[2001:DB8::0:7]:65535/a/");
  CHECK(prefix.host() == PrefixHost::IpLiteral);
  CHECK(prefix.address() == *IpAddress::parse("2001:db8::7"));
  CHECK(prefix.host_key() == "2001:db8::7");
  CHECK(parsed(u"http://+:1/100% real/").path() == u"/100% real/");
}

TEST_CASE("prefixes are the same whatever their case and spelling, and only then")
{
  auto same = [](std::u16string_view a, std::u16string_view b) {
    UrlPrefix first = parsed(a), second = parsed(b);
    CHECK((first.key() == second.key()) == first.is_same_as(second));
    return first.is_same_as(second);
  };
  CHECK(same(u"http://HOST:80/a/", u"http://host:80/A/"));
  CHECK(same(u"http://+:80/\u00e9\u0436\u03c9/", u"http://+:80/\u00c9\u0416\u03a9/"));
  CHECK(same(u"http://[::1]:80/", u"http://[0:0:0:0:0:0:0:1]:80/"));
  CHECK(same(u"http://[::ffff:1.2.3.4]:80/", u"http://1.2.3.4:80/"));
  CHECK(same(u"http://b\u00fccher.x:80/", u"http://XN--BCHER-KVA.x:80/"));
  CHECK(same(u"http://host.:80/", u"http://host:80/"));
  CHECK(!same(u"http://host:80/", u"https://host:80/"));
  CHECK(!same(u"http://host:80/", u"http://host:81/"));
  CHECK(!same(u"http://+:80/", u"http://*:80/"));
  CHECK(!same(u"http://host:80/a/", u"http://host:80/a/b/"));
  CHECK(!same(u"http://host:80/s/", u"http://host:80/\u017f/"));
}

TEST_CASE("every refusal says what is wrong and what to write (users.md 6)")
{
  struct Row {
    std::u16string_view text;
    std::string_view reason;
  };
  static const Row rows[] = {
    {u"http://+:8080/app", R"("http://+:8080/app" has no '/' at its end; a URL prefix must end in one. Use "http://+:8080/app/".)"},
    {u"http://+:8080", R"("http://+:8080" has no '/' at its end; a URL prefix must end in one. Use "http://+:8080/".)"},
    {u"https://+/x/", R"("https://+/x/" has no port. Write "https://+:443/x/".)"},
    {u"http://[::1]/", R"("http://[::1]/" has no port. Write "http://[::1]:80/".)"},
    {u"http://+", R"("http://+" has no port. Write "http://+:80/".)"},
    {u"HTTP://+:80/", R"("HTTP://+:80/" has its scheme in upper case; it must be lower case. Use "http://+:80/".)"},
    {u"Https://+:80/", R"("Https://+:80/" has its scheme in upper case; it must be lower case. Use "https://+:80/".)"},
    {u"ftp://+:80/",
      R"("ftp://+:80/" begins neither with "http://" nor with "https://". A URL prefix looks like "http://+:8080/app/".)"},
    {u"", R"("" begins neither with "http://" nor with "https://". A URL prefix looks like "http://+:8080/app/".)"},
    {u"http:///x/", R"("http:///x/" has no host. Use "+" for all hosts, as in "http://+:8080/app/".)"},
    {u"http://:80/", R"("http://:80/" has no host. Use "+" for all hosts, as in "http://+:8080/app/".)"},
    {u"http://+:0/", R"("http://+:0/" has the port "0"; a port is a decimal number from 1 to 65535 without leading zeros.)"},
    {u"http://+:080/", R"("http://+:080/" has the port "080"; a port is a decimal number from 1 to 65535 without leading zeros.)"},
    {u"http://+:65536/", R"("http://+:65536/" has the port "65536"; a port is a decimal number from 1 to 65535 without leading zeros.)"},
    {u"http://+:/", R"("http://+:/" has the port ""; a port is a decimal number from 1 to 65535 without leading zeros.)"},
    {u"http://+:*/", R"("http://+:*/" has the port "*"; a port is a decimal number from 1 to 65535 without leading zeros.)"},
    {u"http://+:8\u0660/",
      "\"http://+:8\u0660/\" has the port \"8\u0660\"; a port is a decimal number from 1 to 65535 without leading zeros."},
    {u"http://::1:80/", R"("http://::1:80/" has no host. Use "+" for all hosts, as in "http://+:8080/app/".)"},
    {u"http://fe80::1:80/",
      R"("http://fe80::1:80/" has more than one ':' behind its scheme; an IPv6 address must be in brackets, as in "http://[::1]:8080/".)"},
    {u"http://[::1:80/", R"("http://[::1:80/" has a '[' without a ']'.)"},
    {u"http://*.example.com:80/", R"("http://*.example.com:80/" has a wildcard inside its host; "+" and "*" stand alone.)"},
    {u"http://user@h:80/", R"("http://user@h:80/" has a user name in front of its host; a URL prefix has none.)"},
    {u"http://1.2.3:80/", R"("http://1.2.3:80/" has the host "1.2.3": the host ends in a number but is not an IPv4 address.)"},
    {u"http://a b:80/", R"("http://a b:80/" has the host "a b": the host has a character that no host name has.)"},
    {u"http://h\u200e:80/", R"("http://h\u200e:80/" has the host "h\u200e": the host has a character that no host name has.)"},
    {u"http://0.0.0.0:80/x/",
      R"("http://0.0.0.0:80/x/" has the host "0.0.0.0", an address that no connection has. For all addresses use "http://+:80/x/".)"},
    {u"http://[::]:80/",
      R"("http://[::]:80/" has the host "[::]", an address that no connection has. For all addresses use "http://+:80/".)"},
    {u"http://+:80/a?b/", R"("http://+:80/a?b/" has a '?'; a URL prefix has neither query nor fragment.)"},
    {u"http://+:80?b/", R"("http://+:80?b/" has a '?'; a URL prefix has neither query nor fragment.)"},
    {u"http://+:80/a#b/", R"("http://+:80/a#b/" has a '#'; a URL prefix has neither query nor fragment.)"},
    {u"http://+:80/a\\b/", R"("http://+:80/a\\b/" has a '\' in its path; the separator is '/'.)"},
    {u"http://+:80/a//b/",
      R"("http://+:80/a//b/" has two slashes in a row in its path; request paths have them collapsed before they are compared.)"},
    {u"http://+:80//",
      R"("http://+:80//" has two slashes in a row in its path; request paths have them collapsed before they are compared.)"},
    {u"http://+:80/a/../b/",
      R"("http://+:80/a/../b/" has a dot segment in its path; request paths have them removed before they are compared.)"},
    {u"http://+:80/./", R"("http://+:80/./" has a dot segment in its path; request paths have them removed before they are compared.)"},
    {u"http://+:80/a%20b/",
      R"("http://+:80/a%20b/" has the escape "%20"; a URL prefix holds the characters themselves, since request paths are decoded )"
      "before they are compared."},
    {u"http://+:80/a\nb/", R"("http://+:80/a\u000ab/" has a control character in its path; no request path has one.)"},
    {u"http://+:80/\xd800/", "\"http://+:80/\uFFFD/\"" R"( has a path that is not valid UTF-16.)"},
    {u"http://\xd800:80/", "\"http://\uFFFD:80/\"" R"( has a host that is not valid UTF-16.)"},
  };
  for (const Row &row : rows)
    CHECK(reason_for(row.text) == row.reason);
  CHECK(reason_for(u"http://+:80/" + std::u16string(261, u'a') + u'/')
          .ends_with("has a path segment of more than 260 characters (kUrlSegmentMaxLength)."));
  CHECK(reason_for(std::u16string(5000, u'a')).ends_with("is longer than 4096 characters (kUrlPrefixMaxLength)."));
  std::u16string many = u"http://+:80/";
  for (int index = 0; index < 255; index++)
    many += u"a/";
  CHECK(parsed(many).port() == 80);
  CHECK(reason_for(many + u"a/").ends_with("has more than 255 path segments (kUrlSegmentMaxCount)."));
}

TEST_CASE("prefixes cover whole segments")
{
  auto covers = [](std::u16string_view prefix, std::u16string_view path) { return prefix_covers_path(to_upper(prefix), to_upper(path)); };
  CHECK(covers(u"/", u"/"));
  CHECK(covers(u"/", u"/anything/at/all"));
  CHECK(covers(u"/dir/sna/", u"/dir/sna/x"));
  CHECK(covers(u"/dir/sna/", u"/dir/sna/"));
  CHECK(covers(u"/dir/sna/", u"/DIR/SNA"));
  CHECK(covers(u"/basepath/", u"/basepath"));
  CHECK(!covers(u"/dir/sna/", u"/dir/snafu"));
  CHECK(!covers(u"/dir/sna/", u"/dir/snake/x"));
  CHECK(!covers(u"/dir/sna/", u"/dir/sn"));
  CHECK(!covers(u"/dir/sna/", u"/dir/"));
  CHECK(covers(u"/\u00e9/", u"/\u00c9/x"));
}
