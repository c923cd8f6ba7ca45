// SPDX-License-Identifier: GPL-3.0-or-later
// Simulation: the whole daemon on the simulated platform, workers that keep to the ring's rules, visitors that speak HTTP, and the model
// that knows what may happen; and an administrator of the daemon's store. First a phase with faults, then one without, in which
// everything must end; then all leave and nothing may be left. What is wrong is thrown as a Finding. One at a time in a process; a seed
// does the same each time.
#pragma once
#include "kernel/base/random.h"
#include "kernel/ke/tally.h"
#include "tests/sim/administrator.h"
#include "tests/sim/exchange.h"
#include "tests/sim/people.h"
#include "tests/sim/profile.h"
#include "tests/sim/trace.h"
#include "tools/fuzz/simulated_target.h"
#include <functional>
#include <memory>
#include <vector>

namespace httpsys::sim {

// Seeds below are older: turns have time for all there is.
inline constexpr uint64_t kSeedsWithShortTurns = uint64_t{1} << 40;

class Worker;
class Visitor;
enum class SessionBound : uint8_t;

class Simulation {
public:
  Simulation(uint64_t seed, ProfileName name, uint32_t cores, Trace &trace);
  ~Simulation();

  // All of it. on_step is told of each step before it is done.
  void run(uint64_t steps, const std::function<void(uint64_t)> &on_step);

  // For workers and visitors.
  Model model;
  Random random;
  People people;
  Trace &trace;
  const Profile profile;
  uint64_t step = 0;
  DiskFigures disk_figures;
  bool is_faulty = true; // the first phase: what the system refuses may be a fault's doing
  fuzz::SimulatedTarget &target() { return *m_target; }
  uint64_t now() { return m_target->system().time; }
  // Sites whose queue other workers may open.
  Site *pick_site();
  void turn();
  // The same for who waits: time passes now and then.
  void wait_a_turn(unsigned turns);

private:
  void act();
  void be_hostile(uint64_t steps, const std::function<void(uint64_t)> &on_step);
  void calm_down();
  bool is_calm() const;
  void leave();
  void check_totals() const;
  SessionBound bound_of(const platform::PeerCredentials &who);
  void start_worker();
  void start_visitor();
  void pass(uint64_t milliseconds);
  void make_buffers_scarce();
  void make_turns_short();
  void bound_shares(bool has_few_requests);
  void make_places_few();
  void serve_tls();
  void trace_completion(char kind, int descriptor, const platform::IoResult &result);
  uint64_t m_seed;
  ProfileName m_name;
  fuzz::SimulatedTarget *m_target; // not destroyed behind a finding: what its end would check is no longer true
  std::vector<std::unique_ptr<Worker>> m_workers;
  std::vector<std::unique_ptr<Visitor>> m_visitors;
  // Null: this profile has none.
  std::unique_ptr<Administrator> m_administrator;
  Random m_administrator_turns;
  uint16_t m_port = 20000;
  uint64_t m_turns = 0;
  // What the daemon had counted before.
  uint64_t m_connections_before, m_requests_before;
  ke::Tallies m_tallies_before;
};

}
