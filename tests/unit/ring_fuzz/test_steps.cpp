// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/generator.h"
#include "tools/fuzz/isolated.h"
#include "tools/fuzz/reproducer.h"
#include "uapi/ops.h"
#include <doctest/doctest.h>
#include <set>

using namespace httpsys::fuzz;

namespace {

Program generate(uint64_t seed, size_t steps, const std::array<bool, kClients> &cut_off = {})
{
  Generator generator(seed);
  Program program;
  while (program.size() < steps)
    program.push_back(generator.next(cut_off));
  return program;
}

}

TEST_CASE("a step as text is that step again")
{
  for (uint64_t seed = 0; seed < 50; seed++) {
    std::string why;
    Program program = generate(seed, 500);
    auto again = parse_program(to_text(program), why);
    REQUIRE_MESSAGE(again, why);
    CHECK(*again == program);
  }
}

TEST_CASE("a step reads like a sentence")
{
  auto step = parse_step("2 entry op=SEND_RESPONSE handle=@1 object=@1003 shape=1");
  REQUIRE(step);
  CHECK(step->client == 2);
  CHECK(step->arguments[kOp] == HSYS_OP_SEND_RESPONSE);
  CHECK(step->is_learned(kHandle));
  CHECK(step->arguments[kObject] == kForeign + 3);
  CHECK(!step->is_learned(kShape));
  CHECK(to_text(*step) == "2 entry op=SEND_RESPONSE handle=@1 object=@1003 shape=1");
  CHECK(to_text(*parse_step("0 entry op=op-200")) == "0 entry op=op-200");
  CHECK(to_text(*parse_step("  1   pass  milliseconds=5 ")) == "1 pass milliseconds=5");
}

TEST_CASE("what is no step is refused, with its line")
{
  for (const char *line : {"", "x", "4 connect", "0 unheard", "0 entry op=NOTHING", "0 entry slot", "0 entry slot=", "0 entry slot=x",
                           "0 kick slot=1", "0 pass milliseconds=18446744073709551616", "0 entry slot=@", "-1 connect", "0 entry slot=1x"})
    CHECK_MESSAGE(!parse_step(line), line);
  std::string why;
  CHECK(!parse_program("# a comment\n\n0 connect\n0 cut\n", why));
  CHECK(why == "line 4: \"0 cut\" is no step");
}

TEST_CASE("a reproducer as text is that reproducer again")
{
  Reproducer reproducer{7, 2, generate(7, 100)};
  std::string why;
  auto again = parse_reproducer("# kind: text\n# more\n" + to_text(reproducer), why);
  REQUIRE_MESSAGE(again, why);
  CHECK(again->seed == 7);
  CHECK(again->cores == 2);
  CHECK(again->program == reproducer.program);
  for (const char *text : {"", "\n", "#", "0 connect\n", "daemon seed=1\n", "daemon seed=1 cores=0\n", "daemon seed=1 cores=17\n",
                           "daemon seed=1 cores=1x\n"})
    CHECK_MESSAGE(!parse_reproducer(text, why), text);
  CHECK(parse_reproducer("daemon seed=1 cores=1", why));
}

TEST_CASE("the seed decides")
{
  CHECK(generate(1, 300) == generate(1, 300));
  CHECK(generate(1, 300) != generate(2, 300));
}

TEST_CASE("every verb and every operation of ops.def is tried")
{
  std::set<Verb> verbs;
  std::set<uint64_t> operations;
  for (uint64_t seed = 0; seed < 20; seed++) {
    for (const Step &step : generate(seed, 2000)) {
      verbs.insert(step.verb);
      if (step.verb == Verb::Entry)
        operations.insert(step.arguments[kOp]);
    }
  }
  CHECK(verbs.size() == kVerbs);
#define HSYS_OP(name, number, handle, object, in_min, in_max, op_flags, traits) CHECK_MESSAGE(operations.contains(number), #name);
#include "uapi/ops.def"
#undef HSYS_OP
}

TEST_CASE("who is cut off begins anew")
{
  Generator generator(3);
  std::array<bool, kClients> nobody{}, everybody;
  everybody.fill(true);
  for (int i = 0; i < 100; i++)
    generator.next(nobody);
  unsigned connects = 0;
  for (int i = 0; i < 100; i++)
    connects += generator.next(everybody).verb == Verb::Connect;
  CHECK(connects > 50);
}

TEST_CASE("a run that has not looked is a finding")
{
  Outcome outcome;
  outcome.counts = {1, 1, 1, 1};
  outcome.demand_some_of_all();
  CHECK(!outcome.has_finding);
  for (uint64_t Counts::*number : {&Counts::admitted, &Counts::refused, &Counts::revoked}) {
    Outcome lacking = outcome;
    lacking.counts.*number = 0;
    lacking.demand_some_of_all();
    CHECK(lacking.has_finding);
    CHECK(lacking.kind == (number == &Counts::admitted ? "refused others" : "accepted"));
  }
}

TEST_CASE("a wrong line of a reproducer is found by its number in the file")
{
  std::string why;
  CHECK(!parse_reproducer("# one\n\ndaemon seed=1 cores=2\n0 connect\n0 nonsense\n", why));
  CHECK(why.starts_with("line 5: "));
}

TEST_CASE("a reproducer that is too long is not cut")
{
  std::string text = "daemon seed=1 cores=2\n", why;
  for (size_t step = 0; step < kMostSteps; step++)
    text += "0 connect\n";
  CHECK(parse_reproducer(text, why));
  text += "0 connect\n";
  CHECK(!parse_reproducer(text, why));
  CHECK(why.starts_with("it has 100001 steps"));
}
