// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/simulated_target.h"
#include "kernel/base/log.h"
#include "kernel/http/buffer_budget.h"
#include "kernel/http/connection.h"
#include "kernel/http/counters.h"
#include "kernel/http/id_tables.h"
#include "kernel/http/settings.h"
#include "kernel/http/spare_buffers.h"
#include "kernel/http/tls_bindings.h"
#include "kernel/io/irp_queue.h"
#include "kernel/io/session.h"
#include "kernel/limits.h"
#include "kernel/main/boot.h"
#include "kernel/mm/uaccess.h"
#include "kernel/net/listener_set.h"
#include "kernel/ns/namespace.h"
#include "kernel/queue/queue_registry.h"
#include "kernel/queue/request_queue.h"
#include "kernel/queue/user_requests.h"
#include "kernel/se/access.h"
#include "tools/fuzz/channel_memory.h"
#include "tools/fuzz/conservation.h"
#include "tools/fuzz/load_watch.h"
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <set>

namespace httpsys::fuzz {

using platform::SimControl;
using platform::SimEvent;
using platform::SimSocket;

static constexpr uint32_t kTurnsOfYield = 3;
static constexpr uint32_t kTurnsUntilHung = 200'000;
static constexpr uint32_t kTurnsBetweenChecks = 64, kTurnsBetweenArenas = 512;
static constexpr uint32_t kUid = 1000, kPid = 4711;

namespace {

class SimulatedLink;
platform::SimSystem *s_system = nullptr; // that of the target
std::set<SimulatedLink *> s_links;
std::map<int, SimulatedLink *> s_by_memory; // whose memory the daemon has behind that descriptor, now

class SimulatedLink final : public Link {
public:
  explicit SimulatedLink(std::shared_ptr<SimControl> control) : m_control(std::move(control))
  {
    m_control->take_descriptors = [this](std::span<const int> memory, std::span<const std::shared_ptr<SimEvent>> events) {
      // Nothing may be thrown through the daemon.
      m_is_odd = memory.size() != 2 || events.size() != 2 || m_memory;
      if (m_is_odd)
        return;
      m_memory = std::make_unique<ChannelMemory>(memory[0], memory[1]);
      m_loads = std::make_unique<LoadWatch>(m_memory->mapping());
      s_by_memory[m_utok_number = memory[1]] = this;
      m_kick = events[0];
      const auto &page = *reinterpret_cast<const hsys_kpage *>(m_memory->mapping().ktou);
      m_sq_head = page.sq_head;
      m_ret_head = page.ret_head;
    };
    s_links.insert(this);
  }
  ~SimulatedLink() override;
  bool send(std::span<const uint8_t> bytes, unsigned descriptors) override
  {
    m_control->send({bytes.begin(), bytes.end()}, descriptors > 0);
    return !m_control->is_shut;
  }
  std::optional<std::vector<uint8_t>> receive() override
  {
    if (m_is_odd)
      throw Finding{"mixed", "a channel came with other descriptors than its four, or twice"};
    if (m_control->from_daemon.empty())
      return std::nullopt;
    auto packet = std::move(m_control->from_daemon.front());
    m_control->from_daemon.pop_front();
    return packet;
  }
  bool has_ended() override { return m_control->is_shut && m_control->from_daemon.empty(); }
  void leave(Leave how) override
  {
    if (how == Leave::Writes)
      m_control->end();
    if (how == Leave::Reads)
      m_control->room = 0;
    // There are no descriptors: that of a duplicate is this one.
  }
  const Mapping *mapping() const override { return m_memory ? &m_memory->mapping() : nullptr; }
  void kick(uint64_t times) override { m_kick->signals += times; }
  const char *try_seals(unsigned region, unsigned how, uint64_t value) override { return m_memory->try_seals(region, how, value); }
  void race(uint64_t offset, std::vector<uint8_t> bytes, uint64_t loads) override;

  // What the daemon has taken since the last look, in one turn of a core, is bounded (trust rule T8).
  void look_at_progress()
  {
    if (!m_memory)
      return;
    const auto &page = *reinterpret_cast<const hsys_kpage *>(m_memory->mapping().ktou);
    uint32_t entries = page.sq_head - std::exchange(m_sq_head, page.sq_head);
    uint32_t returns = page.ret_head - std::exchange(m_ret_head, page.ret_head);
    if (entries > limits::kEntriesPerTurn || returns > limits::kReturnsPerTurn)
      throw Finding{"unbounded", fmt::format("in one turn {} entries and {} blocks of one client were taken", entries, returns)};
  }

  // What was read twice in this turn of a core.
  void end_turn()
  {
    if (!m_loads)
      return;
    m_loads->end_turn();
    if (m_loads->finding())
      throw *m_loads->finding();
  }

  void look_anew(uint64_t offset) { m_loads->look_anew(offset); }
  // The daemon has read these bytes of ours. Are they to be rewritten by this client itself, too?
  void after_load(uint64_t offset, uint64_t bytes_read)
  {
    m_loads->after_load(offset, bytes_read);
    bool is_hit = offset < m_race_offset + m_race_bytes.size() && m_race_offset < offset + bytes_read;
    if (m_race_loads == 0 || m_race_bytes.empty() || !is_hit)
      return;
    m_race_loads--;
    const Mapping &mapping = m_memory->mapping();
    uint64_t bytes = std::min<uint64_t>(m_race_bytes.size(), mapping.utok_bytes - m_race_offset);
    std::memcpy(mapping.utok + m_race_offset, m_race_bytes.data(), bytes);
    // Another pattern each time, so that two loads never see the same.
    for (uint8_t &byte : m_race_bytes)
      byte = static_cast<uint8_t>(byte * 5 + 1);
  }

private:
  std::shared_ptr<SimControl> m_control;
  std::unique_ptr<ChannelMemory> m_memory;
  std::unique_ptr<LoadWatch> m_loads; // of m_memory
  bool m_is_odd = false;
  int m_utok_number = -1; // of the daemon's descriptor
  std::shared_ptr<SimEvent> m_kick;
  uint32_t m_sq_head = 0, m_ret_head = 0; // at the last look
  uint64_t m_race_offset = 0, m_race_loads = 0;
  std::vector<uint8_t> m_race_bytes;
};

SimulatedLink::~SimulatedLink()
{
  s_links.erase(this);
  // A later one may have a descriptor of the same number.
  if (auto found = s_by_memory.find(m_utok_number); found != s_by_memory.end() && found->second == this)
    s_by_memory.erase(found);
  m_control->take_descriptors = nullptr;
  m_control->end();
}

void SimulatedLink::race(uint64_t offset, std::vector<uint8_t> bytes, uint64_t loads)
{
  m_race_offset = offset;
  m_race_bytes = std::move(bytes);
  m_race_loads = loads;
}

class SimulatedPeer final : public Peer {
public:
  explicit SimulatedPeer(std::shared_ptr<SimSocket> socket) : m_socket(std::move(socket)) {}
  ~SimulatedPeer() override { m_socket->fin_sent = true; }
  void send(std::string_view bytes) override { m_socket->send(bytes); }
  std::string receive() override { return m_socket->take(); }
  bool has_ended() override { return m_socket->is_closed || m_socket->fin_received || m_socket->reset_received; }

private:
  std::shared_ptr<SimSocket> m_socket;
};

void register_once()
{
  static bool is_done = false;
  if (!std::exchange(is_done, true))
    register_layers();
}

}

SimulatedTarget::SimulatedTarget(uint64_t seed, uint32_t cores) : m_system(seed), m_count(cores)
{
  register_once();
  platform::set_system(m_system);
  se::set_daemon_uid(0);
  http::set_settings({});
  se::set_shares({});
  set_log_sink([](LogCause, std::string) {});
  mm::UserMemory::after_load_hook = [](mm::SharedRegion &region, uint64_t offset, uint64_t bytes) {
    if (auto found = s_by_memory.find(region.descriptor()); found != s_by_memory.end())
      found->second->after_load(offset, bytes);
  };
  mm::UserMemory::look_anew_hook = [](mm::SharedRegion &region, uint64_t offset) {
    if (auto found = s_by_memory.find(region.descriptor()); found != s_by_memory.end())
      found->second->look_anew(offset);
  };
  s_system = &m_system;
  mm::SharedRegion::is_out_of_memory_hook = [] { return s_system->strikes(&platform::SimFaults::memory_fails); };
  std::vector<std::unique_ptr<platform::IoEngine>> engines;
  for (uint32_t core = 0; core < cores; core++)
    engines.push_back(std::make_unique<platform::SimEngine>(m_system));
  m_system.shuffles = true;
  m_cores = std::make_unique<ke::Cores>(cores);
  m_cores->start_stepped(std::move(engines));
  m_cores->run_on(0, [this, seed] {
    net::ListenerSet::instance().start(http::Connection::accept);
    std::string reason;
    io::SessionManager::Settings settings;
    settings.epoch = 1;
    // Indices wrap early in every other run.
    settings.first_index = seed % 2 ? 0xfffffff0u : 0;
    io::SessionManager::instance().start(m_system.listen_control("", reason).release_value(), settings);
  });
  run();
}

SimulatedTarget::~SimulatedTarget()
{
  set_log_sink(nullptr);
  mm::UserMemory::after_load_hook = nullptr;
  mm::UserMemory::look_anew_hook = nullptr;
  mm::SharedRegion::is_out_of_memory_hook = nullptr;
  s_system = nullptr;
}

bool SimulatedTarget::turn(ke::CoreId core)
{
  bool has_worked = m_cores->core(core).turn(false);
  for (SimulatedLink *link : s_links)
    link->end_turn();
  for (SimulatedLink *link : s_links)
    link->look_at_progress();
  m_turns++;
  if (m_turns % kTurnsBetweenChecks == 0)
    check_conservation(m_count);
  if (m_turns % kTurnsBetweenArenas == 0)
    check_arenas(m_count);
  return has_worked;
}

void SimulatedTarget::set_tls_bindings(RefPtr<tls::BindingTable> table)
{
  m_cores->run_on(0, [table = std::move(table)]() mutable { http::publish_tls_bindings(std::move(table), [] {}); });
  run();
}

void SimulatedTarget::yield()
{
  for (uint32_t turns = 0; turns < kTurnsOfYield * m_count; turns++)
    turn(static_cast<ke::CoreId>(m_system.random.below(m_count)));
}

void SimulatedTarget::run()
{
  // A hot channel looks a few times before it waits for its kick.
  for (uint32_t idle = 0, turns = 0; idle < limits::kEmptyPollsUntilCold + 4; turns++) {
    if (turns > kTurnsUntilHung)
      throw Finding{"hung", "the daemon does not come to rest"};
    bool has_worked = false;
    for (ke::CoreId core = 0; core < m_count; core++)
      has_worked |= turn(core);
    idle = has_worked ? 0 : idle + 1;
  }
}

void SimulatedTarget::pass(uint64_t milliseconds)
{
  m_system.time += milliseconds;
  yield();
}

std::unique_ptr<Link> SimulatedTarget::connect()
{
  return connect_as(next_person ? next_person() : platform::PeerCredentials{kPid, kUid, kUid, "fuzz"});
}

std::unique_ptr<Link> SimulatedTarget::connect_as(const platform::PeerCredentials &who)
{
  auto control = m_system.connect_control(who);
  return control ? std::make_unique<SimulatedLink>(control) : nullptr;
}

std::unique_ptr<Peer> SimulatedTarget::dial()
{
  auto socket = m_system.connect({*IpAddress::parse("127.0.0.1"), port()}, {*IpAddress::parse("127.0.0.1"), ++m_client_port});
  return socket ? std::make_unique<SimulatedPeer>(socket) : nullptr;
}

static void require_none(const char *what, uint64_t count)
{
  if (count != 0)
    throw Finding{"leaked", std::to_string(count) + " " + what + " are left when nobody is there any more"};
}

void SimulatedTarget::require_no_visitors()
{
  run();
  require_none("connections", http::counters().connections);
  require_none("requests", http::counters().requests);
  require_none("sends", http::counters().sending);
  require_none("requests counted for users", queue::requests_of_users());
  check_conservation(m_count);
  check_handles(m_count);
}

void SimulatedTarget::end()
{
  run();
  check_conservation(m_count);
  check_handles(m_count);
  require_none("handles of clients", queue::QueueRegistry::instance().handle_count());
  require_none("sessions", io::SessionManager::instance().session_count());
  require_none("request queues", queue::QueueRegistry::instance().count());
  require_none("URLs", ns::Namespace::instance().url_count());
  require_none("URL groups", ns::Namespace::instance().group_count());
  for (ke::CoreId core = 0; core < m_count; core++)
    m_cores->run_on(core, [] { http::Connection::end_this_core(); });
  bool has_stopped = false;
  m_cores->run_on(0, [&has_stopped] {
    net::ListenerSet::instance().close_all([] {});
    io::SessionManager::instance().stop([&has_stopped] { has_stopped = true; });
  });
  run();
  if (!has_stopped)
    throw Finding{"hung", "the daemon does not end"};
  require_none("connections", http::counters().connections);
  require_none("requests", http::counters().requests);
  require_none("sends", http::counters().sending);
  require_none("delivered requests", http::counters().requests_delivered);
  require_none("requests counted for users", queue::requests_of_users());
  for (ke::CoreId core = 0; core < m_count; core++) {
    ke::Core::Scope scope(m_cores->core(core));
    require_none("connection ids", http::id_tables().connections.count());
    require_none("request ids", http::id_tables().requests.count());
    require_none("parked operations", io::IrpQueue::parked_here());
    require_none("buffered bytes", http::buffered_bytes());
    require_none("spare bytes", http::spare_bytes());
    require_none("queued requests", queue::queued_requests_on_this_core());
    for (ke::TimerWheel *wheel : {&m_cores->core(core).timers(), &m_cores->core(core).network_timers()})
      require_none("timers", wheel->next_deadline() == platform::kNever ? 0 : 1);
  }
  require_none("descriptors", m_system.descriptor_count());
  m_cores.reset();
}

}
