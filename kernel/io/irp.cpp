// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/irp.h"

namespace httpsys::io {

Irp::~Irp()
{
  VERIFY(m_completed);
}

std::optional<std::span<const uint8_t>> Irp::extent(uint32_t offset, uint32_t length) const
{
  if (!m_arena.memory.region())
    return std::nullopt;
  return m_arena.memory.body_span(m_arena.offset, m_arena.bytes, m_arena.offset + offset, length);
}

IrpPtr IrpOwner::make_irp(const Origin &origin, const hsys_sqe &entry, std::vector<uint8_t> parameters, const ob::HandleTarget &target,
                          const SendArena &arena)
{
  IrpPtr irp(new Irp);
  irp->m_owner = this;
  irp->m_entry = entry;
  irp->m_parameters = std::move(parameters);
  irp->m_session = origin.session;
  irp->m_channel = origin.channel;
  irp->m_client = origin.client;
  irp->m_target = target;
  irp->m_arena = arena;
  return irp;
}

static void hand_back(IrpOwner &owner, IrpPtr irp, IrpCompletion completion)
{
  owner.take_back(std::move(irp), std::move(completion));
}

void complete(IrpPtr irp, IrpCompletion completion)
{
  VERIFY(irp && !irp->m_queue && !irp->m_completed);
  VERIFY(completion.output.size() <= HSYS_BLOCK_MAX);
  irp->m_completed = true;
  IrpOwner &owner = *irp->m_owner;
  auto *core = ke::Core::current_or_null();
  ke::CoreId home = irp->m_channel.core;
  if (!core || core->id() == home)
    return hand_back(owner, std::move(irp), std::move(completion));
  irp->m_completion = std::move(completion);
  ke::Cores::instance().run_on(home, [irp = std::move(irp), &owner]() mutable {
    IrpCompletion arrived = std::move(irp->m_completion);
    hand_back(owner, std::move(irp), std::move(arrived));
  });
}

void complete(IrpPtr irp, NtStatus status, std::string reason)
{
  IrpCompletion completion;
  completion.status = status;
  completion.reason = std::move(reason);
  complete(std::move(irp), std::move(completion));
}

}
