// SPDX-License-Identifier: GPL-3.0-or-later
// httpsys-sim: runs seeds of the simulation, each in a process of its own, and prints what it finds.
#include "tests/sim/options.h"
#include "tests/sim/simulation.h"
#include "tools/fuzz/child_process.h"
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::sim;

namespace {

using Clock = std::chrono::steady_clock;

// What the child leaves behind, in memory that both have. All zeros are a beginning.
struct Left {
  TraceMemory trace;
  uint64_t progress;
  uint64_t milliseconds; // simulated
  uint32_t cores;
  DiskFigures disk;
  bool is_done, has_finding;
  char kind[24], text[1024];
};

void be_child(Left &left, const Options &options, uint64_t seed)
{
  if (options.canary)
    g_canary = options.canary->rule;
  Trace trace(left.trace, options.tells);
  try {
    // Never destroyed: what a finding leaves behind is in no state for that.
    auto &simulation = *new Simulation(seed, options.profile_or_default(), options.cores, trace);
    left.cores = simulation.profile.cores;
    uint64_t begin = simulation.now();
    simulation.run(options.steps, [&](uint64_t) { left.progress++; });
    left.milliseconds = simulation.now() - begin;
    left.disk = simulation.disk_figures;
  } catch (const fuzz::Finding &finding) {
    left.has_finding = true;
    std::strncpy(left.kind, finding.kind, sizeof left.kind - 1);
    std::strncpy(left.text, finding.text.c_str(), sizeof left.text - 1);
  }
  left.is_done = true;
  _exit(0);
}

struct Total {
  uint64_t seeds = 0, steps = 0, milliseconds = 0;
  DiskFigures disk;
};

// False: a finding, which is printed.
bool run_seed(const Options &options, uint64_t seed, Total &total)
{
  fuzz::SharedBytes memory(sizeof(Left));
  Left &left = *static_cast<Left *>(memory.data());
  auto status = fuzz::run_in_child(left.progress, [&] { be_child(left, options, seed); });
  total.seeds++;
  total.steps += left.progress;
  total.milliseconds += left.milliseconds;
  total.disk.changes += left.disk.changes;
  total.disk.failures += left.disk.failures;
  total.disk.crashes += left.disk.crashes;
  total.disk.meddled += left.disk.meddled;
  total.disk.restored += left.disk.restored;
  if (left.is_done && !left.has_finding) {
    if (options.seed)
      std::printf("seed %llu: %llu steps, trace %016llx\n", static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(left.progress), static_cast<unsigned long long>(left.trace.hash));
    return true;
  }
  std::string kind = left.has_finding ? left.kind : status ? "died" : "hung";
  std::string text = left.has_finding ? left.text : "the daemon's process " + fuzz::describe_end(status);
  std::printf("the last events:\n%sfinding: %s: %s\nstep: %llu\nagain: httpsys-sim --seed %llu --cores %u --profile %s --steps %llu%s%s\n"
              "seed %llu: %llu steps, trace %016llx\n",
              to_text(left.trace).c_str(), kind.c_str(), text.c_str(), static_cast<unsigned long long>(left.trace.step),
              static_cast<unsigned long long>(seed), left.cores, kProfileNames[static_cast<size_t>(options.profile_or_default())],
              static_cast<unsigned long long>(options.steps), options.canary ? " --canary " : "",
              options.canary ? std::string(options.canary->name).c_str() : "", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(left.progress), static_cast<unsigned long long>(left.trace.hash));
  return false;
}

// New ones each time: from the clock, as getrandom is the simulation's here.
uint64_t new_seed()
{
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t drawn = Random(static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec)).next() >> 24;
  return drawn | kSeedsWithShortTurns;
}

}

static int run(int argc, char **argv)
{
  std::string why;
  auto options = parse_options(argc, argv, why);
  if (!options) {
    std::fprintf(stderr, "httpsys-sim: %s\n%s", why.c_str(), usage());
    return 2;
  }
  if (options->helps)
    return std::printf("%s", usage()), 0;
  if (options->lists_canaries) {
    for (const CanaryRow &row : canaries())
      std::printf("%s\n", row.name);
    return 0;
  }
  auto begun = Clock::now();
  Total total;
  if (options->seed)
    return run_seed(*options, *options->seed, total) ? 0 : 1;
  bool is_good = true;
  uint64_t first = new_seed();
  for (uint64_t seed = first; is_good && Clock::now() - begun < std::chrono::seconds(options->seconds); seed++)
    is_good = run_seed(*options, seed, total);
  std::chrono::duration<double> took = Clock::now() - begun;
  if (is_good)
    fmt::print("ok: {} seeds from {}, {} steps, {:.1f} simulated hours, {} changes of the configuration, {} failed by the disk, "
               "{} crashes, {} files changed from outside and {} written again, {:.1f} s\n",
               total.seeds, first, total.steps, static_cast<double>(total.milliseconds) / 3.6e6, total.disk.changes, total.disk.failures,
               total.disk.crashes, total.disk.meddled, total.disk.restored, took.count());
  return is_good ? 0 : 1;
}

int main(int argc, char **argv)
{
  try {
    return run(argc, argv);
  } catch (const std::exception &exception) {
    std::fprintf(stderr, "httpsys-sim: this cannot be done here: %s\n", exception.what());
    return 2;
  }
}
