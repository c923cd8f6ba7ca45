// SPDX-License-Identifier: GPL-3.0-or-later
// A client that lives and ends tens of thousands of operations at once, again and again: so many in each turn, and the others of its core
// have theirs.
#include "kernel/io/irp_queue.h"
#include "tests/unit/support/service.h"

using namespace httpsys;
using namespace httpsys::test;

namespace {

size_t parked()
{
  size_t count = 0;
  for (ke::CoreId core = 0; core < ke::Cores::instance().count(); core++) {
    ke::Core::Scope scope(ke::Cores::instance().core(core));
    count += io::IrpQueue::parked_here();
  }
  return count;
}

void turn(World &world)
{
  for (ke::CoreId core = 0; core < world.core_count(); core++)
    world.turn(core);
}

struct Figures {
  size_t most = 0; // that ended in one turn of all cores
  uint32_t turns = 0;
};

// Until none is left.
template <typename Check = void (*)()>
Figures end_all(World &world, Check check_meanwhile = [] {})
{
  Figures figures;
  for (uint32_t idle = 0; parked() > 0; idle++) {
    check_meanwhile();
    REQUIRE(idle < 2000);
    size_t before = parked();
    turn(world);
    figures.most = std::max(figures.most, before - parked());
    figures.turns += before != parked() ? 1 : 0;
  }
  return figures;
}

std::vector<uint32_t> receives(World &world, Process &process, uint64_t queue, uint32_t count)
{
  std::vector<uint32_t> all;
  for (uint32_t i = 0; i < count; i++)
    all.push_back(process.receive(queue));
  world.run();
  return all;
}

void check_cancelled(Process &process, const std::vector<uint32_t> &operations)
{
  size_t cancelled = 0;
  for (uint32_t operation : operations)
    cancelled += process.has(operation) && process.take(operation).status() == NtStatus::Cancelled ? 1 : 0;
  CHECK(cancelled == operations.size());
}

// Where the queue is: on the channel's core, or on another.
struct Place {
  uint32_t cores;
  ke::CoreId owner;
};
constexpr Place kPlaces[] = {{1, 0}, {2, 1}, {2, 0}};

struct Two {
  explicit Two(const Place &place) : world(place.cores), other(world, place.owner), process(world, place.cores - 1)
  {
    theirs = other.create_queue(u"shared");
    queue = process.create_queue(u"shared", HSYS_QUEUE_OPEN_EXISTING);
    other.serve(u"http://+:8080/", theirs);
  }
  World world;
  Process other, process;
  uint64_t theirs, queue;
};

}

TEST_CASE("what a closed or shut down handle cancels is cancelled some at a time, and its own completion comes last")
{
  // One and two slices exactly, and one more than that.
  constexpr uint32_t kSlice = limits::kOperationsEndedPerTurn;
  for (const Place &place : kPlaces)
    for (hsys_op operation : {HSYS_OP_CLOSE_HANDLE, HSYS_OP_SHUTDOWN_REQUEST_QUEUE})
      for (uint32_t count : {kSlice - 1, kSlice, kSlice + 1, 2 * kSlice, 3000u}) {
        CAPTURE(place.cores);
        CAPTURE(place.owner);
        CAPTURE(count);
        Two two(place);
        auto all = receives(two.world, two.process, two.queue, count);
        CHECK(parked() == count);
        uint32_t end = two.process.submit(Process::entry(operation, two.queue));
        Figures figures = end_all(two.world, [&] {
          if (operation == HSYS_OP_CLOSE_HANDLE)
            REQUIRE_FALSE(two.process.has(end));
        });
        CHECK(figures.most <= kSlice);
        CHECK(figures.turns >= count / kSlice);
        two.world.run();
        check_cancelled(two.process, all);
        CHECK(two.process.take(end).status() == NtStatus::Success);
      }
}

TEST_CASE("while a handle's operations are cancelled its client is served: CANCEL, other handles, and refusals of this one")
{
  for (const Place &place : kPlaces) {
    CAPTURE(place.cores);
    CAPTURE(place.owner);
    Two two(place);
    uint64_t second = two.process.create_queue(u"shared", HSYS_QUEUE_OPEN_EXISTING);
    auto all = receives(two.world, two.process, two.queue, 3000);
    auto kept = receives(two.world, two.process, second, 600);
    uint32_t close = two.process.submit(Process::entry(HSYS_OP_CLOSE_HANDLE, two.queue));
    uint32_t late = two.process.receive(two.queue);
    uint32_t cancel = two.process.submit(Process::entry(HSYS_OP_CANCEL, 0, all.back()));
    uint32_t self = two.process.submit(Process::entry(HSYS_OP_CANCEL, 0, close));
    uint32_t another = two.process.receive(second);
    // Waits for the end of the first.
    uint32_t next = two.process.submit(Process::entry(HSYS_OP_SHUTDOWN_REQUEST_QUEUE, second));
    for (int i = 0; i < 5 && !two.process.has(all.back()); i++) // there are messages for two turns before its own
      turn(two.world);
    CHECK(two.process.take(late).status() == NtStatus::InvalidHandle);
    CHECK(two.process.take(cancel).status() == NtStatus::Success);
    CHECK(two.process.take(self).status() == NtStatus::NotFound);
    CHECK(two.process.take(all.back()).status() == NtStatus::Cancelled);
    all.pop_back();
    CHECK_FALSE(two.process.has(close));
    CHECK_FALSE(two.process.has(another));
    Figures figures = end_all(two.world);
    CHECK(figures.most <= limits::kOperationsEndedPerTurn);
    two.world.run();
    check_cancelled(two.process, all);
    check_cancelled(two.process, kept);
    check_cancelled(two.process, {another});
    for (uint32_t operation : {close, next})
      CHECK(two.process.take(operation).status() == NtStatus::Success);
  }
}

// Its receives are still there, and come first.
TEST_CASE("a request that comes while a handle is closed or shut down reaches another process")
{
  for (const Place &place : kPlaces)
    for (hsys_op operation : {HSYS_OP_CLOSE_HANDLE, HSYS_OP_SHUTDOWN_REQUEST_QUEUE}) {
      CAPTURE(place.cores);
      CAPTURE(place.owner);
      Two two(place);
      auto all = receives(two.world, two.process, two.queue, 3000);
      auto theirs = receives(two.world, two.other, two.theirs, 20);
      std::vector<std::shared_ptr<SimSocket>> clients;
      for (int i = 0; i < 20; i++)
        clients.push_back(two.world.connect(8080));
      two.world.run();
      uint32_t end = two.process.submit(Process::entry(operation, two.queue));
      turn(two.world);
      for (auto &client : clients)
        client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      two.world.run();
      for (uint32_t receive : theirs)
        CHECK(two.other.take(receive).status() == NtStatus::Success);
      check_cancelled(two.process, all);
      CHECK(two.process.take(end).status() == NtStatus::Success);
    }
}

// HttpShutdownRequestQueue: what was received before may still be read and answered.
TEST_CASE("a retrieval that is submitted after SHUTDOWN_REQUEST_QUEUE is not cancelled with what came before")
{
  for (const Place &place : kPlaces) {
    CAPTURE(place.cores);
    CAPTURE(place.owner);
    Two two(place);
    uint32_t first = two.process.receive(two.queue, 0, 16);
    auto all = receives(two.world, two.process, two.queue, 3000);
    auto client = two.world.connect(8080);
    client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    two.world.run();
    auto note = two.process.take(first);
    CHECK(note.status() == NtStatus::BufferOverflow);
    uint32_t end = two.process.submit(Process::entry(HSYS_OP_SHUTDOWN_REQUEST_QUEUE, two.queue));
    uint32_t whole = two.process.receive(two.queue, 0, 65536, note.entry.object_id);
    two.world.run();
    CHECK(two.process.take(whole).status() == NtStatus::Success);
    check_cancelled(two.process, all);
    CHECK(two.process.take(end).status() == NtStatus::Success);
  }
}

TEST_CASE("a session that ends while its handle's operations are cancelled leaves nothing")
{
  for (const Place &place : kPlaces)
    for (hsys_op operation : {HSYS_OP_CLOSE_HANDLE, HSYS_OP_SHUTDOWN_REQUEST_QUEUE})
      for (int turns : {0, 1, 3})
        for (bool breaks : {false, true}) {
          Two two(place);
          receives(two.world, two.process, two.queue, 3000);
          two.process.submit(Process::entry(operation, two.queue));
          for (int i = 0; i < turns; i++)
            turn(two.world);
          if (breaks) {
            two.process.break_protocol();
            turn(two.world);
          }
          two.process.die();
          CHECK(end_all(two.world).most <= 2 * limits::kOperationsEndedPerTurn);
        } // the world's end looks for what is left
}
