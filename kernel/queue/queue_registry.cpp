// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/queue/queue_registry.h"
#include "kernel/base/canary.h"
#include "kernel/io/channel.h"
#include "kernel/limits.h"
#include "kernel/ns/namespace.h"
#include "kernel/ob/id_table.h"
#include "kernel/queue/request_queue.h"
#include "kernel/se/access.h"
#include "kernel/url/utf.h"
#include <cstring>
#include <fmt/format.h>

namespace httpsys::queue {

static std::u16string folded(const std::u16string &name)
{
  std::u16string result = name;
  for (char16_t &c : result)
    if (c >= u'a' && c <= u'z')
      c = static_cast<char16_t>(c - u'a' + u'A');
  return result;
}

static std::string printable(const std::u16string &name)
{
  return url::quoted(name);
}

QueueRegistry &QueueRegistry::instance()
{
  static QueueRegistry registry;
  return registry;
}

static Result<std::u16string> parse_name(const io::Irp &irp)
{
  hsys_queue_name head;
  auto parameters = irp.parameters();
  std::memcpy(&head, parameters.data(), sizeof head);
  if (head.reserved0 != 0 || head.name_bytes % 2 != 0 || head.name_bytes != parameters.size() - sizeof head)
    return NtStatus::InvalidParameter;
  std::u16string name(head.name_bytes / 2, u'\0');
  std::memcpy(name.data(), parameters.data() + sizeof head, head.name_bytes);
  return name;
}

NtStatus QueueRegistry::open(const io::Irp &irp, const std::u16string &name, ob::HandleTarget &target, std::string &reason)
{
  auto found = m_names.find(folded(name));
  if (found == m_names.end()) {
    reason = "there is no request queue named " + printable(name) +
             "; its owner creates it without HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING";
    return NtStatus::ObjectNameNotFound;
  }
  Queue &queue = m_queues.at(found->second);
  if (!se::may_open_queue(queue.creator.uid, irp.uid()) && !is_broken(Canary::QueueOfOthers)) {
    reason = "request queue " + printable(name) + " belongs to uid " + std::to_string(queue.creator.uid) + "; uid " +
             std::to_string(irp.uid()) + " may not open it";
    return NtStatus::AccessDenied;
  }
  if (auto why = m_handle_quota.refusal(irp.client())) {
    reason = *why;
    return NtStatus::InsufficientResources;
  }
  m_handle_quota.take(irp.client());
  queue.handles++;
  target = {found->second, ob::id_core(found->second), ob::kRightReceive, queue.version_1, false};
  return NtStatus::Success;
}

NtStatus QueueRegistry::create(const io::Irp &irp, const std::u16string &name, ob::HandleTarget &target, std::string &reason)
{
  if (!name.empty() && m_names.contains(folded(name))) {
    reason = "a request queue named " + printable(name) + " exists; open it with HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING";
    return NtStatus::ObjectNameCollision;
  }
  auto why = m_queue_quota.refusal(irp.client());
  if (!why)
    why = m_handle_quota.refusal(irp.client());
  if (why) {
    reason = *why;
    return NtStatus::InsufficientResources;
  }
  bool version_1 = (irp.entry().op_flags & HSYS_QUEUE_VERSION_1) != 0;
  ke::CoreId home = irp.channel().core;
  uint64_t id = static_cast<uint64_t>(m_generation++) << 32 | static_cast<uint64_t>(ob::IdType::RequestQueue) << 28 |
                static_cast<uint64_t>(home) << 20;
  m_queues[id] = {name, irp.client(), 1, version_1};
  m_queue_quota.take(irp.client());
  m_handle_quota.take(irp.client());
  if (!name.empty())
    m_names[folded(name)] = id;
  ke::Cores::instance().run_on(home, [id, user = requests_of_user(irp.uid())]() mutable { RequestQueue::create(id, std::move(user)); });
  target = {id, home, ob::kRightReceive | ob::kRightConfigure, version_1, false};
  return NtStatus::Success;
}

// On the channel's core: the session gets its handle.
static void give_handle(io::IrpPtr irp, const ob::HandleTarget &target)
{
  io::Channel *channel = io::Channel::find(irp->channel().number);
  const bool has_ended = !channel || channel->is_ending();
  auto handle = has_ended ? Result<uint64_t>(NtStatus::Cancelled) : channel->handles().add(target);
  if (handle.is_error()) {
    ke::Cores::instance().run_on(0, [queue = target.queue, client = irp->client()] { QueueRegistry::instance().release(queue, client); });
    // The share of a process, where that is less, has refused it on core 0 already.
    std::string why = has_ended ? "the session has ended"
                                : fmt::format("this session has {} request queue handles, and may have {} (kHandlesCeiling)",
                                    channel->handles().count(), limits::kHandlesCeiling);
    return io::complete(std::move(irp), handle.error(), std::move(why));
  }
  io::complete(std::move(irp), io::completion_with_id(*handle));
}

void QueueRegistry::create_or_open(io::IrpPtr irp)
{
  auto name = parse_name(*irp);
  bool opens = (irp->entry().op_flags & HSYS_QUEUE_OPEN_EXISTING) != 0;
  if (name.is_error() || (opens && name->empty()))
    return io::complete(std::move(irp), NtStatus::InvalidParameter, "opening a request queue takes its name");
  if (name->find(u'\\') != name->npos || name->find(u'\0') != name->npos)
    return io::complete(std::move(irp), NtStatus::ObjectNameInvalid, "the name of a request queue has no backslash and no NUL in it");
  ob::HandleTarget target;
  std::string reason;
  NtStatus status = opens ? open(*irp, *name, target, reason) : create(*irp, *name, target, reason);
  if (!is_success(status))
    return io::complete(std::move(irp), status, std::move(reason));
  ke::CoreId core = irp->channel().core;
  auto given = std::make_unique<ob::HandleTarget>(target);
  ke::Cores::instance().run_on(core, [irp = std::move(irp), given = std::move(given)]() mutable { give_handle(std::move(irp), *given); });
}

const char *QueueRegistry::unsound() const
{
  se::Quota queues(se::kRequestQueues);
  uint64_t handles = 0;
  for (const auto &[id, queue] : m_queues) {
    queues.take(queue.creator);
    handles += queue.handles;
  }
  return queues != m_queue_quota ? se::kRequestQueues.plural : handles != m_handle_quota.count() ? se::kHandles.plural : nullptr;
}

void QueueRegistry::release(uint64_t queue_id, const se::Client &client)
{
  if (!is_broken(Canary::HandleNotGivenBack))
    m_handle_quota.give(client);
  auto found = m_queues.find(queue_id);
  VERIFY(found != m_queues.end() && found->second.handles > 0);
  if (--found->second.handles > 0)
    return;
  if (!found->second.name.empty())
    m_names.erase(folded(found->second.name));
  m_queue_quota.give(found->second.creator);
  m_queues.erase(found);
  ns::Namespace::instance().queue_gone(queue_id);
  ke::Cores::instance().run_on(ob::id_core(queue_id), [queue_id] { RequestQueue::destroy(queue_id); });
}

}
