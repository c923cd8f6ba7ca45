// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/irp_queue.h"
#include "kernel/io/parked_table.h"
#include "kernel/io/per_core.h"

namespace httpsys::io {

static PerCore<ParkedTable> s_parked;

static ke::CoreId current_core()
{
  auto *core = ke::Core::current_or_null();
  return core ? core->id() : 0;
}

IrpQueue::~IrpQueue()
{
  VERIFY(is_empty());
}

void IrpQueue::enter(Irp &irp)
{
  VERIFY(!irp.m_completed);
  irp.m_queue = this;
  s_parked.here().insert(irp);
  ke::CoreId core = current_core();
  irp.m_parked_core.store(core, std::memory_order_seq_cst);
  if (!irp.is_cancel_requested())
    return;
  ke::Cores::instance().post(core, [channel = irp.channel(), id = irp.entry().irp_id] { cancel_parked(channel, id); });
}

void IrpQueue::park(IrpPtr irp)
{
  Irp &parked = *irp.release();
  m_irps.append(parked);
  enter(parked);
}

void IrpQueue::park_first(IrpPtr irp)
{
  Irp &parked = *irp.release();
  m_irps.prepend(parked);
  enter(parked);
}

IrpPtr IrpQueue::unlink(Irp &irp)
{
  VERIFY(irp.m_queue == this && irp.m_parked_core.load(std::memory_order_relaxed) == current_core());
  m_irps.remove(irp);
  s_parked.here().remove(irp);
  irp.m_queue = nullptr;
  irp.m_parked_core.store(Irp::kNotParked, std::memory_order_seq_cst);
  return IrpPtr(&irp);
}

IrpPtr IrpQueue::take_first()
{
  Irp *irp = m_irps.first();
  return irp ? unlink(*irp) : nullptr;
}

IrpPtr IrpQueue::take(Irp &irp)
{
  return unlink(irp);
}

void IrpQueue::complete_all(NtStatus status, const std::string &reason)
{
  while (auto irp = take_first())
    complete(std::move(irp), status, reason);
}

bool IrpQueue::cancel_parked(ChannelAddress channel, uint32_t irp_id)
{
  Irp *irp = s_parked.here().find(channel.number, irp_id);
  if (!irp)
    return false;
  IrpQueue &queue = *irp->m_queue;
  IrpPtr owned = queue.unlink(*irp);
  // A handler may park it again, because it must run to its end: that is no reason to be told again.
  owned->m_cancel_requested.store(false, std::memory_order_seq_cst);
  if (queue.m_handler)
    queue.m_handler->on_irp_cancelled(queue, std::move(owned));
  else
    complete(std::move(owned), NtStatus::Cancelled);
  return true;
}

size_t IrpQueue::parked_here()
{
  return s_parked.here().size();
}

}
