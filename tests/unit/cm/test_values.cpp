// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/cm/ssl_record.h"
#include "kernel/cm/values.h"
#include <doctest/doctest.h>

using namespace httpsys::cm;

namespace {
const std::string kHash = "5d48c20d0123456789abcdef0123456789abcdef";
const std::string kGuid = "{4dc3e181-e14b-4a21-b022-59fc669b0914}";
}

TEST_CASE("a thumbprint is 40 hex digits of either case")
{
  std::string reason;
  CHECK(parse_thumbprint("certhash", kHash, reason) == kHash);
  CHECK(parse_thumbprint("certhash", "5D48C20D0123456789ABCDEF0123456789ABCDEF", reason) == kHash);
  CHECK(reason.empty());
}

TEST_CASE("what is wrong with a thumbprint is said")
{
  struct Row {
    std::string text, reason;
  };
  const std::string advice = "; write the 40 hex digits without anything between them";
  for (const Row &row : {
         // Copied from Windows' certificate dialog.
         Row{"\xe2\x80\x8e" + kHash,
             "certhash \"\\u200e" + kHash + "\" is no thumbprint: character 1 is U+200E, which is invisible" + advice},
         Row{kHash + "\xe2\x80\x8f",
             "certhash \"" + kHash + "\\u200f\" is no thumbprint: character 41 is U+200F, which is invisible" + advice},
         Row{"5d 48", "certhash \"5d 48\" is no thumbprint: character 3 is a blank" + advice},
         Row{"5d\xc2\xa0",
             "certhash \"5d\\u00a0\" is no thumbprint: character 3 is U+00A0, which is invisible" + advice},
         Row{"5g", "certhash \"5g\" is no thumbprint: character 2 is \"g\", which is no hex digit" + advice},
         Row{"\xc3\xa4g",
             "certhash \"\xc3\xa4g\" is no thumbprint: character 1 is \"\xc3\xa4\", which is no hex digit" + advice},
         Row{"5\xff", "certhash \"5\\xff\" is no thumbprint: character 2 is no UTF-8" + advice},
         Row{"0x" + kHash,
             "certhash \"0x" + kHash + "\" is no thumbprint: character 2 is \"x\", which is no hex digit" + advice},
         Row{kHash + "0",
             "certhash \"" + kHash + "0\" is no thumbprint: 41 hex digits were given, a SHA-1 thumbprint has 40"},
         Row{"5d", "certhash \"5d\" is no thumbprint: 2 hex digits were given, a SHA-1 thumbprint has 40"},
         Row{"", "certhash \"\" is no thumbprint: 0 hex digits were given, a SHA-1 thumbprint has 40"},
       }) {
    std::string reason;
    CHECK(!parse_thumbprint("certhash", row.text, reason));
    CHECK(reason == row.reason);
  }
}

TEST_CASE("a GUID has braces, hyphens and 32 hex digits")
{
  std::string reason;
  CHECK(parse_guid("appid", "{4DC3E181-E14B-4A21-B022-59FC669B0914}", reason) == kGuid);
  CHECK(parse_guid("appid", "{00000000-0000-0000-0000-000000000000}", reason));
  struct Row {
    std::string text, why;
  };
  const std::string braces = "it must stand in braces, which some shells want in quotes";
  for (const Row &row : {
         Row{"4dc3e181-e14b-4a21-b022-59fc669b0914", braces},
         Row{"{4dc3e181-e14b-4a21-b022-59fc669b0914", braces},
         Row{"", braces},
         Row{"}", braces},
         Row{"{", braces},
         Row{"{}", "it has 0 characters between the braces, 36 are needed"},
         Row{"{1}", "it has 1 character between the braces, 36 are needed"},
         Row{"{\u00e9\u00e9}", "it has 2 characters between the braces, 36 are needed"},
         Row{"{4dc3e181-e14b-4a21-b022-59fc669b091}", "it has 35 characters between the braces, 36 are needed"},
         Row{"{4dc3e181-e14b-4a21-b022-59fc669b09144}", "it has 37 characters between the braces, 36 are needed"},
         Row{"{4dc3e181ae14b-4a21-b022-59fc669b0914}", "character 10 must be a hyphen"},
         Row{"{4dc3e18g-e14b-4a21-b022-59fc669b0914}", "character 9 must be a hex digit"},
         Row{"{-dc3e181-e14b-4a21-b022-59fc669b0914}", "character 2 must be a hex digit"},
       }) {
    CHECK(!parse_guid("appid", row.text, reason));
    CHECK(reason == "appid \"" + row.text + "\" is no GUID: " + row.why + "; write it like " + kGuid);
  }
}

TEST_CASE("a switch is enable or disable")
{
  std::string reason;
  CHECK(parse_switch("disabletls13", "Enable", reason) == true);
  CHECK(parse_switch("disabletls13", "DISABLE", reason) == false);
  for (const char *text : {"", "yes", "1", "true", "enabled"})
    CHECK(!parse_switch("disabletls13", text, reason));
  CHECK(reason == "disabletls13 cannot be \"enabled\": write enable or disable");
}

TEST_CASE("an address record's key has one text")
{
  std::string reason;
  struct Row {
    const char *text, *normal;
  };
  for (const Row &row :
       {Row{"0.0.0.0:443", "0.0.0.0:443"}, Row{"[::]:443", "[::]:443"}, Row{"[0:0:0:0:0:0:0:0]:443", "[::]:443"},
        Row{"[2001:DB8::1]:8443", "[2001:db8::1]:8443"}, Row{"127.0.0.1:65535", "127.0.0.1:65535"}}) {
    auto key = parse_address_key(row.text, reason);
    REQUIRE(key);
    CHECK(key->text == row.normal);
    CHECK(!key->is_name);
    CHECK(key->tag() == "ipport");
    CHECK(key->endpoint.to_string() == row.normal);
    CHECK(key->port == key->endpoint.port);
  }
  for (const char *text :
       {"", "0.0.0.0", "0.0.0.0:0", "0.0.0.0:65536", "::1:443", "localhost:443", "[::1]", ":443", "*:443"}) {
    CHECK(!parse_address_key(text, reason));
    CHECK(reason.find("is no address with a port") != reason.npos);
  }
}

TEST_CASE("a name record's key has one text")
{
  std::string reason;
  struct Row {
    std::string text, host;
  };
  for (const Row &row : {Row{"www.example.org:443", "www.example.org"}, Row{"WWW.Example.ORG.:443", "www.example.org"},
                         Row{"*.example.org:443", "*.example.org"}, Row{"localhost:443", "localhost"},
                         Row{"xn--mller-kva.de:443", "xn--mller-kva.de"}, Row{"1a.2b:443", "1a.2b"},
                         Row{std::string(63, 'a') + ".b:443", std::string(63, 'a') + ".b"}}) {
    auto key = parse_name_key(row.text, reason);
    INFO(row.text, ": ", reason);
    REQUIRE(key);
    CHECK(key->host == row.host);
    CHECK(key->port == 443);
    CHECK(key->is_name);
    CHECK(key->tag() == "hostnameport");
    CHECK(key->text == row.host + ":443");
  }
  struct Bad {
    std::string text, why;
  };
  std::string long_name;
  for (int i = 0; i < 125; i++)
    long_name += "a.";
  for (const Bad &bad :
       {Bad{"www.example.org", "write it like www.example.org:443"}, Bad{"www.example.org:0", "write it like"},
        Bad{"", "write it like"}, Bad{"10.0.0.1:443", "an address belongs to ipport="}, Bad{"[::1]:443", "an address"},
        Bad{"10.0.0.256:443", "an address"}, Bad{":443", "labels are"}, Bad{"a..b:443", "labels are"},
        Bad{"-a.b:443", "labels are"}, Bad{"a-.b:443", "labels are"}, Bad{"a_b.c:443", "labels are"},
        Bad{"*:443", "labels are"}, Bad{"a.*.b:443", "labels are"}, Bad{"*a.b:443", "labels are"},
        Bad{"a/b:443", "labels are"}, Bad{std::string(64, 'a') + ":443", "labels are"},
        Bad{"m\xc3\xbcller.de:443", "xn--"}, Bad{long_name + "b:443", "the name has 251 bytes, 249 at most"}}) {
    INFO(bad.text);
    CHECK(!parse_name_key(bad.text, reason));
    CHECK(reason.find(bad.why) != reason.npos);
  }
}

TEST_CASE("a record survives the disk")
{
  std::string reason;
  for (int bits = 0; bits < 8; bits++) {
    SslRecord record;
    record.key = *(bits & 4 ? parse_name_key("*.example.org:443", reason) : parse_address_key("[::]:443", reason));
    record.certificate = kHash;
    record.application = kGuid;
    record.ask_in_handshake = bits & 1;
    record.disable_tls13 = bits & 2;
    auto again = SslRecord::parse(record.serialise(), reason);
    INFO(reason);
    REQUIRE(again);
    CHECK(again->key == record.key);
    CHECK(again->key.is_name == record.key.is_name);
    CHECK(again->key.endpoint == record.key.endpoint);
    CHECK(again->certificate == kHash);
    CHECK(again->application == kGuid);
    CHECK(again->ask_in_handshake == record.ask_in_handshake);
    CHECK(again->disable_tls13 == record.disable_tls13);
  }
}

TEST_CASE("a damaged record is seen to be one, wherever it is cut or changed")
{
  std::string reason;
  SslRecord record;
  record.key = *parse_address_key("0.0.0.0:443", reason);
  record.certificate = kHash;
  record.application = kGuid;
  const std::string good = record.serialise();
  for (size_t length = 0; length < good.size(); length++)
    CHECK(!SslRecord::parse(good.substr(0, length), reason));
  struct Row {
    std::string text, why;
  };
  auto with = [&](const std::string &from, const std::string &to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const Row &row :
       {Row{with("sslcert 1", "sslcert 2"), R"(it has format "2", this httpsysd knows format 1)"},
        Row{with("httpsys-", "httpsis-"), "its first line is not \"httpsys-sslcert 1\""},
        Row{std::string(100, '\0'), "its first line is not"}, Row{good + "x", "line 7 is not \"tag=value\""},
        Row{good + "\n", "line 7 is not"}, Row{good + "x=y\n", "it has an unknown line \"x=\""},
        Row{good + "appid=" + kGuid + "\n", "line 7 repeats \"appid\""},
        Row{with("appid=", "appix="), "appid= is missing"},
        Row{with("13=disable", "13=disabled"), "disabletls13 cannot be"}, Row{with("5d48", "5x48"), "character 2"},
        Row{with("ipport=0.0.0.0", "ipport=0.0.0"), "is no address with a port"},
        Row{good + "hostnameport=a:1\n", "it has an unknown line \"ipport=\""}}) {
    INFO(row.text);
    CHECK(!SslRecord::parse(row.text, reason));
    CHECK(reason.find(row.why) != reason.npos);
  }
}
