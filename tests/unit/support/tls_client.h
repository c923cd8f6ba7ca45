// SPDX-License-Identifier: GPL-3.0-or-later
// TlsClient: wolfSSL's client on a SimSocket. It does nothing by itself: what it has been sent it sees in connect() and read(),
// and there it answers, questions for its certificate too.
#pragma once
#include "kernel/tls/wolfssl_library.h"
#include "kernel/platform/sim/sim_objects.h"

namespace httpsys::test {

using platform::SimSocket;

struct TlsClientOptions {
  bool tls13 = true;
  const char *certificate = "good"; // by its name in the PKI; null: it has none
  bool can_be_asked = true;         // post_handshake_auth, renegotiation_info
};

class TlsClient {
public:
  TlsClient(std::shared_ptr<SimSocket> socket, const TlsClientOptions &options);
  // One step of the handshake; true when it is done. The world runs between the steps.
  bool connect();
  void write(std::string_view text);
  // All plaintext that has come.
  std::string read();
  // close_notify, without FIN.
  void shutdown();
  // read() has met the daemon's.
  bool has_close_notify() const { return wolfSSL_get_shutdown(m_session.get()) & WOLFSSL_RECEIVED_SHUTDOWN; }
  SimSocket &socket() { return *m_socket; }

private:
  std::shared_ptr<SimSocket> m_socket;
  std::string m_input;
  tls::ContextPointer m_context;
  tls::SessionPointer m_session;
};

}
