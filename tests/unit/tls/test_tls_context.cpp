// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/limits.h"
#include "kernel/platform/key_memory.h"
#include "kernel/tls/ticket_keys.h"
#include "kernel/tls/wolfssl_library.h"
#include "tests/unit/platform/mapping_flags.h"
#include "tests/unit/tls/pki.h"
#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace httpsys;
using namespace httpsys::tls;
using namespace httpsys::tls::test;

// RFC 5929 4.1: the certificate's signature hash, SHA-256 in the place of SHA-1; Ed25519 names none.
TEST_CASE("endpoint binding")
{
  struct Row {
    const char *server;
    const char *hash;
    size_t size;
  };
  const Row rows[] = {{"server", "sha256", 85},      {"server_rsa", "sha256", 85},  {"server_p384", "sha384", 101},
                      {"server_p521", "sha512", 117}, {"server_sha1", "sha256", 85}, {"server_ed25519", "sha256", 85},
                      {"server_sha224", "sha224", 81}};
  for (const Row &row : rows) {
    CAPTURE(row.server);
    RefPtr<TlsContext> context = make_context(pki_settings(row.server));
    std::span<const uint8_t> block = context->endpoint_binding();
    REQUIRE(block.size() == row.size);
    CHECK(std::all_of(block.begin(), block.begin() + 24, [](uint8_t value) { return value == 0; }));
    CHECK(block[24] == row.size - 32);
    CHECK(block[28] == 32);
    CHECK(std::string(block.begin() + 32, block.begin() + 53) == "tls-server-end-point:");
    std::string hash;
    for (uint8_t value : block.subspan(53))
      hash += fmt::format("{:02x}", value);
    CHECK(hash == output_of(fmt::format("openssl x509 -in {}.crt -outform der | {}sum | cut -d' ' -f1", row.server, row.hash)));
  }
}

TEST_CASE("facts of the server's certificate")
{
  RefPtr<TlsContext> context = make_context(pki_settings("server_rsa"));
  CHECK(context->server_certificate_key_bits() == 2048);
  CHECK(context->server_certificate_subject() == "CN=localhost, O=httpsys tests");
  CHECK(context->server_certificate_issuer() == "CN=Test Root, O=httpsys tests");
  CHECK(context->identity() == "0.0.0.0:443");
}

TEST_CASE("tickets are bound to identity and certificate")
{
  ContextSettings settings = pki_settings();
  auto binding = [](const ContextSettings &of) {
    RefPtr<TlsContext> context = make_context(of);
    return std::vector<uint8_t>(context->ticket_binding().begin(), context->ticket_binding().end());
  };
  std::vector<uint8_t> first = binding(settings);
  CHECK(binding(settings) == first);
  settings.identity = "0.0.0.0:444";
  CHECK(binding(settings) != first);
  ContextSettings other = pki_settings("named");
  CHECK(binding(other) != first);
}

TEST_CASE("tickets are sealed with a key that changes")
{
  static time_t s_now = time(nullptr);
  static const time_t period = limits::kTicketKeySeconds;
  wc_SetTimeCb([](time_t *) { return s_now; });
  RefPtr<TlsContext> context = make_context();
  SessionPointer session(wolfSSL_new(context->native()));
  struct Ticket {
    std::array<uint8_t, WOLFSSL_TICKET_NAME_SZ> name;
    std::array<uint8_t, WOLFSSL_TICKET_IV_SZ> iv;
    std::array<uint8_t, WOLFSSL_TICKET_MAC_SZ> mac;
    std::array<uint8_t, 64> text{};
  };
  auto run = [&](Ticket &ticket, bool seals) {
    int size = 0;
    return ticket_callback(session.get(), ticket.name.data(), ticket.iv.data(), ticket.mac.data(), seals, ticket.text.data(),
                           static_cast<int>(ticket.text.size()), &size, context.get());
  };
  auto opens = [&](Ticket ticket) { return run(ticket, false) == WOLFSSL_TICKET_RET_OK && ticket.text == Ticket{}.text; };
  auto seal = [&] {
    Ticket ticket{};
    CHECK(run(ticket, true) == WOLFSSL_TICKET_RET_OK);
    CHECK(ticket.text != Ticket{}.text);
    return ticket;
  };
  Ticket first = seal();
  CHECK(opens(first));
  CHECK(httpsys::test::is_in_secret_memory(first.name)); // beside the key itself
  s_now += period - 1;
  CHECK(opens(first));
  CHECK(seal().name == first.name);
  s_now += 1;
  Ticket second = seal();
  CHECK(second.name != first.name);
  CHECK(opens(first));
  CHECK(opens(second));
  s_now += period;
  CHECK(!opens(first));
  CHECK(opens(second));
  s_now += 2 * period; // nobody came for a while
  CHECK(!opens(second));
  Ticket third = seal();
  s_now -= 1; // the clock is set back
  CHECK(!opens(third));
  CHECK(opens(seal()));
  wc_SetTimeCb(nullptr);
}

TEST_CASE("a key for which there is no memory is refused with a reason")
{
  std::vector<void *> taken;
  for (size_t bytes = limits::kKeyMemoryPiece; bytes >= 512; bytes /= 2) // until nothing of any size is left
    while (void *memory = platform::allocate_key_memory(bytes))
      taken.push_back(memory);
  for (const char *server : {"server", "server_rsa", "server_ed25519"}) {
    CAPTURE(server);
    std::string reason;
    CHECK(TlsContext::create(pki_settings(server), reason).is_error());
    CHECK(reason != "");
  }
  for (void *memory : taken)
    platform::free_key_memory(memory);
  CHECK(make_context(pki_settings("server_rsa")));
}

TEST_CASE("settings that cannot be served")
{
  std::string reason;
  ContextSettings settings = pki_settings();
  settings.private_key_pem = pki("named.key");
  CHECK(TlsContext::create(settings, reason).is_error());
  CHECK(reason == "the private key does not belong to the certificate");
  settings = pki_settings();
  settings.authorities_pem = pki("good.crt");
  CHECK(TlsContext::create(settings, reason).is_error());
  CHECK(reason.find("is not a CA's") != std::string::npos);
  settings = pki_settings();
  settings.revocations_pem = pki("other.crl");
  CHECK(TlsContext::create(settings, reason).is_error());
  CHECK(reason.find("is not among the CAs") != std::string::npos);
}
