// SPDX-License-Identifier: GPL-3.0-or-later
// RequestQueue: receives that wait for requests and requests that wait for receives; never both. Owned by its home
// core, the core of the channel that created it; lives while any handle to it is open (queue_registry.h).
#pragma once
#include "kernel/io/irp_queue.h"
#include "kernel/queue/request_owner.h"
#include <unordered_map>

namespace httpsys::queue {

class RequestQueue {
public:
  RequestQueue(uint64_t id, std::shared_ptr<UserRequests> user) : m_id(id), m_user(std::move(user)) {}
  ~RequestQueue();

  // The queue of that id on the current core; null when it has gone.
  static RequestQueue *find(uint64_t id);
  // user: of who creates it.
  static void create(uint64_t id, std::shared_ptr<UserRequests> user);
  // Refuses what waits and ends the queue.
  static void destroy(uint64_t id);

  // The daemon ends and no receive comes any more: what waits on this core is refused, and what comes.
  static void drain_this_core();

  uint64_t id() const { return m_id; }
  // Takes the oldest request or parks the receive (first in, first out).
  void receive(io::IrpPtr irp);
  void submit(QueuedRequest request);
  // At the head: a worker ended before it had received it.
  void put_back(QueuedRequest request);
  // The same for a receive: its request ended before it came.
  void receive_again(io::IrpPtr irp);
  void withdraw(uint64_t request_id);

  size_t waiting_requests() const { return m_requests.size(); }
  size_t parked_receives() const { return m_receives.size(); }

private:
  void refuse_waiting(Refusal why);
  bool take_request(io::IrpPtr &irp);
  void deliver(io::IrpPtr irp, QueuedRequest request);
  uint64_t m_id;
  std::shared_ptr<UserRequests> m_user;
  io::IrpQueue m_receives;
  struct Waiting : ListLink<Waiting> {
    QueuedRequest request;
  };
  Waiting &enter(QueuedRequest request);
  // By id: what a session gives back when it ends has no limit, and each client of it may leave.
  std::unordered_map<uint64_t, Waiting> m_requests;
  IntrusiveList<Waiting> m_order; // the next one first
};

// Sum over the current core's queues, for STATS.
size_t queued_requests_on_this_core();

}
