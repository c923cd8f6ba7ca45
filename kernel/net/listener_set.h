// SPDX-License-Identifier: GPL-3.0-or-later
// ListenerSet: the listening sockets of all ports. A port listens on 127.0.0.1 and ::1, and beside these on all addresses while it has a
// URL that names other hosts: whoever adds or removes such a URL takes no connection from the others. Core 0 accepts and hands
// connections to the cores in turn; a connection never migrates afterwards. While there are as many connections as descriptors or memory
// allow, nobody is accepted: who comes waits in the kernel's backlog until one has gone, and idle ones go for that (idle_relief.h); then
// the places that become free go in turn to the users whose ports somebody waits at, however many ports one has. What an accept that was
// under way brings then waits with its listener, which accepts no other meanwhile.
// Lives on core 0, as long as the daemon.
#pragma once
#include "kernel/base/refptr.h"
#include "kernel/ke/outage.h"
#include "kernel/net/idle_relief.h"
#include "kernel/platform/slice.h"
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <span>

namespace httpsys::net {

enum class Scope { Loopback, Everywhere };

class ListenerSet : ke::Flushable, ke::Poller {
public:
  static ListenerSet &instance();
  // accepted(socket) runs on the core that shall own the connection. descriptors: for connections and listening sockets together; the
  // latter go first, but for a part (limits::kPortsPart). most: connections, if descriptors allow more.
  void start(void (*accepted)(int socket), uint64_t descriptors = UINT64_MAX, uint64_t most = UINT64_MAX);
  // Closes a socket that came through accepted(). Any core. makes_room: its connection was asked to, and this is the answer.
  void close_connection(int socket, bool makes_room = false);
  // A connection that was asked to make room does not. Any core.
  void note_stays() { m_relief.note_answer(); }
  // Sockets of connections that are open, of all that have a place. Any core.
  uint64_t connection_count() const { return m_connections.load(); }

  // Makes the port listen at least in this scope. SharingViolation, AccessDenied, ... when it can't, and then the port listens
  // as before; Cancelled after close_all(). Not while the port closes or narrows: the namespace serialises its changes. Sockets
  // that are new accept from accept_on_new_ports() on: how connections begin is decided by what is registered for their port,
  // which all cores must know by then.
  NtStatus open(uint16_t port, Scope scope);
  void accept_on_new_ports();
  // Whose port it is: who waits there has a place when it is that user's turn. One that is not told of is uid 0's.
  void set_payer(uint16_t port, uint32_t uid);
  // Listens on loopback alone from now on, where the port was open to all; done runs on core 0, maybe at once.
  void narrow(uint16_t port, std::function<void()> done);
  // Stops listening; done runs when the port is free again. No effect on connections. Those that wait for a place with a listener are
  // closed, in the turns that follow.
  void close(uint16_t port, std::function<void()> done);
  // For good. Connections that were accepted and are not with their core yet are closed, in the turns that follow.
  void close_all(std::function<void()> done);
  size_t descriptor_count() const;

private:
  ListenerSet();
  ~ListenerSet();
  class Listener;
  struct OfWaiting; // tags of lists
  struct OfMany;
  using Listeners = std::vector<RefPtr<Listener>>;
  struct Port {
    Listeners loopback, everywhere; // the latter none while loopback is all
    uint32_t payer = 0;
    Listeners all() const;
  };
  // A user at whose ports somebody waits for a place.
  struct Payer : ListLink<Payer> {
    uint32_t uid = 0;
    IntrusiveList<Listener, OfWaiting> waiting; // in the order in which they came
  };
  static NtStatus listen(Listeners &listeners, uint16_t port, Scope scope, std::span<const int> beside);
  void close_listeners(Listeners listeners, std::function<void()> closed);
  void take_over(int socket);
  void hand_on(int socket);
  void close_later(int socket);
  void work_later();
  bool take();
  bool poll() override;
  bool has_work() const { return !m_accepted_sockets.empty() || !m_sockets_to_close.empty(); }
  bool before_sleep() override { return !has_work(); }
  void flush() override { m_slice = new_slice(); } // the turn is over
  static platform::Slice new_slice() { return platform::Slice(limits::kAcceptsAtOnce); }
  uint64_t descriptors_allow() const;
  uint64_t connections_allowed() const;
  bool is_full() const { return connection_count() + m_promised >= connections_allowed(); }
  bool is_nearly_full() const;
  void take_back_nearly_full();
  bool must_wait();
  void waits(Listener &listener);
  void waits_no_more(Listener &listener);
  Listener &next_waiting();
  void note_descriptor_free();
  void resume();
  std::map<uint16_t, Port> m_ports;
  std::vector<uint16_t> m_new_ports; // some of whose sockets do not accept yet
  bool m_is_closed = false;
  void (*m_accepted)(int socket) = nullptr;
  ke::CoreId m_next_core = 0;
  std::deque<int> m_accepted_sockets; // that are not with their core yet
  std::deque<int> m_sockets_to_close; // accepted ones that have waited for a place with listeners that close
  platform::Slice m_slice = new_slice(); // of this turn
  uint64_t m_descriptors = UINT64_MAX;
  uint64_t m_most = UINT64_MAX;
  uint64_t m_listeners = 0; // sockets, those included that are being closed
  uint64_t m_kept_beyond = 0; // accepted sockets without a place that are not the first of their listener
  std::atomic<uint64_t> m_connections{0};
  std::atomic<bool> m_wants_resume{false};     // when a descriptor is free
  std::map<uint32_t, Payer> m_payers;          // by uid
  IntrusiveList<Payer> m_turns;                // all of these, the next one first
  IntrusiveList<Listener, OfMany> m_take_many; // whose accepts in flight bring whoever comes, and have not been taken back
  uint64_t m_promised = 0;                     // places whose listeners have not accepted yet
  ke::Outage m_full;
  IdleRelief m_relief;
};

}
