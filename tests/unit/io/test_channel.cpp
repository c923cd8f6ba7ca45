// SPDX-License-Identifier: GPL-3.0-or-later
// A channel against a client that does anything at all with its half of the memory, on two cores that are stepped in
// any order: whatever comes, every consumed entry is completed at most once and with its own id, and the channel ends
// without a trace. Seeds reproduce.
#include "kernel/base/log.h"
#include "kernel/io/channel_impl.h"
#include "kernel/io/irp_queue.h"
#include "kernel/io/per_core.h"
#include "kernel/platform/linux/linux_system.h"
#include "tests/unit/io/fake_engine.h"
#include <atomic>
#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::io;

namespace {

struct Seen {
  bool is_revoked = false, has_gone = false, has_session_ended = false;
  uint32_t handles_opened = 0, handles_closed = 0;
};
Seen s_seen;
PerCore<IrpQueue> s_parked;

// Operations that must run to their end where a test says so: then a cancellation changes nothing.
struct Stubborn final : IrpQueue::CancelHandler {
  bool keeps = false;
  uint32_t cancellations = 0;
  IrpQueue queue{this};
  void on_irp_cancelled(IrpQueue &from, IrpPtr irp) override
  {
    cancellations++;
    if (keeps)
      return from.park_first(std::move(irp));
    complete(std::move(irp), NtStatus::Cancelled);
  }
};
Stubborn s_stubborn; // on core 0

class Extension final : public ChannelExtension {
  void on_delivery_published(uint64_t, uint32_t, bool) override {}
  bool on_session_end(uint32_t) override { return s_seen.has_session_ended = true; }
};

void open_handle(Channel &channel, IrpPtr irp)
{
  auto handle = channel.handles().add({});
  if (handle.is_error())
    return complete(std::move(irp), handle.error(), "too many");
  s_seen.handles_opened++;
  complete(std::move(irp), completion_with_id(*handle));
}

void park(Channel &channel, IrpPtr irp)
{
  auto core = static_cast<ke::CoreId>(irp->entry().object_id % 2);
  channel.forward(std::move(irp), core, [](IrpPtr parked) { s_parked.here().park(std::move(parked)); });
}

void give_output(Channel &channel, IrpPtr irp)
{
  channel.forward(std::move(irp), static_cast<ke::CoreId>(irp->entry().object_id % 2), [](IrpPtr asking) {
    IrpCompletion completion;
    completion.output.assign(asking->entry().out_length % (HSYS_BLOCK_MAX + 1), 7);
    completion.delivers_request = true;
    complete(std::move(asking), std::move(completion));
  });
}

void read_extent(Channel &, IrpPtr irp)
{
  uint32_t words[2] = {0, 0};
  std::memcpy(words, irp->parameters().data(), std::min(sizeof words, irp->parameters().size()));
  auto bytes = irp->extent(words[0], words[1]);
  uint64_t sum = 0;
  for (size_t at = 0; bytes && at < bytes->size(); at += 1000)
    sum += (*bytes)[at];
  IrpCompletion completion;
  completion.information = sum;
  completion.status = bytes ? NtStatus::Success : NtStatus::InvalidParameter;
  completion.reason = "an extent lies outside of the send arena";
  complete(std::move(irp), std::move(completion));
}

class System final : public platform::LinuxSystem {
public:
  std::optional<platform::Milliseconds> time;
  std::deque<uint64_t> rings; // nanoseconds of the next ones
  uint32_t own_times = 0;   // asked for
  uint64_t ring_bell(int write_end, bool counts_own_time) override
  {
    const uint64_t took = platform::LinuxSystem::ring_bell(write_end, counts_own_time);
    own_times += counts_own_time;
    if (rings.empty())
      return took;
    const uint64_t nanoseconds = rings.front();
    rings.pop_front();
    return nanoseconds;
  }
  platform::Milliseconds now() override { return time ? *time : platform::LinuxSystem::now(); }
};

System &the_system()
{
  static System system;
  return system;
}

// Once in the life of the process: the layers above in miniature.
void register_once()
{
  static const bool done = [] {
    platform::set_system(the_system());
    MUST(the_system().start_closer());
    set_log_sink([](LogCause, std::string) {}); // a line for each violation
    register_operation(HSYS_OP_CREATE_REQUEST_QUEUE, open_handle);
    register_operation(HSYS_OP_WAIT_DISCONNECT, park);
    register_operation(HSYS_OP_RECEIVE_REQUEST, park);
    register_operation(HSYS_OP_RECEIVE_BODY, give_output);
    register_operation(HSYS_OP_SEND_BODY, read_extent);
    register_operation(HSYS_OP_RECEIVE_CERTIFICATE, [](Channel &channel, IrpPtr irp) {
      channel.forward(std::move(irp), 0, [](IrpPtr parked) { s_stubborn.queue.park(std::move(parked)); });
    });
    register_extension([](Channel &) -> std::unique_ptr<ChannelExtension> { return std::make_unique<Extension>(); });
    register_handle_closed([](Channel &, uint64_t, const ob::HandleTarget &) { s_seen.handles_closed++; });
    ChannelRegistry::set_events({[](SessionId, hsys_revocation) { s_seen.is_revoked = true; }, [](SessionId) { s_seen.has_gone = true; }});
    return true;
  }();
  (void)done;
}

// Two stepped cores and one channel on the second, with a client's view of its memory.
class Rig {
public:
  explicit Rig(uint32_t cq_entries = 256, uint32_t sq_entries = 16, uint32_t arena_bytes = HSYS_ARENA_BYTES_MIN, bool seals = true)
  {
    register_once();
    s_seen = {};
    std::vector<std::unique_ptr<platform::IoEngine>> made;
    for (auto *&engine : engines) {
      auto owned = std::make_unique<platform::FakeEngine>();
      engine = owned.get();
      made.push_back(std::move(owned));
    }
    cores.start_stepped(std::move(made));
    ChannelBirth birth;
    birth.address = {1, 1};
    birth.session = 5;
    birth.is_in_vain = is_in_vain;
    birth.geometry = geometry = make_geometry(choose_sizes({sq_entries, cq_entries, arena_bytes, HSYS_ARENA_BYTES_MIN}), 1, 5);
    birth.first_index = kFirst;
    using Writer = mm::SharedRegion::Writer;
    birth.ktou = MUST(mm::SharedRegion::create("ktou", geometry.ktou_bytes, Writer::Daemon, initial_kpage(geometry, birth.first_index)));
    birth.utok = MUST(mm::SharedRegion::create("utok", geometry.utok_bytes, Writer::Client, initial_upage(birth.first_index)));
    ktou = static_cast<uint8_t *>(mmap(nullptr, geometry.ktou_bytes, PROT_READ, MAP_SHARED, birth.ktou->descriptor(), 0));
    utok = static_cast<uint8_t *>(mmap(nullptr, geometry.utok_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, birth.utok->descriptor(), 0));
    if (seals)
      REQUIRE(fcntl(birth.utok->descriptor(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0);
    birth.kick = MUST(platform::system().create_event());
    auto bell = MUST(platform::system().create_bell());
    ::close(bell.first);
    birth.bell = bell.second;
    ke::Core::Scope scope(cores.core(1));
    ChannelRegistry::create(std::move(birth));
  }
  ~Rig()
  {
    munmap(ktou, geometry.ktou_bytes);
    munmap(utok, geometry.utok_bytes);
  }
  const hsys_kpage &kpage() const { return *reinterpret_cast<const hsys_kpage *>(ktou); }
  hsys_upage &upage() { return *reinterpret_cast<hsys_upage *>(utok); }
  hsys_sqe &sqe(uint32_t index) { return reinterpret_cast<hsys_sqe *>(utok + geometry.sq_offset)[index % geometry.sq_entries]; }
  const hsys_cqe &cqe(uint32_t index) const
  {
    return reinterpret_cast<const hsys_cqe *>(ktou + geometry.cq_offset)[index % geometry.cq_entries];
  }
  void step(ke::CoreId core) { cores.core(core).turn(false); }
  // An honest client's way: in the next slot, seen in the channel's next turn.
  uint32_t submit(hsys_op operation, uint64_t object = 0, uint64_t handle = 0, uint32_t out_length = 0)
  {
    hsys_sqe entry{};
    entry.op = static_cast<uint8_t>(operation);
    entry.irp_id = HSYS_IRP_ID(m_submitted, 1);
    entry.object_id = object;
    entry.handle = handle;
    entry.in_length = operation_row(entry.op)->in_min;
    entry.out_length = out_length;
    REQUIRE(m_submitted < geometry.cq_entries);
    sqe(kFirst + m_submitted++) = entry;
    __atomic_store_n(&upage().sq_tail, kFirst + m_submitted, __ATOMIC_SEQ_CST);
    engines[1]->trigger_polls();
    return entry.irp_id;
  }
  // The numberth completion, which must have come.
  const hsys_cqe &completion(uint32_t number) const
  {
    REQUIRE(kpage().cq_tail - kFirst > number);
    return cqe(kFirst + number);
  }
  uint32_t taken() const { return kpage().sq_head - kFirst; }
  uint64_t open_handle()
  {
    submit(HSYS_OP_CREATE_REQUEST_QUEUE);
    step(1);
    const hsys_cqe &opened = completion(kpage().cq_tail - kFirst - 1);
    REQUIRE(opened.status == HSYS_STATUS_SUCCESS);
    return opened.object_id;
  }
  static constexpr uint32_t kFirst = UINT32_MAX - 500; // index of every ring
  // As the session does when the socket closes; then everything that was forwarded comes back.
  void end()
  {
    {
      ke::Core::Scope scope(cores.core(1));
      ChannelRegistry::end(1);
    }
    CHECK(kpage().state >= HSYS_CHANNEL_REVOKED); // or ENDED: a client that lives shows no more requests
    for (int round = 0; round < 200 && !s_seen.has_gone; round++) // results that wait are freed some in each turn
      for (ke::CoreId core : {0u, 1u})
        step(core);
  }
  void check_nothing_left()
  {
    CHECK(s_seen.has_gone);
    CHECK(s_seen.has_session_ended);
    CHECK(s_seen.handles_closed == s_seen.handles_opened);
    for (ke::CoreId core : {0u, 1u}) {
      ke::Core::Scope scope(cores.core(core));
      CHECK(IrpQueue::parked_here() == 0);
      hsys_control_stats stats{};
      ChannelRegistry::add_stats(stats);
      CHECK(stats.channels == 0);
    }
  }

  ke::Cores cores{2};
  platform::FakeEngine *engines[2];
  hsys_geometry geometry;
  uint8_t *ktou, *utok;
  const std::shared_ptr<std::atomic<bool>> is_in_vain = std::make_shared<std::atomic<bool>>(false);

private:
  uint32_t m_submitted = 0;
};

class Fuzzer {
public:
  explicit Fuzzer(uint32_t seed) : m_random(seed)
  {
    m_tail = m_head = m_seen = m_returned = Rig::kFirst;
    // Some clients are nearly honest, so that they get far.
    m_malice = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 3 : 30;
  }

  void run(uint32_t steps)
  {
    for (uint32_t step = 0; step < steps && !s_seen.is_revoked; step++)
      act();
    if (m_malice == 0)
      CHECK_FALSE(s_seen.is_revoked);
    settle();
    m_rig.end();
    m_rig.check_nothing_left();
  }

private:
  uint32_t draw(uint32_t below) { return static_cast<uint32_t>(m_random() % below); }
  bool is_evil() { return draw(1000) < m_malice; }

  hsys_sqe random_entry()
  {
    static constexpr uint8_t operations[] = {HSYS_OP_NOP, HSYS_OP_CANCEL, HSYS_OP_CREATE_REQUEST_QUEUE, HSYS_OP_CLOSE_HANDLE,
                                             HSYS_OP_RECEIVE_REQUEST, HSYS_OP_WAIT_DISCONNECT, HSYS_OP_RECEIVE_BODY, HSYS_OP_SEND_BODY,
                                             HSYS_OP_ADD_URL, HSYS_OP_CREATE_SERVER_SESSION};
    hsys_sqe entry{};
    entry.op = operations[draw(std::size(operations))];
    // Honest clients take slots that they know to be free.
    do
      entry.irp_id = HSYS_IRP_ID(draw(256), draw(4));
    while (m_malice == 0 && m_slots.contains(HSYS_IRP_SLOT(entry.irp_id)));
    const OperationRow &row = *operation_row(entry.op);
    if (row.handle != OperationRow::Handle::None)
      entry.handle = m_handles.empty() ? 1 : m_handles[draw(static_cast<uint32_t>(m_handles.size()))];
    if (row.object != OperationRow::Object::None)
      entry.object_id = entry.op == HSYS_OP_CANCEL ? HSYS_IRP_ID(draw(256), draw(4)) : draw(100) + 1;
    entry.in_length = row.in_min;
    entry.in_offset = draw(1000);
    if (row.traits & HSYS_OP_OUTPUT)
      entry.out_length = draw(4) ? draw(5000) : draw(HSYS_BLOCK_MAX);
    // A wrong entry is no violation.
    if (draw(10) == 0)
      reinterpret_cast<uint8_t *>(&entry)[draw(sizeof entry)] ^= static_cast<uint8_t>(1u << draw(8));
    if (m_malice == 0 && m_slots.contains(HSYS_IRP_SLOT(entry.irp_id)))
      return random_entry();
    return entry;
  }

  void act()
  {
    switch (draw(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return submit();
    case 4:
    case 5:
      return reap();
    case 6:
      return give_back();
    case 7:
      m_rig.engines[1]->trigger_polls();
      return;
    case 8:
      return complete_parked();
    case 9:
      if (is_evil())
        m_rig.utok[draw(draw(4) ? sizeof(hsys_upage) : static_cast<uint32_t>(m_rig.geometry.utok_bytes))] = static_cast<uint8_t>(draw(256));
      return;
    default:
      return step(draw(2));
    }
  }

  void submit()
  {
    uint32_t head = m_rig.kpage().sq_head;
    if (m_tail - head >= m_rig.geometry.sq_entries)
      return;
    hsys_sqe entry = random_entry();
    if (m_malice == 0 && m_slots.size() >= 256 - HSYS_CQ_RESERVE)
      return;
    m_rig.sqe(m_tail) = entry;
    m_slots.insert(std::pair(HSYS_IRP_SLOT(entry.irp_id), true));
    m_tail++;
    m_rig.upage().sq_tail = is_evil() ? draw(UINT32_MAX) : m_tail;
  }

  void reap()
  {
    uint32_t tail = m_rig.kpage().cq_tail;
    for (; m_head != tail; m_head++) {
      const hsys_cqe &entry = m_rig.cqe(m_head);
      m_slots.erase(HSYS_IRP_SLOT(entry.irp_id));
      if (entry.flags & HSYS_CQE_BLOCK)
        m_blocks.push_back(entry.block);
      if (entry.status == HSYS_STATUS_SUCCESS && entry.object_id != 0)
        m_handles.push_back(entry.object_id);
    }
    m_rig.upage().cq_head = is_evil() ? draw(UINT32_MAX) : m_head;
  }

  void give_back()
  {
    while (!m_blocks.empty() && draw(3) != 0) {
      uint32_t *ring = reinterpret_cast<uint32_t *>(m_rig.utok + m_rig.geometry.ret_offset);
      ring[m_returned++ % m_rig.geometry.ret_entries] = is_evil() ? draw(600) : m_blocks.back();
      m_blocks.pop_back();
    }
    m_rig.upage().ret_tail = is_evil() ? draw(UINT32_MAX) : m_returned;
  }

  void complete_parked()
  {
    ke::Core::Scope scope(m_rig.cores.core(draw(2)));
    if (auto irp = s_parked.here().take_first())
      complete(std::move(irp), NtStatus::Success);
  }

  // One turn, and what it did to the rings.
  void step(ke::CoreId core)
  {
    uint32_t before = m_rig.kpage().sq_head;
    std::vector<hsys_sqe> ring(m_rig.geometry.sq_entries);
    for (uint32_t index = 0; index < ring.size(); index++)
      ring[index] = m_rig.sqe(index);
    m_rig.step(core);
    for (uint32_t head = m_rig.kpage().sq_head; before != head; before++)
      m_outstanding[ring[before % ring.size()].irp_id]++;
    for (uint32_t tail = m_rig.kpage().cq_tail; m_seen != tail; m_seen++) {
      uint32_t id = m_rig.cqe(m_seen).irp_id;
      if (m_outstanding[id]-- == 0)
        FAIL("completion of operation ", id, ", which is not in flight");
    }
  }

  // Everything that can complete does; what is left of credit and blocks is what the client holds.
  void settle()
  {
    for (int round = 0; round < 4; round++)
      for (ke::CoreId core : {1u, 0u, 1u})
        step(core);
  }

  Rig m_rig;
  std::mt19937 m_random;
  uint32_t m_malice;
  uint32_t m_tail, m_head, m_seen, m_returned;
  std::map<uint16_t, bool> m_slots;
  std::map<uint32_t, int> m_outstanding;
  std::vector<uint32_t> m_blocks;
  std::vector<uint64_t> m_handles;
};

}

TEST_CASE("a client that does anything at all")
{
  int revoked = 0;
  for (uint32_t seed = 0; seed < 150; seed++) {
    CAPTURE(seed);
    Fuzzer(seed).run(6000);
    revoked += s_seen.is_revoked;
  }
  // Both kinds are tried.
  CHECK(revoked > 20);
  CHECK(revoked < 110);
}

TEST_CASE("one operation that is cancelled again and again sends its core one message")
{
  Rig rig;
  uint64_t handle = rig.open_handle();
  s_stubborn.cancellations = 0;
  s_stubborn.keeps = true;
  uint32_t target = rig.submit(HSYS_OP_RECEIVE_CERTIFICATE, 1, handle);
  rig.step(1);
  rig.step(0);
  REQUIRE(s_stubborn.queue.size() == 1);
  for (int round = 0; round < 3; round++) {
    for (int time = 0; time < 10; time++)
      rig.submit(HSYS_OP_CANCEL, target);
    rig.step(1);
  }
  rig.step(0);
  CHECK(s_stubborn.cancellations == 1);
  // It may be told again when it has been heard.
  rig.submit(HSYS_OP_CANCEL, target);
  rig.step(1);
  rig.step(0);
  CHECK(s_stubborn.cancellations == 2);
  CHECK(rig.kpage().cq_tail - Rig::kFirst == 32);
  s_stubborn.keeps = false;
  rig.end();
  rig.check_nothing_left();
}

TEST_CASE("a client that kicks unasked more than a thousand times is not listened to for a second, but visited")
{
  register_once();
  struct Listener final : Doorbell::Listener {
    uint32_t kicks = 0;
    bool is_idle = false;
    void on_kick() override { kicks++; }
    void on_doorbell_idle() override { is_idle = true; }
  } listener;
  const platform::Milliseconds begin = 1'000'000; // at a tick of the timers, of 8 ms
  the_system().time = begin;
  ke::Cores cores{1};
  auto owned = std::make_unique<platform::FakeEngine>();
  platform::FakeEngine &engine = *owned;
  std::vector<std::unique_ptr<platform::IoEngine>> engines;
  engines.push_back(std::move(owned));
  cores.start_stepped(std::move(engines));
  auto bell = MUST(platform::system().create_bell());
  ::close(bell.first);
  auto doorbell = std::make_unique<Doorbell>(listener, MUST(platform::system().create_event()), bell.second, getuid());
  auto heard = [&](bool kicks) {
    const uint32_t before = listener.kicks;
    if (kicks)
      engine.trigger_polls();
    cores.core(0).turn(false);
    return listener.kicks - before;
  };
  {
    ke::Core::Scope scope(cores.core(0));
    doorbell->start();
  }
  for (uint32_t count = 0; count < 1 + 1000; count++) // one is asked for at birth
    REQUIRE(heard(true) == 1);
  CHECK(heard(false) == 0); // that many are heard
  CHECK(heard(true) == 1);
  CHECK(heard(false) == 1); // the poll's end
  for (platform::Milliseconds time = 16; time < 1000; time += 16) { // each 10 ms, at the next tick
    REQUIRE(heard(true) == 0);
    the_system().time = begin + time - 1;
    REQUIRE(heard(true) == 0);
    the_system().time = begin + time;
    REQUIRE(heard(true) == 1); // the visit alone
  }
  the_system().time = begin + 1007;
  CHECK(heard(true) == 0);
  the_system().time = begin + 1008; // the first visit when the second is over
  CHECK(heard(false) == 1);
  for (uint32_t count = 0; count < 1000; count++)
    REQUIRE(heard(true) == 1);
  {
    ke::Core::Scope scope(cores.core(0));
    doorbell->stop();
  }
  cores.core(0).turn(false);
  CHECK(doorbell->is_idle());
  doorbell.reset();
  the_system().time.reset();
}

TEST_CASE("a turn takes so many entries, and the next one the rest")
{
  for (uint32_t entries : {64u, 65u, 129u}) {
    Rig rig(256, 256);
    for (uint32_t count = 0; count < entries; count++)
      rig.submit(HSYS_OP_NOP);
    CAPTURE(entries);
    for (uint32_t taken = 0; taken < entries;) {
      rig.step(1);
      taken = std::min(taken + 64, entries);
      CHECK(rig.taken() == taken);
    }
    rig.end();
    rig.check_nothing_left();
  }
}

TEST_CASE("a turn takes so many blocks back, and the next one the rest")
{
  for (uint32_t blocks : {1024u, 1025u}) {
    Rig rig(4096, 16, 4 << 20);
    const uint64_t handle = rig.open_handle();
    for (uint32_t count = 0; count < blocks; count++) {
      rig.submit(HSYS_OP_RECEIVE_BODY, 1, handle, HSYS_BLOCK_MIN);
      for (ke::CoreId core : {1u, 0u, 1u})
        rig.step(core);
    }
    CAPTURE(blocks);
    auto *ring = reinterpret_cast<uint32_t *>(rig.utok + rig.geometry.ret_offset);
    for (uint32_t count = 0; count < blocks; count++) {
      REQUIRE((rig.completion(1 + count).flags & HSYS_CQE_BLOCK) != 0);
      ring[(Rig::kFirst + count) % rig.geometry.ret_entries] = rig.completion(1 + count).block;
    }
    __atomic_store_n(&rig.upage().ret_tail, Rig::kFirst + blocks, __ATOMIC_SEQ_CST);
    rig.engines[1]->trigger_polls();
    rig.step(1);
    CHECK(rig.kpage().ret_head - Rig::kFirst == 1024);
    rig.step(1);
    CHECK(rig.kpage().ret_head - Rig::kFirst == blocks);
    CHECK_FALSE(s_seen.is_revoked);
    rig.end();
    rig.check_nothing_left();
  }
}

TEST_CASE("results that waited for blocks are copied some in each turn, and the rest in the next ones by itself")
{
  constexpr uint32_t kBlocks = (4 << 20) / HSYS_BLOCK_MAX, kEach = limits::kResultBytesPerTurn / HSYS_BLOCK_MAX, kWaiting = 3 * kEach + 1;
  Rig rig(4096, 256, 4 << 20);
  const uint64_t handle = rig.open_handle();
  for (uint32_t count = 0; count < kBlocks + kWaiting; count++) {
    rig.submit(HSYS_OP_RECEIVE_BODY, 1, handle, HSYS_BLOCK_MAX);
    for (ke::CoreId core : {1u, 0u, 1u})
      rig.step(core);
  }
  auto published = [&] { return rig.kpage().cq_tail - Rig::kFirst - 1; };
  REQUIRE(published() == kBlocks);
  auto *ring = reinterpret_cast<uint32_t *>(rig.utok + rig.geometry.ret_offset);
  for (uint32_t count = 0; count < kBlocks; count++)
    ring[(Rig::kFirst + count) % rig.geometry.ret_entries] = rig.completion(1 + count).block;
  __atomic_store_n(&rig.upage().ret_tail, Rig::kFirst + kBlocks, __ATOMIC_SEQ_CST);
  rig.engines[1]->trigger_polls();
  for (uint32_t count = kEach; count < kWaiting; count += kEach) {
    rig.step(1);
    CHECK(published() == kBlocks + count);
  }
  rig.step(1);
  CHECK(published() == kBlocks + kWaiting);
  rig.end();
  rig.check_nothing_left();
}

TEST_CASE("operations that walk through all slots have a turn each")
{
  Rig rig;
  uint64_t handles[] = {rig.open_handle(), rig.open_handle(), rig.open_handle()};
  for (uint64_t handle : handles)
    rig.submit(HSYS_OP_CLOSE_HANDLE, 0, handle);
  rig.submit(HSYS_OP_NOP);
  for (uint32_t turn = 1; turn <= 2; turn++) {
    rig.step(1);
    CHECK(rig.taken() == 3 + turn);
  }
  rig.step(1);
  CHECK(rig.taken() == 7);
  rig.end();
  rig.check_nothing_left();
}

TEST_CASE("as many operations as a channel can have are cancelled some in each turn, and the completion of what cancels them comes last")
{
  enum class Way { Close, CloseWithCancel, Drain };
  for (uint64_t core : {0u, 1u}) // where they are parked
    for (Way way : {Way::Close, Way::CloseWithCancel, Way::Drain}) {
      CAPTURE(core);
      CAPTURE(static_cast<int>(way));
      Rig rig(65536, 256);
      uint64_t handle = rig.open_handle();
      uint32_t first = rig.kpage().cq_tail, count = 65536 - HSYS_CQ_RESERVE - 1, last = 0;
      for (uint32_t i = 0; i < count; i++) {
        last = rig.submit(HSYS_OP_RECEIVE_REQUEST, core, handle);
        if (i % limits::kEntriesPerTurn == 0 || i + 1 == count)
          for (ke::CoreId each : {1u, 0u})
            rig.step(each);
      }
      while (rig.taken() < 1 + count)
        rig.step(1);
      rig.step(0);
      CHECK(rig.kpage().cq_tail == first);
      if (way == Way::Drain) {
        ke::Core::Scope scope(rig.cores.core(1));
        ChannelRegistry::drain(1);
      } else {
        rig.submit(HSYS_OP_CLOSE_HANDLE, 0, handle);
      }
      if (way == Way::CloseWithCancel)
        rig.submit(HSYS_OP_CANCEL, last);
      uint32_t more = way == Way::Drain ? 0 : way == Way::Close ? 1 : 2, most = 0, turns = 0;
      for (uint32_t before = first; rig.kpage().cq_tail - first < count + more && turns < 1000; turns++, before = rig.kpage().cq_tail) {
        for (ke::CoreId each : {1u, 0u})
          rig.step(each);
        most = std::max(most, rig.kpage().cq_tail - before);
      }
      CHECK(most <= limits::kOperationsEndedPerTurn + more);
      CHECK(turns >= count / limits::kOperationsEndedPerTurn);
      CHECK(rig.kpage().cq_tail - first == count + more);
      bool is_once = true;
      std::vector<bool> seen(65536);
      for (uint32_t index = first; index != rig.kpage().cq_tail; index++) {
        uint32_t slot = HSYS_IRP_SLOT(rig.cqe(index).irp_id);
        is_once = is_once && !seen[slot];
        seen[slot] = true;
      }
      CHECK(is_once);
      if (way != Way::Drain)
        CHECK(HSYS_IRP_SLOT(rig.cqe(rig.kpage().cq_tail - 1).irp_id) == HSYS_IRP_SLOT(last) + 1);
      CHECK(s_seen.handles_closed == (way == Way::Drain ? 0 : 1));
      rig.end();
      rig.check_nothing_left();
    }
}

TEST_CASE("a client that hands back no blocks is cut off before its results fill the daemon's memory")
{
  Rig rig(1024);
  const uint64_t handle = rig.open_handle();
  uint64_t waiting = 0;
  for (; !s_seen.is_revoked && waiting < 2 * limits::kWaitingOutputBytesPerProcess; waiting += HSYS_BLOCK_MAX) {
    rig.submit(HSYS_OP_RECEIVE_BODY, 1, handle, HSYS_BLOCK_MAX);
    rig.step(1);
    rig.step(0);
    rig.step(1);
    rig.step(0);
  }
  CHECK(s_seen.is_revoked);
  CHECK(rig.kpage().reason == HSYS_REVOKED_OUTPUT);
  // The arena has been full of lent blocks first, and the last one has come without its result.
  CHECK(waiting == limits::kWaitingOutputBytesPerProcess + HSYS_ARENA_BYTES_MIN + HSYS_BLOCK_MAX);
  CHECK(rig.completion(rig.kpage().cq_tail - Rig::kFirst - 1).status == HSYS_STATUS_INSUFFICIENT_RESOURCES);
  rig.end();
  rig.check_nothing_left();
}

TEST_CASE("a reason takes no block while a result waits for one")
{
  Rig rig;
  const uint64_t handle = rig.open_handle();
  auto give = [&](uint32_t bytes) {
    rig.submit(HSYS_OP_RECEIVE_BODY, 1, handle, bytes);
    for (ke::CoreId core : {1u, 0u, 1u})
      rig.step(core);
  };
  auto fail = [&] {
    rig.submit(HSYS_OP_RECEIVE_BODY, 1, 0x7777);
    rig.step(1);
    return rig.completion(rig.kpage().cq_tail - Rig::kFirst - 1).flags;
  };
  for (uint32_t bytes : {HSYS_BLOCK_MAX, HSYS_BLOCK_MAX, HSYS_BLOCK_MAX, HSYS_BLOCK_MIN})
    give(bytes);
  CHECK(fail() == (HSYS_CQE_BLOCK | HSYS_CQE_REASON));
  const uint32_t before = rig.kpage().cq_tail;
  give(HSYS_BLOCK_MAX);
  CHECK(rig.kpage().cq_tail == before);
  CHECK(fail() == 0);
  rig.end();
  rig.check_nothing_left();
}

#ifndef __SANITIZE_THREAD__
TEST_CASE("a client that rewrites its memory while the daemon reads it")
{
  for (uint32_t seed = 0; seed < 20; seed++) {
    Rig rig;
    std::atomic<bool> stop{false};
    std::thread scribbler([&] {
      std::mt19937 random(seed);
      uint32_t tail = UINT32_MAX - 500;
      while (!stop.load(std::memory_order_relaxed)) {
        auto *bytes = rig.utok + rig.geometry.sq_offset;
        bytes[random() % (16 * sizeof(hsys_sqe))] = static_cast<uint8_t>(random() % 4 == 0 ? random() : 0);
        bytes[random() % 16 * sizeof(hsys_sqe) + offsetof(hsys_sqe, irp_id)] = static_cast<uint8_t>(random());
        if (random() % 50 == 0)
          __atomic_store_n(&rig.upage().sq_tail, ++tail, __ATOMIC_SEQ_CST);
        if (random() % 50 == 0)
          __atomic_store_n(&rig.upage().cq_head, __atomic_load_n(&rig.kpage().cq_tail, __ATOMIC_SEQ_CST), __ATOMIC_SEQ_CST);
      }
    });
    for (int round = 0; round < 20000 && !s_seen.is_revoked; round++) {
      if (round % 16 == 0)
        rig.engines[1]->trigger_polls();
      rig.step(static_cast<ke::CoreId>(round % 2));
    }
    stop = true;
    scribbler.join();
    rig.end();
    rig.check_nothing_left();
  }
}
#endif

TEST_CASE("a channel whose client has not sealed its half is not looked at, whatever comes first")
{
  enum class First { Kick, Drain, End };
  for (First first : {First::Kick, First::Drain, First::End}) {
    CAPTURE(static_cast<int>(first));
    Rig rig(256, 16, HSYS_ARENA_BYTES_MIN, false);
    // A read is told by what it would find: a head that cannot be, and an entry.
    rig.upage().cq_head = Rig::kFirst + 1;
    rig.step(1);
    CHECK_FALSE(s_seen.is_revoked);
    if (first == First::Kick) {
      rig.submit(HSYS_OP_NOP);
      rig.step(1);
      rig.step(0);
      CHECK(rig.kpage().reason == HSYS_REVOKED_UNSEALED);
      CHECK(s_seen.is_revoked);
    } else if (first == First::Drain) {
      ke::Core::Scope scope(rig.cores.core(1));
      ChannelRegistry::drain(1);
    }
    for (int turn = 0; turn < 100; turn++)
      rig.step(1);
    CHECK(rig.taken() == 0);
    CHECK(s_seen.is_revoked == (first == First::Kick));
    rig.end();
    rig.check_nothing_left();
  }
}

TEST_CASE("a channel whose session has ended is not looked at when its client seals and kicks: nothing is pinned for it")
{
  Rig rig;
  *rig.is_in_vain = true;
  rig.upage().cq_head = Rig::kFirst + 1; // a read is told by what it would find
  rig.submit(HSYS_OP_NOP);
  for (int turn = 0; turn < 100; turn++)
    rig.step(turn % 2);
  CHECK_FALSE(s_seen.is_revoked);
  CHECK(rig.taken() == 0);
  rig.end();
  rig.check_nothing_left();
}

// A page of the daemon's mapping that cannot be had, as where there is no memory for one that the client has taken out.
static void lose_last_page(uint64_t bytes)
{
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(" r--s ") == std::string::npos || line.find("/memfd:utok") == std::string::npos)
      continue;
    const uintptr_t base = std::stoull(line, nullptr, 16);
    const auto page = platform::shared_page_bytes();
    REQUIRE(mprotect(reinterpret_cast<void *>(base + bytes - page), page, PROT_NONE) == 0);
    return;
  }
  FAIL("the daemon's mapping is not found");
}

TEST_CASE("a channel for which there is no memory when its client has sealed is not looked at, and ends")
{
  Rig rig;
  lose_last_page(rig.geometry.utok_bytes);
  rig.upage().cq_head = Rig::kFirst + 1; // a read is told by what it would find
  rig.submit(HSYS_OP_NOP);
  for (int turn = 0; turn < 100; turn++)
    rig.step(turn % 2);
  CHECK(rig.kpage().reason == HSYS_REVOKED_UNSEALED);
  CHECK(s_seen.is_revoked);
  CHECK(rig.taken() == 0);
  rig.end();
  rig.check_nothing_left();
}

TEST_CASE("a client whose bell takes long to ring, again and again, is cut off; one that others delay is not")
{
  Rig rig;
  System &system = the_system();
  auto ring = [&] {
    rig.upage().cq_wake = rig.kpage().cq_tail;
    rig.submit(HSYS_OP_NOP);
    rig.step(1);
    rig.step(0);
  };
  const uint32_t own_times = system.own_times;
  system.time = system.platform::LinuxSystem::now();
  // Slow by the clock, but not by what the thread itself took.
  constexpr uint64_t kSlow = limits::kSlowRingNanoseconds / 2;
  for (int times = 0; times < 5; times++, *system.time += 1000) {
    system.rings = {10 * kSlow, 1000};
    ring();
    ring();
    REQUIRE(system.rings.empty());
  }
  CHECK(system.own_times == own_times + 5);
  CHECK_FALSE(s_seen.is_revoked);
  // Fast ones between say nothing: its bell may have been full.
  for (uint32_t count = 0; count < 4; count++) {
    system.rings = {1000, kSlow};
    CHECK_FALSE(s_seen.is_revoked);
    ring();
    ring();
  }
  system.time.reset();
  CHECK(system.rings.empty());
  CHECK(s_seen.is_revoked);
  CHECK(rig.kpage().reason == HSYS_REVOKED_BELL);
  rig.end();
  rig.check_nothing_left();
}
