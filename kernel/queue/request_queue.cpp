// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/request_queue.h"
#include "kernel/io/per_core.h"
#include "kernel/limits.h"
#include "kernel/queue/refused_requests.h"
#include "kernel/queue/request_ends.h"
#include <unordered_map>
#include <utility>

namespace httpsys::queue {

static io::PerCore<std::unordered_map<uint64_t, std::unique_ptr<RequestQueue>>> s_queues;
static io::PerCore<bool> s_draining;
static RequestOwner s_owner;

void register_request_owner(const RequestOwner &owner)
{
  s_owner = owner;
}

const RequestOwner &request_owner()
{
  return s_owner;
}

static void refuse(uint64_t request_id, Refusal why, uint32_t uid = 0)
{
  ke::Cores::instance().run_on(ob::id_core(request_id), [request_id, why, uid] { s_owner.refuse(request_id, why, uid); });
}

RequestQueue *RequestQueue::find(uint64_t id)
{
  auto &queues = s_queues.here();
  auto found = queues.find(id);
  return found == queues.end() ? nullptr : found->second.get();
}

void RequestQueue::create(uint64_t id, std::shared_ptr<UserRequests> user)
{
  VERIFY(!find(id));
  s_queues.here().emplace(id, std::make_unique<RequestQueue>(id, std::move(user)));
}

void RequestQueue::destroy(uint64_t id)
{
  // Taken out first: nobody finds it while it ends.
  auto queue = s_queues.here().extract(id);
}

RequestQueue::~RequestQueue()
{
  m_receives.complete_all(NtStatus::Cancelled);
  refuse_waiting(Refusal::QueueGone);
}

void RequestQueue::drain_this_core()
{
  s_draining.here() = true;
  for (auto &[id, queue] : s_queues.here())
    queue->refuse_waiting(Refusal::Draining);
}

void RequestQueue::refuse_waiting(Refusal why)
{
  RefusedRequests::here().add(m_id, std::exchange(m_requests, std::make_unique<WaitingRequests>()), why);
}

bool RequestQueue::take_request(io::IrpPtr &irp)
{
  auto request = m_requests->take_first();
  if (!request)
    return false;
  deliver(std::move(irp), std::move(*request));
  return true;
}

void RequestQueue::receive(io::IrpPtr irp)
{
  if (!take_request(irp))
    m_receives.park(std::move(irp));
}

void RequestQueue::receive_again(io::IrpPtr irp)
{
  if (!take_request(irp))
    m_receives.park_first(std::move(irp));
}

void RequestQueue::submit(QueuedRequest request)
{
  request.share = m_user->take();
  if (!request.share)
    return refuse(request.request_id, Refusal::UserFull, m_user->uid());
  if (auto irp = m_receives.take_first())
    return deliver(std::move(irp), std::move(request));
  if (s_draining.here())
    return refuse(request.request_id, Refusal::Draining);
  if (m_requests->count() >= limits::kRequestQueueLength)
    return refuse(request.request_id, Refusal::QueueFull);
  m_requests->append(std::move(request));
}

void RequestQueue::put_back(QueuedRequest request)
{
  if (auto irp = m_receives.take_first())
    return deliver(std::move(irp), std::move(request));
  if (s_draining.here())
    return RequestEnds().refuse(std::move(request), Refusal::Draining); // hundreds may come in a turn
  uint64_t id = request.request_id;
  m_requests->prepend(std::move(request));
  ke::Cores::instance().run_on(ob::id_core(id), [queue_id = m_id, id] { s_owner.returned(queue_id, id); });
}

void RequestQueue::deliver(io::IrpPtr irp, QueuedRequest request)
{
  ke::CoreId core = irp->channel().core;
  auto delivery = std::make_unique<Delivery>();
  delivery->irp = std::move(irp);
  delivery->request = std::move(request);
  ke::Cores::instance().run_on(core, [delivery = std::move(delivery)]() mutable { continue_delivery(std::move(delivery)); });
}

void submit_request(QueuedRequest request)
{
  auto owned = std::make_unique<QueuedRequest>(std::move(request));
  ke::CoreId home = ob::id_core(owned->queue_id);
  ke::Cores::instance().run_on(home, [owned = std::move(owned)] {
    if (auto *queue = RequestQueue::find(owned->queue_id))
      queue->submit(std::move(*owned));
    else
      refuse(owned->request_id, Refusal::QueueGone);
  });
}

void receive_again(io::IrpPtr irp)
{
  if (irp->entry().object_id != HSYS_NULL_ID)
    return io::complete(std::move(irp), NtStatus::ConnectionInvalid, kRequestGone);
  ke::CoreId home = irp->target().home_core;
  ke::Cores::instance().run_on(home, [irp = std::move(irp)]() mutable {
    if (auto *queue = RequestQueue::find(irp->target().queue))
      queue->receive_again(std::move(irp));
    else
      io::complete(std::move(irp), NtStatus::InvalidHandle, "the request queue has been closed");
  });
}

void return_request(QueuedRequest request)
{
  auto owned = std::make_unique<QueuedRequest>(std::move(request));
  ke::CoreId home = ob::id_core(owned->queue_id);
  // As a message in any case: it may meet a receive of a session that ends, and come back as often as there are such receives.
  ke::Cores::instance().post(home, [owned = std::move(owned)] {
    if (auto *queue = RequestQueue::find(owned->queue_id)) {
      queue->put_back(std::move(*owned));
      return;
    }
    RequestEnds().refuse(std::move(*owned), Refusal::QueueGone); // hundreds may come in a turn
  });
}

void withdraw_request(uint64_t queue_id, uint64_t request_id)
{
  ke::Cores::instance().run_on(ob::id_core(queue_id), [queue_id, request_id] {
    if (auto *queue = RequestQueue::find(queue_id))
      queue->withdraw(request_id);
    RefusedRequests::here().withdraw(queue_id, request_id);
  });
}

size_t queued_requests_on_this_core()
{
  size_t count = RefusedRequests::here().count();
  for (auto &[id, queue] : s_queues.here())
    count += queue->waiting_requests();
  return count;
}

}
