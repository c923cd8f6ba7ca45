// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/simulation.h"
#include "kernel/base/log.h"
#include "kernel/http/connection.h"
#include "kernel/http/counters.h"
#include "kernel/http/settings.h"
#include "kernel/io/session.h"
#include "kernel/net/listener_set.h"
#include "kernel/se/quota.h"
#include "kernel/tls/wolfssl_library.h"
#include "tests/sim/tls_material.h"
#include "tests/sim/visitor.h"
#include "tests/sim/worker.h"
#include "tools/fuzz/generator.h"
#include "tools/fuzz/run.h"
#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <utility>

namespace httpsys::sim {

using fuzz::Finding;

static constexpr uint64_t kCalmMilliseconds = 100;
static constexpr unsigned kCalmRounds = 200; // 20 s, less than any time of the daemon's
static constexpr unsigned kTurnsOfMillisecond = 4;
static constexpr unsigned kTurnsOfCalmRound = 60;
static constexpr unsigned kStepsOfAdministrator = 15;
static constexpr unsigned kTurnsBetweenChecks = 16;

static constexpr uint64_t kScarceBufferBytes = 20'000; // of all connections

static constexpr uint64_t kFewPlaces = 3; // of connections

static Trace *s_trace; // the log's

static Profile profile_of(ProfileName name, uint32_t cores, uint64_t seed)
{
  Random random(seed * 2 + 1);
  return make_profile(name, cores, random);
}

Simulation::Simulation(uint64_t seed, ProfileName name, uint32_t cores, Trace &where)
    : random(seed), people(seed), trace(where), profile(profile_of(name, cores, seed)), m_seed(seed), m_name(name),
      m_administrator_turns(~seed)
{
  seed_randomness(seed);
  tls::initialize_library();
  m_target = new fuzz::SimulatedTarget(seed, profile.cores);
  m_connections_before = http::counters().connections_total;
  m_requests_before = http::counters().requests_total;
  m_tallies_before = ke::tallies();
  s_trace = &where;
  set_log_sink([](LogCause, std::string line) { s_trace->note("log: {}", line); });
  platform::SimSystem &system = m_target->system();
  system.on_completion = [this](char kind, int descriptor, const platform::IoResult &result) {
    trace_completion(kind, descriptor, result);
  };
  bool has_administrator = name == ProfileName::Swarm || name == ProfileName::Crash;
  if (profile.has_tls && !has_administrator)
    serve_tls();
  // Of the seed itself, so that the draws of other seeds stay as they are.
  if (seed % 8 == 4)
    make_buffers_scarce();
  if (seed >= kSeedsWithShortTurns)
    make_turns_short();
  // Where the fuzz harness's hostile clients are of the honest one's user they would leave none to it.
  bound_shares((name != ProfileName::Hostile || people.are_several()) && (seed % 16 == 9 || seed % 16 == 13));
  if (name == ProfileName::Hostile)
    m_target->next_person = [this] { return people.next_stranger(); };
  if (name != ProfileName::Hostile && (seed % 16 == 7 || seed % 16 == 8))
    make_places_few();
  model.has_full_arenas = seed % 16 == 12;
  system.faults = profile.faults;
  if (has_administrator)
    m_administrator = std::make_unique<Administrator>(
        seed, AdministratorsWorld{*m_target, where, disk_figures, profile.cores, [this](uint64_t milliseconds) { pass(milliseconds); }},
        m_administrator_turns.chance(3, 4), profile.has_tls);
}

Simulation::~Simulation()
{
  m_target->system().on_completion = nullptr;
}

void Simulation::trace_completion(char kind, int descriptor, const platform::IoResult &result)
{
  static constexpr std::string_view kKinds = "AORSPQL";
  static constexpr const char *kNames[] = {"accept", "accept", "receive", "send", "event", "receive", "event"};
  trace.note("  {} on {}: {:#x}, {}", kNames[kKinds.find(kind)], descriptor, static_cast<uint32_t>(result.status), result.value);
}

void Simulation::make_buffers_scarce()
{
  http::Settings settings = http::settings();
  settings.connection_buffer_bytes_total = kScarceBufferBytes;
  http::set_settings(settings);
}

// What a turn has no time for waits for the next ones. Draws are of streams of their own.
void Simulation::make_turns_short()
{
  Random turns(m_seed ^ kSeedsWithShortTurns);
  if (turns.chance(2, 3))
    m_target->system().keeps_back.emplace(turns.next());
  if (turns.chance(1, 2)) {
    http::Settings settings = http::settings();
    settings.handshake_steps_per_turn = 1;
    http::set_settings(settings);
  }
}

void Simulation::bound_shares(bool has_few_requests)
{
  Config::Clients shares;
  model.has_few_requests = has_few_requests;
  if (has_few_requests)
    shares.requests_per_user = kFewRequests;
  if (m_name != ProfileName::Hostile && people.have_few_sessions())
    shares.sessions.user = kFewSessions;
  se::set_shares(shares);
}

// Visitors that do nothing make room for others.
void Simulation::make_places_few()
{
  net::ListenerSet::instance().start(http::Connection::accept, UINT64_MAX, kFewPlaces);
  model.has_few_places = true;
}

void Simulation::serve_tls()
{
  tls::ContextSettings settings;
  settings.certificate_chain_pem = kServerCertificate;
  settings.private_key_pem = kServerKey;
  settings.authorities_pem = kAuthority;
  settings.identity = "0.0.0.0:8443";
  std::string reason;
  auto context = tls::TlsContext::create(settings, reason);
  if (context.is_error())
    throw Finding{"refused others", "the simulation's own certificate: " + reason};
  m_target->set_tls_bindings(tls::BindingTable::create({{{IpAddress::any(false), 8443}, context.value()}}, {}));
}

Site *Simulation::pick_site()
{
  auto &sites = model.sites();
  // Old ones have no owner any more; a request now and then for one of them is enough.
  size_t recent = std::min<size_t>(sites.size(), random.chance(1, 20) ? 12 : 4);
  return recent == 0 ? nullptr : &sites[sites.size() - 1 - random.below(recent)];
}

void Simulation::turn()
{
  m_target->turn(static_cast<ke::CoreId>(random.below(profile.cores)));
  if (uint64_t there = net::ListenerSet::instance().connection_count(); model.has_few_places && there > kFewPlaces)
    throw Finding{"not conserved", fmt::format("{} connections have places, of which there are {}", there, kFewPlaces)};
  if (++m_turns % kTurnsBetweenChecks == 0)
    for (auto &worker : m_workers)
      worker->check_conservation();
}

void Simulation::wait_a_turn(unsigned turns)
{
  turn();
  if (turns % kTurnsOfMillisecond == 0)
    m_target->system().time++;
}

// Who has as many sessions as he may have is turned away, and nobody else is. Of what has ended the daemon may know yet.
SessionBound Simulation::bound_of(const platform::PeerCredentials &who)
{
  if (!people.have_few_sessions() || who.uid == 0)
    return SessionBound::None;
  uint64_t living = 0, of_user = 0;
  for (auto &worker : m_workers) {
    living += worker->has_ended() ? 0 : 1;
    of_user += worker->who().uid == who.uid && !worker->has_ended() ? 1 : 0;
  }
  uint64_t known = io::SessionManager::instance().session_count();
  if (of_user >= kFewSessions)
    return SessionBound::Reached;
  return of_user + known - std::min(known, living) >= kFewSessions ? SessionBound::Near : SessionBound::None;
}

void Simulation::start_worker()
{
  platform::PeerCredentials who = people.next();
  SessionBound bound = bound_of(who);
  auto link = m_target->connect_as(who);
  if (!link)
    throw Finding{"died", "the control socket takes no connection"};
  auto worker = std::make_unique<Worker>(*this, static_cast<uint32_t>(step), std::move(link), who);
  if (worker->attach(profile.has_tls && random.chance(2, 3), bound))
    m_workers.push_back(std::move(worker));
}

void Simulation::start_visitor()
{
  bool is_tls = profile.has_tls && random.chance(1, 2);
  Endpoint to{*IpAddress::parse("127.0.0.1"), static_cast<uint16_t>(is_tls ? 8443 : 8080)};
  auto socket = m_target->system().connect(to, {*IpAddress::parse("127.0.0.1"), ++m_port});
  if (!socket)
    return; // nobody listens
  Visit &visit = model.add_visit(is_tls, socket);
  TlsPeerOptions options{random.chance(1, 2), random.chance(1, 2), true};
  visit.has_certificate = is_tls && options.has_certificate;
  auto wire = is_tls ? tls_wire(std::move(socket), options) : plain_wire(std::move(socket));
  m_visitors.push_back(std::make_unique<Visitor>(*this, visit, std::move(wire)));
  trace.note("v{} connects from {}{}", visit.number, m_port, is_tls ? " with TLS" : "");
}

// One step of the first phase.
void Simulation::act()
{
  uint64_t what = random.below(100);
  if (what < profile.core_turns)
    return turn();
  what -= profile.core_turns;
  if (what < profile.worker_acts) {
    if (m_workers.size() < profile.workers && random.chance(1, 10))
      return start_worker();
    if (m_workers.empty())
      return;
    size_t chosen = random.below(m_workers.size());
    if (random.chance(profile.weights.crash, 2000)) {
      m_workers[chosen]->look_for_others();
      m_workers.erase(m_workers.begin() + static_cast<ptrdiff_t>(chosen));
    } else {
      m_workers[chosen]->act();
    }
    return;
  }
  what -= profile.worker_acts;
  if (what < profile.visitor_acts) {
    if (m_visitors.size() < profile.visitors && random.chance(1, 6))
      return start_visitor();
    if (m_visitors.empty())
      return;
    size_t chosen = random.below(m_visitors.size());
    m_visitors[chosen]->act();
    if (m_visitors[chosen]->has_ended())
      m_visitors.erase(m_visitors.begin() + static_cast<ptrdiff_t>(chosen));
    return;
  }
  bool is_long = profile.has_long_times && random.chance(1, 6);
  uint64_t milliseconds = is_long ? random.below(130'000) : random.below(200);
  pass(milliseconds);
}

void Simulation::pass(uint64_t milliseconds)
{
  trace.note("{} ms pass", milliseconds);
  m_target->system().time += milliseconds;
  for (auto &visitor : m_visitors)
    visitor->note_time();
}

// The hostile profile is the ring's fuzz harness, on a platform that delays everything.
void Simulation::be_hostile(uint64_t steps, const std::function<void(uint64_t)> &on_step)
{
  fuzz::Counts counts;
  uint64_t answers = 0;
  fuzz::Generator generator(m_seed);
  fuzz::Marks marks;
  fuzz::Run run(*m_target, "sim", counts, marks);
  for (step = 1; step <= steps; step++) {
    trace.begin_step(step);
    on_step(step);
    fuzz::Step next = generator.next(run.cut_off());
    trace.note("{}", fuzz::to_text(next));
    run.step(next);
    if (counts.answers != std::exchange(answers, counts.answers))
      trace.note("  answers {:016x}, {} sessions revoked", answers, counts.revoked);
  }
  m_target->system().faults = {};
  run.finish();
  m_target->end();
}

bool Simulation::is_calm() const
{
  return std::ranges::all_of(m_visitors, [](const auto &visitor) { return visitor->is_done() || visitor->has_ended(); }) &&
         std::ranges::all_of(m_workers, [](const auto &worker) { return worker->is_calm(); });
}

// The second phase: no faults, everybody does what is due, and everything that was begun ends.
void Simulation::calm_down()
{
  is_faulty = false;
  m_target->system().faults = {};
  trace.note("no more faults");
  for (unsigned round = 0; !is_calm(); round++) {
    if (round == kCalmRounds) {
      std::string who;
      for (auto &visitor : m_visitors)
        who += visitor->is_done() || visitor->has_ended() ? "" : ' ' + visitor->describe();
      for (auto &worker : m_workers)
        who += worker->is_calm() ? "" : ' ' + worker->describe();
      throw Finding{"hung", "without faults it does not come to an end:" + who};
    }
    for (auto &visitor : m_visitors)
      visitor->calm();
    for (auto &worker : m_workers)
      worker->calm();
    for (unsigned turns = 0; turns < kTurnsOfCalmRound; turns++)
      turn();
    m_target->system().time += kCalmMilliseconds;
  }
}

// Totals of STATS, and why connections have ended.
void Simulation::check_totals() const
{
  ke::Tallies tallies = ke::tallies();
  for (size_t i = 0; i < tallies.size(); i++)
    tallies[i] -= m_tallies_before[i];
  uint64_t connections = http::counters().connections_total - m_connections_before;
  uint64_t requests = http::counters().requests_total - m_requests_before;
  auto of = [&](ke::Tally what) { return tallies[static_cast<size_t>(what)]; };
  uint64_t ended = std::accumulate(tallies.begin(), tallies.begin() + static_cast<size_t>(ke::Tally::kEnds), uint64_t{0});
  if (ended != connections)
    throw Finding{"not conserved", fmt::format("{} connections are counted, and {} ends of such", connections, ended)};
  uint64_t come = connections + of(ke::Tally::Vanished) + of(ke::Tally::Turned);
  if (auto range = model.connections(); !range.contains(come))
    throw Finding{"not conserved", fmt::format("{} connections are counted in all, not {} to {}", come, range.least, range.most)};
  if (auto range = model.requests(); !range.contains(requests))
    throw Finding{"not conserved", fmt::format("{} requests are counted in all, not {} to {}", requests, range.least, range.most)};
}

void Simulation::leave()
{
  m_visitors.clear();
  m_target->require_no_visitors();
  check_totals();
  // What visitors' ends have brought, and then what the blocks that are handed back have.
  for (int round = 0; round < 2; round++) {
    for (auto &worker : m_workers)
      worker->hand_back();
    m_target->run();
  }
  for (auto &worker : m_workers) {
    worker->check_conservation();
    worker->look_for_others();
  }
  m_workers.clear();
  m_target->run();
  m_target->end();
}

void Simulation::run(uint64_t steps, const std::function<void(uint64_t)> &on_step)
{
  if (m_name == ProfileName::Hostile)
    return be_hostile(steps, on_step);
  for (step = 1; step <= steps; step++) {
    trace.begin_step(step);
    on_step(step);
    act();
    if (m_administrator && m_administrator_turns.chance(1, kStepsOfAdministrator))
      m_administrator->act();
  }
  if (m_administrator)
    m_administrator->finish();
  m_administrator.reset();
  calm_down();
  leave();
}

}
