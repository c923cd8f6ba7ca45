// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/hostile_client.h"
#include "kernel/base/random.h"
#include "uapi/ops.h"
#include "uapi/request.h"
#include "uapi/response.h"
#include "uapi/status.h"
#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <utility>

namespace httpsys::fuzz {

static constexpr size_t kRemembered = 64; // of each kind

static void remember(std::vector<uint64_t> &list, uint64_t id)
{
  if (list.size() == kRemembered)
    list.erase(list.begin());
  list.push_back(id);
}

static uint64_t pick(const std::vector<uint64_t> &list, uint64_t number)
{
  return list.empty() ? 0 : list[number % list.size()];
}

static void forget(std::vector<uint64_t> &list, std::vector<uint64_t> &ended, uint64_t id)
{
  if (std::erase(list, id) > 0)
    remember(ended, id);
}

static std::vector<uint8_t> filled(uint64_t bytes, uint64_t fill)
{
  Random random(fill);
  std::vector<uint8_t> made(bytes);
  if (bytes == 1)
    return {static_cast<uint8_t>(fill)};
  for (uint8_t &byte : made)
    byte = static_cast<uint8_t>(random.next());
  return made;
}

HostileClient::HostileClient(Identity identity, std::unique_ptr<Link> link, IsForeign is_foreign,
                             std::vector<uint64_t> &known_to_all, Counts &counts, uint32_t most_operations)
    : m_identity(std::move(identity)), m_client(std::move(link), std::move(is_foreign)), m_counts(counts), m_known_to_all(known_to_all),
      m_most_operations(most_operations)
{
}

void HostileClient::take_messages()
{
  bool was_revoked = m_client.revoked() != 0;
  m_client.take_messages();
  if (was_revoked || m_client.revoked() == 0)
    return;
  m_counts.revoked++;
  // Messages are a way of their own: a malformed one that was sent later, or earlier, may be what the daemon sees first.
  bool is_certain = m_expected_reason != 0 && !m_may_be_anything && !m_has_sent_messages;
  if (is_certain && m_client.revoked() != m_expected_reason)
    throw Finding{"accepted", fmt::format("{} has broken rule {} and was cut off for rule {}, some time later", m_identity.name,
                                          m_expected_reason, m_client.revoked())};
}

bool HostileClient::has_ended()
{
  take_messages();
  return m_has_ended || m_client.link().has_ended();
}

// Of a scribble or a race, in utok.
uint64_t HostileClient::place(const Step &step) const
{
  const hsys_geometry &geometry = m_client.geometry();
  uint64_t offset = step.arguments[1];
  switch (static_cast<Area>(step.arguments[0] & 3)) {
  case Area::Arena: return geometry.tx_offset + offset % geometry.tx_bytes;
  case Area::Entry: return m_client.last_entry() + offset % sizeof(hsys_sqe);
  case Area::Returns: return geometry.ret_offset + offset % (geometry.ret_entries * sizeof(uint32_t));
  default: return offset % HSYS_PAGE;
  }
}

void HostileClient::run(const Step &step)
{
  take_messages();
  const auto &arguments = step.arguments;
  switch (step.verb) {
  case Verb::Hello:
  case Verb::Open:
  case Verb::Control: return control(step);
  default: break;
  }
  if (!m_client.is_open())
    return;
  switch (step.verb) {
  case Verb::Entry: entry(step); return;
  case Verb::Flood: return flood(step);
  case Verb::Publish: return publish(step);
  case Verb::Word: return word(step);
  case Verb::Scribble:
    m_is_honest &= static_cast<Area>(arguments[0] & 3) == Area::Arena; // who changes his own parameters gets what they say
    doubt(static_cast<Area>(arguments[0] & 3) != Area::Arena);
    return m_client.write(place(step), filled(std::min<uint64_t>(arguments[2], 65536), arguments[3]));
  case Verb::Race:
    m_is_honest &= static_cast<Area>(arguments[0] & 3) == Area::Arena;
    doubt(static_cast<Area>(arguments[0] & 3) != Area::Arena);
    return m_client.link().race(place(step), filled(std::min<uint64_t>(arguments[2], 4096), arguments[3]), arguments[4]);
  case Verb::Return: return returned(step);
  case Verb::Reap: return reap(step);
  case Verb::Kick: return m_client.link().kick(std::min<uint64_t>(arguments[0], 4096));
  case Verb::Seal:
    return try_seals(step);
  default: return;
  }
}

void HostileClient::try_seals(const Step &step)
{
  const auto &arguments = step.arguments;
  auto region = static_cast<unsigned>(arguments[0] & 1), how = static_cast<unsigned>(arguments[1]);
  if (const char *done = m_client.link().try_seals(region, how, arguments[2]))
    throw Finding{"sealed", std::string("a client could ") + done};
}

void HostileClient::control(const Step &step)
{
  const auto &arguments = step.arguments;
  auto number = [&](size_t argument) { return static_cast<uint32_t>(arguments[argument]); };
  m_has_sent_messages |= step.verb == Verb::Control || std::exchange(step.verb == Verb::Hello ? m_has_said_hello : m_has_asked, true);
  if (step.verb == Verb::Hello) {
    hsys_control_hello hello{};
    hello.abi_major = number(0);
    hello.minor_min = number(1);
    hello.minor_max = number(2);
    hello.want = arguments[3];
    hello.need = arguments[4];
    m_identity.program().copy(hello.program, sizeof hello.program - 1);
    m_has_ended |= !m_client.send(HSYS_CONTROL_HELLO, hello);
    return;
  }
  if (step.verb == Verb::Open) {
    hsys_control_channel_open open{};
    open.sq_entries = number(0);
    open.cq_entries = std::min(number(1), m_most_operations);
    open.rx_bytes = std::min(number(2), 1u << 22); // memory of the machine, not of the daemon
    open.tx_bytes = std::min(number(3), 1u << 22);
    m_has_ended |= !m_client.send(HSYS_CONTROL_CHANNEL_OPEN, open);
    return;
  }
  std::vector<uint8_t> bytes = filled(std::min<uint64_t>(arguments[1], 2 * HSYS_ADMIN_MESSAGE_MAX), arguments[4]);
  hsys_control head{};
  head.magic = arguments[3] == 0 ? HSYS_CONTROL_MAGIC : number(3);
  head.type = static_cast<uint16_t>(arguments[0]);
  head.size = number(2);
  std::copy_n(reinterpret_cast<const uint8_t *>(&head), std::min(bytes.size(), sizeof head), bytes.begin());
  m_has_ended |= !m_client.link().send(bytes, static_cast<unsigned>(arguments[5] & 3));
}

uint64_t HostileClient::resolve(const Step &step, EntryArgument argument, uint64_t op) const
{
  uint64_t value = step.arguments[argument];
  if (!step.is_learned(argument))
    return value;
  if (value >= kEnded)
    return pick(m_ended, value);
  if (argument == kHandle)
    return pick(m_handles, value);
  switch (op) {
  case HSYS_OP_CREATE_URL_GROUP:
  case HSYS_OP_CLOSE_SERVER_SESSION: return pick(m_sessions, value);
  case HSYS_OP_CLOSE_URL_GROUP:
  case HSYS_OP_ADD_URL:
  case HSYS_OP_REMOVE_URL:
  case HSYS_OP_BIND_URL_GROUP: return pick(m_groups, value);
  case HSYS_OP_RECEIVE_CERTIFICATE:
  case HSYS_OP_WAIT_DISCONNECT: return pick(m_connections, value);
  case HSYS_OP_CANCEL: {
    if (m_owed.empty())
      return 0;
    auto found = m_owed.begin();
    std::advance(found, static_cast<ptrdiff_t>(value % m_owed.size()));
    return found->second.irp_id;
  }
  default: return pick(value < kForeign ? m_requests : m_known_to_all, value);
  }
}

void HostileClient::parameters(const Step &step, hsys_sqe &entry)
{
  uint64_t shape = step.arguments[kShape], fill = step.arguments[kFill];
  if (shape == 0)
    return;
  Block block = well_formed(step.arguments[kOp], m_identity, fill);
  hsys_extent stray{};
  if (shape == 3) // the body begins or ends outside of the arena
    (fill & 1 ? stray.offset : stray.length) = static_cast<uint32_t>(m_client.geometry().tx_bytes + (fill >> 1) % (1u << 24));
  m_client.place_body(block, stray);
  if (shape == 2 && !block.bytes.empty())
    damage(block.bytes, fill + 1);
  m_client.place_parameters(block.bytes, entry);
}

// False: no slot is free, and the client keeps to the rules.
bool HostileClient::take_slot(const Step &step, uint32_t &irp_id)
{
  uint32_t count = m_client.geometry().cq_entries;
  if (step.arguments[kSlot] > 0) {
    auto slot = static_cast<uint16_t>(step.arguments[kSlot] - 1);
    irp_id = HSYS_IRP_ID(slot, static_cast<uint16_t>(step.arguments[kSequence]));
    bool is_in_use = m_slots.contains(slot);
    m_uses_slot_twice |= is_in_use && slot < count; // one past the end is refused, however often
    m_is_honest &= slot < count && !is_in_use;
    m_slots.insert(slot);
    return true;
  }
  // As the library does: only what fits into the completion ring is begun.
  if (m_owed.size() + m_reaped_slots.size() + HSYS_CQ_RESERVE + 1 >= count)
    return false;
  for (uint32_t slot = 0; slot < count; slot++) {
    if (m_slots.insert(static_cast<uint16_t>(slot)).second) {
      irp_id = HSYS_IRP_ID(slot, m_next_sequence++);
      return true;
    }
  }
  return false;
}

bool HostileClient::entry(const Step &step)
{
  uint32_t irp_id = 0;
  if (!m_client.has_room() || !take_slot(step, irp_id))
    return false;
  const auto &arguments = step.arguments;
  hsys_sqe made{};
  made.op = static_cast<uint8_t>(arguments[kOp]);
  made.irp_id = irp_id;
  made.user_data = m_next_user_data++;
  made.handle = resolve(step, kHandle, arguments[kOp]);
  made.object_id = resolve(step, kObject, arguments[kOp]);
  made.in_offset = static_cast<uint32_t>(arguments[kInOffset]);
  made.in_length = static_cast<uint32_t>(arguments[kInLength]);
  made.out_length = static_cast<uint32_t>(arguments[kOutLength]);
  made.op_flags = static_cast<uint32_t>(arguments[kOpFlags]);
  if (arguments[kReserved] & 1)
    made.flags = static_cast<uint8_t>(arguments[kReserved] >> 8);
  if (arguments[kReserved] & 2)
    made.reserved2 = arguments[kReserved];
  parameters(step, made);
  bool is_malformed = made.flags != 0 || made.reserved2 != 0;
  m_owed[made.user_data] = {irp_id, made.op, is_malformed, arguments[kShape] == 3 && made.in_length > 0,
                            (made.op_flags & HSYS_SEND_MORE_DATA) != 0, made.handle, made.object_id};
  m_client.put(made);
  return true;
}

// Else the tail has been moved back, and what was put last is not published.
static bool has_gone_ahead(uint32_t ahead)
{
  return ahead < 0x80000000;
}

// As many as the ring takes.
void HostileClient::flood(const Step &step)
{
  Step nop = step;
  nop.arguments = {HSYS_OP_NOP};
  for (uint64_t left = std::min<uint64_t>(step.arguments[0], m_client.geometry().sq_entries); left > 0; left--)
    entry(nop);
  nop.arguments = {0, step.arguments[1]};
  publish(nop);
}

void HostileClient::publish(const Step &step)
{
  if (m_must_be_cut_off)
    return; // the daemon shall see what was wrong, and not something right that came later
  auto ahead = static_cast<uint32_t>(step.arguments[0]);
  bool was_honest = m_is_honest;
  m_is_honest &= ahead == 0;
  m_client.publish(ahead, step.arguments[1] != 0);
  // However far the daemon has come by now, less than half of all numbers is ahead of it.
  if (ahead > 2 * m_client.geometry().sq_entries && has_gone_ahead(ahead)) {
    m_expected_reason = was_honest ? HSYS_REVOKED_SQ_INDEX : 0;
    demand_end();
  }
  bool uses_slot_twice = m_uses_slot_twice && has_gone_ahead(ahead);
  m_is_due_when_taken = uses_slot_twice && !m_must_be_cut_off;
  if (uses_slot_twice)
    demand_end();
  // Whoever does not ring when the daemon sleeps is not answered; the next kick does.
}

void HostileClient::doubt(bool doubts)
{
  m_may_be_anything |= doubts;
  m_must_be_cut_off &= !m_may_be_anything;
}

// Broke a rule that ends the session, and sees to it that the daemon looks.
void HostileClient::demand_end()
{
  m_must_be_cut_off |= !m_may_be_anything;
  m_client.link().kick(1);
}

void HostileClient::word(const Step &step)
{
  auto which = static_cast<unsigned>(step.arguments[0]);
  uint32_t &place = m_client.word(which);
  auto value = static_cast<uint32_t>(step.arguments[2]);
  uint32_t old = __atomic_load_n(&place, __ATOMIC_RELAXED);
  // Wake words are the client's to set as it likes.
  bool is_wake = which % 5 == 2 || which % 5 == 4;
  is_wake |= step.arguments[1] != 0 && value == 0;
  m_is_honest &= is_wake;
  doubt(!is_wake);
  __atomic_store_n(&place, step.arguments[1] ? old + value : value, __ATOMIC_SEQ_CST);
}

void HostileClient::returned(const Step &step)
{
  if (m_must_be_cut_off)
    return; // the daemon shall see what was wrong first, and name that
  auto block = static_cast<uint32_t>(step.arguments[0]);
  if (step.is_learned(0) && step.arguments[1] == 0) {
    if (m_blocks.empty())
      return;
    auto found = m_blocks.begin() + static_cast<ptrdiff_t>(step.arguments[0] % m_blocks.size());
    block = *found;
    m_blocks.erase(found);
  } else {
    m_is_honest = false;
  }
  m_client.give_back(block);
  auto ahead = static_cast<uint32_t>(step.arguments[1]);
  m_client.publish_returns(ahead);
  if (has_gone_ahead(ahead) && block >= m_client.geometry().rx_bytes / HSYS_BLOCK_MIN)
    demand_end(); // there is no such block
}

void HostileClient::reap(const Step &step)
{
  if (m_must_be_cut_off)
    return; // it would make a slot free that was not
  for (const Completion &completion : m_client.reap(std::min<uint64_t>(step.arguments[0], 4096)))
    look_at(completion);
  if (step.arguments[1]) {
    m_client.advance();
    for (uint16_t slot : m_reaped_slots)
      m_slots.erase(slot);
    m_reaped_slots.clear();
    m_uses_slot_twice = false; // perhaps no longer
  }
  if (!step.arguments[2])
    return;
  for (uint32_t block : std::exchange(m_blocks, {}))
    m_client.give_back(block);
  m_client.publish_returns(0);
}

void HostileClient::look_at(const Completion &completion)
{
  const hsys_cqe &entry = completion.entry;
  for (uint64_t number : {entry.user_data, uint64_t{entry.status}})
    m_counts.answers = (m_counts.answers ^ number) * 0x100000001b3;
  // Whoever has handed back what he still uses finds there what came later.
  if (m_is_honest && completion.has_remains)
    throw Finding{"mixed", "what a block held before is behind its new bytes"};
  if (entry.flags & HSYS_CQE_BLOCK)
    m_blocks.push_back(entry.block);
  auto found = m_owed.find(entry.user_data);
  if (found == m_owed.end()) {
    // Whoever has written over its own entries cannot tell any more which they were.
    if (m_is_honest)
      throw Finding{"twice", m_identity.name + " got a completion that it has had, or of an operation that it has not begun: user_data " +
                               std::to_string(entry.user_data) + ", irp_id " + std::to_string(entry.irp_id)};
    return;
  }
  Owed owed = found->second;
  m_owed.erase(found);
  if (m_is_honest && owed.irp_id != entry.irp_id)
    throw Finding{"mixed", "a completion's irp_id is not that of its entry"};
  if (m_is_honest && owed.is_malformed && entry.status != static_cast<uint32_t>(HSYS_STATUS_INVALID_PARAMETER))
    throw Finding{"accepted", "an entry with a reserved member that is not 0 was completed with status " + std::to_string(entry.status)};
  bool has_extent = owed.op == HSYS_OP_SEND_RESPONSE || owed.op == HSYS_OP_SEND_BODY;
  if (m_is_honest && owed.cannot_succeed && has_extent && entry.status == HSYS_STATUS_SUCCESS)
    throw Finding{"accepted", "a body from outside of the send arena was sent"};
  m_reaped_slots.push_back(HSYS_IRP_SLOT(entry.irp_id));
  static constexpr hsys_status refusals[] = {HSYS_STATUS_INVALID_PARAMETER, HSYS_STATUS_INVALID_HANDLE, HSYS_STATUS_NOT_SUPPORTED,
    HSYS_STATUS_INVALID_DEVICE_REQUEST, HSYS_STATUS_INSUFFICIENT_RESOURCES, HSYS_STATUS_ACCESS_DENIED};
  bool is_refused = std::ranges::count(refusals, static_cast<hsys_status>(entry.status)) > 0;
  (is_refused ? m_counts.refused : m_counts.admitted)++;
  learn(owed.op, completion);
  unlearn(owed, entry.status);
}

void HostileClient::learn(uint64_t op, const Completion &completion)
{
  const hsys_cqe &entry = completion.entry;
  if (entry.object_id == 0)
    return;
  switch (op) {
  case HSYS_OP_CREATE_SERVER_SESSION: return remember(m_sessions, entry.object_id);
  case HSYS_OP_CREATE_URL_GROUP: return remember(m_groups, entry.object_id);
  case HSYS_OP_CREATE_REQUEST_QUEUE: return m_handles.push_back(entry.object_id); // all: at the end they are closed
  case HSYS_OP_RECEIVE_REQUEST:
    remember(m_requests, entry.object_id);
    remember(m_known_to_all, entry.object_id);
    if (entry.aux)
      remember(m_connections, entry.aux);
    return;
  default: return;
  }
}

// What is over is named seldom, or hardly any operation would get far.
void HostileClient::unlearn(const Owed &owed, uint32_t status)
{
  bool is_success = status == static_cast<uint32_t>(HSYS_STATUS_SUCCESS);
  bool is_gone = status == static_cast<uint32_t>(HSYS_STATUS_CONNECTION_INVALID);
  switch (owed.op) {
  case HSYS_OP_CLOSE_HANDLE:
    if (is_success)
      forget(m_handles, m_ended, owed.handle);
    return;
  case HSYS_OP_CLOSE_SERVER_SESSION:
    if (is_success)
      forget(m_sessions, m_ended, owed.object_id);
    return;
  case HSYS_OP_CLOSE_URL_GROUP:
    if (is_success)
      forget(m_groups, m_ended, owed.object_id);
    return;
  case HSYS_OP_SEND_RESPONSE:
  case HSYS_OP_SEND_BODY: is_gone |= is_success && !owed.has_more; break;
  case HSYS_OP_RECEIVE_REQUEST:
  case HSYS_OP_RECEIVE_BODY:
  case HSYS_OP_CANCEL_REQUEST:
  case HSYS_OP_WAIT_DISCONNECT:
  case HSYS_OP_RECEIVE_CERTIFICATE: break;
  default: return;
  }
  if (is_gone)
    for (auto *list : {&m_requests, &m_connections})
      forget(*list, m_ended, owed.object_id);
}

std::string HostileClient::describe_owed() const
{
  std::string text;
  for (auto &[user_data, owed] : m_owed)
    text += ' ' + operation_name(owed.op);
  return text;
}

// Closing a handle ends what waits on it.
void HostileClient::cancel_all()
{
  while (!m_handles.empty()) {
    Step close{Verb::Entry, 0, 0, {}};
    close.arguments[kOp] = HSYS_OP_CLOSE_HANDLE;
    close.arguments[kHandle] = m_handles.back();
    if (!entry(close))
      break; // the next time
    m_handles.pop_back();
  }
  publish({});
  m_client.link().kick(1);
}

void HostileClient::collect()
{
  take_messages();
  Step all{};
  all.arguments = {4096, 1, 1};
  reap(all);
}

}
