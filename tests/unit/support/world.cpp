// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support/world.h"
#include "kernel/base/log.h"
#include "kernel/http/buffer_budget.h"
#include "kernel/http/connection.h"
#include "kernel/http/counters.h"
#include "kernel/http/id_tables.h"
#include "kernel/http/operations.h"
#include "kernel/http/spare_buffers.h"
#include "kernel/io/irp_queue.h"
#include "kernel/ke/tally.h"
#include "kernel/net/listener_set.h"
#include "kernel/ns/namespace.h"
#include "kernel/queue/operations.h"
#include "kernel/queue/queue_registry.h"
#include "kernel/queue/request_queue.h"
#include "kernel/queue/user_requests.h"
#include "kernel/se/access.h"
#include "uapi/ring_inline.h"
#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <numeric>
#include <sys/mman.h>

namespace httpsys::test {

static World *s_world;

// What boot does once.
static void register_layers()
{
  static bool is_done = false;
  if (std::exchange(is_done, true))
    return;
  queue::register_operations();
  ns::Namespace::register_operations();
  http::register_request_owner();
  // As the session manager does: the session has ended when its channel has gone.
  io::ChannelRegistry::set_events({[](io::SessionId, hsys_revocation) {},
                                   [](io::SessionId session) { io::registrations().session_ended(session); }});
}

static uint64_t connections_ended()
{
  auto all = ke::tallies();
  return std::accumulate(all.begin(), all.begin() + static_cast<size_t>(ke::Tally::kEnds), uint64_t{0});
}

World::World(uint32_t count, const http::Settings &settings)
{
  VERIFY(!std::exchange(s_world, this));
  register_layers();
  platform::set_system(system);
  se::set_daemon_uid(0);
  http::set_settings(settings);
  se::set_shares({});
  set_log_sink([](LogCause cause, std::string line) {
    s_world->m_causes.emplace_back(line, cause);
    s_world->log.push_back(std::move(line));
  });
  std::vector<std::unique_ptr<platform::IoEngine>> made;
  for (uint32_t core = 0; core < count; core++) {
    engines.push_back(new SimEngine(system));
    made.emplace_back(engines.back());
  }
  m_cores = std::make_unique<ke::Cores>(count);
  m_cores->start_stepped(std::move(made));
  net::ListenerSet::instance().start([](int socket) { http::Connection::accept(socket); });
}

World::~World()
{
  while (!m_processes.empty())
    m_processes.back()->die();
  for (SimEngine *engine : engines)
    engine->holds_sends = false;
  run();
  for (ke::CoreId core = 0; core < core_count(); core++)
    on(core, [] { http::Connection::end_this_core(); });
  on(0, [] { net::ListenerSet::instance().close_all([] {}); });
  run();
  CHECK(http::counters().connections == 0);
  CHECK(connections_ended() == http::counters().connections_total); // each once
  CHECK(net::ListenerSet::instance().connection_count() == 0);
  CHECK(http::counters().requests == 0);
  CHECK(http::counters().sending == 0);
  CHECK(http::counters().requests_delivered == 0);
  CHECK(queue::requests_of_users() == 0);
  CHECK(queue::QueueRegistry::instance().count() == 0);
  CHECK(ns::Namespace::instance().url_count() == 0);
  CHECK(ns::Namespace::instance().group_count() == 0);
  for (ke::CoreId core = 0; core < core_count(); core++) {
    ke::Core::Scope scope(m_cores->core(core));
    CHECK(http::id_tables().connections.count() == 0);
    CHECK(http::id_tables().requests.count() == 0);
    CHECK(io::IrpQueue::parked_here() == 0);
    CHECK(http::buffered_bytes() == 0);
    CHECK(http::spare_bytes() == 0);
    CHECK(queue::queued_requests_on_this_core() == 0);
  }
  CHECK(system.descriptor_count() == 0);
  m_cores.reset();
  set_log_sink(nullptr);
  s_world = nullptr;
}

bool World::turn(ke::CoreId core)
{
  return m_cores->core(core).turn(false);
}

void World::run()
{
  // A hot channel looks a few times before it waits for its kick.
  for (uint32_t idle = 0, rounds = 0; idle < limits::kEmptyPollsUntilCold + 4; rounds++) {
    REQUIRE(rounds < 1'000'000);
    bool has_worked = false;
    for (ke::CoreId core = 0; core < core_count(); core++)
      has_worked |= turn(core);
    idle = has_worked ? 0 : idle + 1;
  }
}

void World::pass(platform::Milliseconds milliseconds)
{
  system.time += milliseconds;
  run();
}

void World::shake(std::mt19937 &random, uint32_t turns)
{
  for (uint32_t i = 0; i < turns; i++)
    turn(static_cast<ke::CoreId>(random() % core_count()));
}

std::shared_ptr<SimSocket> World::connect(uint16_t port, const char *local)
{
  return system.connect({*IpAddress::parse(local), port}, {*IpAddress::parse("10.0.0.7"), ++m_client_port});
}

void World::on(ke::CoreId core, void (*function)())
{
  m_cores->run_on(core, [function] { function(); });
}

bool World::has_logged(std::string_view text) const
{
  return std::ranges::any_of(log, [&](const std::string &line) { return line.find(text) != line.npos; });
}

std::optional<LogCause> World::cause_of(std::string_view text) const
{
  std::optional<LogCause> cause;
  for (const auto &[line, its_cause] : m_causes)
    if (line.find(text) != line.npos)
      cause = its_cause;
  return cause;
}

std::string Process::Completion::reason() const
{
  return entry.flags & HSYS_CQE_REASON ? std::string(output.begin(), output.end()) : std::string();
}

Process::Process(World &world, ke::CoreId core, uint32_t uid, uint32_t pid) : m_world(&world)
{
  io::ChannelBirth birth;
  m_channel = birth.address = {core, ++world.m_last_channel};
  birth.session = m_channel.number;
  birth.peer = {pid != 0 ? pid : 4000 + m_channel.number, uid, uid, "worker"};
  birth.client = se::client_of(uid, birth.peer.pid, birth.session);
  auto sizes = io::choose_sizes({64, 4096, HSYS_ARENA_BYTES_MIN, HSYS_ARENA_BYTES_MIN});
  birth.geometry = m_geometry = io::make_geometry(sizes, 1, birth.session);
  birth.first_handle_generation = m_channel.number * 16;
  using Writer = mm::SharedRegion::Writer;
  auto make = [](uint64_t bytes, Writer writer, std::vector<uint8_t> page) {
    return mm::SharedRegion::create("test", bytes, writer, page).release_value();
  };
  birth.ktou = make(m_geometry.ktou_bytes, Writer::Daemon, io::initial_kpage(m_geometry, 0));
  birth.utok = make(m_geometry.utok_bytes, Writer::Client, io::initial_upage(0));
  auto map = [](mm::SharedRegion &region, int access) {
    void *base = mmap(nullptr, region.size(), access, MAP_SHARED, region.descriptor(), 0);
    VERIFY(base != MAP_FAILED);
    return static_cast<uint8_t *>(base);
  };
  m_ktou = map(*birth.ktou, PROT_READ);
  m_utok = map(*birth.utok, PROT_READ | PROT_WRITE);
  VERIFY(fcntl(birth.utok->descriptor(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0);
  m_kick = birth.kick = world.system.create_event().release_value();
  auto bell = world.system.create_bell().release_value();
  m_bell = bell.first;
  birth.bell = bell.second;
  auto given = std::make_unique<io::ChannelBirth>(std::move(birth));
  ke::Cores::instance().run_on(core, [given = std::move(given)] { io::ChannelRegistry::create(std::move(*given)); });
  world.m_processes.push_back(this);
}

void Process::die()
{
  if (!m_world)
    return;
  ke::Cores::instance().run_on(m_channel.core, [number = m_channel.number] { io::ChannelRegistry::end(number); });
  munmap(const_cast<uint8_t *>(m_ktou), m_geometry.ktou_bytes);
  munmap(m_utok, m_geometry.utok_bytes);
  m_world->system.close(m_bell);
  std::erase(m_world->m_processes, this);
  m_world = nullptr;
}

void Process::break_protocol()
{
  hsys_store_release(&upage().sq_tail, m_sq_tail + m_geometry.sq_entries + 1);
  m_world->system.signal(m_kick);
}

uint32_t Process::state() const
{
  return kpage().state;
}

const queue::DeliveredRequests &Process::delivered() const
{
  ke::Core::Scope scope(m_world->m_cores->core(m_channel.core));
  return static_cast<const queue::DeliveredRequests &>(io::Channel::find(m_channel.number)->extension());
}

size_t Process::delivered_requests() const
{
  return delivered().count();
}

size_t Process::delivered_connections() const
{
  return delivered().connection_count();
}

size_t Process::delivery_notes() const
{
  return delivered().note_count();
}

hsys_sqe Process::entry(hsys_op operation, uint64_t handle, uint64_t object, uint32_t flags, uint32_t out_length)
{
  hsys_sqe entry{};
  entry.op = static_cast<uint8_t>(operation);
  entry.handle = handle;
  entry.object_id = object;
  entry.op_flags = flags;
  entry.out_length = out_length;
  return entry;
}

// Places in turn: a test keeps few bytes in flight.
uint32_t Process::place(std::span<const uint8_t> bytes)
{
  REQUIRE(bytes.size() <= m_geometry.tx_bytes);
  if (m_next_place + bytes.size() > m_geometry.tx_bytes)
    m_next_place = 0;
  uint32_t offset = m_next_place;
  if (!bytes.empty())
    std::memcpy(m_utok + m_geometry.tx_offset + offset, bytes.data(), bytes.size());
  m_next_place += static_cast<uint32_t>((bytes.size() + 7) / 8 * 8);
  return offset;
}

uint32_t Process::submit(hsys_sqe entry, std::span<const uint8_t> parameters)
{
  while (m_sq_tail - hsys_load_acquire(&kpage().sq_head) == m_geometry.sq_entries)
    m_world->turn(m_channel.core);
  entry.irp_id = HSYS_IRP_ID(m_next_irp % m_geometry.cq_entries, m_next_irp / m_geometry.cq_entries);
  m_next_irp++;
  entry.in_offset = parameters.empty() ? 0 : place(parameters);
  entry.in_length = static_cast<uint32_t>(parameters.size());
  std::memcpy(m_utok + m_geometry.sq_offset + m_sq_tail % m_geometry.sq_entries * sizeof entry, &entry, sizeof entry);
  if (hsys_publish(&upage().sq_tail, &kpage().sq_wake, m_sq_tail, m_sq_tail + 1))
    m_world->system.signal(m_kick);
  m_sq_tail++;
  return entry.irp_id;
}

void Process::reap()
{
  uint32_t tail = hsys_load_acquire(&kpage().cq_tail);
  uint32_t returned = m_ret_tail;
  for (; m_cq_head != tail; m_cq_head++) {
    Completion done{};
    std::memcpy(&done.entry, m_ktou + m_geometry.cq_offset + m_cq_head % m_geometry.cq_entries * sizeof done.entry, sizeof done.entry);
    if (done.entry.flags & HSYS_CQE_BLOCK) {
      const uint8_t *block = m_ktou + m_geometry.rx_offset + done.entry.out_offset;
      done.output.assign(block, block + done.entry.out_length);
      uint8_t *place = m_utok + m_geometry.ret_offset + m_ret_tail++ % m_geometry.ret_entries * sizeof(uint32_t);
      std::memcpy(place, &done.entry.block, sizeof(uint32_t));
    }
    bool is_new = m_done.emplace(done.entry.irp_id, std::move(done)).second;
    CHECK(is_new); // completed once
  }
  if (holds)
    return;
  hsys_store_release(&upage().cq_head, m_cq_head);
  if (returned != m_ret_tail && hsys_publish(&upage().ret_tail, &kpage().ret_wake, returned, m_ret_tail))
    m_world->system.signal(m_kick);
}

bool Process::has(uint32_t irp_id)
{
  reap();
  return m_done.contains(irp_id);
}

Process::Completion Process::take(uint32_t irp_id)
{
  REQUIRE(has(irp_id));
  auto node = m_done.extract(irp_id);
  return std::move(node.mapped());
}

std::map<uint32_t, Process::Completion> Process::take_all()
{
  reap();
  return std::exchange(m_done, {});
}

Process::Completion Process::call(const hsys_sqe &entry, std::span<const uint8_t> parameters)
{
  uint32_t irp_id = submit(entry, parameters);
  m_world->run();
  return take(irp_id);
}

template <typename Head>
static std::vector<uint8_t> block_of(const Head &head, std::u16string_view text)
{
  std::vector<uint8_t> block(sizeof head + text.size() * 2);
  std::memcpy(block.data(), &head, sizeof head);
  if (!text.empty())
    std::memcpy(block.data() + sizeof head, text.data(), text.size() * 2);
  return block;
}

uint64_t Process::create_queue(std::u16string_view name, uint32_t flags)
{
  hsys_queue_name head{static_cast<uint32_t>(name.size() * 2), 0};
  auto done = call(entry(HSYS_OP_CREATE_REQUEST_QUEUE, 0, 0, flags), block_of(head, name));
  CHECK(done.status() == NtStatus::Success);
  return done.entry.object_id;
}

uint64_t Process::create_group()
{
  if (m_server_session == 0)
    m_server_session = call(entry(HSYS_OP_CREATE_SERVER_SESSION, 0)).entry.object_id;
  return call(entry(HSYS_OP_CREATE_URL_GROUP, 0, m_server_session)).entry.object_id;
}

NtStatus Process::add_url(uint64_t group, std::u16string_view url, std::string *reason)
{
  auto done = call(entry(HSYS_OP_ADD_URL, 0, group), block_of(hsys_url{77, static_cast<uint32_t>(url.size() * 2), 0}, url));
  if (reason)
    *reason = done.reason();
  return done.status();
}

NtStatus Process::remove_url(uint64_t group, std::u16string_view url)
{
  return call(entry(HSYS_OP_REMOVE_URL, 0, group), block_of(hsys_url{0, static_cast<uint32_t>(url.size() * 2), 0}, url)).status();
}

NtStatus Process::bind(uint64_t group, uint64_t queue)
{
  return call(entry(HSYS_OP_BIND_URL_GROUP, queue, group)).status();
}

uint64_t Process::serve(std::u16string_view url, uint64_t queue)
{
  uint64_t group = create_group();
  CHECK(add_url(group, url) == NtStatus::Success);
  CHECK(bind(group, queue) == NtStatus::Success);
  return group;
}

void Process::cancel(uint32_t irp_id)
{
  submit(entry(HSYS_OP_CANCEL, 0, irp_id));
}

uint32_t Process::receive(uint64_t queue, uint32_t flags, uint32_t out_length, uint64_t request)
{
  return submit(entry(HSYS_OP_RECEIVE_REQUEST, queue, request, flags, out_length));
}

uint32_t Process::read_body(uint64_t queue, uint64_t request, uint32_t out_length)
{
  return submit(entry(HSYS_OP_RECEIVE_BODY, queue, request, 0, out_length));
}

hsys_extent Process::extent(std::string_view body)
{
  return {place({reinterpret_cast<const uint8_t *>(body.data()), body.size()}), static_cast<uint32_t>(body.size())};
}

template <typename Head>
static std::vector<uint8_t> block_with(Head head, const hsys_extent &extent)
{
  head.size = sizeof head;
  head.version = 1;
  if (extent.length > 0) {
    head.extent_count = 1;
    head.extent_offset = sizeof head;
    head.size += static_cast<uint32_t>(sizeof extent);
  }
  std::vector<uint8_t> block(head.size);
  std::memcpy(block.data(), &head, sizeof head);
  if (extent.length > 0)
    std::memcpy(block.data() + sizeof head, &extent, sizeof extent);
  return block;
}

std::vector<uint8_t> Process::response_block(uint16_t status, std::string_view body, uint64_t content_length)
{
  hsys_response head{};
  head.status_code = status;
  head.content_bytes = body.size();
  auto block = block_with(head, extent(body));
  if (content_length == 0)
    return block;
  // With a Content-Length or Transfer-Encoding header, behind the rest.
  bool is_chunked = content_length == kChunked;
  std::string value = is_chunked ? "chunked" : std::to_string(content_length);
  std::memcpy(&head, block.data(), sizeof head);
  auto at = static_cast<uint32_t>(block.size());
  auto id = static_cast<uint16_t>(is_chunked ? 6 : 11);
  hsys_header header{id, 0, static_cast<uint16_t>(value.size()), 0, 0, at + static_cast<uint32_t>(sizeof header)};
  head.header_count = 1;
  head.header_offset = at;
  head.size = at + static_cast<uint32_t>(sizeof header + value.size());
  block.resize(head.size);
  std::memcpy(block.data(), &head, sizeof head);
  std::memcpy(block.data() + at, &header, sizeof header);
  std::memcpy(block.data() + at + sizeof header, value.data(), value.size());
  return block;
}

uint32_t Process::respond(uint64_t queue, uint64_t request, std::string_view body, uint32_t flags, uint64_t content_length)
{
  return submit(entry(HSYS_OP_SEND_RESPONSE, queue, request, flags), response_block(200, body, content_length));
}

uint32_t Process::send_body(uint64_t queue, uint64_t request, std::string_view body, uint32_t flags)
{
  return submit(entry(HSYS_OP_SEND_BODY, queue, request, flags), block_with(hsys_send_body{}, extent(body)));
}

}
