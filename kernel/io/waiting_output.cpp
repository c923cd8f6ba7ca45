// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/waiting_output.h"
#include "uapi/abi.h"
#include <algorithm>
#include <iterator>

namespace httpsys::io {

static constexpr se::Total kTotal{&Config::Clients::waiting_output_bytes_total, "WaitingOutputBytesTotal", HSYS_BLOCK_MAX};

namespace {

struct Counted {
  WaitingOutput::Total &total;
  se::Bound may;
  const char *share; // its key
};

}

// Only what fits is ever counted: another core must not be refused for what is about to be taken back.
static bool add(const Counted &counted, uint64_t bytes)
{
  uint64_t now = counted.total.load(std::memory_order_relaxed);
  do {
    if (now + bytes > counted.may.most)
      return false;
  } while (!counted.total.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
  return true;
}

// Other cores may count meanwhile: one result more or less.
uint64_t WaitingOutput::of_others() const
{
  const uint64_t user = m_user->load(std::memory_order_relaxed), all = m_all->load(std::memory_order_relaxed);
  return all > user ? all - user : 0;
}

const char *WaitingOutput::take(uint64_t bytes, uint64_t *most)
{
  const auto &share = se::shares().waiting_output_bytes;
  // Who has next to nothing is not cut off for what others have.
  const bool is_small = m_process->load(std::memory_order_relaxed) + bytes <= HSYS_BLOCK_MAX;
  const uint64_t all = kTotal.all();
  const uint64_t left = is_small || all == UINT64_MAX ? all : all - std::min(of_others(), all);
  const Counted counted[] = {{*m_process, se::bound_of(share.process, kTotal, all, limits::kProcessPart), "WaitingOutputBytesPerProcess"},
                             {*m_user, se::bound_of(share.user, kTotal, left, limits::kUserPart), "WaitingOutputBytesPerUser"},
                             {*m_all, {is_small ? UINT64_MAX : all, false}, nullptr}};
  for (size_t taken = 0; taken < std::size(counted); taken++) {
    if (add(counted[taken], bytes))
      continue;
    const char *key = counted[taken].may.is_share ? counted[taken].share : kTotal.name;
    if (most)
      *most = counted[taken].may.most;
    while (taken > 0)
      counted[--taken].total.fetch_sub(bytes, std::memory_order_relaxed);
    return key;
  }
  return nullptr;
}

void WaitingOutput::give(uint64_t bytes)
{
  // Backwards, so that in between nobody seems to have more than he has.
  for (Total *total : {m_all.get(), m_user.get(), m_process.get()})
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
