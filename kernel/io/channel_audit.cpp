// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/channel_impl.h"

namespace httpsys::io {

const char *Channel::Impl::unsound() const
{
  uint32_t admitted = 0, irps = 0, behind_core_0 = 0;
  uint64_t bytes = 0;
  slots.for_each_admitted([&](const Irp *irp) {
    admitted++;
    if (!irp)
      return;
    irps++;
    behind_core_0 += irp->m_is_with_core_0 ? 1 : 0;
    bytes += irp->parameters().size();
  });
  const Admission &credit = completions.admission();
  if (admitted != credit.in_flight())
    return "credit: operations that are in progress";
  if (irps + waiting.size() != admitted)
    return "operations: those that run and those whose results wait";
  if (behind_core_0 != with_core_0)
    return "operations with core 0";
  if (bytes != parameter_bytes)
    return "bytes of parameters";
  if (credit.in_flight() + (credit.tail() - credit.head()) > slots.slot_count())
    return "credit: operations in progress and entries that are not reaped";
  if (!is_ending && credit.tail() != credit.published())
    return "entries that are written and not published";
  return nullptr;
}

}
