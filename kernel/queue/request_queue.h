// SPDX-License-Identifier: GPL-3.0-or-later
// RequestQueue: receives that wait for requests and requests that wait for receives; never both. Owned by its home
// core, the core of the channel that created it; lives while any handle to it is open (queue_registry.h).
#pragma once
#include "kernel/io/irp_queue.h"
#include "kernel/queue/waiting_requests.h"

namespace httpsys::queue {

class RequestQueue {
public:
  RequestQueue(uint64_t id, std::shared_ptr<UserRequests> user) : m_id(id), m_user(std::move(user)) {}
  ~RequestQueue();

  // The queue of that id on the current core; null when it has gone.
  static RequestQueue *find(uint64_t id);
  // user: of who creates it.
  static void create(uint64_t id, std::shared_ptr<UserRequests> user);
  // Ends the queue; what waits in it is refused, some in each turn (refused_requests.h).
  static void destroy(uint64_t id);

  // The daemon ends and no receive comes any more: what waits on this core is refused, some in each turn, and what comes.
  static void drain_this_core();

  uint64_t id() const { return m_id; }
  // Takes the oldest request or parks the receive (first in, first out).
  void receive(io::IrpPtr irp);
  void submit(QueuedRequest request);
  // At the head: a worker ended before it had received it.
  void put_back(QueuedRequest request);
  // The same for a receive: its request ended before it came.
  void receive_again(io::IrpPtr irp);
  void withdraw(uint64_t request_id) { m_requests->remove(request_id); }

  size_t waiting_requests() const { return m_requests->count(); }
  size_t parked_receives() const { return m_receives.size(); }

private:
  void refuse_waiting(Refusal why);
  bool take_request(io::IrpPtr &irp);
  void deliver(io::IrpPtr irp, QueuedRequest request);
  uint64_t m_id;
  std::shared_ptr<UserRequests> m_user;
  io::IrpQueue m_receives;
  std::unique_ptr<WaitingRequests> m_requests = std::make_unique<WaitingRequests>();
};

// Sum over the current core's queues, those included that have gone.
size_t queued_requests_on_this_core();

}
