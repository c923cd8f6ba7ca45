// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/request_queue.h"
#include "kernel/limits.h"
#include <algorithm>
#include <unordered_map>

namespace httpsys::queue {

static thread_local std::unordered_map<uint64_t, std::unique_ptr<RequestQueue>> t_queues;
static RequestOwner s_owner;

void register_request_owner(const RequestOwner &owner)
{
  s_owner = owner;
}

const RequestOwner &request_owner()
{
  return s_owner;
}

static void refuse(uint64_t request_id, Refusal why)
{
  ke::Cores::instance().run_on(ob::id_core(request_id), [request_id, why] { s_owner.refuse(request_id, why); });
}

RequestQueue *RequestQueue::find(uint64_t id)
{
  auto found = t_queues.find(id);
  return found == t_queues.end() ? nullptr : found->second.get();
}

void RequestQueue::create(uint64_t id)
{
  VERIFY(!find(id));
  t_queues.emplace(id, std::make_unique<RequestQueue>(id));
}

void RequestQueue::destroy(uint64_t id)
{
  t_queues.erase(id);
}

RequestQueue::~RequestQueue()
{
  m_receives.complete_all(NtStatus::Cancelled);
  for (auto &request : m_requests)
    refuse(request.request_id, Refusal::QueueGone);
}

void RequestQueue::receive(io::IrpPtr irp)
{
  if (m_requests.empty())
    return m_receives.park(std::move(irp));
  auto request = std::move(m_requests.front());
  m_requests.pop_front();
  deliver(std::move(irp), std::move(request));
}

void RequestQueue::submit(QueuedRequest request)
{
  if (auto irp = m_receives.take_first())
    return deliver(std::move(irp), std::move(request));
  if (m_requests.size() >= limits::kRequestQueueLength)
    return refuse(request.request_id, Refusal::QueueFull);
  m_requests.push_back(std::move(request));
}

void RequestQueue::put_back(QueuedRequest request)
{
  if (auto irp = m_receives.take_first())
    return deliver(std::move(irp), std::move(request));
  m_requests.push_front(std::move(request));
}

void RequestQueue::withdraw(uint64_t request_id)
{
  auto found = std::ranges::find(m_requests, request_id, &QueuedRequest::request_id);
  if (found != m_requests.end())
    m_requests.erase(found);
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
  ke::CoreId home = irp->target().home_core;
  ke::Cores::instance().run_on(home, [irp = std::move(irp)]() mutable {
    if (auto *queue = RequestQueue::find(irp->target().queue))
      queue->receive(std::move(irp));
    else
      io::complete(std::move(irp), NtStatus::InvalidHandle, "the request queue has been closed");
  });
}

void return_request(QueuedRequest request)
{
  auto owned = std::make_unique<QueuedRequest>(std::move(request));
  ke::CoreId home = ob::id_core(owned->queue_id);
  ke::Cores::instance().run_on(home, [owned = std::move(owned)] {
    if (auto *queue = RequestQueue::find(owned->queue_id)) {
      queue->put_back(std::move(*owned));
      return;
    }
    refuse(owned->request_id, Refusal::QueueGone);
  });
}

void withdraw_request(uint64_t queue_id, uint64_t request_id)
{
  ke::Cores::instance().run_on(ob::id_core(queue_id), [queue_id, request_id] {
    if (auto *queue = RequestQueue::find(queue_id))
      queue->withdraw(request_id);
  });
}

size_t queued_requests_on_this_core()
{
  size_t count = 0;
  for (auto &[id, queue] : t_queues)
    count += queue->waiting_requests();
  return count;
}

}
