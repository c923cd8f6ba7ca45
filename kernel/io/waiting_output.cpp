// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/waiting_output.h"

namespace httpsys::io {

static bool add(WaitingOutput::Total &total, uint64_t bytes, uint64_t most)
{
  if (total.fetch_add(bytes, std::memory_order_relaxed) + bytes <= most)
    return true;
  total.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

const char *WaitingOutput::take(uint64_t bytes)
{
  const Config::Share &share = se::shares().waiting_output_bytes;
  if (!add(*m_process, bytes, share.process))
    return "WaitingOutputBytesPerProcess";
  if (add(*m_user, bytes, share.user))
    return nullptr;
  m_process->fetch_sub(bytes, std::memory_order_relaxed);
  return "WaitingOutputBytesPerUser";
}

void WaitingOutput::give(uint64_t bytes)
{
  m_process->fetch_sub(bytes, std::memory_order_relaxed);
  m_user->fetch_sub(bytes, std::memory_order_relaxed);
}

template <typename Key>
static std::shared_ptr<WaitingOutput::Total> find_or_make(std::map<Key, std::weak_ptr<WaitingOutput::Total>> &totals, Key key)
{
  std::erase_if(totals, [](const auto &entry) { return entry.second.expired(); });
  auto &place = totals[key];
  auto total = place.lock();
  if (!total)
    place = total = std::make_shared<WaitingOutput::Total>(0);
  return total;
}

WaitingOutput WaitingOutputs::of(const se::Client &client)
{
  return {find_or_make(m_users, client.uid), find_or_make(m_processes, client.process)};
}

}
