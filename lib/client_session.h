// SPDX-License-Identifier: MIT
// ClientSession: this process at one run of httpsysd: the control socket and the channel. Made by HttpInitialize; lives as long as
// anything refers to it: the library while it is initialised, queues, operations in flight. When the daemon dies the session is dead
// for ever; the next HttpInitialize makes another one.
#pragma once
#include "lib/client_channel.h"
#include "lib/control_connection.h"
#include "lib/ref_counted.h"

namespace httpsys::lib {

class ClientSession : public RefCounted<ClientSession> {
public:
  // Connects; null with a Win32 code and a sentence (control_connection.h).
  static Ref<ClientSession> connect(uint32_t &code, ErrorText &why);

  ClientChannel &channel() { return m_channel; }
  bool is_dead() const { return m_channel.is_dead(); }
  uint64_t epoch() const { return m_control.welcome().epoch; }

  // In a child of fork(): gives up the descriptors, so that the daemon sees the parent's end. Async-signal-safe.
  void abandon_in_child();

private:
  friend class RefCounted<ClientSession>;
  ClientSession() = default;
  ~ClientSession() = default;
  ControlConnection m_control;
  ChannelMemory m_memory;
  ClientChannel m_channel{m_memory};
};

}
