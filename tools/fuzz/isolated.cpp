// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/isolated.h"
#include "tools/fuzz/child_process.h"
#include "tools/fuzz/generator.h"
#include "tools/fuzz/run.h"
#include "tools/fuzz/simulated_target.h"
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <malloc.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

namespace httpsys::fuzz {

using Clock = std::chrono::steady_clock;

static constexpr uint64_t kSeedsBetweenLooks = 16; // for leaks
static constexpr unsigned kWorlds = 6, kWorldsToSettle = 2;
static constexpr size_t kLeakBytes = 4096; // of a world; what the allocator keeps for itself varies by less

namespace {

// What the child leaves behind, in memory that both have. All zeros are a beginning; constructing it would touch all of it each time.
struct Left {
  Counts counts;
  uint64_t seeds;
  uint64_t seed;
  uint32_t cores;
  bool has_finding;
  bool is_done;
  char kind[24], text[512];
  uint64_t step_count;
  Step steps[kMostSteps];
};

void put_text(char *place, size_t size, const std::string &text)
{
  std::strncpy(place, text.c_str(), size - 1);
}

// One daemon, from its start to its end. next: the steps, nullopt at their end.
void run_one(Left &left, uint64_t seed, uint32_t cores, const std::function<std::optional<Step>(const Run &)> &next)
{
  left.seed = seed;
  left.cores = cores;
  left.step_count = 0;
  // Not destroyed when a finding has been thrown: what it would check is no longer true.
  auto *target = new SimulatedTarget(seed, cores);
  Marks marks;
  Run run(*target, "run", left.counts, marks);
  for (auto step = next(run); step && left.step_count < kMostSteps; step = next(run)) {
    left.steps[left.step_count++] = *step;
    run.step(*step);
  }
  run.finish();
  target->end();
  delete target;
  left.seeds++;
}

#ifdef __SANITIZE_ADDRESS__
// What nobody knows any more. It prints where that was allocated.
void look_for_leaks(Left &, const std::function<void(Left &)> &)
{
  if (__lsan_do_recoverable_leak_check() != 0)
    throw Finding{"leaked", "memory is lost: LeakSanitizer says above where it was allocated"};
}
#else
// The same world is made and ended again: what it takes anew each time, once all that is kept for later has been taken, is lost.
// (Another sanitizer has a heap of its own, of which mallinfo2 says nothing.)
void look_for_leaks(Left &left, const std::function<void(Left &)> &work)
{
  const Counts counts = left.counts;
  const uint64_t seeds = left.seeds;
  size_t least = SIZE_MAX, before = mallinfo2().uordblks;
  for (unsigned world = 0; world < kWorlds && least > kLeakBytes; world++) {
    work(left);
    size_t now = mallinfo2().uordblks;
    if (world >= kWorldsToSettle)
      least = std::min(least, now > before ? now - before : 0);
    before = now;
  }
  left.counts = counts;
  left.seeds = seeds;
  if (least > kLeakBytes)
    throw Finding{"leaked", fmt::format("at least {} bytes of the heap are lost each time that this is run in one process", least)};
}
#endif

void be_child(Left &left, bool looks_for_leaks, const std::function<void(Left &)> &work)
{
  try {
    work(left);
    if (looks_for_leaks)
      look_for_leaks(left, work);
  } catch (const Finding &finding) {
    put_text(left.kind, sizeof left.kind, finding.kind);
    put_text(left.text, sizeof left.text, finding.text);
    left.has_finding = true;
  }
  left.is_done = true;
}

Outcome run_apart(bool looks_for_leaks, const std::function<void(Left &)> &work)
{
  SharedBytes memory(sizeof(Left));
  Left &left = *static_cast<Left *>(memory.data());
  std::optional<int> status = run_in_child(left.counts.steps, [&] { be_child(left, looks_for_leaks, work); });
  Outcome outcome;
  outcome.counts = left.counts;
  outcome.seeds = left.seeds;
  outcome.has_finding = !left.is_done || left.has_finding;
  outcome.kind = left.has_finding ? left.kind : status ? "died" : "hung";
  outcome.text = left.has_finding ? left.text : "the daemon's process " + describe_end(status);
  if (outcome.has_finding || outcome.counts.lacks())
    outcome.reproducer = {left.seed, left.cores, Program(left.steps, left.steps + left.step_count)};
  return outcome;
}

}

void Outcome::take(const Finding &finding)
{
  has_finding = true;
  kind = finding.kind;
  text = finding.text;
}

// A run that has not looked at something cannot say that it found nothing.
void Outcome::demand_some_of_all()
{
  const char *what = counts.lacks();
  if (!has_finding && what)
    take({counts.admitted == 0 ? "refused others" : "accepted",
          fmt::format("in {} seeds, {} steps, the daemon has never {}", seeds, counts.steps, what)});
}

uint32_t cores_of(uint64_t seed)
{
  return 1 + static_cast<uint32_t>(seed % 3);
}

// A process for each, so that a seed does the same whatever was run before it.
Outcome run_seeds(uint64_t first, uint64_t seconds, uint64_t steps)
{
  auto until = Clock::now() + std::chrono::seconds(seconds);
  Outcome all;
  uint64_t more = 0;
  auto is_over = [&] {
    bool was_long_enough = (seconds > 0 && Clock::now() >= until) || (steps > 0 && all.counts.steps >= steps);
    return was_long_enough && (!all.counts.lacks() || more++ == kMoreSeeds);
  };
  for (uint64_t seed = first; !all.has_finding && !is_over(); seed++) {
    uint64_t most = all.counts.steps < steps ? std::min(kStepsOfSeed, steps - all.counts.steps) : kStepsOfSeed;
    Outcome one = run_apart((seed - first) % kSeedsBetweenLooks == 0, [=](Left &left) {
      Generator generator(seed);
      run_one(left, seed, cores_of(seed), [&](const Run &run) {
        return left.step_count < most ? std::optional(generator.next(run.cut_off())) : std::nullopt;
      });
    });
    one.counts.add(all.counts);
    one.seeds += all.seeds;
    all = std::move(one);
  }
  all.demand_some_of_all();
  return all;
}

Outcome run_reproducer(const Reproducer &reproducer)
{
  return run_apart(true, [&](Left &left) {
    size_t at = 0;
    run_one(left, reproducer.seed, reproducer.cores, [&](const Run &) -> std::optional<Step> {
      return at < reproducer.program.size() ? std::optional(reproducer.program[at++]) : std::nullopt;
    });
  });
}

// Delta debugging: leaves out ever smaller pieces, as long as what is left still shows it.
Reproducer minimise(Reproducer reproducer, const std::string &kind, const std::function<void(size_t)> &progress)
{
  for (size_t piece = std::max<size_t>(reproducer.program.size() / 2, 1); piece > 0; piece /= 2) {
    for (size_t begin = 0; begin < reproducer.program.size();) {
      Reproducer shorter = reproducer;
      auto from = shorter.program.begin() + static_cast<ptrdiff_t>(begin);
      shorter.program.erase(from, from + static_cast<ptrdiff_t>(std::min(piece, shorter.program.size() - begin)));
      Outcome outcome = run_reproducer(shorter);
      if (outcome.has_finding && outcome.kind == kind) {
        reproducer = std::move(shorter);
        progress(reproducer.program.size());
      } else {
        begin += piece;
      }
    }
  }
  return reproducer;
}

}
