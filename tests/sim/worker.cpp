// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/worker.h"
#include "tests/sim/simulation.h"
#include "tools/fuzz/step.h"
#include "uapi/response.h"
#include "uapi/status.h"
#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace httpsys::sim {

using fuzz::Finding;

static constexpr uint32_t kSlots = 60;
static constexpr uint32_t kCellBytes = 8192;    // of the send arena, for each slot: parameters, then a body
static constexpr uint32_t kParameterBytes = 512;
static constexpr uint32_t kBigOffset = 512 * 1024;
static constexpr uint32_t kBigBytes = 400'000;
static constexpr uint32_t kArenaBytes = 1 << 20;
static constexpr size_t kBlocksLeft = 2, kAtOnce = 16; // by who fills its arena
static constexpr uint32_t kCompletions = 256;
static constexpr unsigned kTurnsOfCall = 100'000;
static constexpr size_t kReceivesAtOnce = 4;
static constexpr uint16_t kContentLength = 11; // HttpHeaderContentLength

Worker::Worker(Simulation &simulation, uint32_t number, std::unique_ptr<fuzz::Link> link, platform::PeerCredentials who)
    : m_simulation(simulation), m_number(number), m_who(std::move(who)),
      m_client(std::move(link), [this](std::span<const uint8_t> bytes) { return has_others(bytes); })
{
  for (uint32_t slot = kSlots; slot > 0; slot--)
    m_free_slots.push_back(slot - 1);
}

Worker::~Worker()
{
  m_simulation.trace.note("w{} dies", m_number);
  if (m_site) {
    m_site->is_served = false;
    m_site->disturbed_step = m_simulation.step;
  }
  for (auto &handle : m_handles) {
    handle->site->open_handles--;
    handle->site->disturbed_step = m_simulation.step;
    handle->site->is_served &= handle->site->open_handles > 0;
  }
  for (auto &[id, held] : m_held) {
    if (held.is_received)
      lose(held, "its worker died");
    else if (held.exchange)
      held.exchange->is_with_worker = false;
  }
}

std::string Worker::describe() const
{
  std::string text = fmt::format("w{}", m_number);
  for (auto &[user_data, operation] : m_operations)
    text += fmt::format(" {}{}", fuzz::operation_name(operation.op), operation.must_end ? " (cancelled)" : "");
  return text;
}

bool Worker::is_calm() const
{
  auto is_unanswered = [](const auto &entry) {
    const Exchange *exchange = entry.second.exchange;
    return !exchange || (!exchange->is_final && !exchange->reason());
  };
  // What waits for a visitor may go on waiting, unless it was cancelled.
  auto is_due = [](const auto &entry) {
    const Operation &operation = entry.second;
    bool may_wait = operation.op == HSYS_OP_WAIT_DISCONNECT || (operation.op == HSYS_OP_RECEIVE_REQUEST && operation.object == 0);
    return !may_wait || operation.must_end;
  };
  return std::ranges::none_of(m_held, is_unanswered) && std::ranges::none_of(m_operations, is_due) && m_taken.empty();
}

bool Worker::attach(bool is_tls, SessionBound bound)
{
  m_client.say_hello("worker");
  hsys_control_channel_open open{};
  open.sq_entries = 64;
  open.cq_entries = kCompletions;
  open.tx_bytes = kArenaBytes;
  m_hoards = m_simulation.people.chance(1, 2);
  open.rx_bytes = m_hoards ? HSYS_BLOCK_MAX : kArenaBytes;
  m_client.send(HSYS_CONTROL_CHANNEL_OPEN, open);
  const platform::SimFaults &faults = m_simulation.profile.faults;
  const bool may_fail = m_simulation.is_faulty && (faults.call_fails > 0 || faults.memory_fails > 0);
  for (unsigned turns = 0; !m_client.take_messages(HSYS_CONTROL_CHANNEL_OPENED); turns++) {
    if (m_client.link().has_ended() && (may_fail || bound != SessionBound::None))
      return false;
    if (turns > kTurnsOfCall || m_client.link().has_ended())
      throw Finding{"refused others", fmt::format("w{} gets no channel", m_number)};
    m_simulation.wait_a_turn(turns);
  }
  if (!m_client.is_open()) {
    const auto status = static_cast<NtStatus>(m_client.answer());
    const bool is_short =
      status == NtStatus::NoMemory || status == NtStatus::TooManyOpenedFiles || status == NtStatus::InsufficientResources;
    if (!is_short || !m_simulation.is_faulty)
      throw Finding{"refused others", fmt::format("w{} gets no channel: {:#x}", m_number, m_client.answer())};
    return false;
  }
  if (bound == SessionBound::Reached)
    throw Finding{"accepted", fmt::format("w{} (pid {}, uid {}) has one session more than it may have", m_number, m_who.pid, m_who.uid)};
  poison();
  m_site = &m_simulation.model.add_site(is_tls, m_who.uid, m_simulation.step);
  auto &handle = *m_handles.emplace_back(std::make_unique<Handle>(Handle{0, m_site}));
  m_site->open_handles++;
  uint64_t none = 0;
  bool is_good = call(HSYS_OP_CREATE_SERVER_SESSION, nullptr, 0, {}, m_session) &&
                 call(HSYS_OP_CREATE_URL_GROUP, nullptr, m_session, {}, m_group) &&
                 call(HSYS_OP_CREATE_REQUEST_QUEUE, nullptr, 0, fuzz::queue_block(m_site->queue_name()), handle.id) &&
                 call(HSYS_OP_BIND_URL_GROUP, &handle, m_group, {}, none) &&
                 call(HSYS_OP_ADD_URL, nullptr, m_group, fuzz::url_block(m_site->url()), none);
  m_site->is_served = is_good;
  m_site->disturbed_step = m_simulation.step;
  m_simulation.trace.note("w{} serves {}", m_number, m_site->url());
  m_fills = is_good && m_hoards && m_simulation.model.has_full_arenas;
  if (m_fills)
    fill_arena();
  return is_good;
}

void Worker::fill_arena()
{
  const size_t most = m_client.geometry().rx_bytes / HSYS_BLOCK_MIN - kBlocksLeft;
  for (unsigned turns = 0; m_blocks.size() < most && !has_ended(); turns++) {
    if (turns > kTurnsOfCall * most)
      throw Finding{"hung", fmt::format("w{} waits in vain for blocks", m_number)};
    for (size_t count = m_blocks.size() + m_operations.size(); count < most && has_room() && m_operations.size() < kAtOnce; count++)
      submit(HSYS_OP_CANCEL, nullptr, UINT64_MAX).is_nonsense = true;
    publish();
    m_simulation.wait_a_turn(turns);
    m_client.take_messages();
    reap(SIZE_MAX);
    advance();
  }
}

// One operation and its completion.
bool Worker::call(hsys_op op, Handle *handle, uint64_t object, std::span<const uint8_t> parameters, uint64_t &id, uint32_t flags)
{
  m_called.reset();
  submit(op, handle, object, parameters, flags);
  publish();
  for (unsigned turns = 0; !m_called; turns++) {
    if (turns > kTurnsOfCall)
      throw Finding{"hung", fmt::format("w{} waits in vain for {}", m_number, fuzz::operation_name(op))};
    m_simulation.wait_a_turn(turns);
    m_client.take_messages();
    reap(1);
    advance();
    give_back();
  }
  auto [status, made] = *m_called;
  id = made;
  if (status != HSYS_STATUS_SUCCESS && !m_simulation.is_faulty)
    throw Finding{"refused others", fmt::format("w{}: {} failed with {:#x}", m_number, fuzz::operation_name(op), status)};
  return status == HSYS_STATUS_SUCCESS;
}

uint32_t Worker::cell(uint32_t slot) const
{
  return slot * kCellBytes;
}

Worker::Operation &Worker::submit(hsys_op op, Handle *handle, uint64_t object, std::span<const uint8_t> parameters, uint32_t flags,
                                  uint32_t out_length)
{
  uint32_t slot = m_free_slots.back();
  m_free_slots.pop_back();
  hsys_sqe entry{};
  entry.op = static_cast<uint8_t>(op);
  entry.user_data = ++m_last;
  entry.irp_id = HSYS_IRP_ID(slot, static_cast<uint16_t>(m_last));
  entry.handle = handle ? handle->id : 0;
  entry.object_id = object;
  entry.op_flags = flags;
  entry.out_length = out_length;
  if (!parameters.empty()) {
    m_client.write(m_client.geometry().tx_offset + cell(slot), parameters);
    entry.in_offset = cell(slot);
    entry.in_length = static_cast<uint32_t>(parameters.size());
  }
  m_client.put(entry);
  m_simulation.trace.note("w{} begins {} {}", m_number, m_last, fuzz::operation_name(op));
  Operation operation{op, slot, handle, object, nullptr, out_length, flags};
  operation.step = m_simulation.step;
  return m_operations.emplace(m_last, operation).first->second;
}

// An operation of a request, or of its connection.
Worker::Operation &Worker::submit_for(Held &held, hsys_op op, std::span<const uint8_t> parameters, uint32_t flags, uint32_t out_length)
{
  uint64_t object = is_of_connection(op) ? held.connection : held.id;
  Operation &operation = submit(op, held.handle, object, parameters, flags, out_length);
  operation.exchange = held.exchange;
  m_simulation.trace.note("  for {}", held.exchange->describe());
  return operation;
}

void Worker::publish()
{
  m_client.publish(0, true);
}

Worker::Handle *Worker::pick_handle()
{
  std::vector<Handle *> open;
  for (auto &handle : m_handles)
    if (!handle->is_closing)
      open.push_back(handle.get());
  return open.empty() ? nullptr : open[m_simulation.random.below(open.size())];
}

Worker::Held *Worker::pick_held()
{
  if (m_held.empty())
    return nullptr;
  auto found = m_held.begin();
  std::advance(found, static_cast<ptrdiff_t>(m_simulation.random.below(m_held.size())));
  return &found->second;
}

void Worker::receive(Handle &handle)
{
  static constexpr uint32_t kRooms[] = {65536, 65536, 65536, 4096, 1800, 100};
  auto is_receive = [&](const auto &entry) { return entry.second.op == HSYS_OP_RECEIVE_REQUEST && entry.second.handle == &handle; };
  if (static_cast<size_t>(std::ranges::count_if(m_operations, is_receive)) >= kReceivesAtOnce)
    return;
  Random &random = m_simulation.random;
  uint32_t flags = random.chance(1, 3) ? HSYS_RECEIVE_COPY_BODY : random.chance(1, 10) ? HSYS_RECEIVE_FLUSH_BODY : 0;
  submit(HSYS_OP_RECEIVE_REQUEST, &handle, 0, {}, flags, kRooms[random.below(std::size(kRooms))]);
}

void Worker::retrieve(Held &held)
{
  if (!std::exchange(held.is_being_retrieved, true))
    submit(HSYS_OP_RECEIVE_REQUEST, held.handle, held.id, {}, 0, 65536);
}

// One at a time, so that their order is known.
void Worker::read_body(Held &held)
{
  if (held.reads > 0 || held.is_body_over)
    return;
  held.reads++;
  auto room = static_cast<uint32_t>(m_simulation.random.chance(1, 2) ? 65536 : 1 + m_simulation.random.below(5000));
  submit_for(held, HSYS_OP_RECEIVE_BODY, {}, 0, room);
}

// What one operation may take from where it has to put it.
uint64_t Worker::body_room() const
{
  return m_has_big_body ? kCellBytes - kParameterBytes : kBigBytes;
}

// Places the next so many bytes of the response's body, for the operation that comes next, and writes the extent. Whether they took the
// one big place.
bool Worker::put_body(Exchange &exchange, std::vector<uint8_t> &block, size_t extent_at, uint64_t bytes)
{
  bool is_big = bytes > kCellBytes - kParameterBytes;
  uint32_t offset = is_big ? kBigOffset : cell(m_free_slots.back()) + kParameterBytes;
  m_has_big_body |= is_big;
  std::string body = body_bytes(exchange.number, 'a', exchange.response_bytes, bytes);
  m_client.write(m_client.geometry().tx_offset + offset, {reinterpret_cast<const uint8_t *>(body.data()), body.size()});
  hsys_extent extent{offset, static_cast<uint32_t>(bytes)};
  std::memcpy(block.data() + extent_at, &extent, sizeof extent);
  exchange.response_bytes += bytes;
  return is_big;
}

static uint64_t pick_bytes(Random &random)
{
  switch (random.below(6)) {
  case 0: return 0;
  case 1: return random.below(300'000);
  case 2: return random.below(20'000);
  default: return random.below(400);
  }
}

template <typename Head>
static std::vector<uint8_t> block_of(Head head, std::string_view length_field)
{
  head.version = 1;
  head.extent_count = 1;
  head.extent_offset = sizeof head;
  std::vector<uint8_t> block(sizeof head + sizeof(hsys_extent));
  if constexpr (requires { head.header_count; }) {
    if (!length_field.empty()) {
      hsys_header field{};
      field.id = kContentLength;
      field.value_length = static_cast<uint16_t>(length_field.size());
      head.header_count = 1;
      head.header_offset = static_cast<uint32_t>(block.size());
      field.value_offset = static_cast<uint32_t>(block.size() + sizeof field);
      block.resize(block.size() + sizeof field);
      std::memcpy(block.data() + head.header_offset, &field, sizeof field);
      block.insert(block.end(), length_field.begin(), length_field.end());
    }
  }
  head.size = static_cast<uint32_t>(block.size());
  std::memcpy(block.data(), &head, sizeof head);
  return block;
}

// The response or its first piece.
void Worker::respond(Held &held, bool all)
{
  static constexpr uint16_t kStatuses[] = {200, 200, 200, 201, 207, 204, 304};
  Random &random = m_simulation.random;
  Exchange &exchange = *held.exchange;
  uint64_t bytes = pick_bytes(random), first = std::min(bytes, body_room());
  bool is_more = first < bytes || (!all && random.chance(1, 3));
  if (is_more)
    first = random.below(first + 1);
  hsys_response head{};
  head.status_code = kStatuses[random.below(std::size(kStatuses))];
  head.content_bytes = first;
  if (is_more && random.chance(1, 2))
    exchange.declared_bytes = bytes;
  auto block = block_of(head, exchange.declared_bytes ? std::to_string(bytes) : std::string());
  bool disconnects = random.chance(1, 20);
  uint32_t flags = (is_more ? HSYS_SEND_MORE_DATA : 0) | (disconnects ? HSYS_SEND_DISCONNECT : 0);
  held.is_begun = exchange.has_response = true;
  exchange.status = head.status_code;
  bool is_big = put_body(exchange, block, sizeof head, first);
  submit_for(held, HSYS_OP_SEND_RESPONSE, block, flags).has_big_body = is_big;
  m_simulation.trace.note("  {}, {} of {} bytes{}{}", head.status_code, first, bytes, exchange.declared_bytes ? ", declared" : "",
                          is_more ? ", more comes" : "");
  held.response_left = bytes - first;
  exchange.is_final = !is_more;
  // Without a length nothing but the connection's end can end the body: HTTP.sys makes no chunks of its own accord.
  if (disconnects || exchange.method == Method::OldGet || (is_more && !exchange.declared_bytes))
    exchange.visit->may_end("its answer ends it");
}

void Worker::send_more(Held &held, bool all)
{
  Random &random = m_simulation.random;
  Exchange &exchange = *held.exchange;
  uint64_t bytes = std::min(held.response_left, body_room());
  bool is_last = bytes == held.response_left && (all || random.chance(2, 3));
  if (!is_last)
    bytes = all ? bytes : random.below(bytes + 1);
  auto block = block_of(hsys_send_body{}, {});
  bool is_big = put_body(exchange, block, sizeof(hsys_send_body), bytes);
  submit_for(held, HSYS_OP_SEND_BODY, block, is_last ? 0 : HSYS_SEND_MORE_DATA).has_big_body = is_big;
  m_simulation.trace.note("  {} bytes{}", bytes, is_last ? "" : ", more comes");
  held.response_left -= bytes;
  exchange.is_final = is_last;
}

// A request of the same connection that another worker, of another queue, has received and not begun to answer.
const Exchange *Worker::request_of_others(const Held &held) const
{
  auto is_others = [&](const Exchange *exchange) {
    return exchange->is_with_worker && exchange->worker != m_number && exchange->site != held.handle->site && !exchange->has_response &&
           !exchange->site->is_tried;
  };
  auto &all = held.exchange->visit->exchanges;
  auto found = std::ranges::find_if(all, is_others);
  return found == all.end() ? nullptr : *found;
}

void Worker::certificate(Held &held)
{
  static constexpr uint32_t kFlags[] = {0, HSYS_CERTIFICATE_FULL_CHAIN, HSYS_CERTIFICATE_CHANNEL_TOKEN};
  Random &random = m_simulation.random;
  uint32_t room = random.chance(1, 4) ? static_cast<uint32_t>(random.below(1000)) : 16384;
  const Exchange *others = request_of_others(held);
  submit_for(held, HSYS_OP_RECEIVE_CERTIFICATE, {}, kFlags[random.below(std::size(kFlags))], room).others = others;
}

void Worker::cancel()
{
  if (m_operations.empty())
    return;
  auto found = m_operations.begin();
  std::advance(found, static_cast<ptrdiff_t>(m_simulation.random.below(m_operations.size())));
  auto &[user_data, target] = *found;
  bool is_send = target.op == HSYS_OP_SEND_RESPONSE || target.op == HSYS_OP_SEND_BODY;
  if (target.op == HSYS_OP_CANCEL || (is_send && !m_simulation.random.chance(1, 8)))
    return;
  target.is_cancelled = true;
  if (is_send) {
    target.exchange->may_end("a send of it was cancelled");
    target.exchange->visit->may_end("a send was cancelled");
  }
  uint64_t number = user_data;
  uint32_t irp_id = HSYS_IRP_ID(target.slot, static_cast<uint16_t>(number));
  submit(HSYS_OP_CANCEL, nullptr, irp_id).cancels = number;
}

void Worker::lose(Held &held, const char *why)
{
  held.exchange->may_end(why);
  held.exchange->visit->may_end(why);
  held.exchange->is_with_worker = false;
}

void Worker::cancel_request(Held &held)
{
  held.exchange->may_end("HttpCancelHttpRequest");
  held.exchange->visit->may_end("HttpCancelHttpRequest");
  submit_for(held, HSYS_OP_CANCEL_REQUEST);
}

// Takes its URL away, or unbinds the group; the other way round the next time.
void Worker::change_urls()
{
  m_site->is_served = false;
  m_site->disturbed_step = m_simulation.step;
  bool is_url = m_simulation.random.chance(1, 2);
  if (is_url) {
    m_has_url = !m_has_url;
    submit(m_has_url ? HSYS_OP_ADD_URL : HSYS_OP_REMOVE_URL, nullptr, m_group, fuzz::url_block(m_site->url())).site = m_site;
  } else {
    Handle &own = *m_handles.front();
    if (own.is_closing || own.site != m_site)
      return;
    m_is_bound = !m_is_bound;
    submit(HSYS_OP_BIND_URL_GROUP, m_is_bound ? &own : nullptr, m_group).site = m_site;
  }
}

// Opens another worker's queue, or closes or shuts one of its handles.
void Worker::change_queues()
{
  Random &random = m_simulation.random;
  if (random.chance(2, 3) && m_handles.size() < 4) {
    Site *site = m_simulation.pick_site();
    // With a second handle to a queue the process keeps its requests when it closes the first, which the model does not follow.
    bool has_it = std::ranges::any_of(m_handles, [&](const auto &handle) { return handle->site == site; }) ||
                  std::ranges::any_of(m_operations, [&](const auto &entry) { return entry.second.site == site; });
    if (!site || has_it)
      return;
    submit(HSYS_OP_CREATE_REQUEST_QUEUE, nullptr, 0, fuzz::queue_block(site->queue_name()), HSYS_QUEUE_OPEN_EXISTING).site = site;
    return;
  }
  Handle *handle = pick_handle();
  if (handle && random.chance(1, 2))
    close(*handle);
  else if (handle)
    shut(*handle);
}

void Worker::close(Handle &handle)
{
  handle.is_closing = true;
  handle.site->open_handles--;
  handle.site->disturbed_step = m_simulation.step;
  handle.site->is_served &= handle.site->open_handles > 0;
  if (&handle == m_handles.front().get())
    m_site->is_served = false; // a group cannot be bound again without it
  for (auto &[id, held] : m_held)
    if (held.handle == &handle && held.exchange)
      lose(held, "its queue's handle was closed");
  std::erase_if(m_held, [&](const auto &entry) { return entry.second.handle == &handle; });
  for (auto &[user_data, operation] : m_operations)
    operation.is_cancelled |= operation.handle == &handle;
  submit(HSYS_OP_CLOSE_HANDLE, &handle, 0);
}

void Worker::shut(Handle &handle)
{
  handle.is_shut = true;
  for (auto &[user_data, operation] : m_operations)
    operation.is_cancelled |= operation.handle == &handle;
  submit(HSYS_OP_SHUTDOWN_REQUEST_QUEUE, &handle, 0);
}

void Worker::act_on(Held &held, uint64_t what)
{
  const WorkerWeights &weights = m_simulation.profile.weights;
  auto is = [&](uint32_t weight) {
    bool is_it = what < weight;
    what -= is_it ? 0 : weight;
    return is_it;
  };
  if (!held.exchange)
    return retrieve(held);
  if (!held.is_received)
    return;
  bool is_over = held.exchange->is_final;
  if (is(weights.read_body))
    read_body(held);
  else if (is(weights.respond) && !held.is_begun)
    respond(held, false);
  else if (is(weights.send_more) && held.is_begun && !is_over)
    send_more(held, false);
  else if (is(weights.wait_disconnect))
    submit_for(held, HSYS_OP_WAIT_DISCONNECT);
  else if (is(weights.certificate))
    certificate(held);
  else if (is(weights.cancel_request))
    cancel_request(held);
}

void Worker::act()
{
  Random &random = m_simulation.random;
  const WorkerWeights &weights = m_simulation.profile.weights;
  m_client.take_messages();
  give_up_urls();
  if (m_simulation.people.chance(1, 30))
    take_url();
  uint64_t what = random.below(100);
  auto is = [&](uint64_t weight) {
    bool is_it = what < weight;
    what -= is_it ? 0 : weight;
    return is_it;
  };
  if (is(18))
    return reap(1 + random.below(20));
  if (is(8))
    return advance();
  if (is(6)) {
    if (!m_hoards || m_simulation.people.chance(1, 20))
      give_back(m_fills ? 2 : SIZE_MAX);
    return;
  }
  if (is(12))
    return publish();
  if (!has_room())
    return;
  if (is(16)) {
    if (Handle *handle = pick_handle(); handle && !handle->is_shut)
      receive(*handle);
  } else if (what % 20 == 0 && random.chance(weights.cancel, 20)) {
    cancel();
  } else if (what % 20 == 1 && random.chance(weights.urls, 40)) {
    change_urls();
  } else if (what % 20 == 2 && random.chance(weights.queues, 20)) {
    change_queues();
  } else if (what % 20 == 3 && weights.nop) {
    submit(HSYS_OP_NOP, nullptr, 0);
  } else if (Held *held = pick_held()) {
    uint64_t total = weights.read_body + weights.respond + weights.send_more + weights.wait_disconnect + weights.certificate +
                     weights.cancel_request;
    act_on(*held, random.below(total));
  }
  if (random.chance(3, 4))
    publish();
}

void Worker::calm()
{
  m_client.take_messages();
  give_up_urls();
  reap(SIZE_MAX);
  advance();
  give_back();
  for (auto &handle : m_handles)
    if (handle->is_shut && !handle->is_closing && has_room())
      close(*handle); // what waits there goes to others
  for (auto &handle : m_handles)
    if (!handle->is_closing && has_room())
      receive(*handle);
  for (auto &[id, held] : m_held) {
    if (!has_room())
      continue;
    if (!held.exchange)
      retrieve(held);
    else if (held.exchange->is_final)
      continue;
    else if (held.is_received && !held.is_begun)
      respond(held, true);
    else if (held.is_begun)
      send_more(held, true);
  }
  publish();
}

}
