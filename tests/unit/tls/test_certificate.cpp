// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/certificate.h"
#include "kernel/tls/der_reader.h"
#include "kernel/tls/x509_fields.h"
#include "tests/unit/tls/pki.h"
#include <algorithm>
#include <doctest/doctest.h>
#include <pthread.h>

using namespace httpsys;
using namespace httpsys::tls;
using namespace httpsys::tls::test;

namespace {

std::string element(uint8_t tag, const std::string &content)
{
  std::string text(1, static_cast<char>(tag));
  if (content.size() >= 0x80) {
    text += '\x82';
    text += static_cast<char>(content.size() >> 8);
  }
  text += static_cast<char>(content.size());
  return text + content;
}

// A Name with one attribute per pair of OID bytes and value; tag is the string's type.
std::vector<uint8_t> name_of(const std::vector<std::pair<std::string, std::string>> &attributes, uint8_t tag = 0x0c)
{
  std::string sets;
  for (const auto &[oid, value] : attributes)
    sets += element(0x31, element(0x30, element(6, oid) + element(tag, value)));
  std::string name = element(0x30, sets);
  return {name.begin(), name.end()};
}

const std::string kCn = "\x55\x04\x03", kO = "\x55\x04\x0a";

}

TEST_CASE("facts agree with openssl")
{
  std::string reason;
  for (const char *name : {"good", "good_rsa", "good_ed25519", "v1", "root", "server_old"}) {
    CAPTURE(name);
    std::string file = std::string(name) + ".crt";
    auto facts = certificate_facts(pki_leaf(name), reason);
    REQUIRE(!facts.is_error());
    std::string thumbprint = output_of("openssl x509 -in " + file + " -noout -fingerprint -sha1 | sed 's/.*=//;s/://g' | tr A-F a-f");
    CHECK(facts->thumbprint == thumbprint);
    std::string serial = output_of("openssl x509 -in " + file + " -noout -serial | sed 's/.*=//' | tr A-F a-f");
    CHECK(facts->serial == serial);
    auto date = [&file](const char *which) {
      return output_of("date +%s -d \"$(openssl x509 -in " + file + " -noout " + which + " | sed 's/.*=//')\"");
    };
    CHECK(std::to_string(facts->not_before) == date("-startdate"));
    CHECK(std::to_string(facts->not_after) == date("-enddate"));
  }
  auto good = certificate_facts(pki_leaf("good"), reason);
  CHECK(good->subject == "E=alice@example.test, CN=alice, O=httpsys tests");
  CHECK(good->issuer == "CN=Test Root, O=httpsys tests");
  CHECK(good->key_type == "ECDSA");
  CHECK(good->key_bits == 256);
  CHECK(good->version == 3);
  CHECK(!good->is_authority);
  CHECK(certificate_facts(pki_leaf("v1"), reason)->version == 1);
  CHECK(certificate_facts(pki_leaf("root"), reason)->is_authority);
  auto rsa = certificate_facts(pki_leaf("good_rsa"), reason);
  CHECK(rsa->key_type == "RSA");
  CHECK(rsa->key_bits == 2048);
  CHECK(certificate_facts(pki_leaf("good_ed25519"), reason)->key_type == "Ed25519");
}

TEST_CASE("no certificate gives no facts, and no prefix of one reads outside of it")
{
  std::string reason;
  CHECK(certificate_facts({}, reason).is_error());
  CHECK(reason == "the certificate cannot be read as X.509");
  Der whole = pki_leaf("good");
  for (size_t size = 0; size < whole.size(); size++)
    CHECK(certificate_facts(Der(whole.begin(), whole.begin() + static_cast<long>(size)), reason).is_error());
  for (size_t i = 0; i < whole.size(); i++) { // a flipped byte may give other facts, but must be survived
    Der broken = whole;
    broken[i] ^= 0x81;
    (void)certificate_facts(broken, reason).is_error();
    (void)certificate_issuer(broken);
  }
}

TEST_CASE("a certificate can be shown in one form only: what its signature does not cover is not open")
{
  Der whole = pki_leaf("good");
  DerReader reader(DerReader(whole).next()->content);
  auto next = [&reader] {
    auto bytes = reader.next()->whole;
    return std::string(bytes.begin(), bytes.end());
  };
  const std::string body = next(), algorithm = next(), signature = next();
  auto is_read = [](const std::string &content) {
    std::string text = element(0x30, content), reason;
    return !certificate_facts(Der(text.begin(), text.end()), reason).is_error();
  };
  CHECK(is_read(body + algorithm + signature));
  std::string unused_bits = signature, other_hash = algorithm, null = element(5, "");
  unused_bits[2] = 1; // of zeros, as a signature may end
  other_hash.back() = 3;
  CHECK(!is_read(body + algorithm + unused_bits));
  CHECK(!is_read(body + algorithm + signature + null));
  CHECK(!is_read(body + algorithm + element(3, "")));
  CHECK(!is_read(body + algorithm));
  CHECK(!is_read(body));
  CHECK(!is_read(body + other_hash + signature));
  CHECK(!is_read(body + element(0x30, algorithm.substr(2) + null) + signature)); // for RSA wolfSSL takes it with and without
}

TEST_CASE("names as text")
{
  CHECK(name_text(name_of({{kO, "Example"}, {kCn, "www"}})) == "CN=www, O=Example");
  CHECK(name_text(name_of({{kO, "Example, Inc."}, {kCn, "a\"b"}})) == "CN=\"a\"\"b\", O=\"Example, Inc.\"");
  CHECK(name_text(name_of({{kCn, " lead"}})) == "CN=\" lead\"");
  CHECK(name_text(name_of({{kCn, ""}})) == "CN=\"\"");
  CHECK(name_text(name_of({{kCn, "line\nbreak\x1b[2J"}})) == "CN=line\\x0abreak\\x1b[2J");
  CHECK(name_text(name_of({{kCn, "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"}})) == "CN=caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  CHECK(name_text(name_of({{kCn, "bad\xff\xc3"}})) == "CN=bad\xef\xbf\xbd\xef\xbf\xbd");
  CHECK(name_text(name_of({{kCn, "caf\xe9"}}, 0x14)) == "CN=caf\xc3\xa9");
  CHECK(name_text(name_of({{kCn, std::string("\0h\0i\x20\xac", 6)}}, 0x1e)) == "CN=hi\xe2\x82\xac");
  CHECK(name_text(name_of({{kCn, "ab"}}, 0x04)) == "CN=#04026162");
  CHECK(name_text(name_of({{"\x2b\x06\x01\x04\x01\x81\xfd\x58\x01", "x"}})) == "OID.1.3.6.1.4.1.32472.1=x");
  CHECK(name_text(name_of({{std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "x"}})) == "OID.?=x");
  CHECK(name_text({}) == "");
  std::string text = name_text(name_of({{kCn, std::string(3000, 'x')}}));
  CHECK(text.size() == limits::kMaxNameText + 3);
  CHECK(text.ends_with("x..."));
}

TEST_CASE("PEM bundles")
{
  std::string reason;
  auto two = certificates_from_pem("junk\n" + pki("root.crt") + "# text between\n" + pki("root.key") + pki("other.crt") + "tail", reason);
  REQUIRE(!two.is_error());
  REQUIRE(two->size() == 2);
  CHECK((*two)[0] == pki_leaf("root"));
  CHECK((*two)[1] == pki_leaf("other"));
  CHECK(certificates_from_pem(pki("root.key"), reason).is_error());
  CHECK(reason == "there is no certificate in PEM form in it");
  std::string text = pki("root.crt");
  CHECK(certificates_from_pem(text + text.substr(0, 200), reason).is_error());
  CHECK(reason == "the CERTIFICATE block number 2 has no \"-----END CERTIFICATE-----\" line");
  std::string broken = text;
  broken[100] = '!';
  CHECK(certificates_from_pem(broken, reason).is_error());
  CHECK(reason == "the CERTIFICATE block number 1 is not valid base64");
  // Nothing is taken for a part of a certificate that is none, a private key perhaps.
  const size_t end = text.find("-----END");
  for (const char *padding : {"", "=", "=="}) {
    const std::string begun = text.substr(0, text.find_last_not_of("=\n", end - 1) + 1) + padding + '\n';
    CAPTURE(padding);
    CHECK(certificates_from_pem(begun + pki("root.key") + text, reason).is_error());
    CHECK(reason == "the CERTIFICATE block number 1 has no \"-----END CERTIFICATE-----\" line");
    CHECK(certificates_from_pem(begun + "=\nAAAA\n" + text.substr(end), reason).is_error());
    CHECK(reason == "the CERTIFICATE block number 1 is not valid base64");
    CHECK(certificates_from_pem(begun + std::string("\0AAAA\n", 6) + text.substr(end), reason).is_error());
    CHECK(reason == "the CERTIFICATE block number 1 is not valid base64");
  }
  std::string many;
  for (uint32_t i = 0; i <= limits::kMaxPemCertificates; i++)
    many += text;
  auto refused = certificates_from_pem(many, reason);
  REQUIRE(refused.is_error());
  CHECK(refused.error() == NtStatus::InsufficientResources);
  std::string crlf;
  for (char letter : text) {
    if (letter == '\n')
      crlf += '\r';
    crlf += letter;
  }
  CHECK(!certificates_from_pem(crlf, reason).is_error());
}

TEST_CASE("certificate and key of a server")
{
  struct Row {
    const char *certificate;
    const char *key;
    const char *reason; // null: accepted
  };
  const Row rows[] = {
    {"server.pem", "server.key", nullptr},
    {"server_rsa.pem", "server_rsa.key", nullptr},
    {"server_p384.pem", "server_p384.key", nullptr},
    {"server_ed25519.pem", "server_ed25519.key", nullptr},
    {"server_chain.pem", "server_chain.key", nullptr},
    {"server_old.pem", "server_old.key", nullptr},
    {"server.pem", "named.key", "the private key does not belong to the certificate"},
    {"server.pem", "server_rsa.key", "the private key does not belong to the certificate"},
    {"server_rsa.pem", "server.key", "the private key does not belong to the certificate"},
    {"server_rsa.pem", "good_rsa.key", "the private key does not belong to the certificate"},
    {"server_ed25519.pem", "good_ed25519.key", "the private key does not belong to the certificate"},
    {"server_chain.pem", "first.key", "the private key belongs to certificate number 2: that one must come first"},
    {"server.pem", "server_encrypted.key", "the private key is encrypted: remove the passphrase first, for example with openssl pkey"},
    {"server.pem", "server.pem", "there is no private key in PEM form in it"},
    {"server.key", "server.key", "there is no certificate in PEM form in it"},
    {"server_pss.pem", "server_pss.key",
     "the certificate's key is one for RSA-PSS alone, which cannot serve TLS 1.2; make a plain RSA key (openssl genpkey -algorithm RSA) or "
     "an ECDSA key, and have a certificate issued for that"},
    {"server_weak.pem", "server_weak.key", "the certificate's key has 1024 bits, fewer than the 2048 that are required (kMinRsaKeyBits)"},
  };
  for (const Row &row : rows) {
    CAPTURE(row.certificate);
    CAPTURE(row.key);
    std::string reason;
    Result<void> result = check_certificate_and_key(pki(row.certificate), pki(row.key), reason);
    CHECK(result.is_error() == (row.reason != nullptr));
    CHECK(reason == (row.reason ? row.reason : ""));
    std::string again;
    CHECK(key_matches(pki(row.certificate), pki(row.key), again) == (row.reason == nullptr));
  }
  std::string reason, broken = pki("server.key");
  broken.replace(40, 20, "AAAAAAAAAAAAAAAAAAAA");
  CHECK(check_certificate_and_key(pki("server.pem"), broken, reason).is_error());
  CHECK(reason.starts_with("the private key cannot be read"));
  std::string one_line = pki("server.key");
  std::erase(one_line, '\n');
  CHECK(check_certificate_and_key(pki("server.pem"), one_line, reason).is_error());
  CHECK(reason == "there is no private key in PEM form in it");
  const std::string key = pki("server.key"), begun = key.substr(0, key.find("-----END"));
  CHECK(check_certificate_and_key(pki("server.pem"), begun + pki("root.crt") + key, reason).is_error());
  CHECK(reason == "there is no private key in PEM form in it");
  // openssl ecparam -genkey writes its parameters first, and the old form of key.
  std::string parameters = output_of("openssl ecparam -name prime256v1"), sec1 = output_of("openssl ec -in server.key 2>/dev/null");
  CHECK(!check_certificate_and_key(pki("server.pem"), parameters + '\n' + sec1 + '\n', reason).is_error());
}

#ifndef __SANITIZE_ADDRESS__ // which lays frames out in its own way
// The scalar of the server's key is looked for on the stack of a thread that has loaded it.
TEST_CASE("a private key leaves nothing on the stack")
{
  std::string hex = output_of("openssl pkey -in server.key -outform der | od -An -tx1 -v | tr -d ' \\n'");
  size_t at = hex.find("0201010420"); // ECPrivateKey: version 1, 32 bytes
  REQUIRE(at != std::string::npos);
  std::vector<uint8_t> scalar;
  for (size_t i = 0; i < 32; i++)
    scalar.push_back(static_cast<uint8_t>(std::stoul(hex.substr(at + 10 + 2 * i, 2), nullptr, 16)));
  std::vector<uint8_t> reversed(scalar.rbegin(), scalar.rend());
  constexpr size_t size = 1 << 20;
  std::vector<uint8_t> memory(size + 4096);
  uint8_t *stack = memory.data() + 4096 - reinterpret_cast<uintptr_t>(memory.data()) % 4096;
  std::pair<std::string, std::string> input{pki("server.pem"), pki("server.key")};
  pthread_attr_t attributes;
  pthread_t thread;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstack(&attributes, stack, size) == 0);
  auto load = [](void *argument) -> void * {
    auto *pair = static_cast<std::pair<std::string, std::string> *>(argument);
    std::string reason;
    return check_certificate_and_key(pair->first, pair->second, reason).is_error() ? argument : nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, load, &input) == 0);
  void *failed = nullptr;
  pthread_join(thread, &failed);
  pthread_attr_destroy(&attributes);
  CHECK(failed == nullptr);
  for (const auto &bytes : {scalar, reversed})
    CHECK(std::search(stack, stack + size, bytes.begin(), bytes.begin() + 16) == stack + size);
}
#endif

TEST_CASE("CA files")
{
  std::string reason;
  CHECK(check_authorities(pki("root.crt") + pki("other.crt") + pki("first.crt"), reason).value().size() == 3);
  CHECK(!check_authorities(pki("oldroot.crt"), reason).is_error());
  CHECK(check_authorities(pki("root.crt") + pki("good.crt"), reason).is_error());
  CHECK(reason == "certificate number 2, \"E=alice@example.test, CN=alice, O=httpsys tests\", is not a CA's: it lacks basicConstraints "
                  "CA:TRUE");
  CHECK(check_authorities("", reason).is_error());
  CHECK(reason == "there is no certificate in PEM form in it");
}

TEST_CASE("CRL files")
{
  std::string reason;
  CHECK(check_revocations(pki("root.crl"), pki("root.crt"), reason).value() == 1);
  CHECK(check_revocations(pki("root.crl") + pki("other.crl"), pki("other.crt") + pki("root.crt"), reason).value() == 2);
  CHECK(!check_revocations(pki("stale.crl"), pki("root.crt"), reason).is_error());
  CHECK(check_revocations(pki("root.crl"), pki("other.crt"), reason).is_error());
  CHECK(reason == "revocation list number 1: its issuer \"CN=Test Root, O=httpsys tests\" is not among the CAs; import the CA first");
  CHECK(check_revocations(pki("forged.crl"), pki("root.crt"), reason).is_error()); // the root's name, another key
  CHECK(!check_revocations(pki("forged.crl"), pki("root.crt") + pki("forged.crt"), reason).is_error());
  CHECK(check_revocations(pki("root.crt"), pki("root.crt"), reason).is_error());
  CHECK(reason == "there is no revocation list (X509 CRL) in PEM form in it");
}
