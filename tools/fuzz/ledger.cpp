// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/ledger.h"
#include "tools/fuzz/answer.h"
#include "tools/fuzz/attached_target.h"
#include <algorithm>
#include <fmt/format.h>
#include <thread>

namespace httpsys::fuzz {

static constexpr std::chrono::seconds kTimeToForget{2};
static constexpr int kLooks = 20;
static constexpr std::chrono::milliseconds kTimeBetweenLooks{23};

// Resident bytes. Grown pools and the allocator's pieces: seen are 9 MiB with one core, 14 with two.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static constexpr uint64_t kSlack = 32u << 20, kSlackOfCore = 16u << 20; // a sanitizer's own are larger
#else
static constexpr uint64_t kSlack = 8u << 20, kSlackOfCore = 8u << 20;
#endif

namespace {

struct Row {
  const char *what;
  uint64_t hsys_control_stats::*number;
  bool has_slack = false;
};

constexpr Row kRows[] = {{"sessions", &hsys_control_stats::sessions},
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
                         {"descriptors", &hsys_control_stats::descriptors},
                         {"resident bytes", &hsys_control_stats::resident_bytes, true}};

}

std::optional<Finding> find_leak(const hsys_control_stats &before, const hsys_control_stats &now, uint32_t cores)
{
  for (const Row &row : kRows)
    if (now.*row.number > before.*row.number + (row.has_slack ? kSlack + cores * kSlackOfCore : 0))
      return Finding{"leaked", fmt::format("{} {} 2 s after all sessions have ended, {} before", now.*row.number, row.what,
                                           before.*row.number)};
  return std::nullopt;
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
  m_cores = welcome->cores;
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
    for (const Row &row : kRows)
      chosen.*row.number = count == 0 ? (*now).*row.number : choose(chosen.*row.number, (*now).*row.number);
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
  fmt::print("2 s after it the daemon has {} KiB of memory\n", now.resident_bytes >> 10);
  if (auto leak = find_leak(*m_first, now, m_cores))
    throw Finding(*leak);
}

}
