// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/attack.h"
#include "tools/fuzz/options.h"
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <fmt/format.h>
#include <random>
#include <unistd.h>

using namespace httpsys::fuzz;

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kExitClean = 0, kExitFinding = 1, kExitUsage = 2, kExitNoDaemon = 3;
constexpr uint64_t kDefaultSeconds = 10;

int complain(int exit_code, const std::string &sentence)
{
  fmt::print(stderr, "httpsys-ring-fuzz: {}\n", sentence);
  return exit_code;
}

// Where it cannot be written, the steps are not lost.
std::string save(const std::string &path, const Reproducer &reproducer, const std::string &comment)
{
  if (write_reproducer(path, reproducer, comment))
    return path;
  fmt::print("{}", to_text(reproducer));
  return fmt::format("none: {} cannot be written", path);
}

// Scripts read the last three lines.
int report(const Options &options, const Outcome &outcome)
{
  std::string path = options.report.empty() ? fmt::format("ring-fuzz-{}.steps", outcome.reproducer.seed) : options.report;
  std::string comment = fmt::format("{}: {}", outcome.kind, outcome.text);
  for (size_t other = 0; other < outcome.others.size(); other++)
    comment += fmt::format("\nat the same time: {}", save(fmt::format("{}.{}", path, other + 2), outcome.others[other], outcome.kind));
  std::string saved = save(path, outcome.reproducer, comment);
  fmt::print("{}\nfinding: {}\nseed: {}\nreproducer: {}\n", outcome.text, outcome.kind, outcome.reproducer.seed, saved);
  return kExitFinding;
}

int finish(const Options &options, const Outcome &outcome, Clock::time_point begun)
{
  if (outcome.has_finding)
    return report(options, outcome);
  if (!outcome.hindrance.empty())
    return complain(kExitNoDaemon, outcome.hindrance);
  std::chrono::duration<double> took = Clock::now() - begun;
  fmt::print("ok: {} steps, {} operations admitted, {} refused, {} sessions revoked, {} seeds, {:.1f} s\n", outcome.counts.steps,
             outcome.counts.admitted, outcome.counts.refused, outcome.counts.revoked, outcome.seeds, took.count());
  return kExitClean;
}

uint64_t first_seed(const Options &options)
{
  uint64_t seed = options.seed ? *options.seed : std::random_device()() % 1'000'000'000;
  fmt::print("seed: {}\n", seed);
  std::fflush(stdout);
  return seed;
}

uint64_t seconds_of(const Options &options)
{
  return options.seconds.value_or(options.steps ? 0 : kDefaultSeconds);
}

int run_attached(const Options &options, const Reproducer &reproducer, Clock::time_point begun)
{
  AttachedTarget target(options.attach);
  std::string why;
  auto link = target.reach(why);
  if (!link)
    return complain(kExitNoDaemon, why);
  Outcome outcome = options.replay.empty()
                      ? attack_seeds(target, std::move(link), first_seed(options), seconds_of(options), options.steps.value_or(0))
                      : attack_again(target, std::move(link), reproducer);
  return finish(options, outcome, begun);
}

int run_minimiser(const Options &options, const Reproducer &reproducer, Clock::time_point begun)
{
  Outcome whole = run_reproducer(reproducer);
  if (!whole.has_finding) {
    fmt::print("{} shows nothing: there is nothing to minimise\n", options.minimise);
    return finish(options, whole, begun);
  }
  Outcome outcome = whole;
  outcome.reproducer = minimise(reproducer, whole.kind, [](size_t steps) {
    fmt::print("{} steps\n", steps);
    std::fflush(stdout);
  });
  Options where = options;
  if (where.report.empty())
    where.report = options.minimise + ".min";
  fmt::print("{}", to_text(outcome.reproducer.program));
  return report(where, outcome);
}

// Hours later it would be too late.
bool can_be_written(const std::string &path)
{
  bool is_there = access(path.c_str(), F_OK) == 0;
  int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0)
    return false;
  close(file);
  if (!is_there)
    unlink(path.c_str());
  return true;
}

int run(int argc, char **argv)
{
  auto begun = Clock::now();
  Parsed parsed = parse_options(argc, argv);
  fmt::print("{}", parsed.out);
  if (!parsed.options)
    return parsed.error.empty() ? parsed.exit_code : complain(parsed.exit_code, parsed.error);
  const Options &options = *parsed.options;
  Reproducer reproducer;
  std::string file = options.replay.empty() ? options.minimise : options.replay, why;
  if (!file.empty() && !read_reproducer(file, reproducer, why))
    return complain(kExitUsage, why);
  if (!options.report.empty() && !can_be_written(options.report))
    return complain(kExitUsage, fmt::format("{} cannot be written: {}", options.report, std::strerror(errno)));
  if (!options.attach.empty())
    return run_attached(options, reproducer, begun);
  if (!options.minimise.empty())
    return run_minimiser(options, reproducer, begun);
  if (!options.replay.empty())
    return finish(options, run_reproducer(reproducer), begun);
  return finish(options, run_seeds(first_seed(options), seconds_of(options), options.steps.value_or(0)), begun);
}

}

int main(int argc, char **argv)
{
  try {
    return run(argc, argv);
  } catch (const std::exception &exception) { // the system gives no process, no thread or no memory
    return complain(kExitNoDaemon, fmt::format("this cannot be done here: {}", exception.what()));
  }
}
