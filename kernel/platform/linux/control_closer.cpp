// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/control_closer.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/errno_map.h"
#include "kernel/platform/linux/linux_system.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

namespace httpsys::platform {

static_assert(std::atomic<uint32_t>::is_always_lock_free); // two processes use it

Result<void> ControlCloser::make_slots()
{
  if (m_slots)
    return {};
  void *memory = mmap(nullptr, limits::kClosesFollowed * sizeof *m_slots, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return status_from_errno(errno);
  m_slots = static_cast<std::atomic<uint32_t> *>(memory);
  for (uint32_t slot = limits::kClosesFollowed; slot > 0; slot--)
    m_free_slots.push_back(slot - 1);
  return {};
}

Result<void> ControlCloser::start()
{
  TRY(make_slots());
  return m_lanes.start(limits::kClosers);
}

Result<void> ControlCloser::start_process(std::string &reason)
{
  if (auto made = make_slots(); made.is_error()) {
    reason = std::strerror(errno);
    return made;
  }
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  m_kept_most = limit.rlim_cur - std::min<uint64_t>(limit.rlim_cur, limits::kDescriptorsSpareLeast);
  TRY(m_process.start(m_slots, reason));
  reason = "no thread can be started";
  return m_lanes.start(1);
}

// Nothing when it cannot be kept.
std::optional<uint64_t> ControlCloser::keep(int descriptor)
{
  if (m_kept.size() + m_open.size() >= m_kept_most)
    return std::nullopt;
  if (!m_process.keep(++m_last_number, descriptor))
    return std::nullopt;
  return m_last_number;
}

Result<void> ControlCloser::share(int descriptor)
{
  std::lock_guard lock(m_mutex);
  if (!m_process.runs())
    return {};
  forget_closed();
  auto number = keep(descriptor);
  if (!number && m_process.runs())
    return NtStatus::InsufficientResources;
  if (number)
    m_kept.emplace(descriptor, *number);
  return {};
}

uint32_t ControlCloser::note_open(uint32_t uid)
{
  if (m_free_slots.empty())
    forget_closed();
  if (m_free_slots.empty())
    return ClosingProcess::kNoSlot;
  const uint32_t slot = m_free_slots.back();
  m_free_slots.pop_back();
  m_slots[slot].store(1, std::memory_order_relaxed);
  m_open.push_back({slot, uid, monotonic_milliseconds()});
  return slot;
}

void ControlCloser::close(int descriptor, uint32_t uid, bool has_messages)
{
  std::lock_guard lock(m_mutex);
  const uint32_t slot = note_open(uid);
  auto kept = m_kept.extract(descriptor);
  auto number = kept ? std::optional(kept.mapped()) : m_process.runs() ? keep(descriptor) : std::nullopt;
  if (!number)
    return m_lanes.add({descriptor, uid, has_messages, slot == ClosingProcess::kNoSlot ? nullptr : m_slots + slot});
  ::close(descriptor); // not the last one
  if (!m_process.close(*number, uid, has_messages, slot) && slot != ClosingProcess::kNoSlot)
    m_slots[slot].store(0, std::memory_order_relaxed);
}

void ControlCloser::close_own(int descriptor)
{
  m_lanes.add({descriptor, kNoUser, false, nullptr});
}

void ControlCloser::forget_closed()
{
  std::erase_if(m_open, [this](const Open &open) {
    if (m_slots[open.slot].load(std::memory_order_acquire) != 0)
      return false;
    m_free_slots.push_back(open.slot);
    return true;
  });
}

size_t ControlCloser::waiting()
{
  size_t count = 0;
  for (const auto &held_closes : held())
    count += held_closes.count;
  std::lock_guard lock(m_mutex);
  return m_open.size() - std::min(count, m_open.size());
}

std::vector<HeldCloses> ControlCloser::held()
{
  std::lock_guard lock(m_mutex);
  forget_closed();
  if (m_open.empty())
    return {};
  const Milliseconds now = monotonic_milliseconds();
  std::unordered_map<uint32_t, size_t> counts;
  for (const Open &open : m_open) // those who have one that has waited for too long
    if (now - open.since >= limits::kCloseHeldMilliseconds)
      counts.try_emplace(open.uid, 0);
  for (const Open &open : m_open)
    if (auto count = counts.find(open.uid); count != counts.end())
      count->second++;
  std::vector<HeldCloses> held;
  for (const auto &[uid, count] : counts)
    held.push_back({uid, count});
  return held;
}

}
