// SPDX-License-Identifier: MIT
#include "lib/client_channel.h"
#include "uapi/response.h"
#include "uapi/ring_inline.h"
#include "uapi/status.h"
#include <algorithm>
#include <cstring>
#include <ctime>
#include <new>
#include <utility>

namespace httpsys::lib {

namespace {

static_assert(HSYS_CHANNEL_REVOKED == 3 && HSYS_CHANNEL_ENDED == 4); // hsys_receive() has the numbers

constexpr uint64_t kLookMilliseconds = 20; // between looks at the bell of a channel whose client never waits

constexpr const char *kLost = "the connection to httpsysd is gone: it ended or was restarted. What was open is closed; "
                              "HttpTerminate and HttpInitialize reach the new one.";
constexpr const char *kNonsense = "httpsysd completed an operation that this process did not start: "
                                  "one of the two has a defect, so the session was ended.";

uint64_t now_milliseconds()
{
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

uint32_t traits_of(uint8_t op)
{
  switch (op) {
#define HSYS_OP(name, number, handle, object, in_min, in_max, op_flags, traits) \
  case number:                                                                  \
    return traits;
#include "uapi/ops.def"
#undef HSYS_OP
  default:
    return 0;
  }
}

}

class ClientChannel::CancelOperation final : public ChannelOperation {
public:
  explicit CancelOperation(uint32_t target)
  {
    entry.op = HSYS_OP_CANCEL;
    entry.object_id = target;
  }
  // Found or not: the target completes by itself.
  void on_completion(const Completion &) override { delete this; }
};

ClientChannel::~ClientChannel()
{
  if (m_slots)
    fail(kLost);
}

bool ClientChannel::initialise()
{
  uint32_t entries = m_memory.geometry().cq_entries;
  m_slots.reset(new (std::nothrow) Slot[entries]);
  m_free_slots.reset(new (std::nothrow) uint16_t[entries]);
  // The last granule is for the block of all questions.
  uint64_t arena_bytes = m_memory.geometry().tx_bytes - SendArena::kGranule;
  if (!m_slots || !m_free_slots || !m_arena.initialise(arena_bytes))
    return false;
  for (uint32_t i = 0; i < entries; i++)
    m_free_slots[i] = static_cast<uint16_t>(entries - 1 - i);
  m_free_count = entries;
  hsys_send_body empty{};
  empty.size = sizeof empty;
  empty.version = 1;
  empty.flags = HSYS_SEND_CONTINUES;
  m_empty_send = {static_cast<uint32_t>(arena_bytes), sizeof empty};
  memcpy(send_bytes(m_empty_send), &empty, sizeof empty);
  return true;
}

bool ClientChannel::may_use_reserve(const ChannelOperation &operation) const
{
  return traits_of(operation.entry.op) & HSYS_OP_RESERVE;
}

bool ClientChannel::has_credit(const ChannelOperation &operation) const
{
  return m_free_count > m_set_aside + (may_use_reserve(operation) ? 0 : HSYS_CQ_RESERVE);
}

bool ClientChannel::has_space()
{
  uint32_t entries = m_memory.geometry().sq_entries;
  if (m_sq_tail - m_sq_head < entries)
    return true;
  m_sq_head = hsys_load_acquire(&m_memory.kpage().sq_head);
  return m_sq_tail - m_sq_head < entries;
}

void ClientChannel::append_waiting(ChannelOperation &operation)
{
  operation.m_state = ChannelOperation::State::Waiting;
  operation.m_next = nullptr;
  operation.m_previous = m_waiting_last;
  (m_waiting_last ? m_waiting_last->m_next : m_waiting_first) = &operation;
  m_waiting_last = &operation;
  m_waiting_count.store(m_waiting_count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void ClientChannel::remove_waiting(ChannelOperation &operation)
{
  (operation.m_previous ? operation.m_previous->m_next : m_waiting_first) = operation.m_next;
  (operation.m_next ? operation.m_next->m_previous : m_waiting_last) = operation.m_previous;
  operation.m_state = ChannelOperation::State::Idle;
  if (operation.m_has_credit)
    m_set_aside--;
  operation.m_has_credit = false;
  m_waiting_count.store(m_waiting_count.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

void ClientChannel::place(ChannelOperation &operation)
{
  uint16_t number = m_free_slots[--m_free_count];
  Slot &slot = m_slots[number];
  slot.operation = &operation;
  slot.sequence++;
  operation.m_state = ChannelOperation::State::Submitted;
  operation.entry.irp_id = HSYS_IRP_ID(number, slot.sequence);
  operation.entry.user_data = operation.entry.irp_id;
  m_memory.submissions()[m_sq_tail & (m_memory.geometry().sq_entries - 1)] = operation.entry;
  m_sq_tail++;
}

// Whether the daemon wants to be woken.
bool ClientChannel::publish()
{
  if (m_sq_tail == m_sq_published)
    return false;
  uint32_t before = m_sq_published;
  m_sq_published = m_sq_tail;
  return hsys_publish(&m_memory.upage().sq_tail, &m_memory.kpage().sq_wake, before, m_sq_tail);
}

// Submits what waits, as far as credit and space go; in order, but an operation without credit holds up only its like.
bool ClientChannel::refill()
{
  bool must_kick = false;
  for (;;) {
    bool is_full = false;
    for (ChannelOperation *operation = m_waiting_first; operation && !is_full;) {
      ChannelOperation *next = operation->m_next;
      if (!has_space()) {
        is_full = true;
      } else if (operation->m_has_credit || has_credit(*operation)) {
        remove_waiting(*operation);
        place(*operation);
      }
      operation = next;
    }
    must_kick |= publish();
    if (!is_full || !hsys_arm(&m_memory.upage().space_wake, &m_memory.kpage().sq_head, m_sq_head))
      return must_kick;
  }
}

ClientChannel::Submitted ClientChannel::submit(ChannelOperation &operation, Patience patience)
{
  std::unique_lock lock(m_mutex);
  bool is_refused = patience == Patience::Refuse && !has_credit(operation);
  if (is_refused && !is_dead()) {
    // A thread whose operation has just completed may be here before the reaper has freed the slot.
    lock.unlock();
    reap(false, true);
    lock.lock();
    is_refused = !has_credit(operation);
  }
  if (is_dead())
    return Submitted::Dead;
  if (operation.m_is_cancelled)
    return Submitted::Cancelled;
  if (is_refused)
    return Submitted::NoCredit;
  bool must_kick;
  if (!m_waiting_first && has_credit(operation) && has_space()) {
    place(operation);
    must_kick = publish();
  } else {
    append_waiting(operation);
    operation.m_has_credit = patience == Patience::Refuse;
    m_set_aside += operation.m_has_credit;
    must_kick = refill();
  }
  lock.unlock();
  if (must_kick)
    m_memory.kick();
  return Submitted::Yes;
}

bool ClientChannel::cancel(ChannelOperation &operation)
{
  uint32_t target;
  {
    std::lock_guard lock(m_mutex);
    if (operation.m_state == ChannelOperation::State::Waiting) {
      remove_waiting(operation);
      operation.m_is_cancelled = true;
      return true;
    }
    if (std::exchange(operation.m_is_cancelled, true) || operation.m_state == ChannelOperation::State::Idle || is_dead())
      return false;
    target = operation.entry.irp_id;
  }
  CancelOperation *cancel = new (std::nothrow) CancelOperation(target);
  if (!cancel) {
    std::lock_guard lock(m_mutex);
    operation.m_is_cancelled = false; // to be tried again
  } else if (submit(*cancel, Patience::Wait) == Submitted::Dead) {
    delete cancel;
  }
  return false;
}

bool ClientChannel::complete_entry(const hsys_cqe &entry, ChannelOperation *operation, bool is_in_session)
{
  if (!operation)
    return false;
  const hsys_geometry &geometry = m_memory.geometry();
  bool has_block = entry.flags & HSYS_CQE_BLOCK;
  bool is_sane = !has_block || (entry.out_offset <= geometry.rx_bytes &&
    entry.out_length <= geometry.rx_bytes - entry.out_offset && entry.block < geometry.rx_bytes / HSYS_BLOCK_MIN);
  Completion completion;
  if (!is_in_session && operation->entry.op == HSYS_OP_RECEIVE_REQUEST) {
    completion.status = static_cast<uint32_t>(HSYS_STATUS_CANCELLED); // the request may be another worker's by now
    completion.reason = kLost;
  } else if (is_sane) {
    completion = {entry.status, entry.information, entry.object_id, entry.aux, {}, {}};
    std::span<const uint8_t> block;
    if (has_block)
      block = {m_memory.receive_arena() + entry.out_offset, entry.out_length};
    if (entry.flags & HSYS_CQE_REASON)
      completion.reason = {reinterpret_cast<const char *>(block.data()), std::min<size_t>(block.size(), HSYS_REASON_MAX)};
    else
      completion.output = block;
  } else {
    completion.status = static_cast<uint32_t>(HSYS_STATUS_CANCELLED);
    completion.reason = kNonsense;
  }
  operation->on_completion(completion);
  return is_sane;
}

void ClientChannel::return_block(uint32_t block)
{
  m_memory.returns()[m_ret_tail & (m_memory.geometry().ret_entries - 1)] = block;
  m_ret_tail++;
}

bool ClientChannel::publish_returns()
{
  if (m_ret_tail == m_ret_published)
    return false;
  uint32_t before = m_ret_published;
  m_ret_published = m_ret_tail;
  return hsys_publish(&m_memory.upage().ret_tail, &m_memory.kpage().ret_wake, before, m_ret_tail);
}

// Up to kBatch completions; how many there were.
uint32_t ClientChannel::reap_batch()
{
  uint32_t entries_mask = m_memory.geometry().cq_entries - 1;
  uint32_t tail = hsys_load_acquire(&m_memory.kpage().cq_tail);
  if (tail == m_cq_head || is_dead())
    return 0;
  if (!hsys_tail_is_sane(tail, m_cq_head, entries_mask + 1)) {
    fail_locked(kNonsense);
    return 0;
  }
  uint32_t count = std::min(tail - m_cq_head, kBatch);
  hsys_cqe entries[kBatch];
  ChannelOperation *operations[kBatch];
  uint16_t slots[kBatch];
  {
    std::lock_guard lock(m_mutex);
    for (uint32_t i = 0; i < count; i++) {
      entries[i] = m_memory.completions()[(m_cq_head + i) & entries_mask];
      slots[i] = HSYS_IRP_SLOT(entries[i].irp_id);
      Slot *slot = slots[i] <= entries_mask ? &m_slots[slots[i]] : nullptr;
      bool is_ours = slot && HSYS_IRP_ID(slots[i], slot->sequence) == entries[i].irp_id;
      operations[i] = is_ours ? std::exchange(slot->operation, nullptr) : nullptr;
      if (operations[i])
        operations[i]->m_state = ChannelOperation::State::Idle;
    }
  }
  bool is_sane = true;
  for (uint32_t i = 0; i < count; i++) {
    // Received: said before the caller can see it, so that no request reaches a second worker when this one dies in between. Said
    // for each entry and not for the batch, so that the one at hand is all that such a death loses (its client sees a reset).
    bool is_in_session = hsys_receive(&m_memory.upage().cq_head, &m_memory.kpage().state, ++m_cq_head);
    is_sane &= complete_entry(entries[i], operations[i], is_in_session);
    if (is_sane && entries[i].flags & HSYS_CQE_BLOCK)
      return_block(entries[i].block);
  }
  if (!is_sane)
    fail_locked(kNonsense);
  else if (finish_batch(slots, count))
    m_memory.kick();
  return count;
}

// A slot is free when the published cq_head has passed its entry, not before: until then the daemon has it in use.
bool ClientChannel::finish_batch(const uint16_t *slots, uint32_t count)
{
  bool must_kick = publish_returns();
  std::lock_guard lock(m_mutex);
  for (uint32_t i = 0; i < count; i++)
    m_free_slots[m_free_count++] = slots[i];
  if (m_waiting_first)
    must_kick |= refill();
  return must_kick;
}

bool ClientChannel::reap(bool rang, bool wait)
{
  std::unique_lock reaping(m_reap_mutex, std::defer_lock);
  if (wait)
    reaping.lock();
  else if (!reaping.try_lock())
    return false;
  bool is_alive = !rang || m_memory.clear_bell();
  bool has_reaped = false;
  while (reap_batch())
    has_reaped = true;
  if (!is_alive)
    fail_lost();
  else if (!has_reaped || rang)
    look_for_death();
  if (m_waiting_count.load(std::memory_order_relaxed) && !is_dead()) {
    bool must_kick;
    {
      std::lock_guard lock(m_mutex);
      must_kick = refill();
    }
    if (must_kick)
      m_memory.kick();
  }
  return has_reaped;
}

// The daemon has closed its end, or is about to: why, if it has said so.
void ClientChannel::fail_lost()
{
  if (__atomic_load_n(&m_memory.kpage().state, __ATOMIC_ACQUIRE) != HSYS_CHANNEL_REVOKED)
    return fail_locked(kLost);
  ErrorText why;
  why.format("httpsysd ended this process's session: the library broke the ring protocol (revocation %u). "
             "HttpTerminate and HttpInitialize start a new one.", m_memory.kpage().reason);
  fail_locked(why.c_str());
}

// A client that calls but never waits does not see the bell: look at it now and then. Its bytes stay: they are for those who sleep.
void ClientChannel::look_for_death()
{
  if (is_dead())
    return;
  if (__atomic_load_n(&m_memory.kpage().state, __ATOMIC_ACQUIRE) == HSYS_CHANNEL_REVOKED)
    return fail_lost();
  uint64_t now = now_milliseconds();
  if (now < m_next_look)
    return;
  m_next_look = now + kLookMilliseconds;
  if (m_memory.is_hung_up())
    fail_lost();
}

void ClientChannel::look()
{
  std::lock_guard reaping(m_reap_mutex);
  while (reap_batch()) {
  }
  m_next_look = 0;
  look_for_death();
}

bool ClientChannel::arm()
{
  std::lock_guard reaping(m_reap_mutex);
  return is_dead() || !hsys_arm(&m_memory.upage().cq_wake, &m_memory.kpage().cq_tail, m_cq_head);
}

void ClientChannel::fail(std::string_view reason)
{
  std::lock_guard reaping(m_reap_mutex);
  while (reap_batch()) {
  }
  fail_locked(reason);
}

void ClientChannel::fail_locked(std::string_view reason)
{
  ChannelOperation *outstanding;
  {
    std::lock_guard lock(m_mutex);
    if (is_dead())
      return;
    m_death_reason.assign(reason);
    m_dead.store(true, std::memory_order_release);
    outstanding = std::exchange(m_waiting_first, nullptr);
    m_waiting_last = nullptr;
    m_waiting_count.store(0, std::memory_order_relaxed);
    for (uint32_t i = 0; m_slots && i < m_memory.geometry().cq_entries; i++) {
      if (ChannelOperation *operation = std::exchange(m_slots[i].operation, nullptr)) {
        operation->m_next = outstanding;
        outstanding = operation;
      }
    }
    for (ChannelOperation *operation = outstanding; operation; operation = operation->m_next) {
      operation->m_state = ChannelOperation::State::Idle;
      operation->m_has_credit = false;
    }
  }
  Completion completion;
  completion.status = static_cast<uint32_t>(HSYS_STATUS_CANCELLED);
  completion.reason = death_reason();
  while (outstanding) {
    ChannelOperation *operation = std::exchange(outstanding, outstanding->m_next);
    operation->on_completion(completion);
  }
}

uint32_t ClientChannel::operations_in_flight()
{
  std::lock_guard lock(m_mutex);
  return m_memory.geometry().cq_entries - m_free_count;
}

}
