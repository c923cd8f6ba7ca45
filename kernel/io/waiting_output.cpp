// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/waiting_output.h"
#include "uapi/abi.h"
#include <algorithm>
#include <iterator>

namespace httpsys::io {

static constexpr const char kTotalKey[] = "WaitingOutputBytesTotal";

namespace {

struct Bound {
  WaitingOutput::Total &total;
  uint64_t most;
  const char *key;
};

}

// Only what fits is ever counted: another core must not be refused for what is about to be taken back.
static bool add(const Bound &bound, uint64_t bytes)
{
  uint64_t now = bound.total.load(std::memory_order_relaxed);
  do {
    if (now + bytes > bound.most)
      return false;
  } while (!bound.total.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
  return true;
}

static Bound bound(WaitingOutput::Total &total, uint64_t share, const char *key, uint64_t part_of_all)
{
  const uint64_t part = std::max<uint64_t>(part_of_all, HSYS_BLOCK_MAX);
  return share <= part ? Bound{total, share, key} : Bound{total, part, kTotalKey};
}

const char *WaitingOutput::take(uint64_t bytes)
{
  const auto &clients = se::shares();
  const auto &share = clients.waiting_output_bytes;
  // Who has next to nothing is not cut off for what others have.
  const bool is_small = m_process->load(std::memory_order_relaxed) + bytes <= HSYS_BLOCK_MAX;
  const uint64_t all = clients.waiting_output_bytes_total ? clients.waiting_output_bytes_total : UINT64_MAX;
  const Bound bounds[] = {bound(*m_process, share.process, "WaitingOutputBytesPerProcess", all / 4),
                          bound(*m_user, share.user, "WaitingOutputBytesPerUser", all / 2),
                          {*m_all, is_small ? UINT64_MAX : all, kTotalKey}};
  for (size_t taken = 0; taken < std::size(bounds); taken++) {
    if (add(bounds[taken], bytes))
      continue;
    const char *key = bounds[taken].key;
    while (taken > 0)
      bounds[--taken].total.fetch_sub(bytes, std::memory_order_relaxed);
    return key;
  }
  return nullptr;
}

void WaitingOutput::give(uint64_t bytes)
{
  for (Total *total : {m_process.get(), m_user.get(), m_all.get()})
    total->fetch_sub(bytes, std::memory_order_relaxed);
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
  return {m_all, find_or_make(m_users, client.uid), find_or_make(m_processes, client.process)};
}

}
