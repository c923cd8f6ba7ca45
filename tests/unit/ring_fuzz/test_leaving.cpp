// SPDX-License-Identifier: GPL-3.0-or-later
// Each way in which a hostile client leaves does to its session what it does on a real socket, and leaves nothing behind.
#include "kernel/io/session.h"
#include "tools/fuzz/run.h"
#include "tools/fuzz/simulated_target.h"
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace httpsys;
using namespace httpsys::fuzz;

namespace {

void play(Run &run, const std::string &text)
{
  std::string why;
  auto program = parse_program(text, why);
  REQUIRE_MESSAGE(program, why);
  for (const Step &step : *program)
    run.step(step);
}

size_t sessions()
{
  return io::SessionManager::instance().session_count();
}

const std::string kClient = "0 connect\n0 hello major=1 minor_max=0\n0 pass milliseconds=1\n0 open\n0 pass milliseconds=1\n";

struct Attacked {
  explicit Attacked(uint64_t seed) : target(seed, 2), run(target, "leaving", counts, marks) {}
  void end()
  {
    run.finish();
    target.end();
  }
  Counts counts;
  Marks marks;
  SimulatedTarget target;
  Run run;
};

void pass(Attacked &attacked, int times)
{
  for (int i = 0; i < times; i++)
    play(attacked.run, "0 pass milliseconds=1\n");
}

}

TEST_CASE("a client that leaves is gone at once, or when it says nothing more; or when its last descriptor is closed")
{
  for (uint64_t seed = 0; seed < 4; seed++) {
    for (unsigned how = 0; how < 4; how++) {
      CAPTURE(how);
      Attacked attacked(seed);
      play(attacked.run, kClient);
      pass(attacked, 4);
      CHECK(sessions() == 2); // with the client that keeps to the rules
      play(attacked.run, fmt::format("0 disconnect how={}\n", how));
      pass(attacked, 12);
      // Nothing is sent to it, so that the daemon does not see that it reads no more.
      CHECK(sessions() == (how < 2 ? 1 : 2));
      pass(attacked, 12);
      CHECK(sessions() == 1);
      attacked.end();
    }
  }
}

TEST_CASE("another one that leaves ends the connection of the one before, and so does the end")
{
  Attacked attacked(1);
  for (int times = 0; times < 3; times++) {
    play(attacked.run, kClient);
    play(attacked.run, "0 disconnect how=3\n");
    pass(attacked, 4);
    CHECK(sessions() == 2);
  }
  attacked.end();
}
