// SPDX-License-Identifier: GPL-3.0-or-later
// Queues that go with all that waits in them, and the daemon's end: so many requests are refused in each turn, of all queues of a core
// together, and until then each is there once, for its user's share and for its client, and for no worker.
#include "kernel/http/counters.h"
#include "kernel/queue/request_queue.h"
#include "tests/unit/support/service.h"
#include <cstring>
#include <deque>

using namespace httpsys;
using namespace httpsys::test;

namespace {

constexpr size_t kSlice = limits::kRequestsReturnedPerTurn;
constexpr uint32_t kTooSmall = 864;

size_t queued(ke::CoreId core)
{
  ke::Core::Scope scope(ke::Cores::instance().core(core));
  return queue::queued_requests_on_this_core();
}

size_t queued(const World &world)
{
  size_t count = 0;
  for (ke::CoreId core = 0; core < world.core_count(); core++)
    count += queued(core);
  return count;
}

void turn(World &world)
{
  for (ke::CoreId core = 0; core < world.core_count(); core++)
    world.turn(core);
}

void open_quota()
{
  Config::Clients shares;
  shares.requests_per_user = 1'000'000;
  se::set_shares(shares);
}

// Clients of one port, each with a request.
struct Clients {
  Clients(World &world, uint16_t port, size_t count)
  {
    open_quota();
    for (size_t i = 0; i < count; i++) {
      all.push_back(world.connect(port));
      all.back()->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      if (i % 100 == 0)
        world.run();
    }
    world.run();
  }
  size_t refused()
  {
    return static_cast<size_t>(std::ranges::count_if(all, [](auto &client) {
      std::string got = client->take();
      return got.starts_with("HTTP/1.1 503") && got.find("HTTP/1.1", 8) == got.npos;
    }));
  }
  std::vector<std::shared_ptr<SimSocket>> all;
};

// Until nothing is queued: no turn of a core takes more than a slice, and a request counts for its user until it is refused.
uint32_t turn_to_none(World &world)
{
  uint32_t slices = 0;
  for (uint32_t turns = 0; queued(world) > 0; turns++) {
    REQUIRE(turns < 500);
    size_t before = queued(world);
    turn(world);
    REQUIRE(before - queued(world) <= kSlice);
    slices += before != queued(world) ? 1 : 0;
    REQUIRE(queue::requests_of_users() == http::counters().requests);
  }
  return slices;
}

}

TEST_CASE("what waits in queues that go is refused some at a time, of all queues together, each once")
{
  constexpr size_t kQueues = 3, kEach = 250;
  for (uint32_t cores : {1u, 2u})
    for (bool closes : {false, true}) {
      CAPTURE(cores);
      CAPTURE(closes);
      World world(cores);
      Process process(world, cores - 1, 1000);
      std::vector<uint64_t> queues;
      std::deque<Clients> clients;
      for (size_t i = 0; i < kQueues; i++) {
        queues.push_back(process.create_queue());
        process.serve(i == 0 ? u"http://+:8080/" : i == 1 ? u"http://+:8081/" : u"http://+:8082/", queues.back());
        clients.emplace_back(world, static_cast<uint16_t>(8080 + i), kEach);
      }
      REQUIRE(queued(cores - 1) == kQueues * kEach);
      REQUIRE(queue::requests_of_users() == kQueues * kEach);
      if (closes)
        for (uint64_t queue : queues)
          process.submit(Process::entry(HSYS_OP_CLOSE_HANDLE, queue));
      else
        process.die();
      CHECK(turn_to_none(world) >= (kQueues * kEach + kSlice - 1) / kSlice);
      CHECK(http::counters().requests > 0); // fewer end in a turn than leave their queue
      for (uint32_t turns = 0; http::counters().requests > 0; turns++) {
        REQUIRE(turns < 500);
        size_t before = http::counters().requests;
        turn(world);
        REQUIRE(before - http::counters().requests <= cores * limits::kRequestsEndedPerTurn);
        REQUIRE(queue::requests_of_users() == http::counters().requests);
      }
      world.run();
      for (Clients &some : clients)
        CHECK(some.refused() == kEach);
    }
}

TEST_CASE("a client that leaves while its queue's requests are refused takes its own out")
{
  constexpr size_t kFirst = 600, kSecond = 500; // more than a slice is left behind the first one
  for (uint32_t cores : {1u, 2u})
    for (size_t stay : {size_t{0}, size_t{100}}) {
      CAPTURE(cores);
      CAPTURE(stay);
      World world(cores);
      Process first(world, cores - 1, 1000), second(world, cores - 1, 1000);
      first.serve(u"http://+:8080/", first.create_queue());
      second.serve(u"http://+:8081/", second.create_queue());
      Clients of_first(world, 8080, kFirst), of_second(world, 8081, kSecond);
      first.die();
      second.die(); // in the same turn
      for (uint32_t turns = 0; queued(world) == kFirst + kSecond; turns++) {
        REQUIRE(turns < 20);
        turn(world);
      }
      REQUIRE(queued(world) == kFirst + kSecond - kSlice);
      for (size_t i = stay; i < kSecond; i++)
        of_second.all[i]->reset_sent = true;
      turn(world);
      CHECK(queued(world) == 0); // a slice is enough for the others
      CHECK(http::counters().requests > 0);
      world.run();
      CHECK(of_first.refused() == kFirst);
      CHECK(of_second.refused() == stay);
      CHECK(http::counters().requests == 0);
      CHECK(queue::requests_of_users() == 0);
    }
}

TEST_CASE("a queue of the same name has nothing of one that has gone, and is served while that one's requests are refused")
{
  constexpr size_t kRequests = 1000;
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    World world(cores);
    Process process(world, cores - 1, 1000), other(world, 0, 1000);
    uint64_t gone = process.create_queue(u"shared");
    process.serve(u"http://+:8080/", gone);
    Clients clients(world, 8080, kRequests);
    process.die();
    for (uint32_t turns = 0; queued(world) == kRequests; turns++) {
      REQUIRE(turns < 20);
      turn(world);
    }
    constexpr std::u16string_view kName = u"shared";
    hsys_queue_name head{static_cast<uint32_t>(kName.size() * 2), 0};
    std::vector<uint8_t> parameters(sizeof head + head.name_bytes);
    std::memcpy(parameters.data(), &head, sizeof head);
    std::memcpy(parameters.data() + sizeof head, kName.data(), head.name_bytes);
    uint32_t create = other.submit(Process::entry(HSYS_OP_CREATE_REQUEST_QUEUE, 0), parameters);
    while (!other.has(create))
      turn(world);
    uint64_t queue = other.take(create).entry.object_id;
    std::vector<uint32_t> receives;
    for (int i = 0; i < 5; i++)
      receives.push_back(other.receive(queue));
    world.run();
    CHECK(clients.refused() == kRequests);
    for (uint32_t receive : receives)
      CHECK_FALSE(other.has(receive));
    other.serve(u"http://+:8080/", queue);
    auto client = world.connect(8080);
    client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    world.run();
    CHECK(other.take(receives[0]).status() == NtStatus::Success);
  }
}

TEST_CASE("sessions that end and queues that go have one turn together, and all queues of a core have one part of it")
{
  constexpr size_t kReceived = 800, kWaiting = 400;
  World world;
  Process owner(world, 0, 1000), session(world, 0, 1000), process(world, 0, 1000);
  uint64_t shared = owner.create_queue(u"shared"), same = session.create_queue(u"shared", HSYS_QUEUE_OPEN_EXISTING);
  owner.serve(u"http://+:8080/", shared);
  std::vector<uint32_t> receives;
  for (size_t i = 0; i < kReceived; i++) {
    receives.push_back(session.receive(same));
    if (i % 100 == 0)
      world.run();
  }
  Clients received(world, 8080, kReceived);
  for (uint32_t receive : receives) {
    if (!session.has(receive)) // there was no block for it
      world.run();
    CHECK(session.take(receive).status() == NtStatus::Success);
  }
  world.run();
  REQUIRE(session.delivered_requests() == kReceived);
  uint64_t first = process.create_queue(), second = process.create_queue();
  process.serve(u"http://+:8081/", first);
  process.serve(u"http://+:8082/", second);
  Clients of_first(world, 8081, kWaiting), of_second(world, 8082, kWaiting);
  auto kept = [&] { return session.delivered_requests(); };
  session.submit(Process::entry(HSYS_OP_CLOSE_HANDLE, same));
  for (uint64_t queue : {first, second})
    process.submit(Process::entry(HSYS_OP_CLOSE_HANDLE, queue));
  size_t together = 0;
  bool have_begun = false;
  for (uint32_t turns = 0; kept() > 0 || queued(world) > 0; turns++) {
    REQUIRE(turns < 20);
    CAPTURE(turns);
    size_t kept_before = kept(), queued_before = queued(world);
    world.turn(0);
    size_t ended = kept_before - kept(), refused = queued_before - queued(world);
    REQUIRE(ended + refused <= kSlice + 2);
    if (have_begun && kept_before >= kSlice / 2 && queued_before >= kSlice / 2) {
      CHECK(ended >= kSlice / 2 - 1); // one step is for the list of the queue
      CHECK(refused == kSlice / 2);
      together++;
    }
    have_begun |= refused > 0 && ended > 0;
  }
  CHECK(together > 0);
  world.run();
  CHECK(of_first.refused() == kWaiting);
  CHECK(of_second.refused() == kWaiting);
  CHECK(http::counters().requests == 0);
}

// On cores that no other case of this program has, since they drain for good.
TEST_CASE("when the daemon ends what waits is refused some at a time, and no receive gets it")
{
  constexpr size_t kRequests = 900, kUnreceived = 100;
  enum class Meanwhile { Nothing, WorkerDies, QueueGoes };
  ke::CoreId core = 2;
  for (Meanwhile meanwhile : {Meanwhile::Nothing, Meanwhile::WorkerDies, Meanwhile::QueueGoes}) {
    CAPTURE(static_cast<int>(meanwhile));
    World world(core + 1);
    Process process(world, core, 1000), worker(world, core, 1000);
    uint64_t first = process.create_queue(u"shared"), second = process.create_queue();
    uint64_t same = worker.create_queue(u"shared", HSYS_QUEUE_OPEN_EXISTING);
    process.serve(u"http://+:8080/", first);
    process.serve(u"http://+:8081/", second);
    for (size_t i = 0; i < kUnreceived; i++)
      worker.receive(same, 0, kTooSmall);
    world.run();
    Clients unreceived(world, 8080, kUnreceived), of_first(world, 8080, kRequests), of_second(world, 8081, kRequests);
    REQUIRE(queued(core) == 2 * kRequests);
    world.on(core, [] { queue::RequestQueue::drain_this_core(); });
    CHECK(queued(core) >= 2 * kRequests - kSlice);
    uint32_t receive = process.receive(first);
    turn(world);
    CHECK(queued(core) > 0);
    if (meanwhile == Meanwhile::WorkerDies)
      worker.die();
    if (meanwhile == Meanwhile::QueueGoes)
      process.submit(Process::entry(HSYS_OP_CLOSE_HANDLE, second));
    CHECK(turn_to_none(world) >= (2 * kRequests - 2 * kSlice) / kSlice);
    world.run();
    CHECK(of_first.refused() == kRequests);
    CHECK(of_second.refused() == kRequests);
    // What comes back from a worker meets the receive, or is refused.
    CHECK(process.has(receive) == (meanwhile == Meanwhile::WorkerDies));
    CHECK(unreceived.refused() == (meanwhile == Meanwhile::WorkerDies ? kUnreceived - 1 : 0));
    core++;
  }
}

TEST_CASE("tens of thousands that wait in a queue are refused a slice in each turn")
{
  constexpr uint32_t kRequests = 40'000;
  World world;
  ke::Core::Scope scope(ke::Cores::instance().core(0));
  {
    queue::RequestQueue queue(1, nullptr);
    for (uint32_t id = 1; id <= kRequests; id++) {
      queue::QueuedRequest request;
      request.request_id = uint64_t{id} << 32;
      request.image.resize(1000);
      queue.put_back(std::move(request));
    }
  }
  CHECK(queued(0) >= kRequests - kSlice);
  CHECK(turn_to_none(world) >= kRequests / kSlice - 1);
}
