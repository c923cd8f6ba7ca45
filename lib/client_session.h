// SPDX-License-Identifier: MIT
// ClientSession: this process at one run of httpsysd: the control socket, the channel, the sends that have not left yet. Made by
// HttpInitialize; lives as long as anything refers to it: the library while it is initialised, the reaper, queues, operations in
// flight. When the daemon dies the session is dead for ever; the next HttpInitialize makes another one.
#pragma once
#include "lib/client_channel.h"
#include "lib/completion_source.h"
#include "lib/control_connection.h"
#include "lib/send_queue.h"

namespace httpsys::lib {

// Work that was asked for under a lock that forbids it: run by the next thread that reaps. In at most one list.
class DeferredWork {
public:
  virtual void run_deferred() = 0;

protected:
  ~DeferredWork() = default;

private:
  friend class ClientSession;
  DeferredWork *m_next = nullptr;
  bool m_is_deferred = false;
};

class ClientSession final : public CompletionSource {
public:
  // Connects; null with a Win32 code and a sentence (control_connection.h).
  static Ref<ClientSession> connect(uint32_t &code, ErrorText &why);

  ClientChannel &channel() { return m_channel; }
  SendQueue &send_queue() { return m_send_queue; }
  bool is_dead() const { return m_channel.is_dead(); }

  // ^CompletionSource
  int bell() override { return is_dead() ? -1 : m_channel.bell(); }
  bool reap(bool rang) override;
  bool arm() override;
  uint32_t error() override;

  // Any lock may be held. False when it is there already. Reaper::poll() afterwards, without locks, runs it at once.
  bool defer(DeferredWork &work);

  // Ends it here and at the daemon, whoever holds references still.
  void end(std::string_view reason);

  // In a child of fork(): gives up the descriptors, so that the daemon sees the parent's end. Async-signal-safe.
  void abandon_in_child();

private:
  ClientSession() = default;
  ~ClientSession() override = default;
  void run_deferred();

  ControlConnection m_control;
  ChannelMemory m_memory;
  ClientChannel m_channel{m_memory};
  SendQueue m_send_queue;
  std::mutex m_deferred_mutex; // a leaf; guards the list below
  DeferredWork *m_first_deferred = nullptr, *m_last_deferred = nullptr;
};

}
