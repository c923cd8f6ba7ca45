// SPDX-License-Identifier: GPL-3.0-or-later
// Fuzz target: what a client shows as proof of who it is. A certificate list at ClientTrust with several CAs and revocation lists: only
// what make_certificates.py has signed is ever good, and that is, where it ought to be. Or a session ticket at the callback that opens
// it: only the one that was sealed opens, and for its binding alone.
#include "kernel/limits.h"
#include "kernel/tls/client_trust.h"
#include "kernel/tls/pem.h"
#include "kernel/tls/ticket_keys.h"
#include "kernel/tls/tls_context.h"
#include "kernel/tls/wolfssl_library.h"
#include "kernel/tls/x509_fields.h"
#include "kernel/url/utf.h"
#include "tests/fuzz/certificates.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/sim/tls_material.h"
#include "tests/sim/wire.h"
#include <array>
#include <string>

using namespace httpsys;
using fuzz::require;
using tls::Der;

namespace {

constexpr uint8_t kIsTicket = 1, kMendsList = 2, kMendsBody = 4; // settings, behind the trusts

tls::ClientTrust make_trust(const std::string &authorities, const std::string &lists)
{
  tls::ClientTrust trust;
  std::string reason;
  auto loaded = trust.load(tls::pem_blocks(authorities, "CERTIFICATE", reason).value(),
                           tls::pem_blocks(lists, "X509 CRL", reason).value(), reason);
  require(!loaded.is_error(), reason.c_str());
  return trust;
}

// In the order of Genuine::trusts.
std::array<tls::ClientTrust, 6> make_trusts()
{
  const std::string root = fuzz::kRoot, both = root + fuzz::kRsaRoot;
  return {make_trust(root, ""),
          make_trust(both, ""),
          make_trust(both, std::string(fuzz::kList) + fuzz::kRsaList),
          make_trust(fuzz::kSub, ""),
          make_trust(fuzz::kNamesake + root, ""),
          make_trust("", "")};
}

const std::array<tls::ClientTrust, 6> &trusts()
{
  static const std::array<tls::ClientTrust, 6> made = make_trusts();
  return made;
}

void put_length(Der &der, size_t at, size_t length)
{
  der[at] = static_cast<uint8_t>(length >> 8);
  der[at + 1] = static_cast<uint8_t>(length);
}

// Makes the lengths of the outermost elements fit: what a mutation put in or took out would else be refused for that alone.
void mend(Der &der, bool mends_body)
{
  constexpr uint8_t kHeader[] = {0x30, 0x82};
  if (der.size() < 8 || !std::equal(kHeader, kHeader + 2, der.begin()))
    return;
  size_t grown = der.size() - 4 - (der[2] * size_t{256} + der[3]);
  put_length(der, 2, der.size() - 4);
  if (mends_body && std::equal(kHeader, kHeader + 2, der.begin() + 4))
    put_length(der, 6, der[6] * size_t{256} + der[7] + grown);
}

// As the handshake would hand it over, or empty.
std::vector<Der> read_list(fuzz::Input &input, uint8_t settings)
{
  std::vector<Der> list;
  size_t bytes = 0;
  while (!input.is_empty() && list.size() <= limits::kMaxClientChain) {
    size_t length = input.number(2);
    auto piece = length != 0 ? input.take(length) : input.rest();
    Der &der = list.emplace_back(piece.begin(), piece.end());
    if (settings & kMendsList)
      mend(der, settings & kMendsBody);
    bytes += 3 + der.size();
  }
  return bytes <= limits::kMaxClientCertificateBytes ? list : std::vector<Der>();
}

bool lies_in(std::span<const uint8_t> part, const Der &der)
{
  return part.empty() || (part.data() >= der.data() && part.data() + part.size() <= der.data() + der.size());
}

// Whether it can be read.
bool check_facts(const Der &der)
{
  std::string reason;
  auto facts = tls::certificate_facts(der, reason);
  auto fields = tls::X509Fields::parse(der);
  require(facts.is_error() != fields.has_value() && facts.is_error() == !reason.empty(), "facts are what the fields give");
  if (!fields)
    return false;
  for (auto part : {fields->serial, fields->issuer, fields->subject, fields->key})
    require(lies_in(part, der), "fields lie in their certificate");
  for (auto *name : {&facts->subject, &facts->issuer})
    require(name->size() <= limits::kMaxNameText + 3 && url::is_utf8(*name), "a name is UTF-8, and cut where it is long");
  require(facts->subject == tls::certificate_subject(der) && facts->issuer == tls::certificate_issuer(der), "a name is always the same");
  require(facts->serial.size() >= 2 && facts->serial.size() % 2 == 0, "a serial has its digits");
  return true;
}

void check_verdict(const tls::TrustVerdict &verdict, bool is_read)
{
  using namespace tls::cert_flags;
  constexpr uint32_t kAll[] = {kGood,       kExpired,      kUntrustedRoot,     kChaining,         kRevoked,
                               kWrongUsage, kBadSignature, kNoRevocationCheck, kRevocationOffline};
  require(std::ranges::find(kAll, verdict.flags) != std::end(kAll), "a verdict is one of Windows' statuses");
  require((verdict.flags == kGood) == verdict.reason.empty(), "what is not good has a reason");
  require(verdict.flags == kGood || verdict.good_until == INT64_MAX, "only what is good has an end");
  require(verdict.flags != kGood || verdict.good_until >= tls::verification_time(), "and that has not passed");
  require(is_read || verdict.flags == kChaining, "what cannot be read is not judged further");
  require(verdict.reason.size() <= 8 * limits::kMaxNameText + 200 && url::is_utf8(verdict.reason), "a reason is a line of text");
}

void fuzz_list(fuzz::Input &input, unsigned chosen, uint8_t settings)
{
  std::vector<Der> list = read_list(input, settings);
  if (list.empty())
    return;
  bool is_read = true;
  std::string shown, leaf = ' ' + tls::certificate_thumbprint(list[0]);
  for (const Der &der : list) {
    is_read = check_facts(der) && is_read;
    shown += ' ';
    shown += tls::certificate_thumbprint(der);
  }
  for (size_t number = 0; number < trusts().size(); number++) {
    if (!(chosen >> number & 1))
      continue;
    auto verdict = trusts()[number].judge(list), again = trusts()[number].judge(list);
    check_verdict(verdict, is_read);
    require(verdict.flags == again.flags && verdict.reason == again.reason && verdict.good_until == again.good_until,
            "a list is judged the same way twice");
    bool is_good = verdict.flags == tls::cert_flags::kGood, may_be_good = false;
    for (const fuzz::Genuine &genuine : fuzz::kGenuine) {
      bool is_trusted = genuine.trusts >> number & 1;
      may_be_good = may_be_good || (is_trusted && std::string_view(genuine.list).starts_with(leaf));
      require(shown != genuine.list || is_good == is_trusted, "a genuine list is good for whom it ought to be");
    }
    // Whoever has an ECDSA signature can compute another one for the same bytes; no mutation does.
    require(!is_good || may_be_good, "a forged certificate is never good");
  }
}

RefPtr<tls::TlsContext> make_context(const char *identity, bool asks)
{
  tls::ContextSettings settings;
  settings.certificate_chain_pem = sim::kServerCertificate;
  settings.private_key_pem = sim::kServerKey;
  settings.identity = identity;
  settings.ask_in_handshake = asks;
  std::string reason;
  auto context = tls::TlsContext::create(settings, reason);
  require(!context.is_error(), reason.c_str());
  return context.value();
}

struct Ticket {
  std::array<uint8_t, WOLFSSL_TICKET_NAME_SZ> name{};
  std::array<uint8_t, WOLFSSL_TICKET_IV_SZ> iv{};
  std::array<uint8_t, WOLFSSL_TICKET_MAC_SZ> mac{};
  std::vector<uint8_t> text;
};

bool call(tls::TlsContext &context, WOLFSSL *session, bool seals, Ticket &ticket)
{
  int size = static_cast<int>(ticket.text.size()), written = 0;
  int result = tls::ticket_callback(session, ticket.name.data(), ticket.iv.data(), ticket.mac.data(), seals, ticket.text.data(), size,
                                    &written, &context);
  require(result != WOLFSSL_TICKET_RET_OK || written == size, "a ticket keeps its size");
  return result == WOLFSSL_TICKET_RET_OK;
}

bool forge(std::span<uint8_t> part, std::span<const uint8_t> difference, size_t counting)
{
  bool is_forged = false;
  for (size_t at = 0; at < std::min(part.size(), difference.size()); at++) {
    part[at] ^= difference[at];
    is_forged = is_forged || (at < counting && difference[at] != 0);
  }
  return is_forged;
}

// The bytes are what is changed of a ticket that would open: one of bytes alone would have to guess the key's name.
void fuzz_ticket(fuzz::Input &input, unsigned opener)
{
  static RefPtr<tls::TlsContext> own = make_context("own", false), other = make_context("other", false), asking = make_context("own", true);
  static tls::SessionPointer session(wolfSSL_new(own->native()));
  const std::vector<uint8_t> secret(100, 0x5a);
  Ticket ticket{.text = secret};
  require(call(*own, session.get(), true, ticket), "a ticket is sealed");
  require(ticket.text != secret, "nobody can read it");
  bool is_forged = forge(ticket.name, input.take(ticket.name.size()), ticket.name.size());
  is_forged = forge(ticket.iv, input.take(ticket.iv.size()), 12) || is_forged; // the rest AES-GCM does not use
  is_forged = forge(ticket.mac, input.take(ticket.mac.size()), 16) || is_forged;
  size_t size = input.number(2) % 2048; // differs from the ticket's by it
  is_forged = is_forged || size != 0;
  ticket.text.resize((ticket.text.size() + size) % 2048);
  is_forged = forge(ticket.text, input.rest(), ticket.text.size()) || is_forged;
  tls::TlsContext &context = opener == 0 ? *own : opener == 1 ? *other : *asking;
  bool is_opened = call(context, session.get(), false, ticket);
  require(is_opened == (opener == 0 && !is_forged), "the ticket that was sealed opens, where it was, and no other");
  require(!is_opened || ticket.text == secret, "and has in it what it had");
}

}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  tls::initialize_library();
  sim::seed_randomness(1);
  fuzz::Input input(data, size);
  unsigned chosen = input.byte();
  uint8_t settings = input.byte();
  if (settings & kIsTicket)
    fuzz_ticket(input, chosen % 3);
  else
    fuzz_list(input, chosen, settings);
  return 0;
}
