// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/cm/store.h"
#include "tests/unit/cm/store_fixture.h"
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::cm;
using namespace httpsys::cm::test;
using tls::test::pki;

TEST_CASE("a fresh folder is empty, and every list says so and ends well")
{
  Fixture fixture;
  CHECK(fixture.good("show sslcert") == "\nSSL Certificate bindings:\n-------------------------\n\n");
  CHECK(fixture.good("show cert") == "\nCertificates:\n-------------\n\n");
  CHECK(fixture.good("show ca") == "\nCA certificates:\n----------------\n\n");
  CHECK(fixture.good("show crl") == "\nCertificate revocation lists:\n-----------------------------\n\n");
  CHECK(fixture.store().bindings()->size() == 0);
}

TEST_CASE("import cert prints the thumbprint and nothing else, however often")
{
  Fixture fixture;
  std::string thumbprint = fixture.import_server("server");
  CHECK(thumbprint.size() == 40);
  CHECK(thumbprint.find_first_not_of("0123456789abcdef") == thumbprint.npos);
  CHECK(thumbprint == tls::certificate_thumbprint(tls::test::pki_leaf("server")));
  CHECK(fixture.import_server("server") == thumbprint);
  CHECK(fixture.good("import cert certfile=a keyfile=b storename=my",
                     {{"certfile", pki("server.pem")}, {"keyfile", pki("server.key")}}) == thumbprint + "\n");
  CHECK(fixture.files("certificates") == std::vector<std::string>{thumbprint + ".pem"});
  // One file with everything in it may stand for both.
  CHECK(fixture.good("import cert certfile=a keyfile=a", {{"certfile", pki("server.key") + pki("server.pem")},
                                                          {"keyfile", pki("server.key") + pki("server.pem")}}) ==
        thumbprint + "\n");
}

TEST_CASE("what cannot be imported is refused in a sentence, and nothing changes")
{
  Fixture fixture;
  struct Row {
    std::string certificate, key, why;
  };
  for (const Row &row :
       {Row{pki("server.pem"), pki("named.key"), "the private key does not belong to the certificate"},
        Row{pki("server.pem"), pki("server_encrypted.key"),
            "the private key is encrypted: remove the passphrase first"},
        Row{pki("server.pem"), "", "there is no private key in PEM form in it"},
        Row{pki("server.key"), pki("server.key"), "there is no certificate in PEM form in it"},
        Row{"", pki("server.key"), "there is no certificate in PEM form in it"},
        Row{pki("server_weak.pem"), pki("server_weak.key"), "bits, fewer than the 2048"},
        Row{pki("first.crt") + pki("server.crt"), pki("server.key"), "belongs to certificate number 2"}}) {
    AdminAnswer answer = fixture.bad("import cert certfile=shop.pem keyfile=shop.key",
                                     {{"certfile", row.certificate}, {"keyfile", row.key}});
    CHECK(answer.exit_code == kExitRefused);
    CHECK(answer.win32_code == win32::kInvalidParameter);
    CHECK(answer.text.starts_with("certfile \"shop.pem\" "));
    CHECK(answer.text.find(row.why) != answer.text.npos);
    CHECK(fixture.files("certificates").empty());
  }
  AdminAnswer store = fixture.bad("import cert certfile=a keyfile=b storename=Root",
                                  {{"certfile", pki("server.pem")}, {"keyfile", pki("server.key")}});
  CHECK(store.win32_code == win32::kNotSupported);
  CHECK(fixture.bad("import cert certfile=a keyfile=b", {{"certfile", pki("server.pem")}}).text ==
        "keyfile= came without the file's contents: httpsysctl sends them (ERROR_INVALID_PARAMETER 87)");
  CHECK(fixture.bad("shwo cert").exit_code == kExitUnknownWord);
  CHECK(fixture.bad("show urlacl").win32_code == win32::kNotSupported);
}

TEST_CASE("a record brings a context, an update changes it in one piece, a deletion takes it away")
{
  Fixture fixture;
  std::string server = fixture.import_server("server"), named = fixture.import_server("named");
  CHECK(fixture.good("add sslcert ipport=0.0.0.0:443 certhash=" + upper(server) + " appid=" + upper(kGuid)) ==
        "\nSSL Certificate successfully added\n\n");
  RefPtr<tls::TlsContext> first = fixture.find("192.0.2.1:443");
  REQUIRE(first);
  CHECK(first->server_certificate().thumbprint == server);
  CHECK(first->identity() == "0.0.0.0:443");
  CHECK(!first->asks_in_handshake());
  CHECK(!first->tls13_disabled());
  CHECK(!fixture.find("192.0.2.1:444"));

  fixture.good("add sslcert hostnameport=*.Example.ORG:443 certhash=" + named + " appid=" + kGuid +
               " certstorename=My"
               " clientcertnegotiation=enable disabletls13=enable");
  CHECK(fixture.find("192.0.2.1:443", "www.example.org")->server_certificate().thumbprint == named);
  CHECK(fixture.find("192.0.2.1:443", "www.example.org")->asks_in_handshake());
  CHECK(fixture.find("192.0.2.1:443", "www.example.org")->tls13_disabled());
  // The other record's context is the same object: its connections and tickets are not disturbed.
  CHECK(fixture.find("192.0.2.1:443") == first);

  RefPtr<tls::BindingTable> before = fixture.store().bindings();
  CHECK(fixture.good("update sslcert certhash=" + named + " ipport=0.0.0.0:443 disabletls13=enable") ==
        "\nSSL Certificate successfully updated\n\n");
  CHECK(fixture.find("192.0.2.1:443")->server_certificate().thumbprint == named);
  CHECK(fixture.find("192.0.2.1:443")->tls13_disabled());
  // Whoever still has the old table is served as before.
  CHECK(before->find(*Endpoint::parse("192.0.2.1:443"), "")->server_certificate().thumbprint == server);
  // What an update does not name stays.
  fixture.good("update sslcert ipport=0.0.0.0:443 clientcertnegotiation=enable");
  CHECK(fixture.find("192.0.2.1:443")->server_certificate().thumbprint == named);
  CHECK(fixture.find("192.0.2.1:443")->tls13_disabled());
  CHECK(fixture.find("192.0.2.1:443")->asks_in_handshake());
  CHECK(fixture.good("show sslcert ipport=0.0.0.0:443").find(kGuid) != std::string::npos);

  CHECK(fixture.good("delete sslcert ipport=0.0.0.0:443") == "\nSSL Certificate successfully deleted\n\n");
  CHECK(!fixture.find("192.0.2.1:443"));
  CHECK(fixture.find("192.0.2.1:443", "www.example.org"));
  CHECK(fixture.files("sslcert") == std::vector<std::string>{"*.example.org:443"});
}

TEST_CASE("everything survives a restart")
{
  Fixture fixture;
  std::string server = fixture.import_server("server_chain");
  fixture.good("import ca certfile=a", {{"certfile", pki("root.crt")}});
  fixture.good("import crl crlfile=a", {{"crlfile", pki("root.crl")}});
  fixture.good("add sslcert ipport=[::]:443 certhash=" + server + " appid=" + kGuid + " clientcertnegotiation=enable");
  std::string lists = fixture.all_lists();
  fixture.restart();
  CHECK(fixture.all_lists() == lists);
  REQUIRE(fixture.find("[2001:db8::1]:443"));
  CHECK(fixture.find("[2001:db8::1]:443")->server_certificate().thumbprint == server);
  CHECK(fixture.find("[2001:db8::1]:443")->asks_in_handshake());
  CHECK(fixture.judge("good") == 0);
  CHECK(fixture.judge("revoked") == tls::cert_flags::kRevoked);
  CHECK(fixture.log().empty());
}

TEST_CASE("each refusal of a record says what, why and what to do")
{
  Fixture fixture;
  const std::string none = "; none is imported yet, use \"httpsysctl import cert certfile=FILE keyfile=FILE\"";
  CHECK(fixture.bad("add sslcert ipport=0.0.0.0:443 certhash=00 appid=" + kGuid).text ==
        "SSL Certificate add failed, Error: 87: certhash \"00\" is no thumbprint: 2 hex digits were given, a SHA-1 "
        "thumbprint has 40" +
            none);
  std::string server = fixture.import_server("server");
  const std::string known = "known: " + server + " (\"CN=localhost, O=httpsys tests\", expires " +
                            date_text(tls::test::make_context()->server_certificate().not_after) + ")";
  const std::string words = " appid=" + kGuid + " certhash=";
  const std::string stranger = std::string(40, '0');
  fixture.good("add sslcert ipport=0.0.0.0:443" + words + server);
  struct Row {
    std::string line;
    uint32_t code;
    std::string text;
  };
  for (const Row &row : {
           Row{"add sslcert ipport=0.0.0.0:443" + words + server, 183,
               "SSL Certificate add failed, Error: 183: 0.0.0.0:443 has a record already, with certificate " + server +
                   ": \"httpsysctl update sslcert\" changes it"},
           Row{"add sslcert ipport=0.0.0.0:444" + words + stranger, 1312,
               "SSL Certificate add failed, Error: 1312: no certificate \"" + stranger + "\" is imported: " + known},
           Row{"update sslcert ipport=0.0.0.0:443" + words + stranger, 1312,
               "SSL Certificate update failed, Error: 1312: no certificate \"" + stranger + "\" is imported: " + known},
           Row{"add sslcert ipport=0.0.0.0:444" + words + "\xe2\x80\x8e" + server, 87,
               "SSL Certificate add failed, Error: 87: certhash \"\\u200e" + server +
                   "\" is no thumbprint: character 1 is U+200E, which is"
                   " invisible; write the 40 hex digits without anything between them; " +
                   known},
           Row{"add sslcert ipport=0.0.0.0:444" + words + server + "a", 87,
               "SSL Certificate add failed, Error: 87: certhash \"" + server +
                   "a\" is no thumbprint: 41 hex digits were given, a SHA-1 thumbprint"
                   " has 40; " +
                   known},
           Row{"add sslcert ipport=0.0.0.0:444 appid=4dc3e181 certhash=" + server, 87,
               "SSL Certificate add failed, Error: 87: appid \"4dc3e181\" is no GUID: it must stand in braces, which "
               "some shells want in quotes;"
               " write it like {4dc3e181-e14b-4a21-b022-59fc669b0914}"},
           Row{"add sslcert ipport=localhost:443" + words + server, 87,
               "SSL Certificate add failed, Error: 87: ipport \"localhost:443\" is no address with a port: write it "
               "like 192.0.2.1:443,"
               " [2001:db8::1]:443, or 0.0.0.0:443 for all addresses; a name belongs to hostnameport="},
           Row{"add sslcert hostnameport=10.0.0.1:443" + words + server, 87,
               "SSL Certificate add failed, Error: 87: hostnameport \"10.0.0.1:443\" is no name with a port: an "
               "address belongs to ipport="},
           Row{"add sslcert ipport=0.0.0.0:444 clientcertnegotiation=yes" + words + server, 87,
               "SSL Certificate add failed, Error: 87: clientcertnegotiation cannot be \"yes\": write enable or "
               "disable"},
           Row{"update sslcert ipport=0.0.0.0:443 disabletls13=1", 87,
               "SSL Certificate update failed, Error: 87: disabletls13 cannot be \"1\": write enable or disable"},
           Row{"add sslcert ipport=0.0.0.0:444 certstorename=Root" + words + server, 50,
               "SSL Certificate add failed, Error: 50: certstorename \"Root\" is not there: MY is the only store; "
               "leave the word out"},
           Row{"update sslcert ipport=0.0.0.0:444" + words + server, 2,
               "SSL Certificate update failed, Error: 2: there is no record for 0.0.0.0:444: \"httpsysctl show "
               "sslcert\" lists those that are"
               " there"},
           Row{"delete sslcert hostnameport=a.b:443", 2,
               "SSL Certificate deletion failed, Error: 2: there is no record for a.b:443: \"httpsysctl show sslcert\" "
               "lists those that are there"},
           Row{"show sslcert ipport=0.0.0.0:444", 2,
               "there is no record for 0.0.0.0:444: \"httpsysctl show sslcert\" lists those that are there "
               "(ERROR_FILE_NOT_FOUND 2)"},
           Row{"delete cert certhash=" + stranger, 2,
               "no certificate \"" + stranger + "\" is there: " + known + " (ERROR_FILE_NOT_FOUND 2)"},
           Row{"show cert certhash=" + stranger, 2,
               "no certificate \"" + stranger + "\" is there: " + known + " (ERROR_FILE_NOT_FOUND 2)"},
           Row{"delete ca certhash=" + stranger, 2,
               "no CA certificate \"" + stranger +
                   "\" is there: \"httpsysctl show ca\" lists the CAs (ERROR_FILE_NOT_FOUND 2)"},
           Row{"delete crl crlhash=" + stranger, 2,
               "no revocation list \"" + stranger +
                   "\" is there: \"httpsysctl show crl\" lists the revocation lists (ERROR_FILE_NOT_FOUND 2)"},
           Row{"delete cert certhash=" + server, 170,
               "the certificate " + server +
                   " is used by 0.0.0.0:443: \"httpsysctl delete sslcert ipport=0.0.0.0:443\" or give that another one"
                   " (ERROR_BUSY 170)"},
       }) {
    AdminAnswer answer = fixture.bad(row.line);
    CHECK(answer.exit_code == kExitRefused);
    CHECK(answer.win32_code == row.code);
    CHECK(answer.text == row.text);
  }
  CHECK(fixture.files("sslcert") == std::vector<std::string>{"0.0.0.0:443"});
  fixture.good("delete sslcert ipport=0.0.0.0:443");
  CHECK(fixture.good("delete cert certhash=" + upper(server)) == "\nCertificate successfully deleted\n\n");
  CHECK(fixture.files("certificates").empty());
}

TEST_CASE("CAs and revocation lists act on existing bindings at once")
{
  Fixture fixture;
  fixture.bind("server");
  CHECK(fixture.judge("good") == tls::cert_flags::kUntrustedRoot);
  std::string root = tls::certificate_thumbprint(tls::test::pki_leaf("root")),
              other = tls::certificate_thumbprint(tls::test::pki_leaf("other"));
  // Several in one file.
  CHECK(fixture.good("import ca certfile=a", {{"certfile", pki("root.crt") + pki("other.crt")}}) ==
        root + "\n" + other + "\n");
  CHECK(fixture.judge("good") == 0);
  CHECK(fixture.judge("untrusted") == 0);
  CHECK(fixture.judge("revoked") == 0);
  fixture.good("import crl crlfile=a", {{"crlfile", pki("root.crl") + pki("other.crl")}});
  CHECK(fixture.files("revocations").size() == 2);
  CHECK(fixture.judge("good") == 0);
  CHECK(fixture.judge("revoked") == tls::cert_flags::kRevoked);

  CHECK(fixture.good("delete ca certhash=" + other) == "\nCA certificate successfully deleted\n\n");
  CHECK(fixture.judge("untrusted") == tls::cert_flags::kUntrustedRoot);
  CHECK(fixture.judge("revoked") == tls::cert_flags::kRevoked);
  // Its list goes with it.
  CHECK(fixture.files("revocations").size() == 1);
  CHECK(fixture.files("authorities") == std::vector<std::string>{root + ".pem"});
  // Importing it again is no error.
  CHECK(fixture.good("import ca certfile=a", {{"certfile", pki("root.crt")}}) == root + "\n");
}

TEST_CASE("what is no CA or no list of one is refused")
{
  Fixture fixture;
  CHECK(fixture.bad("import ca certfile=a.pem", {{"certfile", pki("root.crt") + pki("server.crt")}})
            .text.starts_with("certfile \"a.pem\" cannot be imported: certificate number 2, \"CN=localhost, O=httpsys "
                              "tests\", is not a CA's: it lacks basicConstraints"));
  CHECK(fixture.bad("import ca certfile=a", {{"certfile", "nothing"}}).text.find("there is no certificate") !=
        std::string::npos);
  CHECK(fixture.files("authorities").empty());
  AdminAnswer unknown = fixture.bad("import crl crlfile=a.crl", {{"crlfile", pki("root.crl")}});
  CHECK(unknown.text.find("is not among the CAs; import the CA first") != std::string::npos);
  fixture.good("import ca certfile=a", {{"certfile", pki("root.crt")}});
  // The name is the root's, the signature is not.
  fixture.bad("import crl crlfile=a.crl", {{"crlfile", pki("forged.crl")}});
  CHECK(fixture.bad("import crl crlfile=a.crl", {{"crlfile", pki("root.crt")}})
            .text.starts_with("crlfile \"a.crl\" cannot be imported: there is no revocation list"));
  CHECK(fixture.files("revocations").empty());
}

TEST_CASE("a newer revocation list takes the place of the older one, not the other way round")
{
  Fixture fixture;
  fixture.bind("server");
  fixture.good("import ca certfile=a", {{"certfile", pki("root.crt")}});
  std::string stale = fixture.good("import crl crlfile=a", {{"crlfile", pki("stale.crl")}});
  CHECK(fixture.files("revocations").size() == 1);
  std::string current = fixture.good("import crl crlfile=a", {{"crlfile", pki("root.crl")}});
  CHECK(stale != current);
  CHECK(fixture.files("revocations") == std::vector<std::string>{current.substr(0, 40) + ".pem"});
  CHECK(fixture.good("import crl crlfile=a", {{"crlfile", pki("root.crl")}}) == current);
  CHECK(fixture.bad("import crl crlfile=a", {{"crlfile", pki("stale.crl")}}).text.find("is older than the one of") !=
        std::string::npos);
  CHECK(fixture.judge("good") == 0);
  CHECK(fixture.judge("revoked") == tls::cert_flags::kRevoked);
  // A crash between writing the new one and removing the old one.
  put_file(fixture.path("revocations/" + stale.substr(0, 40) + ".pem"), pki("stale.crl"));
  fixture.restart();
  CHECK(fixture.log().find("is newer") != std::string::npos);
  CHECK(fixture.judge("good") == 0);
  CHECK(fixture.good("delete crl crlhash=" + current.substr(0, 40)) ==
        "\nCertificate revocation list successfully deleted\n\n");
  CHECK(fixture.judge("revoked") == 0);
}

TEST_CASE("a CA that a binding needs stays")
{
  Fixture fixture;
  fixture.bind("named");
  std::string root = fixture.good("import ca certfile=a", {{"certfile", pki("root.crt")}}).substr(0, 40);
  std::string other = fixture.good("import ca certfile=a", {{"certfile", pki("other.crt")}}).substr(0, 40);
  AdminAnswer issuer = fixture.bad("delete ca certhash=" + root);
  CHECK(issuer.win32_code == win32::kBusy);
  CHECK(issuer.text ==
        "the CA " + root +
            " is used by 0.0.0.0:443, which has a certificate of that CA: give it another one first (ERROR_BUSY 170)");
  fixture.good("update sslcert ipport=0.0.0.0:443 clientcertnegotiation=enable");
  AdminAnswer asked = fixture.bad("delete ca certhash=" + other);
  CHECK(asked.text ==
        "the CA " + other +
            " is used by 0.0.0.0:443, which asks its clients for certificates: \"httpsysctl update sslcert"
            " ipport=0.0.0.0:443 clientcertnegotiation=disable\" ends that (ERROR_BUSY 170)");
  fixture.good("update sslcert ipport=0.0.0.0:443 clientcertnegotiation=disable");
  fixture.good("delete ca certhash=" + other);
}

TEST_CASE("a renewed chain of the same certificate reaches its bindings")
{
  Fixture fixture;
  std::string server = fixture.good("import cert certfile=a keyfile=b",
                                    {{"certfile", pki("server_chain.crt")}, {"keyfile", pki("server_chain.key")}});
  fixture.good("add sslcert ipport=0.0.0.0:443 certhash=" + server.substr(0, 40) + " appid=" + kGuid);
  RefPtr<tls::TlsContext> before = fixture.find("0.0.0.0:443");
  CHECK(fixture.good("show cert").find("Chain Certificate") == std::string::npos);
  CHECK(fixture.import_server("server_chain") == server.substr(0, 40));
  CHECK(!(fixture.find("0.0.0.0:443") == before));
  CHECK(fixture.good("show cert").find("    Chain Certificate            : CN=first, O=httpsys tests\n") !=
        std::string::npos);
}

TEST_CASE("lists have netsh's layout")
{
  Fixture fixture;
  std::string server = fixture.import_server("server");
  fixture.good("add sslcert ipport=0.0.0.0:443 certhash=" + server + " appid=" + kGuid);
  std::string expected = "\nSSL Certificate bindings:\n-------------------------\n\n"
                         "    IP:port                      : 0.0.0.0:443\n"
                         "    Certificate Hash             : " +
                         server +
                         "\n"
                         "    Application ID               : {4dc3e181-e14b-4a21-b022-59fc669b0914}\n"
                         "    Certificate Store Name       : MY\n"
                         "    Verify Client Certificate Revocation : Enabled\n"
                         "    Verify Revocation Using Cached Client Certificate Only : Disabled\n"
                         "    Usage Check                  : Enabled\n"
                         "    Revocation Freshness Time    : 0\n"
                         "    URL Retrieval Timeout        : 0\n"
                         "    Ctl Identifier               : (null)\n"
                         "    Ctl Store Name               : (null)\n"
                         "    DS Mapper Usage              : Disabled\n"
                         "    Negotiate Client Certificate : Disabled\n"
                         "    Reject Connections           : Disabled\n"
                         "    Disable HTTP2                : Not Set\n"
                         "    Disable QUIC                 : Not Set\n"
                         "    Disable TLS1.2               : Not Set\n"
                         "    Disable TLS1.3               : Not Set\n"
                         "    Disable OCSP Stapling        : Not Set\n"
                         "    Enable Token Binding         : Not Set\n"
                         "    Log Extended Events          : Not Set\n"
                         "    Disable Legacy TLS Versions  : Not Set\n"
                         "    Enable Session Ticket        : Not Set\n"
                         "    Disable Session ID           : Not Set\n"
                         "    Enable Caching Client Hello  : Not Set\n"
                         " Extended Properties:\n"
                         "    PropertyId                   : 0\n"
                         "    Receive Window               : 1048576\n"
                         " Extended Properties:\n"
                         "    PropertyId                   : 1\n"
                         "    Max Settings Per Frame       : 2796202\n"
                         "    Max Settings Per Minute      : 4294967295\n"
                         "\n";
  CHECK(fixture.good("show sslcert") == expected);
  CHECK(fixture.good("show sslcert ipport=0.0.0.0:443") == expected);
  fixture.good("add sslcert hostnameport=a.b:443 certhash=" + server + " appid=" + kGuid +
               " clientcertnegotiation=enable disabletls13=enable");
  std::string named = fixture.good("show sslcert hostnameport=a.b:443");
  for (const char *line :
       {"\n    Hostname:port                : a.b:443\n", "\n    Negotiate Client Certificate : Enabled\n",
        "\n    Disable TLS1.3               : Set\n"})
    CHECK(named.find(line) != named.npos);
  CHECK(fixture.good("show sslcert").find("IP:port") < fixture.good("show sslcert").find("Hostname:port"));

  std::string certificates = fixture.good("show cert certhash=" + server);
  for (const std::string &line :
       {"\n    Certificate Hash             : " + server + "\n",
        std::string("\n    Subject                      : CN=localhost, O=httpsys tests\n"),
        std::string("\n    Issuer                       : CN=Test Root, O=httpsys tests\n"),
        std::string("\n    Public Key                   : ECDSA 256\n"),
        std::string(
            "\n    Binding                      : 0.0.0.0:443\n    Binding                      : a.b:443\n\n")})
    CHECK(certificates.find(line) != certificates.npos);
}
