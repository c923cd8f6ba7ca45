// SPDX-License-Identifier: GPL-3.0-or-later
// RequestsPerUser at its edge: the last request that fits, the next one that is refused, what others notice of it (nothing), and that a
// request is given back whatever becomes of it.
#include "kernel/queue/user_requests.h"
#include "kernel/limits.h"
#include "tests/unit/support/service.h"

using namespace httpsys;
using namespace httpsys::test;

namespace {

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

void allow(uint64_t requests)
{
  Config::Clients shares;
  shares.requests_per_user = requests;
  se::set_shares(shares);
}

struct Few : Service {
  explicit Few(uint32_t cores = 1, uint64_t most = 3) : Service(cores) { allow(most); }

  std::shared_ptr<SimSocket> ask()
  {
    auto client = connect();
    get(*client);
    return client;
  }
  size_t refused() const
  {
    return static_cast<size_t>(std::ranges::count_if(world.log, [](const std::string &line) {
      return line.ends_with("503 QueueFull: the user of the request queue has as many requests under way as may be, RequestsPerUser (3); "
                            "uid 1000");
    }));
  }
};

void check_is_served(Few &service, uint16_t port, Process &process, uint64_t queue)
{
  auto client = service.world.connect(port);
  service.send(*client, kGet);
  uint32_t got = process.receive(queue);
  service.world.run();
  process.respond(queue, process.take(got).entry.object_id, "ok");
  service.world.run();
  CHECK(client->take().starts_with("HTTP/1.1 200"));
}

}

TEST_CASE("so many requests of one user are under way, the next one is refused, and nobody else's")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Few service(cores);
    Process same(service.world, 0, 1000), other(service.world, 0, 1001);
    uint64_t second = same.create_queue(), others = other.create_queue();
    same.serve(u"http://+:8081/", second);
    other.serve(u"http://+:8082/", others);
    // Delivered, in the queue, in another queue of the user.
    auto delivered = service.ask();
    uint64_t id = service.receive_id();
    auto waiting = service.ask(), elsewhere = service.world.connect(8081);
    service.send(*elsewhere, kGet);
    CHECK(queue::requests_of_users() == 3);
    uint32_t receive = service.worker.receive(service.queue);
    service.world.run();
    CHECK(service.worker.has(receive));
    for (uint16_t port : {uint16_t{8080}, uint16_t{8081}}) {
      auto refused = service.world.connect(port);
      service.send(*refused, kGet);
      CHECK(refused->take().starts_with("HTTP/1.1 503 Service Unavailable"));
      CHECK(refused->fin_received);
    }
    CHECK(service.refused() == 2);
    CHECK(queue::requests_of_users() == 3);
    for (int i = 0; i < 5; i++) {
      check_is_served(service, 8082, other, others);
    }
    CHECK(queue::requests_of_users() == 3);
    // One that is answered makes room, an idle connection takes none.
    service.answer(id);
    CHECK(delivered->take().starts_with("HTTP/1.1 200"));
    CHECK(queue::requests_of_users() == 2);
    service.get(*delivered);
    CHECK(delivered->take().empty());
    CHECK(queue::requests_of_users() == 3);
    service.worker.take_all();
  }
}

TEST_CASE("who administrates may have any number, and without a bound everybody")
{
  World world;
  Process root(world, 0, 0), user(world, 0, 1000);
  uint64_t roots = root.create_queue(), users = user.create_queue();
  root.serve(u"http://+:8080/", roots);
  user.serve(u"http://+:8081/", users);
  std::vector<std::shared_ptr<SimSocket>> clients;
  auto ask = [&](uint16_t port) {
    clients.push_back(world.connect(port));
    clients.back()->send(kGet);
    world.run();
    return clients.back()->take().empty();
  };
  allow(1);
  CHECK(ask(8080));
  CHECK(ask(8080));
  CHECK(ask(8081));
  CHECK_FALSE(ask(8081));
  allow(0);
  CHECK(ask(8081));
  CHECK(queue::requests_of_users() == 4);
}

TEST_CASE("whatever becomes of a request, it is given back")
{
  struct Case {
    const char *name;
    void (*happens)(Few &service, SimSocket &client);
  };
  static constexpr Case kCases[] = {
    {"its client leaves while it waits", [](Few &, SimSocket &client) { client.reset_sent = true; }},
    {"its client leaves when a worker has it",
     [](Few &service, SimSocket &client) {
       service.receive();
       client.reset_sent = true;
     }},
    {"its client leaves on the way to a worker",
     [](Few &service, SimSocket &client) {
       service.worker.receive(service.queue);
       service.world.turn(0);
       client.reset_sent = true;
     }},
    {"it is answered", [](Few &service, SimSocket &) { service.answer(service.receive_id()); }},
    {"it is cancelled",
     [](Few &service, SimSocket &) { CHECK(service.status_of(HSYS_OP_CANCEL_REQUEST, service.receive_id()) == NtStatus::Success); }},
    {"it is received in two calls, and answered",
     [](Few &service, SimSocket &) {
       auto first = service.receive(0, 600);
       CHECK(first.status() == NtStatus::BufferOverflow);
       service.worker.take_all();
       uint32_t whole = service.worker.receive(service.queue, 0, 65536, first.entry.object_id);
       service.world.run();
       CHECK(service.worker.take(whole).status() == NtStatus::Success);
       service.answer(first.entry.object_id);
     }},
    {"its queue is closed while it waits",
     [](Few &service, SimSocket &) { service.worker.call(Process::entry(HSYS_OP_CLOSE_HANDLE, service.queue)); }},
    {"its queue is closed when a worker has it",
     [](Few &service, SimSocket &) {
       service.receive();
       service.worker.call(Process::entry(HSYS_OP_CLOSE_HANDLE, service.queue));
     }},
    {"the process dies while it waits", [](Few &service, SimSocket &) { service.worker.die(); }},
    {"the process dies and has answered in part",
     [](Few &service, SimSocket &) {
       service.answer(service.receive_id(), "begun", HSYS_SEND_MORE_DATA);
       service.worker.die();
     }},
    {"the process dies and had not received it",
     [](Few &service, SimSocket &) {
       service.worker.holds = true;
       service.worker.receive(service.queue);
       service.world.run();
       service.worker.die();
     }},
  };
  for (const Case &one : kCases)
    for (uint32_t cores : {1u, 2u}) {
      CAPTURE(one.name);
      CAPTURE(cores);
      Few service(cores);
      auto client = service.ask();
      CHECK(queue::requests_of_users() == 1);
      one.happens(service, *client);
      service.world.run();
      CHECK(queue::requests_of_users() == 0);
      // A new application of the same user works at once.
      Process next(service.world, 0, 1000);
      uint64_t queue = next.create_queue();
      next.serve(u"http://+:8088/", queue);
      check_is_served(service, 8088, next, queue);
    }
}

TEST_CASE("a request that comes back from a worker that had not received it is not refused, and counts once")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    World world(cores);
    allow(1);
    Process owner(world, 0), worker(world, cores - 1);
    uint64_t queue = owner.create_queue(u"q"), opened = worker.create_queue(u"q", HSYS_QUEUE_OPEN_EXISTING);
    owner.serve(u"http://+:8080/", queue);
    worker.holds = true;
    worker.receive(opened);
    world.run();
    auto client = world.connect(8080), refused = world.connect(8080);
    client->send(kGet);
    world.run();
    worker.die();
    world.run();
    CHECK(queue::requests_of_users() == 1);
    refused->send(kGet);
    world.run();
    CHECK(refused->take().starts_with("HTTP/1.1 503"));
    uint32_t got = owner.receive(queue);
    world.run();
    owner.respond(queue, owner.take(got).entry.object_id, "ok");
    world.run();
    CHECK(client->take().starts_with("HTTP/1.1 200"));
    CHECK(queue::requests_of_users() == 0);
  }
}

TEST_CASE("a response counts until its client has taken it, and not for the next request of the connection")
{
  Few service;
  auto client = service.connect();
  client->room = 100;
  service.get(*client);
  service.answer(service.receive_id(), std::string(5000, 'x'));
  CHECK(queue::requests_of_users() == 1);
  client->room = 1 << 20;
  service.world.run();
  CHECK(queue::requests_of_users() == 0);
  // One that is not taken ends with its connection.
  client->take();
  client->room = 100;
  service.get(*client);
  service.answer(service.receive_id(), std::string(5000, 'x'));
  CHECK(queue::requests_of_users() == 1);
  service.world.pass(limits::kSendMilliseconds + 100);
  CHECK(queue::requests_of_users() == 0);
}

TEST_CASE("a response that its client does not take counts on when what comes behind it is answered without an application")
{
  Few service;
  service.worker.serve(u"http://+:8081/mine/", service.queue);
  auto client = service.world.connect(8081);
  client->room = 100;
  service.send(*client, "GET /mine/ HTTP/1.1\r\nHost: x\r\n\r\n");
  service.answer(service.receive_id(), std::string(5000, 'x'));
  CHECK(queue::requests_of_users() == 1);
  service.send(*client, "GET /nobodys HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(queue::requests_of_users() == 1);
  client->room = 1 << 20;
  service.world.run();
  CHECK(client->take().find("HTTP/1.1 404") != std::string::npos);
  service.world.pass(limits::kLingerMilliseconds + 100); // the connection's end
  CHECK(queue::requests_of_users() == 0);
}

// The queue hears from the request's core that the request has ended, and from the worker's core that it comes back: in any order.
TEST_CASE("a request whose client leaves while it comes back from a worker is not in the queue, whichever message is the first")
{
  constexpr uint32_t kTurns = 5;
  World world(2);
  allow(3);
  Process owner(world, 0);
  uint64_t queue = owner.create_queue(u"q");
  owner.serve(u"http://+:8080/", queue);
  auto check = [&](uint32_t of_client, bool is_received, uint32_t order, uint32_t apart) {
    Process worker(world, 1);
    uint64_t opened = worker.create_queue(u"q", HSYS_QUEUE_OPEN_EXISTING);
    std::shared_ptr<SimSocket> clients[] = {world.connect(8080), world.connect(8080)}; // on core 0 and on core 1
    worker.holds = true;
    worker.receive(opened);
    world.run();
    clients[of_client]->send(kGet);
    if (is_received)
      world.run();
    for (uint32_t turn = 0; turn < kTurns; turn++) {
      if (turn == apart)
        worker.die();
      if (turn == kTurns - 1)
        clients[of_client]->reset_sent = true;
      world.turn(order >> turn & 1);
    }
    clients[1 - of_client]->reset_sent = true;
    world.run();
    CAPTURE(of_client);
    CAPTURE(is_received);
    CAPTURE(order);
    CAPTURE(apart);
    CHECK(queue::requests_of_users() == 0);
    uint32_t receive = owner.receive(queue);
    world.run();
    CHECK_FALSE(owner.has(receive));
    owner.cancel(receive);
    world.run();
    owner.take_all();
  };
  for (uint32_t of_client : {0u, 1u})
    for (bool is_received : {false, true})
      for (uint32_t order = 0; order < 1 << kTurns; order++)
        for (uint32_t apart = 0; apart < kTurns; apart++)
          check(of_client, is_received, order, apart);
}
