// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/answer.h"
#include "tools/fuzz/attack.h"
#include "tools/fuzz/generator.h"
#include "tools/fuzz/heartbeat.h"
#include "tools/fuzz/ledger.h"
#include "tools/fuzz/run.h"
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <fmt/format.h>
#include <sys/resource.h>
#include <system_error>
#include <thread>

namespace httpsys::fuzz {

using Clock = std::chrono::steady_clock;

static constexpr size_t kLanes = 3;
static constexpr size_t kSessions = kLanes * (kClients + 2); // with the one of each that leaves, and the one that keeps to the rules
static constexpr rlim_t kDescriptors = 512;                  // of this program

// What the daemon gives a program by its limits, and the system this one, is found out before anything can be taken for a bug.
static void rehearse(AttachedTarget &target)
{
  rlimit own{};
  getrlimit(RLIMIT_NOFILE, &own);
  own.rlim_cur = own.rlim_max;
  setrlimit(RLIMIT_NOFILE, &own);
  if (own.rlim_cur < kDescriptors)
    throw Hindered{fmt::format("this program may have {} descriptors, an attack takes up to {}", own.rlim_cur, kDescriptors)};
  std::vector<std::unique_ptr<RingClient>> clients;
  while (clients.size() < kSessions) {
    std::string why;
    auto link = target.reach(why);
    if (!link)
      throw Hindered{why};
    clients.push_back(std::make_unique<RingClient>(std::move(link)));
    RingClient &client = *clients.back();
    client.say_hello("httpsys-ring-fuzz");
    bool is_welcome = wait_for<hsys_control_welcome>(client, HSYS_CONTROL_WELCOME).has_value();
    hsys_control_channel_open open{}; // as the client that keeps to the rules says it
    if (clients.size() > kLanes)
      open.sq_entries = open.cq_entries = 256, open.rx_bytes = open.tx_bytes = HSYS_ARENA_BYTES_MIN;
    if (is_welcome)
      client.send(HSYS_CONTROL_CHANNEL_OPEN, open);
    if (!is_welcome || !wait_for<hsys_control_channel_opened>(client, HSYS_CONTROL_CHANNEL_OPENED) || !client.is_open())
      throw Hindered{fmt::format("the daemon gives this program {} sessions with a channel, an attack takes {}: its log says why",
                                 clients.size() - 1, kSessions)};
  }
}

namespace {

class Attack {
public:
  Attack(AttachedTarget &target, std::unique_ptr<Link> link, uint64_t first_seed)
      : m_target(target), m_ledger(std::move(link)), m_next_seed(first_seed)
  {
    watch(m_all, [this] {
      if (auto finding = m_heartbeat.verdict()) // whose session is there now, as it will be afterwards
        throw Hindered{finding->text};
      m_is_reached = true;
      if (!m_ledger.take_first_value())
        fmt::print("leaks are not looked for: STATS is refused; it is answered to uid 0 and to the daemon's own user\n");
      std::fflush(stdout);
      rehearse(m_target);
      fmt::print("{} threads attack it\n", kLanes);
      std::fflush(stdout);
    });
  }

  // Each lane takes every third seed and a third of the steps, so that none has an effect on what the others do.
  void run_lanes(std::chrono::milliseconds time, uint64_t steps)
  {
    auto until = Clock::now() + time;
    const uint64_t first = m_next_seed;
    std::array<Outcome, kLanes> outcomes;
    forget_steps();
    watch(m_all, [&] {
      std::vector<std::jthread> threads; // which join, whatever happens
      for (size_t lane = 0; lane < kLanes; lane++) {
        Portion portion{until, steps > 0, (steps + kLanes - 1 - lane) / kLanes};
        threads.emplace_back([this, portion, seed = first + lane, &outcome = outcomes[lane]] { run_lane(outcome, seed, portion); });
      }
    });
    for (const Outcome &outcome : outcomes) {
      m_next_seed = std::max(m_next_seed, outcome.reproducer.seed + 1);
      add(outcome);
    }
  }

  void run_one_more()
  {
    Outcome outcome;
    forget_steps();
    watch(outcome, [&] { run_seed(outcome, m_next_seed++, [] { return true; }); });
    add(outcome);
  }

  void run_again(const Reproducer &reproducer)
  {
    Outcome outcome;
    outcome.reproducer = reproducer;
    forget_steps();
    watch(outcome, [&] {
      Run run(m_target, fmt::format("fuzz-{}", reproducer.seed), outcome.counts, m_marks);
      for (const Step &step : reproducer.program)
        run.step(step);
      run.finish();
      outcome.seeds++;
    });
    add(outcome);
  }

  // After each part, when all clients have left. True: only another part as long can tell whether the daemon loses memory. What was found
  // is of no use any more where nobody answers.
  bool look()
  {
    take_verdict(); // a daemon that hangs has stopped everybody, and answers no STATS either
    watch(m_all, [this] {
      if (!is_decided())
        m_ledger.compare();
    });
    take_verdict();
    return !is_decided() && m_ledger.is_in_doubt();
  }

  Outcome end() { return std::move(m_all); }
  const Outcome &all() const { return m_all; }
  bool is_decided() const { return m_all.has_finding || !m_all.hindrance.empty(); }

private:
  // Of one lane: some time, or a number of steps.
  struct Portion {
    Clock::time_point until;
    bool counts_steps;
    uint64_t steps;

    bool is_left() const { return counts_steps ? steps > 0 : Clock::now() < until; }
    bool take_step()
    {
      bool takes = is_left();
      steps -= takes && counts_steps;
      return takes;
    }
  };

  void run_lane(Outcome &outcome, uint64_t seed, Portion portion)
  {
    watch(outcome, [&] {
      for (; portion.is_left(); seed += kLanes)
        run_seed(outcome, seed, [&portion] { return portion.take_step(); });
    });
  }

  template <typename GoesOn>
  void run_seed(Outcome &outcome, uint64_t seed, GoesOn goes_on)
  {
    Program &program = outcome.reproducer.program;
    outcome.reproducer.seed = seed;
    program.clear();
    Run run(m_target, fmt::format("fuzz-{}", seed), outcome.counts, m_marks);
    Generator generator(seed);
    while (program.size() < kStepsOfSeed && goes_on())
      run.step(program.emplace_back(generator.next(run.cut_off())));
    run.finish();
    outcome.seeds++;
  }

  // Of a part that is over.
  void forget_steps()
  {
    m_all.reproducer.program.clear();
    m_all.others.clear();
  }

  void take_verdict()
  {
    if (auto finding = is_decided() ? std::nullopt : m_heartbeat.verdict())
      m_all.take(*finding);
  }

  void take(Outcome &outcome, const Finding &finding)
  {
    if (!m_is_found.exchange(true))
      outcome.take(finding);
  }

  // What is found in a daemon that hangs or is gone is just that. The others stop. Of several findings the first counts.
  template <typename Work>
  void watch(Outcome &outcome, Work work)
  {
    try {
      work();
      return;
    } catch (const Finding &finding) {
      take(outcome, m_heartbeat.verdict().value_or(finding));
    } catch (const Hindered &hindered) {
      auto finding = m_is_reached ? m_heartbeat.verdict() : std::nullopt;
      if (finding)
        take(outcome, *finding);
      else
        outcome.hindrance = hindered.why;
    } catch (const std::system_error &error) {
      outcome.hindrance = fmt::format("this program gets no thread: {}", error.what());
    } catch (const Stopped &) {
    }
    m_target.stop();
  }

  // The steps of whoever has the finding come first; without one they are of any of those who were there.
  void add(const Outcome &outcome)
  {
    m_all.counts.add(outcome.counts);
    m_all.seeds += outcome.seeds;
    if (m_all.hindrance.empty())
      m_all.hindrance = outcome.hindrance;
    Reproducer steps = outcome.reproducer;
    bool is_first = m_all.reproducer.program.empty();
    if (is_first || outcome.has_finding)
      std::swap(m_all.reproducer, steps);
    if (!is_first)
      m_all.others.push_back(std::move(steps));
    if (!outcome.has_finding)
      return;
    m_all.has_finding = true;
    m_all.kind = outcome.kind;
    m_all.text = outcome.text;
  }

  AttachedTarget &m_target;
  Ledger m_ledger;
  Heartbeat m_heartbeat{m_target};
  Marks m_marks;
  std::atomic<bool> m_is_found{false};
  bool m_is_reached = false;
  Outcome m_all;
  uint64_t m_next_seed; // that no lane has run
};

}

Outcome attack_seeds(AttachedTarget &target, std::unique_ptr<Link> link, uint64_t first, uint64_t seconds, uint64_t steps)
{
  Attack attack(target, std::move(link), first);
  const std::chrono::milliseconds half(seconds * 500);
  if (!attack.is_decided())
    attack.run_lanes(half, steps - steps / 2);
  for (uint64_t more = 0; more < kMoreSeeds && attack.all().counts.lacks() && !target.is_stopped(); more++)
    attack.run_one_more();
  attack.look();
  for (bool goes_on = steps != 1; goes_on && !attack.is_decided(); goes_on = attack.look())
    attack.run_lanes(half, steps / 2);
  Outcome outcome = attack.end();
  if (outcome.hindrance.empty())
    outcome.demand_some_of_all();
  return outcome;
}

Outcome attack_again(AttachedTarget &target, std::unique_ptr<Link> link, const Reproducer &reproducer)
{
  Attack attack(target, std::move(link), reproducer.seed);
  for (bool goes_on = true; goes_on && !attack.is_decided(); goes_on = attack.look())
    attack.run_again(reproducer);
  return attack.end();
}

}
