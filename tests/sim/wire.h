// SPDX-License-Identifier: GPL-3.0-or-later
// Wire: a visitor's end of a connection, plain or with wolfSSL's client on it. It does nothing by itself: what has come is looked at in
// receive(), and there questions of TLS are answered, for a certificate too. One thread.
#pragma once
#include "kernel/base/random.h"
#include "kernel/platform/sim/sim_objects.h"
#include <memory>
#include <string>
#include <string_view>

namespace httpsys::sim {

class Wire {
public:
  virtual ~Wire() = default;
  explicit Wire(std::shared_ptr<platform::SimSocket> socket) : m_socket(std::move(socket)) {}

  virtual void send(std::string_view bytes) = 0;
  // The plaintext that has come since the last call.
  virtual std::string receive() = 0;
  // The daemon has ended its side, and all of it has been received.
  bool has_ended() const { return m_socket->fin_received || m_socket->reset_received; }
  // And so that a body without a length may be taken for whole.
  virtual bool has_ended_well() const { return m_socket->fin_received && !m_socket->reset_received; }
  virtual bool is_ready() const { return true; } // TLS: the handshake is done
  // Empty, or what is wrong with what the daemon sent.
  virtual std::string complaint() const { return {}; }
  virtual void end_politely() { m_socket->fin_sent = true; }
  void reset() { m_socket->reset_sent = true; }
  platform::SimSocket &socket() { return *m_socket; }

protected:
  std::shared_ptr<platform::SimSocket> m_socket;
};

struct TlsPeerOptions {
  bool is_tls13 = true;
  bool has_certificate = false;
  bool can_be_asked = true; // post_handshake_auth, renegotiation_info
};

std::unique_ptr<Wire> plain_wire(std::shared_ptr<platform::SimSocket> socket);
std::unique_ptr<Wire> tls_wire(std::shared_ptr<platform::SimSocket> socket, const TlsPeerOptions &options);

// wolfSSL's randomness from here on, the daemon's and the peers': decided by the seed.
void seed_randomness(uint64_t seed);

}
