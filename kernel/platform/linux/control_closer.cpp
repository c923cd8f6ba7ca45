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

static constexpr uint32_t kCommonLane = 0; // of all who come when there are no more

// On a lane's thread. Not the last close while the process keeps the file; otherwise its client can make this one wait.
static void close_for(ClosingProcess &process, Closing closing)
{
  const bool runs = process.runs();
  if (runs && closing.can_wait)
    closing.number = process.keep(closing.descriptor).value_or(0);
  if (!runs || closing.number == 0)
    return close_here(closing);
  const bool has_messages = std::exchange(closing.has_messages, false);
  close_here(closing);
  process.close(closing.number, closing.lane, has_messages);
}

ControlCloser::~ControlCloser()
{
  m_process->say_goodbye();
}

Result<void> ControlCloser::make_memory()
{
  if (m_memory)
    return {};
  void *memory = mmap(nullptr, sizeof *m_memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return status_from_errno(errno);
  m_memory = static_cast<ClosingMemory *>(memory);
  m_used_lanes[{kNoUser, Kind::Shared}] = kCommonLane;
  for (uint32_t lane = limits::kClosingLanes; --lane > kCommonLane;)
    m_free_lanes.push_back(lane);
  return {};
}

Result<void> ControlCloser::start()
{
  TRY(make_memory());
  return m_lanes.start(limits::kClosersOwn, kCloserStack,
                       [process = m_process](const Closing &closing) { close_for(*process, closing); });
}

Result<void> ControlCloser::start_process(std::string &reason)
{
  if (auto made = make_memory(); made.is_error()) {
    reason = std::strerror(errno);
    return made;
  }
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  m_kept_most = limit.rlim_cur - std::min<uint64_t>(limit.rlim_cur, limits::kDescriptorsSpareLeast);
  TRY(m_process->start(*m_memory, reason));
  reason = "no thread can be started";
  return start();
}

// Its number, 0 when the process does not have it.
uint64_t ControlCloser::take_kept(int descriptor)
{
  const auto kept = m_kept.extract(descriptor);
  if (!kept)
    return 0;
  const auto users = m_kept_of_user.find(kept.mapped().uid);
  if (--users->second == 0)
    m_kept_of_user.erase(users);
  return kept.mapped().number;
}

// No user has more than half of them. What others are about to keep at the same time is not counted yet: as many as there are helpers, for
// which the daemon has descriptors to spare.
bool ControlCloser::can_keep(uint32_t uid)
{
  const auto kept = m_kept_of_user.find(uid);
  uint64_t all = m_kept.size(), users = kept == m_kept_of_user.end() ? 0 : kept->second;
  for (const auto &[key, lane] : m_used_lanes) {
    const uint32_t count = m_memory->lanes[lane].childs.count;
    all += count;
    users += key.first == uid ? count : 0;
  }
  return all < m_kept_most && users < m_kept_most / 2;
}

Result<void> ControlCloser::share(int descriptor, uint32_t uid)
{
  if (!m_process->runs())
    return {};
  {
    std::lock_guard lock(m_mutex);
    if (!can_keep(uid))
      return NtStatus::InsufficientResources;
  }
  const auto number = m_process->keep(descriptor); // not with the mutex: it may wait
  std::lock_guard lock(m_mutex);
  if (number) {
    m_kept[descriptor] = {*number, uid};
    m_kept_of_user[uid]++;
  } else if (m_process->runs())
    return NtStatus::InsufficientResources;
  return {};
}

uint32_t ControlCloser::lane_of(LaneKey key)
{
  if (auto used = m_used_lanes.find(key); used != m_used_lanes.end())
    return used->second;
  if (m_free_lanes.empty())
    forget_empty_lanes();
  if (m_free_lanes.empty())
    return kCommonLane;
  const uint32_t lane = m_free_lanes.back();
  m_free_lanes.pop_back();
  m_used_lanes[key] = lane;
  m_memory->lanes[lane].daemons.spent = m_memory->lanes[lane].childs.spent = 0;
  return lane;
}

void ControlCloser::close(int descriptor, uint32_t uid, Kind kind)
{
  std::lock_guard lock(m_mutex);
  const uint32_t lane = lane_of({uid, kind});
  LaneCount &count = m_memory->lanes[lane].daemons;
  count.count.fetch_add(1, std::memory_order_relaxed);
  m_lanes.add({.descriptor = descriptor,
               .lane = lane,
               .has_messages = kind == Kind::Control,
               .can_wait = kind == Kind::Control && m_controls_can_wait,
               .number = take_kept(descriptor),
               .count = &count});
}

// The process's own count stays as it is once that has gone, whose end has closed what it had. What the daemon counts down here has been
// counted up there before.
size_t ControlCloser::count(uint32_t lane)
{
  const auto &counts = m_memory->lanes[lane];
  const size_t daemons = counts.daemons.count.load(std::memory_order_acquire);
  return daemons + (m_process->runs() ? counts.childs.count.load(std::memory_order_acquire) : 0);
}

// By one close, or by many of which each ends just in time. What waits for a thread takes no time of its own.
static bool takes_long(const LaneCount &lane, Milliseconds now)
{
  const uint64_t since = lane.since;
  const uint64_t took = since != 0 && now > since ? now - since : 0;
  return took >= limits::kCloseHeldMilliseconds || lane.spent + took >= limits::kClosesHeldMilliseconds;
}

bool ControlCloser::is_held(uint32_t lane, Milliseconds now)
{
  const auto &counts = m_memory->lanes[lane];
  return takes_long(counts.daemons, now) || (takes_long(counts.childs, now) && m_process->runs());
}

void ControlCloser::forget_empty_lanes()
{
  std::erase_if(m_used_lanes, [this](const auto &used) {
    if (used.second == kCommonLane || count(used.second) != 0)
      return false;
    m_free_lanes.push_back(used.second);
    return true;
  });
}

size_t ControlCloser::waiting()
{
  std::lock_guard lock(m_mutex);
  forget_empty_lanes();
  const Milliseconds now = monotonic_milliseconds();
  size_t all = 0;
  for (const auto &[key, lane] : m_used_lanes) {
    const size_t closes = count(lane);
    const size_t left_out = !is_held(lane, now) ? 0 : key.second == Kind::Control ? limits::kClosesHeldPerUser : closes;
    all += closes - std::min(left_out, closes);
  }
  return all;
}

std::vector<HeldCloses> ControlCloser::held()
{
  std::lock_guard lock(m_mutex);
  forget_empty_lanes();
  const Milliseconds now = monotonic_milliseconds();
  std::vector<HeldCloses> held;
  for (const auto &[key, lane] : m_used_lanes) { // a user's are side by side
    const auto [uid, kind] = key;
    if (!is_held(lane, now))
      continue;
    if (held.empty() || held.back().uid != uid)
      held.push_back({uid, 0});
    held.back().count += count(lane);
  }
  return held;
}

}
