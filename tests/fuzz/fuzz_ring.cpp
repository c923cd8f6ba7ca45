// SPDX-License-Identifier: GPL-3.0-or-later
// Fuzz target: bytes are a program of tools/fuzz's steps, done by hostile clients to a whole daemon on the simulated platform. It begins
// with channels and a URL that is served, so that few bytes come far.
#include "tests/fuzz/fuzz_target.h"
#include "tests/sim/wire.h"
#include "tools/fuzz/generator.h"
#include "tools/fuzz/run.h"
#include "tools/fuzz/simulated_target.h"

using namespace httpsys;
using namespace httpsys::fuzz;

static constexpr unsigned kBeginning = 40; // steps of the generator's, which begins with what a client needs
static constexpr unsigned kMostOfInput = 150;

// One byte says how the argument is written, so that small numbers and what has been learned are short.
static uint64_t argument(Input &input, Step &step, size_t at)
{
  uint8_t how = input.byte();
  switch (how & 7) {
  case 0: return 0;
  case 1: return how >> 3;
  case 2: return input.byte();
  case 3: return input.number(2);
  case 4: return input.number(4);
  case 5: return input.number(8);
  case 6: return ~uint64_t{how} >> 3;
  default: step.learned |= static_cast<uint16_t>(1u << at); return how >> 3;
  }
}

static Step take_step(Input &input)
{
  Step step;
  uint8_t head = input.byte();
  step.verb = static_cast<Verb>((head >> 2) % kVerbs);
  step.client = head & 3;
  for (size_t at = 0; at < argument_count(step.verb); at++)
    step.arguments[at] = argument(input, step, at);
  if (step.verb == Verb::Pass)
    step.arguments[0] %= 200'000;
  return step;
}

static void run_program(SimulatedTarget &target, Input &input, Program &program)
{
  Counts counts;
  {
    Marks marks;
    Run run(target, "fuzz", counts, marks);
    Generator generator(7); // always the same beginning
    auto take = [&](const Step &step) {
      program.push_back(step);
      run.step(step);
    };
    for (unsigned steps = 0; steps < kBeginning; steps++)
      take(generator.next(run.cut_off()));
    for (unsigned steps = 0; steps < kMostOfInput && !input.is_empty(); steps++)
      take(take_step(input));
    run.finish();
  }
  target.end();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  sim::seed_randomness(1);
  Input input(data, size);
  uint8_t selector = input.byte();
  // It outlives a Finding: a daemon that ends with operations in flight would end the process before the Finding is told.
  std::unique_ptr<SimulatedTarget> target;
  Program program;
  run_or_die([&] {
    try {
      target = std::make_unique<SimulatedTarget>(selector, 1 + selector % 2);
      run_program(*target, input, program);
    } catch (const Finding &) {
      std::fputs(to_text(program).c_str(), stderr); // as httpsys-ring-fuzz --replay reads it
      throw;
    }
  });
  return 0;
}
