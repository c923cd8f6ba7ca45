// SPDX-License-Identifier: GPL-3.0-or-later
// Fuzz target: bytes from the network at a TlsStream, with wolfSSL behind it: before a handshake, in the middle of one, behind one, where
// a certificate is asked for. It must neither crash nor grow, nor give plaintext that nobody has sent.
#include "kernel/limits.h"
#include "kernel/tls/tls_stream.h"
#include "kernel/tls/wolfssl_library.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/sim/tls_material.h"
#include "tests/sim/wire.h"
#include <string>

using namespace httpsys;
using fuzz::require;
using platform::SimSocket;

namespace {

RefPtr<tls::TlsContext> make_context(bool asks)
{
  tls::ContextSettings settings;
  settings.certificate_chain_pem = sim::kServerCertificate;
  settings.private_key_pem = sim::kServerKey;
  settings.authorities_pem = sim::kAuthority;
  settings.identity = "fuzz";
  settings.ask_in_handshake = asks;
  std::string reason;
  auto context = tls::TlsContext::create(settings, reason);
  require(!context.is_error(), reason.c_str());
  return context.value();
}

// Takes all that comes; how much it was.
size_t pump(tls::TlsStream &stream, SimSocket &socket)
{
  size_t read = 0;
  uint8_t buffer[1000];
  stream.advance();
  while (size_t count = stream.read(buffer))
    read += count;
  (void)stream.take_event();
  auto output = stream.output();
  require(output.size() <= limits::kTlsOutputBytes + limits::kMaxHandshakeMessage, "the output is bounded");
  socket.from_daemon.append(reinterpret_cast<const char *>(output.data()), output.size());
  stream.consume_output(output.size());
  stream.output_has_gone();
  return read;
}

void give(tls::TlsStream &stream, std::span<const uint8_t> bytes)
{
  stream.receive(bytes);
}

size_t give_all(tls::TlsStream &stream, SimSocket &socket)
{
  std::string bytes = std::exchange(socket.to_daemon, {});
  give(stream, {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  return pump(stream, socket);
}

}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  tls::initialize_library();
  sim::seed_randomness(1);
  static RefPtr<tls::TlsContext> plain = make_context(false), asking = make_context(true);
  fuzz::Input input(data, size);
  uint8_t selector = input.byte();
  RefPtr<tls::TlsContext> context = selector & 1 ? asking : plain;
  tls::TlsStream stream([&](std::string_view) { return context; });
  auto socket = std::make_shared<SimSocket>();
  auto client = sim::tls_wire(socket, {(selector & 2) != 0, (selector & 4) != 0, (selector & 8) != 0});
  size_t sent = 0, read = 0;
  // How far an honest client comes before the bytes are somebody else's.
  for (unsigned flights = selector >> 4 & 7; flights > 0; flights--) {
    client->receive();
    read += give_all(stream, *socket);
  }
  if (selector & 128)
    (void)stream.ask_certificate();
  while (!input.is_empty()) {
    uint8_t what = input.byte();
    auto piece = input.piece();
    if (what & 1) { // plaintext of the client's
      client->receive();
      if (client->is_ready()) {
        client->send({reinterpret_cast<const char *>(piece.data()), piece.size()});
        sent += piece.size();
      }
      read += give_all(stream, *socket);
    } else {
      give(stream, piece);
      read += pump(stream, *socket);
    }
    if (what & 2)
      (void)stream.ask_certificate();
    if (what & 4)
      (void)stream.write(std::span(data, std::min<size_t>(size, 100)));
    if (what & 8)
      stream.receive_eof();
    require(read <= sent, "no plaintext is made up");
  }
  pump(stream, *socket);
  return 0;
}
