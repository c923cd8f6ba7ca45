// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/run.h"
#include <algorithm>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <utility>

namespace httpsys::fuzz {

static constexpr uint64_t kStepsBetweenChecks = 100;
static constexpr uint64_t kStepsBetweenLooks = 32; // into all the memory that clients are given
static constexpr size_t kVisitors = 16;
// So that all clients of a process, several runs' at a time, have no more than OperationsPerProcess of them.
static constexpr uint32_t kOperationsOfReal = 4096;
static constexpr unsigned kTurnsOfGrace = 60; // until a session that has broken a rule must have ended
static constexpr unsigned kStepsOfLeaver = 16; // until a connection that is half closed, or has another descriptor, ends
static constexpr unsigned kTurnsToSettle = 5000;
static constexpr std::chrono::seconds kTimeToSettle{5};

Run::Run(Target &target, std::string name, Counts &counts, Marks &marks)
    : m_target(target), m_name(std::move(name)), m_counts(counts), m_marks(marks)
{
  Identity identity = new_identity("witness");
  m_witness = std::make_unique<Witness>(m_target, identity, m_marks.foreign_to(identity.mark));
  m_witness->check();
}

Identity Run::new_identity(const std::string &who)
{
  return {fmt::format("{}-{}-{}", m_name, who, ++m_identities), m_marks.make(), m_target.port()};
}

void Run::connect(uint8_t number)
{
  auto link = m_target.connect();
  if (!link) {
    m_counts.refused++;
    return;
  }
  Identity identity = new_identity(fmt::format("c{}", number));
  IsForeign is_foreign = m_marks.foreign_to(identity.mark);
  uint32_t most = m_target.is_real() ? kOperationsOfReal : UINT32_MAX;
  m_clients[number] = std::make_unique<HostileClient>(identity, std::move(link), is_foreign, m_known_to_all, m_counts, most);
}

// What it was given is looked through before it is gone.
void Run::disconnect(std::unique_ptr<HostileClient> &client)
{
  if (client)
    client->look_for_others();
  client.reset();
}

void Run::leave(std::unique_ptr<HostileClient> client, uint64_t how)
{
  if (!client || how == 0 || how > static_cast<uint64_t>(Leave::Duplicate))
    return disconnect(client);
  disconnect(m_leaver.client);
  m_leaver = {std::move(client), static_cast<Leave>(how)};
  m_leaver.client->leave(m_leaver.how);
}

// Whoever says nothing more has left: its session must end, though it still has its memory, and its kick.
void Run::look_at_leaver()
{
  Leaver &leaver = m_leaver;
  if (!leaver.client)
    return;
  leaver.client->kick();
  bool must_end = leaver.how == Leave::Writes;
  if (leaver.client->has_ended() || (!must_end && ++leaver.steps > kStepsOfLeaver))
    return disconnect(leaver.client);
  if (must_end && is_over(leaver.grace))
    throw Finding{"accepted", leaver.client->identity().name + " has closed its half of the control socket, and its session goes on"};
}

bool Run::is_over(Grace &grace) const
{
  if (grace.turns++ == 0)
    grace.since = std::chrono::steady_clock::now();
  return m_target.is_real() ? std::chrono::steady_clock::now() - grace.since > kTimeToSettle : grace.turns > kTurnsOfGrace;
}

void Run::step(const Step &step)
{
  m_counts.steps++;
  auto &client = m_clients[step.client];
  if (step.verb == Verb::Pass) {
    m_target.pass(step.arguments[0]);
  } else if (step.verb == Verb::Disconnect) {
    leave(std::move(client), step.arguments[0]);
  } else if (step.verb == Verb::Connect) {
    disconnect(client);
    connect(step.client);
  } else if (step.verb == Verb::Web) {
    web(step);
  } else if (client) {
    client->run(step);
    if (client->has_ended())
      disconnect(client);
  }
  m_target.yield();
  look_at_visitors();
  demand_ends();
  look_at_leaver();
  if (++m_steps % kStepsBetweenChecks == 0)
    m_witness->check();
  if (m_steps % kStepsBetweenLooks == 0)
    for (auto &one : m_clients)
      if (one)
        one->look_for_others();
}

std::array<bool, kClients> Run::cut_off() const
{
  std::array<bool, kClients> result{};
  for (size_t client = 0; client < kClients; client++)
    result[client] = !m_clients[client];
  return result;
}

void Run::web(const Step &step)
{
  auto &client = m_clients[step.client];
  auto peer = m_target.dial();
  if (!client || !peer)
    return;
  peer->send(web_request(step.arguments[0], step.arguments[1], step.arguments[2], client->identity()));
  if (step.arguments[3] == 0)
    return m_target.yield(); // and it leaves
  if (m_visitors.size() == kVisitors)
    m_visitors.erase(m_visitors.begin());
  m_visitors.push_back({std::move(peer), client->identity().mark, {}});
}

void Run::look_at_visitors()
{
  for (Visitor &visitor : m_visitors) {
    std::string answer = visitor.end_of_last + visitor.peer->receive();
    if (m_marks.has_foreign(visitor.mark, {reinterpret_cast<const uint8_t *>(answer.data()), answer.size()}))
      throw Finding{"mixed", "a response has another client's bytes in it"};
    visitor.end_of_last = answer.substr(answer.size() - std::min(answer.size(), Marks::kBytes - 1));
  }
}

// Returns whether there is a client that should have been cut off by now, or soon.
bool Run::demand_ends()
{
  bool is_any_due = false;
  for (size_t number = 0; number < kClients; number++) {
    auto &client = m_clients[number];
    Grace &grace = m_grace[number];
    if (!client || !client->must_be_cut_off() || client->has_ended()) {
      grace = {};
      continue;
    }
    // A client whose kicks are not listened to is looked at now and then.
    if (!std::exchange(is_any_due, true) && !m_target.is_real())
      m_target.pass(1);
    if (is_over(grace))
      throw Finding{"accepted", client->identity().name + " has broken a rule of the ring, and its session goes on"};
  }
  return is_any_due;
}

void Run::settle(HostileClient &client)
{
  auto until = std::chrono::steady_clock::now() + kTimeToSettle;
  client.collect();
  for (unsigned turn = 0; client.is_honest() && client.owed() > 0; turn++) {
    if (m_target.is_real() ? std::chrono::steady_clock::now() > until : turn > kTurnsToSettle)
      throw Finding{"never", "operations of " + client.identity().name + " are not completed:" + client.describe_owed()};
    client.cancel_all();
    m_target.yield();
    client.collect();
  }
}

void Run::finish()
{
  m_visitors.clear();
  m_witness->check();
  while (demand_ends())
    m_target.yield();
  for (; m_leaver.client; m_target.yield())
    look_at_leaver();
  for (auto &client : m_clients)
    if (client && !client->has_ended() && client->is_honest())
      settle(*client);
  for (auto &client : m_clients)
    disconnect(client);
  m_target.yield();
  m_witness->check();
  m_witness.reset();
}

}
