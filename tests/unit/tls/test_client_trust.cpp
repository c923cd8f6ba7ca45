// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/client_trust.h"
#include "kernel/tls/pem.h"
#include "tests/unit/tls/pki.h"
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::tls;
using namespace httpsys::tls::test;

namespace {

ClientTrust make_trust(const std::string &authorities, const std::string &lists = "")
{
  std::string reason;
  ClientTrust trust;
  auto result = trust.load(MUST(pem_blocks(authorities, "CERTIFICATE", reason)), MUST(pem_blocks(lists, "X509 CRL", reason)), reason);
  REQUIRE_MESSAGE(!result.is_error(), reason);
  return trust;
}

}

TEST_CASE("verdicts")
{
  struct Row {
    const char *name;
    uint32_t flags;
    const char *reason; // a part of it
  };
  const Row rows[] = {
    {"good", 0, ""},
    {"good_rsa", 0, ""},
    {"good_ed25519", 0, ""},
    {"noski", 0, ""},
    {"chain4", 0, ""},
    {"shuffled", 0, ""},
    {"big", 0, ""},
    {"selfsigned", 0x800B0109, "is self-signed and not a trusted CA"},
    {"untrusted", 0x800B0109, "no trusted CA for \"CN=Other Root, O=somebody else\""},
    {"hostile", 0x800B0109,
     R"(, the issuer of the certificate "CN=\"a\"\", the issuer of the certificate \"\"b\\x0a\\x1b[2J\", O=\u202eeno")"},
    {"gap", 0x800B0109, "no trusted CA for \"CN=third"},
    {"expired", 0x800B0101, "has expired"},
    {"notyet", 0x800B0101, "is not valid yet"},
    {"staleleaf", 0x800B0101, "\"CN=stale, O=httpsys tests\" has expired"},
    {"wrong", 0x800B0110, "does not allow client authentication"},
    {"keyenc", 0x800B0110, "does not allow signatures"},
    {"v1", 0x800B010A, "is not an X.509 v3 certificate"},
    {"toolong", 0x800B010A, "path length"},
    {"sneaked", 0x800B010A, "\"CN=sneaky, O=httpsys tests\" may not be an issuer here (path length)"},
    {"rekeyed", 0, ""}, // an issuer's new key under its own name takes no step
    {"leafissuer", 0x800B010A, "is not a CA's and has signed another one"},
    {"inside", 0, ""},
    {"outside", 0x800B010A, "is outside of its CA's name constraints"},
    {"directly", 0x800B010A, "is outside of its CA's name constraints"},
    {"person0", 0, ""},
    {"person1", 0, ""},
    {"own_host0", 0, ""},
    {"own_host1", 0, ""},
    {"host0", 0x800B010A, "is outside of its CA's name constraints"},
    {"host1", 0x800B010A, "is outside of its CA's name constraints"},
    {"old_person0", 0x800B0101, "has expired"},
    {"old_person1", 0x800B0101, "has expired"},
    {"webclient", 0x800B0110, "\"CN=web, O=httpsys tests\" does not allow client authentication"},
    {"mallory", 0x80096004, "the signature on the certificate \"CN=planted, O=httpsys tests\" is not its issuer's"},
    {"weak", 0x800B0109, "too weak: 1024 bits"},
  };
  ClientTrust trust = make_trust(pki("root.crt"));
  for (const Row &row : rows) {
    CAPTURE(row.name);
    TrustVerdict verdict = trust.judge(pki_chain(row.name));
    CHECK(verdict.flags == row.flags);
    CHECK_MESSAGE(verdict.reason.find(row.reason) != std::string::npos, verdict.reason);
    CHECK(verdict.reason.empty() == (row.flags == 0));
  }
}

TEST_CASE("what one client sends does not help the next one")
{
  ClientTrust trust = make_trust(pki("root.crt"));
  std::vector<Der> whole = pki_chain("chain4"), alone{whole[0]};
  CHECK(trust.judge(whole).flags == 0);
  CHECK(trust.judge(alone).flags == cert_flags::kUntrustedRoot);
  std::vector<Der> mallory = pki_chain("mallory");
  CHECK(trust.judge(mallory).flags == cert_flags::kBadSignature);
  CHECK(trust.judge(std::vector<Der>{mallory[0]}).flags == cert_flags::kUntrustedRoot);
  CHECK(trust.judge(mallory).flags == cert_flags::kBadSignature);
}

TEST_CASE("CAs")
{
  SUBCASE("none") { CHECK(make_trust("").judge(pki_chain("good")).flags == cert_flags::kUntrustedRoot); }
  SUBCASE("an intermediate as trusted CA needs no root")
  {
    CHECK(make_trust(pki("third.crt")).judge(std::vector<Der>{pki_leaf("chain4")}).flags == 0);
  }
  SUBCASE("two of one name: the one whose key fits counts, in both orders")
  {
    CHECK(make_trust(pki("forged.crt") + pki("root.crt")).judge(pki_chain("noski")).flags == 0);
    CHECK(make_trust(pki("root.crt") + pki("forged.crt")).judge(pki_chain("noski")).flags == 0);
    CHECK(make_trust(pki("root.crt") + pki("forged.crt")).judge(pki_chain("mallory")).flags == 0);
    CHECK(make_trust(pki("forged.crt")).judge(pki_chain("noski")).flags == cert_flags::kBadSignature);
  }
  SUBCASE("one that may have no CAs below")
  {
    CHECK(make_trust(pki("short.crt")).judge(pki_chain("toolong")).flags == cert_flags::kChaining);
    CHECK(make_trust(pki("short.crt")).judge(pki_chain("sneaked")).flags == cert_flags::kChaining);
  }
  SUBCASE("one whose name an issuer in the list has, too")
  {
    CHECK(make_trust(pki("root.crt") + pki("first_old.crt")).judge(pki_chain("rolled")).flags == 0);
    CHECK(make_trust(pki("first_old.crt")).judge(pki_chain("rolled")).flags == cert_flags::kUntrustedRoot);
  }
  SUBCASE("one that is out of date")
  {
    TrustVerdict verdict = make_trust(pki("oldroot.crt")).judge(pki_chain("oldrooted"));
    CHECK(verdict.flags == cert_flags::kExpired);
    CHECK(verdict.reason == "the CA certificate \"CN=Old Root, O=httpsys tests\" is out of date");
  }
}

TEST_CASE("revocation lists")
{
  ClientTrust trust = make_trust(pki("root.crt") + pki("other.crt"), pki("root.crl"));
  CHECK(trust.judge(pki_chain("good")).flags == 0);
  CHECK(trust.judge(pki_chain("revoked")).flags == 0x800B010C);
  CHECK(trust.judge(pki_chain("untrusted")).flags == 0x80092012); // trusted here, but its CA has no list
  CHECK(trust.judge(pki_chain("untrusted")).reason == "there is no revocation list of \"CN=Other Root, O=somebody else\"");
  CHECK(trust.judge(pki_chain("expired")).flags == 0x800B0101);
  CHECK(make_trust(pki("root.crt")).judge(pki_chain("revoked")).flags == 0);
  CHECK(trust.judge(pki_chain("orphan")).flags == 0x800B010C); // its issuer is revoked
  CHECK(trust.judge(pki_chain("orphan")).reason == "the certificate \"CN=gone, O=httpsys tests\" is revoked");
  CHECK(trust.judge(pki_chain("chain4")).flags == 0x80092012);
  ClientTrust stale = make_trust(pki("root.crt"), pki("stale.crl"));
  CHECK(stale.judge(pki_chain("good")).flags == 0x80092013);
  CHECK(stale.judge(pki_chain("good")).reason == "the revocation list of \"CN=Test Root, O=httpsys tests\" is out of date");
  ClientTrust both = make_trust(pki("root.crt"), pki("stale.crl") + pki("root.crl"));
  CHECK(both.judge(pki_chain("good")).flags == 0);
  CHECK(both.judge(pki_chain("revoked")).flags == 0x800B010C);
}

TEST_CASE("a revocation list is its CA's, not its namesake's")
{
  CHECK(make_trust(pki("forged.crt"), pki("forged.crl")).judge(pki_chain("namesake")).flags == 0);
  std::string both = pki("root.crt") + pki("forged.crt");
  CHECK(make_trust(both, pki("root.crl")).judge(pki_chain("namesake")).flags == cert_flags::kNoRevocationCheck);
  CHECK(make_trust(both, pki("forged.crl")).judge(pki_chain("revoked")).flags == cert_flags::kNoRevocationCheck);
  CHECK(make_trust(both, pki("forged.crl") + pki("root.crl")).judge(pki_chain("revoked")).flags == cert_flags::kRevoked);
  CHECK(make_trust(both, pki("stale.crl") + pki("forged.crl")).judge(pki_chain("good")).flags == cert_flags::kRevocationOffline);
}

TEST_CASE("a path is looked for in so many steps, and what would need one more is not trusted")
{
  std::string namesakes; // of the CA that has signed it; each is a step
  for (int step = 1; step < 64; step++)
    namesakes += pki("forged.crt");
  CHECK(make_trust(namesakes + pki("root.crt")).judge(pki_chain("noski")).flags == 0);
  CHECK(make_trust(namesakes + pki("forged.crt") + pki("root.crt")).judge(pki_chain("noski")).flags == cert_flags::kBadSignature);
}

TEST_CASE("hostile lists")
{
  ClientTrust trust = make_trust(pki("root.crt"));
  Der longer = pki_leaf("good"); // it would be the same certificate under another hash
  longer.push_back(0);
  CHECK(trust.judge(std::vector<Der>{longer}).flags == cert_flags::kChaining);
  CHECK(trust.judge(std::vector<Der>{Der{}}).flags == cert_flags::kChaining);
  CHECK(trust.judge(std::vector<Der>{pki_leaf("good"), Der{0x30, 0x80}}).flags == cert_flags::kChaining);
  std::vector<Der> ten(10, pki_leaf("good"));
  CHECK(trust.judge(ten).flags == cert_flags::kChaining);
  // Certificates that name each other as issuers must not be walked in a circle.
  std::vector<Der> circle{pki_leaf("selfsigned"), pki_leaf("selfsigned"), pki_leaf("selfsigned")};
  CHECK(trust.judge(circle).flags == cert_flags::kUntrustedRoot);
  // Nor may many of one name be walked in every order.
  std::vector<Der> crowd{pki_leaf("noski")};
  for (int i = 0; i < 8; i++)
    crowd.push_back(pki_leaf(i % 2 ? "forged" : "root"));
  CHECK(make_trust(pki("other.crt")).judge(crowd).flags == cert_flags::kUntrustedRoot);
  Der whole = pki_leaf("good");
  for (size_t i = 0; i < whole.size(); i += 3) { // whatever byte is wrong, it is never trusted
    Der broken = whole;
    broken[i] ^= 0x40;
    CHECK(trust.judge(std::vector<Der>{broken}).flags != 0);
  }
}
