// SPDX-License-Identifier: GPL-3.0-or-later
// A worker that dies with all that it may have takes a bounded part of each turn: its operations, its handles, the requests that it had
// received, those that waited in its queues.
#include "kernel/http/counters.h"
#include "kernel/io/irp_queue.h"
#include "kernel/queue/queue_registry.h"
#include "kernel/queue/request_queue.h"
#include "tests/unit/support/service.h"

using namespace httpsys;
using namespace httpsys::test;

namespace {

// Turns until count(), on the cores' own threads of thought, is 0; no turn of all cores takes more than `most`. Returns the turns that did.
template <typename Count>
uint32_t turns_to_none(World &world, size_t most, Count count)
{
  uint32_t turns = 0;
  for (uint32_t idle = 0; count() > 0; idle++) {
    REQUIRE(idle < 2000);
    size_t before = count();
    for (ke::CoreId core = 0; core < world.core_count(); core++)
      world.turn(core);
    REQUIRE(before - count() <= most);
    turns += before != count() ? 1 : 0;
  }
  return turns;
}

size_t parked()
{
  ke::Core::Scope scope(ke::Cores::instance().core(0));
  return io::IrpQueue::parked_here();
}

}

TEST_CASE("operations of a worker that dies are cancelled some at a time")
{
  constexpr uint32_t kReceives = 3000;
  World world;
  Process process(world, 0), other(world, 0);
  uint64_t queue = process.create_queue(u"shared"), same = other.create_queue(u"shared", HSYS_QUEUE_OPEN_EXISTING);
  process.serve(u"http://+:8080/", queue);
  for (uint32_t i = 0; i < kReceives; i++)
    process.receive(queue);
  world.run();
  uint32_t receive = other.receive(same);
  world.run();
  CHECK(parked() == kReceives + 1);
  process.die();
  CHECK(turns_to_none(world, limits::kOperationsEndedPerTurn, [] { return parked() - 1; }) >= kReceives / limits::kOperationsEndedPerTurn);
  world.run();
  CHECK_FALSE(other.has(receive));
}

// Each of them meets a receive that will be cancelled a moment later.
TEST_CASE("requests that come while a worker ends reach another one")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    World world(cores);
    Process process(world, cores - 1), other(world, 0);
    uint64_t queue = other.create_queue(u"shared"), same = process.create_queue(u"shared", HSYS_QUEUE_OPEN_EXISTING);
    other.serve(u"http://+:8080/", queue);
    for (uint32_t i = 0; i < 3500; i++)
      process.receive(same);
    world.run();
    std::vector<std::shared_ptr<SimSocket>> clients;
    for (int i = 0; i < 50; i++)
      clients.push_back(world.connect(8080));
    world.run();
    std::vector<uint32_t> receives;
    for (int i = 0; i < 50; i++)
      receives.push_back(other.receive(queue));
    world.run();
    process.die();
    world.turn(cores - 1);
    for (auto &client : clients)
      client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    world.run();
    for (uint32_t receive : receives)
      CHECK(other.take(receive).status() == NtStatus::Success);
  }
}

TEST_CASE("handles of a worker that dies are closed some at a time, and their queues end")
{
  constexpr uint32_t kQueues = 600;
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    World world(cores);
    Process process(world, cores - 1);
    for (uint32_t i = 0; i < kQueues; i++)
      process.create_queue();
    process.die();
    CHECK(turns_to_none(world, limits::kHandlesEndedPerTurn, [] { return queue::QueueRegistry::instance().count(); }) >=
          kQueues / limits::kHandlesEndedPerTurn);
  }
}

TEST_CASE("requests that a worker had received, or that waited in its queue, end some at a time")
{
  constexpr uint32_t kRequests = 200;
  struct Case {
    bool are_received;
    bool is_closed; // the handle, by a worker that lives on
  };
  for (const Case &one : {Case{true, false}, Case{false, false}, Case{true, true}, Case{false, true}}) {
    CAPTURE(one.are_received);
    CAPTURE(one.is_closed);
    Service service;
    std::vector<std::shared_ptr<SimSocket>> clients;
    for (uint32_t i = 0; i < kRequests; i++) {
      clients.push_back(service.connect());
      service.get(*clients.back());
      if (one.are_received)
        CHECK(service.receive().status() == NtStatus::Success);
    }
    CHECK(http::counters().requests == kRequests);
    if (one.is_closed)
      service.worker.submit(Process::entry(HSYS_OP_CLOSE_HANDLE, service.queue));
    else
      service.worker.die();
    CHECK(turns_to_none(service.world, limits::kRequestsEndedPerTurn, [] { return size_t{http::counters().requests}; }) >=
          kRequests / limits::kRequestsEndedPerTurn);
    service.world.run();
    for (auto &client : clients)
      CHECK((one.are_received ? client->is_closed : client->take().starts_with("HTTP/1.1 503")));
  }
}

TEST_CASE("requests that a session had not received go back some at a time, and one that ends meanwhile does not")
{
  constexpr size_t kRequests = limits::kRequestsReturnedPerTurn + 300;
  World world;
  Process process(world, 0), other(world, 0);
  uint64_t queue = other.create_queue(u"shared"), same = process.create_queue(u"shared", HSYS_QUEUE_OPEN_EXISTING);
  other.serve(u"http://+:8080/", queue);
  process.holds = true;
  std::vector<std::shared_ptr<SimSocket>> clients;
  for (size_t i = 0; i < kRequests; i++) {
    process.receive(same);
    clients.push_back(world.connect(8080));
    clients.back()->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  world.run();
  auto queued = [&] {
    ke::Core::Scope scope(ke::Cores::instance().core(0));
    return queue::queued_requests_on_this_core();
  };
  REQUIRE(queued() == 0);
  auto kept = [&]() -> size_t {
    ke::Core::Scope scope(ke::Cores::instance().core(0));
    size_t most = 0; // of all channels: the other process has none
    for (uint32_t number = 0; number < 8; number++)
      if (io::Channel *channel = io::Channel::find(number))
        most = std::max(most, static_cast<queue::DeliveredRequests &>(channel->extension()).count());
    return most;
  };
  REQUIRE(kept() == kRequests);
  process.die();
  for (uint32_t turns = 0; kept() == kRequests; turns++) {
    REQUIRE(turns < 100);
    world.turn(0);
  }
  CHECK(kept() == kRequests - limits::kRequestsReturnedPerTurn);
  clients[0]->reset_sent = true; // the oldest is the last to go back
  world.turn(0);
  CHECK(kept() == kRequests - limits::kRequestsReturnedPerTurn - 1); // the next part comes behind what the first one sent
  world.run();
  CHECK(kept() == 0);
  CHECK(queued() == kRequests - 1);
}
