// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/attack.h"
#include "tools/fuzz/generator.h"
#include "tools/fuzz/heartbeat.h"
#include "tools/fuzz/run.h"
#include <array>
#include <atomic>
#include <chrono>
#include <fmt/format.h>

namespace httpsys::fuzz {

using Clock = std::chrono::steady_clock;

static constexpr size_t kLanes = 3;

namespace {

class Attack {
public:
  explicit Attack(AttachedTarget &target) : m_target(target)
  {
    watch(m_all, [this] {
      if (!m_target.take_baseline())
        fmt::print("leaks are not looked for: STATS is refused; it is answered to uid 0 and to the daemon's own user\n");
      std::fflush(stdout);
    });
  }

  void run_lanes(uint64_t first, uint64_t seconds, uint64_t steps)
  {
    m_next_seed = first;
    m_until = Clock::now() + std::chrono::seconds(seconds);
    m_most = steps;
    std::array<Outcome, kLanes> outcomes;
    std::vector<std::thread> threads;
    for (Outcome &outcome : outcomes)
      threads.emplace_back([this, &outcome] {
        watch(outcome, [&] {
          while (!is_over())
            run_seed(outcome, m_next_seed++, [this] { return takes_a_step(); });
        });
      });
    for (std::thread &thread : threads)
      thread.join();
    for (const Outcome &outcome : outcomes)
      add(outcome);
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
        m_target.compare_with_baseline();
    });
    if (auto finding = m_all.has_finding ? std::nullopt : m_heartbeat.verdict())
      m_all.take(*finding);
    return std::move(m_all);
  }

  const Outcome &all() const { return m_all; }

private:
  bool is_over() const { return m_most > 0 ? m_taken >= m_most : Clock::now() >= m_until; }
  bool takes_a_step() { return m_most > 0 ? m_taken++ < m_most : Clock::now() < m_until; }

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
  Heartbeat m_heartbeat{m_target};
  Marks m_marks;
  Outcome m_all;
  std::atomic<uint64_t> m_next_seed{0}, m_taken{0};
  uint64_t m_most = 0; // steps; 0: until the time is over
  Clock::time_point m_until{};
};

}

Outcome attack_seeds(AttachedTarget &target, uint64_t first, uint64_t seconds, uint64_t steps)
{
  Attack attack(target);
  attack.run_lanes(first, seconds, steps);
  for (uint64_t more = 0; more < kMoreSeeds && attack.all().counts.lacks() && !target.is_stopped(); more++)
    attack.run_one_more();
  Outcome outcome = attack.end();
  outcome.demand_some_of_all();
  return outcome;
}

Outcome attack_again(AttachedTarget &target, const Reproducer &reproducer)
{
  Attack attack(target);
  attack.run_again(reproducer);
  return attack.end();
}

}
