// SPDX-License-Identifier: GPL-3.0-or-later
// A worker that dies with all that it may have takes a bounded part of each turn: its operations, its handles, the requests that it had
// received, those that waited in its queues.
#include "kernel/http/connection.h"
#include "kernel/http/counters.h"
#include "kernel/io/irp_queue.h"
#include "kernel/queue/queue_registry.h"
#include "kernel/queue/request_queue.h"
#include "tests/unit/support/service.h"
#include <cstring>
#include <deque>

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
    bool go_back = false; // they go back to the queue, which has gone
  };
  for (const Case &one : {Case{true, false}, Case{false, false}, Case{true, true}, Case{false, true}, Case{true, true, true}}) {
    CAPTURE(one.are_received);
    CAPTURE(one.go_back);
    CAPTURE(one.is_closed);
    Service service;
    std::vector<std::shared_ptr<SimSocket>> clients;
    for (uint32_t i = 0; i < kRequests; i++) {
      clients.push_back(service.connect());
      service.get(*clients.back());
      if (one.are_received)
        CHECK(service.receive(0, one.go_back ? 864 : 65536).status() == (one.go_back ? NtStatus::BufferOverflow : NtStatus::Success));
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
      CHECK((one.are_received && !one.go_back ? client->is_closed : client->take().starts_with("HTTP/1.1 503")));
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

namespace {

// What the channels keep of requests and connections; of all: one process has some.
struct Kept {
  size_t requests = 0, connections = 0, queues = 0;
  Kept()
  {
    ke::Core::Scope scope(ke::Cores::instance().core(0));
    for (uint32_t number = 0; number < 8; number++)
      if (io::Channel *channel = io::Channel::find(number)) {
        auto &delivered = static_cast<queue::DeliveredRequests &>(channel->extension());
        requests += delivered.count();
        connections += delivered.connection_count();
        queues += delivered.queues_of_connections();
      }
  }
};

// Two processes of one queue, whose second one has received so many requests.
struct Crowd {
  Crowd(size_t count, uint32_t out_length) : other(world, 0), process(world, 0)
  {
    queue = other.create_queue(u"shared");
    same = open();
    other.serve(u"http://+:8080/", queue);
    for (size_t i = 0; i < count; i++) {
      receives.push_back(process.receive(same, 0, out_length));
      clients.push_back(world.connect(8080));
      clients.back()->send(fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", i));
      if (i % 100 == 0)
        world.run();
    }
    world.run();
    for (uint32_t receive : receives) {
      if (!process.has(receive)) // there was no block for it
        world.run();
      ids.push_back(process.take(receive).entry.object_id);
    }
    world.run();
  }
  uint64_t open() { return process.create_queue(u"shared", HSYS_QUEUE_OPEN_EXISTING); }
  // Turns until it has none; none may take more than these. Connections that end with their requests come to those that are forgotten.
  void turn_to_none(size_t requests, size_t connections)
  {
    Kept before;
    for (uint32_t turns = 0; before.requests > 0 || (connections > 0 && before.connections > 0); turns++) {
      REQUIRE(turns < 200);
      world.turn(0);
      Kept now;
      REQUIRE(before.requests - now.requests <= requests);
      REQUIRE((connections == 0 || before.connections - now.connections <= connections + limits::kRequestsEndedPerTurn));
      before = now;
    }
  }

  World world;
  Process other, process;
  uint64_t queue, same;
  std::vector<uint32_t> receives;
  std::vector<std::shared_ptr<SimSocket>> clients;
  std::vector<uint64_t> ids;
};

constexpr uint32_t kWhole = 65536, kTooSmall = 864;

}

TEST_CASE("a session with thousands of requests ends some at a time, what it had received as what goes back, and its connections as well")
{
  constexpr size_t kRequests = 2 * limits::kRequestsReturnedPerTurn + 100;
  for (uint32_t out_length : {kWhole, kTooSmall})
    for (bool closes : {false, true}) {
      CAPTURE(out_length);
      CAPTURE(closes);
      Crowd crowd(kRequests, out_length);
      CHECK(Kept().requests == kRequests);
      CHECK(Kept().connections == kRequests);
      if (closes) {
        crowd.process.submit(Process::entry(HSYS_OP_CLOSE_HANDLE, crowd.same));
        crowd.turn_to_none(2 * limits::kRequestsReturnedPerTurn, 0); // a slice at once, and one that follows
      } else {
        crowd.process.die();
        crowd.turn_to_none(limits::kRequestsReturnedPerTurn, limits::kRequestsReturnedPerTurn);
      }
      crowd.world.run();
      CHECK(http::counters().requests == (out_length == kWhole ? 0 : kRequests));
    }
}

TEST_CASE("a session that has answered thousands of requests forgets their connections some at a time")
{
  constexpr size_t kRequests = limits::kRequestsReturnedPerTurn + 100;
  Crowd crowd(kRequests, kWhole);
  for (uint64_t id : crowd.ids) {
    uint32_t answer = crowd.process.respond(crowd.same, id, "ok");
    crowd.world.run();
    CHECK(crowd.process.take(answer).status() == NtStatus::Success);
  }
  CHECK(Kept().requests == 0);
  CHECK(Kept().connections == kRequests);
  crowd.process.die();
  crowd.turn_to_none(0, limits::kRequestsReturnedPerTurn);
}

TEST_CASE("a session that opens its queue again while what it had of it goes back has nothing of that, and gets it as others would")
{
  constexpr size_t kRequests = 3 * limits::kRequestsReturnedPerTurn;
  Crowd crowd(kRequests, kTooSmall);
  auto &process = crowd.process;
  process.submit(Process::entry(HSYS_OP_CLOSE_HANDLE, crowd.same));
  std::string name = "shared";
  hsys_queue_name head{};
  head.name_bytes = static_cast<uint32_t>(2 * name.size());
  std::vector<uint8_t> parameters(sizeof head + head.name_bytes);
  std::memcpy(parameters.data(), &head, sizeof head);
  for (size_t i = 0; i < name.size(); i++)
    parameters[sizeof head + 2 * i] = static_cast<uint8_t>(name[i]);
  uint32_t open = process.submit(Process::entry(HSYS_OP_CREATE_REQUEST_QUEUE, 0, 0, HSYS_QUEUE_OPEN_EXISTING), parameters);
  for (uint32_t turns = 0; !process.has(open); turns++) {
    REQUIRE(turns < 4);
    crowd.world.turn(0);
  }
  uint64_t again = process.take(open).entry.object_id;
  REQUIRE(Kept().requests > 0); // the oldest are the last to go back
  uint32_t retrieve = process.receive(again, 0, kWhole, crowd.ids[0]);
  crowd.world.turn(0);
  REQUIRE(process.has(retrieve));
  CHECK(process.take(retrieve).status() == NtStatus::ConnectionInvalid);
  crowd.world.run();
  CHECK(Kept().requests == 0);
  for (size_t i = 0; i < 3; i++) {
    uint32_t receive = process.receive(again);
    crowd.world.run();
    auto done = process.take(receive);
    CHECK(done.text(done.request().raw_url) == fmt::format("/{}", i));
  }
}

TEST_CASE("a session that ends while what it had of a closed queue goes back leaves nothing")
{
  for (int turns : {1, 2}) {
    Crowd crowd(2 * limits::kRequestsReturnedPerTurn + 100, turns == 2 ? kWhole : kTooSmall);
    crowd.process.submit(Process::entry(HSYS_OP_CLOSE_HANDLE, crowd.same));
    for (int i = 0; i < turns; i++)
      crowd.world.turn(0);
    REQUIRE(Kept().requests > 0);
    crowd.process.die();
    crowd.turn_to_none(limits::kRequestsReturnedPerTurn, limits::kRequestsReturnedPerTurn);
  } // the world's end looks for what is left
}

TEST_CASE("a connection that goes from queue to queue is known through the newest of these alone, and through none that is closed")
{
  World world;
  Process process(world, 0);
  auto wait = [&](uint64_t queue, uint64_t connection) {
    uint32_t irp = process.submit(Process::entry(HSYS_OP_WAIT_DISCONNECT, queue, connection));
    world.run();
    return irp;
  };
  uint64_t group = process.serve(u"http://+:8080/", process.create_queue()), connection = 0;
  auto client = world.connect(8080);
  auto come = [&](uint64_t queue) {
    REQUIRE(process.bind(group, queue) == NtStatus::Success);
    client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    uint32_t receive = process.receive(queue);
    world.run();
    auto done = process.take(receive);
    REQUIRE(done.status() == NtStatus::Success);
    connection = done.entry.aux;
    uint32_t answer = process.respond(queue, done.entry.object_id, "ok");
    world.run();
    CHECK(process.take(answer).status() == NtStatus::Success);
  };
  for (int round = 0; round < 40; round++) {
    uint64_t queue = process.create_queue();
    come(queue);
    CHECK(process.call(Process::entry(HSYS_OP_CLOSE_HANDLE, queue)).status() == NtStatus::Success);
    CHECK(Kept().queues == 1);
  }
  std::vector<uint64_t> queues;
  for (int i = 0; i < 16; i++) {
    queues.push_back(process.create_queue());
    come(queues.back());
  }
  CHECK(Kept().queues == 16);
  CHECK_FALSE(process.has(wait(queues[0], connection)));
  come(queues[0]); // the newest now
  queues.push_back(process.create_queue());
  come(queues.back());
  CHECK(Kept().queues == 16);
  CHECK(process.take(wait(queues[1], connection)).status() == NtStatus::ConnectionInvalid);
  for (size_t i : {0, 2, 16})
    CHECK_FALSE(process.has(wait(queues[i], connection)));
  client->reset_sent = true;
  world.run();
  CHECK(Kept().queues == 0);
}

TEST_CASE("a connection tells its end to the newest sessions that had requests of it, and the others that it is not theirs")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    World world(cores);
    Process owner(world, 0);
    owner.serve(u"http://+:8080/", owner.create_queue(u"shared"));
    auto client = world.connect(8080);
    uint64_t connection = 0;
    struct Worker {
      Worker(World &world, uint32_t core)
          : process(world, core), queue(process.create_queue(u"shared", HSYS_QUEUE_OPEN_EXISTING))
      {
      }
      Process process;
      uint64_t queue;
    };
    auto come = [&](Worker &worker) {
      client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      uint32_t receive = worker.process.receive(worker.queue);
      world.run();
      auto done = worker.process.take(receive);
      REQUIRE(done.status() == NtStatus::Success);
      connection = done.entry.aux;
      uint32_t answer = worker.process.respond(worker.queue, done.entry.object_id, "ok");
      world.run();
      CHECK(worker.process.take(answer).status() == NtStatus::Success);
    };
    auto channels = [&] {
      ke::Core::Scope scope(ke::Cores::instance().core(ob::id_core(connection)));
      return http::Connection::find(connection)->channel_count();
    };
    auto wait = [&](Worker &worker) {
      uint32_t irp = worker.process.submit(Process::entry(HSYS_OP_WAIT_DISCONNECT, worker.queue, connection));
      world.run();
      return irp;
    };
    for (int i = 0; i < 30; i++) {
      Worker worker(world, cores - 1);
      come(worker);
      worker.process.die();
      world.run();
      CHECK(channels() <= 16);
    }
    std::deque<Worker> workers;
    for (int i = 0; i < 17; i++)
      come(workers.emplace_back(world, cores - 1));
    CHECK(channels() == 16);
    CHECK(workers[0].process.take(wait(workers[0])).status() == NtStatus::ConnectionInvalid);
    uint32_t oldest = wait(workers[1]);
    CHECK_FALSE(workers[1].process.has(oldest));
    come(workers[0]);
    CHECK_FALSE(workers[0].process.has(wait(workers[0])));
    client->reset_sent = true;
    world.run();
    CHECK(workers[1].process.take(oldest).status() == NtStatus::Success);
  }
}

TEST_CASE("sessions that end or close their queue together have one turn together, and each its part of it")
{
  constexpr size_t kSessions = 4, kRequests = 300;
  for (bool closes : {false, true}) {
    CAPTURE(closes);
    World world;
    Process other(world, 0);
    other.serve(u"http://+:8080/", other.create_queue(u"shared"));
    std::deque<Process> processes;
    std::vector<uint64_t> queues;
    std::vector<std::shared_ptr<SimSocket>> clients;
    for (size_t i = 0; i < kSessions; i++) {
      queues.push_back(processes.emplace_back(world, 0).create_queue(u"shared", HSYS_QUEUE_OPEN_EXISTING));
      for (size_t request = 0; request < kRequests; request++) {
        processes.back().receive(queues.back(), 0, kTooSmall);
        clients.push_back(world.connect(8080));
        clients.back()->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      }
      world.run();
    }
    auto counts = [] {
      ke::Core::Scope scope(ke::Cores::instance().core(0));
      std::vector<size_t> all;
      for (uint32_t number = 0; number < 8; number++)
        if (io::Channel *channel = io::Channel::find(number))
          all.push_back(static_cast<queue::DeliveredRequests &>(channel->extension()).count());
      return all;
    };
    size_t channels = counts().size();
    REQUIRE(Kept().requests == kSessions * kRequests);
    for (size_t i = 0; i < kSessions; i++) {
      if (closes)
        processes[i].submit(Process::entry(HSYS_OP_CLOSE_HANDLE, queues[i]));
      else
        processes[i].die();
    }
    size_t begun = 0;
    for (uint32_t turns = 0; Kept().requests > 0; turns++) {
      REQUIRE(turns < 20);
      auto before = counts();
      size_t all_before = Kept().requests;
      world.turn(0);
      auto now = counts();
      REQUIRE(all_before - Kept().requests <= limits::kRequestsReturnedPerTurn + kSessions);
      if (all_before - Kept().requests > 0 && begun++ > 0 && now.size() == channels)
        for (size_t i = 0; i < channels; i++)
          CHECK((before[i] == 0 || before[i] - now[i] >= std::min(before[i], limits::kRequestsReturnedPerTurn / kSessions / 2)));
    }
    world.run();
    CHECK(http::counters().requests == kSessions * kRequests);
  }
}
