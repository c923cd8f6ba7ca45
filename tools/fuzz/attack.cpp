// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/attack.h"
#include "tools/fuzz/generator.h"
#include "tools/fuzz/heartbeat.h"
#include "tools/fuzz/ledger.h"
#include "tools/fuzz/run.h"
#include <algorithm>
#include <array>
#include <chrono>
#include <fmt/format.h>

namespace httpsys::fuzz {

using Clock = std::chrono::steady_clock;

static constexpr size_t kLanes = 3;

namespace {

class Attack {
public:
  Attack(AttachedTarget &target, std::unique_ptr<Link> first) : m_target(target), m_ledger(std::move(first))
  {
    watch(m_all, [this] {
      if (auto finding = m_heartbeat.verdict()) // whose session is there now, as it will be afterwards
        throw Finding(*finding);
      if (!m_ledger.take_first_value())
        fmt::print("leaks are not looked for: STATS is refused; it is answered to uid 0 and to the daemon's own user\n");
      std::fflush(stdout);
    });
  }

  // Each lane takes every third seed and a third of the steps, so that none has an effect on what the others do.
  void run_lanes(uint64_t first, uint64_t seconds, uint64_t steps)
  {
    m_next_seed = first;
    auto until = Clock::now() + std::chrono::seconds(seconds);
    std::array<Outcome, kLanes> outcomes;
    std::vector<std::thread> threads;
    for (size_t lane = 0; lane < kLanes; lane++) {
      Portion portion{until, steps > 0, (steps + kLanes - 1 - lane) / kLanes};
      threads.emplace_back([this, portion, seed = first + lane, &outcome = outcomes[lane]] { run_lane(outcome, seed, portion); });
    }
    for (std::thread &thread : threads)
      thread.join();
    for (const Outcome &outcome : outcomes) {
      m_next_seed = std::max(m_next_seed, outcome.reproducer.seed + 1);
      add(outcome);
    }
  }

  void run_one_more()
  {
    Outcome outcome;
    watch(outcome, [&] { run_seed(outcome, m_next_seed++, [] { return true; }); });
    add(outcome);
  }

  void run_again(const Reproducer &reproducer)
  {
    Outcome outcome;
    outcome.reproducer = reproducer;
    watch(outcome, [&] {
      Run run(m_target, fmt::format("fuzz-{}", reproducer.seed), outcome.counts, m_marks);
      for (const Step &step : reproducer.program)
        run.step(step);
      run.finish();
      outcome.seeds++;
    });
    add(outcome);
  }

  // When all clients have left. What was found is of no use any more where nobody answers.
  Outcome end()
  {
    watch(m_all, [this] {
      if (!m_all.has_finding)
        m_ledger.compare();
    });
    if (auto finding = m_all.has_finding ? std::nullopt : m_heartbeat.verdict())
      m_all.take(*finding);
    return std::move(m_all);
  }

  const Outcome &all() const { return m_all; }

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

  // What is found in a daemon that hangs or is gone is just that. The others stop.
  template <typename Work>
  void watch(Outcome &outcome, Work work)
  {
    try {
      work();
    } catch (const Finding &finding) {
      outcome.take(m_heartbeat.verdict().value_or(finding));
      m_target.stop();
    } catch (const Stopped &) {
    }
  }

  // The first finding counts; without one, the steps of the last.
  void add(const Outcome &outcome)
  {
    m_all.counts.add(outcome.counts);
    m_all.seeds += outcome.seeds;
    if (m_all.has_finding)
      return;
    m_all.reproducer = outcome.reproducer;
    m_all.has_finding = outcome.has_finding;
    m_all.kind = outcome.kind;
    m_all.text = outcome.text;
  }

  AttachedTarget &m_target;
  Ledger m_ledger;
  Heartbeat m_heartbeat{m_target};
  Marks m_marks;
  Outcome m_all;
  uint64_t m_next_seed = 0; // that no lane has run
};

}

Outcome attack_seeds(AttachedTarget &target, std::unique_ptr<Link> link, uint64_t first, uint64_t seconds, uint64_t steps)
{
  Attack attack(target, std::move(link));
  attack.run_lanes(first, seconds, steps);
  for (uint64_t more = 0; more < kMoreSeeds && attack.all().counts.lacks() && !target.is_stopped(); more++)
    attack.run_one_more();
  Outcome outcome = attack.end();
  outcome.demand_some_of_all();
  return outcome;
}

Outcome attack_again(AttachedTarget &target, std::unique_ptr<Link> link, const Reproducer &reproducer)
{
  Attack attack(target, std::move(link));
  attack.run_again(reproducer);
  return attack.end();
}

}
