// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/ledger.h"
#include "tools/fuzz/answer.h"
#include "tools/fuzz/attached_target.h"
#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <thread>

namespace httpsys::fuzz {

static constexpr std::chrono::seconds kTimeToForget{2};
static constexpr int kLooks = 20;
static constexpr std::chrono::milliseconds kTimeBetweenLooks{23};

// Memory comes near to what the daemon keeps when it has been used, M, by some share of what is missing with each part of an attack. The
// third part after the first then adds at most M * 27/256; seen are some 8 MiB a core for M.
static constexpr size_t kGrowths = 3;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static constexpr uint64_t kSlack = 16u << 20, kSlackOfCore = 4u << 20; // a sanitizer's own pieces are larger
#else
static constexpr uint64_t kSlack = 4u << 20, kSlackOfCore = 1u << 20;
#endif

namespace {

struct Count {
  const char *what;
  uint64_t hsys_control_stats::*number;
};

constexpr Count kCounts[] = {{"sessions", &hsys_control_stats::sessions},
                         {"channels", &hsys_control_stats::channels},
                         {"pending operations", &hsys_control_stats::irps_pending},
                         {"lent blocks", &hsys_control_stats::blocks_lent},
                         {"handles", &hsys_control_stats::handles},
                         {"connections", &hsys_control_stats::connections},
                         {"queued requests", &hsys_control_stats::requests_queued},
                         {"delivered requests", &hsys_control_stats::requests_delivered},
                         {"request queues", &hsys_control_stats::request_queues},
                         {"URL groups", &hsys_control_stats::url_groups},
                         {"URLs", &hsys_control_stats::urls},
                         {"descriptors", &hsys_control_stats::descriptors}};

}

std::optional<Finding> find_leak(const hsys_control_stats &before, const hsys_control_stats &now)
{
  for (const Count &row : kCounts)
    if (now.*row.number > before.*row.number)
      return Finding{"leaked", fmt::format("{} {} 2 s after all sessions have ended, {} before", now.*row.number, row.what,
                                           before.*row.number)};
  return std::nullopt;
}

void MemoryGrowth::add(uint64_t resident_bytes)
{
  m_has_grown = !m_values.empty() && resident_bytes > m_values.back() + kSlack + m_cores * kSlackOfCore;
  if (!m_has_grown && !m_values.empty())
    m_values.clear();
  m_values.push_back(resident_bytes);
  m_looks++;
}

bool MemoryGrowth::is_in_doubt() const
{
  return m_looks < 2 || (m_has_grown && !leak());
}

std::optional<Finding> MemoryGrowth::leak() const
{
  if (m_values.size() <= kGrowths)
    return std::nullopt;
  std::string text;
  for (uint64_t value : m_values)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", value >> 10);
  return Finding{"leaked", fmt::format("{} KiB of memory 2 s after all sessions have ended, each time after as long an attack", text)};
}

Ledger::Ledger(std::unique_ptr<Link> link) : m_client(std::move(link))
{
  m_client.say_hello("httpsys-ring-fuzz");
}

// Nullopt: it does not tell this user.
std::optional<hsys_control_stats> Ledger::ask()
{
  m_client.send(HSYS_CONTROL_STATS, HeadAlone{});
  auto stats = wait_for<hsys_control_stats>(m_client, HSYS_CONTROL_STATS_ANSWER);
  if (!stats)
    throw Finding{"refused others", m_client.link().has_ended() ? "the session of a client that only asks for STATS has ended"
                                                               : "STATS is not answered for 5 s, while PING is"};
  return stats->head.status == 0 ? stats : std::nullopt;
}

bool Ledger::take_first_value()
{
  auto welcome = wait_for<hsys_control_welcome>(m_client, HSYS_CONTROL_WELCOME);
  if (!welcome)
    throw Finding{"refused others", "HELLO is not answered"};
  m_growth = MemoryGrowth(welcome->cores);
  m_first = ask();
  if (!m_first)
    return false;
  *m_first = look([](uint64_t one, uint64_t other) { return std::max(one, other); });
  fmt::print("before the attack the daemon has {} KiB of memory\n", m_first->resident_bytes >> 10);
  return true;
}

// Within half a second.
template <typename Choose>
hsys_control_stats Ledger::look(Choose choose)
{
  hsys_control_stats chosen{};
  for (int count = 0; count < kLooks; count++) {
    auto now = ask();
    if (!now)
      throw Finding{"refused others", "STATS is refused, and was answered before"};
    auto take = [&](uint64_t hsys_control_stats::*number) {
      chosen.*number = count == 0 ? (*now).*number : choose(chosen.*number, (*now).*number);
    };
    for (const Count &row : kCounts)
      take(row.number);
    take(&hsys_control_stats::resident_bytes);
    std::this_thread::sleep_for(kTimeBetweenLooks);
  }
  return chosen;
}

void Ledger::compare()
{
  if (!m_first)
    return;
  std::this_thread::sleep_for(kTimeToForget);
  const hsys_control_stats now = look([](uint64_t one, uint64_t other) { return std::min(one, other); });
  fmt::print("2 s after {} of it the daemon has {} KiB of memory\n", m_parts++ == 0 ? "half" : "more", now.resident_bytes >> 10);
  std::fflush(stdout);
  if (auto leak = find_leak(*m_first, now))
    throw Finding(*leak);
  m_growth.add(now.resident_bytes);
  if (auto leak = m_growth.leak())
    throw Finding(*leak);
}

}
