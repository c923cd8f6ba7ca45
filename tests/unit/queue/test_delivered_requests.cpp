// SPDX-License-Identifier: GPL-3.0-or-later
// What a session has received: buffers that are too small, retrievals by id, and what goes to another worker when the session
// ends (design.md 2, "Received").
#include "tests/unit/support/service.h"
#include <fmt/format.h>

using namespace httpsys;
using namespace httpsys::test;

namespace {

// Two workers of one queue, on the two ends of the cores.
struct Pair {
  explicit Pair(uint32_t cores)
      : world(cores), one(world, cores - 1), two(world, 0), queue(one.create_queue(u"q")),
        opened(two.create_queue(u"q", HSYS_QUEUE_OPEN_EXISTING))
  {
    two.serve(u"http://+:8080/", opened);
  }
  std::shared_ptr<SimSocket> request(const std::string &path, const std::string &body = "")
  {
    auto client = world.connect(8080);
    client->send(fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", path, body.size(), body));
    world.run();
    return client;
  }
  uint32_t receive_one(uint32_t out_length = 65536, uint64_t id = 0, uint32_t flags = 0)
  {
    uint32_t irp = one.receive(queue, flags, out_length, id);
    world.run();
    return irp;
  }
  // The second worker's next request, "" when there is none.
  std::string next(uint64_t *id = nullptr)
  {
    uint32_t irp = two.receive(opened);
    world.run();
    if (!two.has(irp)) {
      two.cancel(irp);
      world.run();
      CHECK(two.take(irp).status() == NtStatus::Cancelled);
      return "";
    }
    auto done = two.take(irp);
    if (id)
      *id = done.entry.object_id;
    return done.text(done.request().raw_url);
  }

  World world;
  Process one, two;
  uint64_t queue, opened;
};

}

TEST_CASE("a buffer that is too small reserves the request for its id")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Service service(cores);
    auto client = service.connect(), other = service.connect();
    service.get(*client, "/reserved");
    auto small = service.receive(0, 864);
    CHECK(small.status() == NtStatus::BufferOverflow);
    CHECK(small.output.empty());
    CHECK(small.entry.object_id != 0);
    CHECK(small.entry.aux != 0);
    auto needed = static_cast<uint32_t>(small.entry.information);
    CHECK(needed > 864);
    // Nobody else gets it.
    service.get(*other, "/other");
    auto second = service.receive();
    CHECK(second.text(second.request().raw_url) == "/other");
    CHECK_FALSE(service.has_request());
    auto again = [&](uint32_t length) {
      uint32_t irp = service.worker.receive(service.queue, 0, length, small.entry.object_id);
      service.world.run();
      return service.worker.take(irp);
    };
    CHECK(again(needed - 1).status() == NtStatus::BufferOverflow);
    auto whole = again(needed);
    CHECK(whole.status() == NtStatus::Success);
    CHECK(whole.entry.information == needed);
    CHECK(whole.text(whole.request().raw_url) == "/reserved");
    CHECK(again(needed).status() == NtStatus::EndOfFile);
    service.answer(small.entry.object_id);
    CHECK(again(needed).status() == NtStatus::ConnectionInvalid);
    service.answer(second.entry.object_id);
  }
}

TEST_CASE("a reserved request can be answered and cancelled without being fetched, and fails when its client has gone")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Service service(cores);
    auto client = service.connect();
    service.get(*client);
    service.answer(service.receive(0, 864).entry.object_id);
    CHECK(client->take().starts_with("HTTP/1.1 200 "));
    service.get(*client);
    CHECK(service.status_of(HSYS_OP_CANCEL_REQUEST, service.receive(0, 864).entry.object_id) == NtStatus::Success);
    CHECK(client->reset_received);
    auto other = service.connect();
    service.get(*other);
    uint64_t id = service.receive(0, 864).entry.object_id;
    other->reset_sent = true;
    service.world.run();
    uint32_t irp = service.worker.receive(service.queue, 0, 65536, id);
    service.world.run();
    CHECK(service.worker.take(irp).status() == NtStatus::ConnectionInvalid);
  }
}

TEST_CASE("a retrieval that waits for the body leaves the request with its session, whatever becomes of it")
{
  for (uint32_t cores : {1u, 2u}) {
    for (int how = 0; how < 5; how++) {
      CAPTURE(cores);
      CAPTURE(how);
      Service service(cores);
      auto client = service.connect();
      service.post(*client, 10, "hello");
      uint64_t id = service.receive(0, 864).entry.object_id;
      auto retrieve = [&] {
        uint32_t irp = service.worker.receive(service.queue, HSYS_RECEIVE_FLUSH_BODY, 65536, id);
        service.world.run();
        return irp;
      };
      uint32_t waits = retrieve();
      CHECK_FALSE(service.worker.has(waits));
      CHECK(service.worker.take(retrieve()).status() == NtStatus::InvalidDeviceState);
      switch (how) {
      case 0: // cancelled: nobody else gets it
        service.worker.cancel(waits);
        service.world.run();
        CHECK(service.worker.take(waits).status() == NtStatus::Cancelled);
        CHECK_FALSE(service.has_request());
        waits = retrieve();
        service.send(*client, "there");
        CHECK(service.worker.take(waits).status() == NtStatus::Success);
        service.answer(id);
        CHECK(service.still_serves(*client));
        break;
      case 1: // answered meanwhile
        service.answer(id);
        CHECK(service.worker.take(waits).status() == NtStatus::ConnectionInvalid);
        service.send(*client, "there");
        CHECK(service.still_serves(*client));
        break;
      case 2: // cancelled with HttpCancelHttpRequest
        CHECK(service.status_of(HSYS_OP_CANCEL_REQUEST, id) == NtStatus::Success);
        CHECK(service.worker.take(waits).status() == NtStatus::ConnectionInvalid);
        break;
      case 3: // the client gives up in the middle: what has come is all there will be
        client->fin_sent = true;
        service.world.run();
        CHECK(service.worker.take(waits).status() == NtStatus::Success);
        CHECK(service.read(id).status() == NtStatus::ConnectionInvalid);
        service.answer(id);
        break;
      case 4: // the session ends
        service.worker.die();
        service.world.run();
        CHECK(client->take().starts_with("HTTP/1.1 503 "));
        break;
      }
    }
  }
}

TEST_CASE("what a session had not received goes to another worker in its order, the rest is reset")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Pair pair(cores);
    auto received = pair.request("/received"), reserved = pair.request("/reserved");
    CHECK(pair.one.take(pair.receive_one()).status() == NtStatus::Success);
    CHECK(pair.one.take(pair.receive_one(864)).status() == NtStatus::BufferOverflow);
    // Seen, and not counted as received.
    pair.one.holds = true;
    auto held = pair.request("/held");
    CHECK(pair.one.has(pair.receive_one()));
    auto waiting = pair.request("/waiting");
    pair.one.die();
    pair.world.run();
    CHECK(received->reset_received);
    CHECK(pair.world.has_logged("Connection_Abandoned_By_ReqQueue"));
    CHECK(pair.next() == "/reserved");
    uint64_t id = 0;
    CHECK(pair.next(&id) == "/held");
    CHECK(pair.next() == "/waiting");
    CHECK(pair.next() == "");
    CHECK_FALSE(held->is_closed);
    uint32_t answer = pair.two.respond(pair.opened, id, "ok");
    pair.world.run();
    CHECK(pair.two.take(answer).status() == NtStatus::Success);
    CHECK(held->take().starts_with("HTTP/1.1 200 "));
  }
}

// Each way in which a worker goes: its lines are counted for its user, and leave the network's alone.
TEST_CASE("that a request is reset since its worker has gone is logged as a deed of the worker's user")
{
  for (uint32_t cores : {1u, 2u})
    for (bool is_closed : {false, true}) {
      CAPTURE(cores);
      CAPTURE(is_closed);
      World world(cores);
      Process owner(world, 0, 1000), worker(world, cores - 1, 1001);
      uint64_t queue = owner.create_queue(), own = worker.create_queue();
      owner.serve(u"http://+:8080/", queue);
      worker.serve(u"http://+:8081/", own);
      auto client = world.connect(8081);
      client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      uint32_t receive = worker.receive(own);
      world.run();
      CHECK(worker.take(receive).status() == NtStatus::Success);
      if (is_closed)
        worker.call(Process::entry(HSYS_OP_CLOSE_HANDLE, own));
      else
        worker.die();
      world.run();
      CHECK(client->reset_received);
      auto cause = world.cause_of("Connection_Abandoned_By_ReqQueue");
      REQUIRE(cause);
      CHECK(cause->kind == LogKind::Process);
      CHECK(cause->uid == 1001);
    }
}

TEST_CASE("what a session that is cut off had received goes to nobody else")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Pair pair(cores);
    auto received = pair.request("/received");
    CHECK(pair.one.take(pair.receive_one()).status() == NtStatus::Success);
    auto waiting = pair.request("/waiting");
    pair.one.break_protocol();
    pair.world.run();
    CHECK(pair.one.state() == HSYS_CHANNEL_REVOKED);
    pair.one.die();
    pair.world.run();
    CHECK(received->reset_received);
    CHECK(pair.next() == "/waiting");
    CHECK(pair.next() == "");
  }
}

TEST_CASE("a request that a session has begun to answer goes to nobody else")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Pair pair(cores);
    auto read = pair.request("/read", "body"), answered = pair.request("/answered");
    uint64_t first = pair.one.take(pair.receive_one(864)).entry.object_id;
    uint64_t second = pair.one.take(pair.receive_one(864)).entry.object_id;
    pair.one.read_body(pair.queue, first);
    pair.one.respond(pair.queue, second, "x", HSYS_SEND_MORE_DATA, 10);
    pair.world.run();
    pair.one.die();
    pair.world.run();
    CHECK(read->reset_received);
    CHECK(answered->reset_received);
    CHECK(pair.next() == "");
  }
}

TEST_CASE("body bytes that went along come again")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Pair pair(cores);
    auto client = pair.request("/a", "hello");
    pair.one.holds = true;
    CHECK(pair.one.has(pair.receive_one(65536, 0, HSYS_RECEIVE_COPY_BODY)));
    pair.one.die();
    pair.world.run();
    uint32_t irp = pair.two.receive(pair.opened);
    pair.world.run();
    auto done = pair.two.take(irp);
    CHECK(done.text(done.request().body) == "hello");
    CHECK((done.request().flags & HSYS_REQUEST_MORE_BODY) == 0);
  }
}

TEST_CASE("a request that came back and whose client goes away is out of the queue")
{
  Pair pair(2);
  auto client = pair.request("/a");
  CHECK(pair.one.take(pair.receive_one(864)).status() == NtStatus::BufferOverflow);
  pair.one.die();
  pair.world.run();
  client->reset_sent = true;
  pair.world.run();
  CHECK(pair.next() == "");
}

TEST_CASE("without blocks a delivery waits, and is nobody's when the session ends")
{
  Pair pair(2);
  // Blocks are not handed back.
  pair.one.holds = true;
  std::string fields;
  for (int i = 0; i < 12; i++)
    fields += fmt::format("X-{}: {}\r\n", i, std::string(1000, 'x'));
  std::vector<std::shared_ptr<SimSocket>> clients;
  uint32_t last = 0;
  for (int i = 0; i < 100; i++) {
    clients.push_back(pair.world.connect(8080));
    clients.back()->send(fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n{}\r\n", i, fields));
    last = pair.receive_one();
  }
  CHECK_FALSE(pair.one.has(last));
  pair.one.die();
  pair.world.run();
  for (int i = 0; i < 100; i++)
    CHECK(pair.next() == fmt::format("/{}", i));
}

TEST_CASE("a delivery whose handle is closed on the way gives its request back")
{
  World world(2);
  Process owner(world, 0), worker(world, 0);
  uint64_t queue = owner.create_queue(u"q"), opened = worker.create_queue(u"q", HSYS_QUEUE_OPEN_EXISTING);
  owner.serve(u"http://+:8080/", queue);
  auto other = world.connect(8080), client = world.connect(8080); // on core 0 and on core 1
  uint32_t receive = worker.receive(opened, HSYS_RECEIVE_COPY_BODY);
  world.run();
  client->send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  world.turn(1); // to the queue
  world.turn(0); // to the request's core, for its body
  uint32_t close = worker.submit(Process::entry(HSYS_OP_CLOSE_HANDLE, opened));
  world.turn(0);
  world.run();
  CHECK(worker.take(receive).status() == NtStatus::Cancelled);
  CHECK(worker.take(close).status() == NtStatus::Success);
  receive = owner.receive(queue);
  world.run();
  auto done = owner.take(receive);
  CHECK(done.status() == NtStatus::Success);
  CHECK(done.text(done.request().body) == "hello");
}

TEST_CASE("one request that a session never receives does not keep the images of all that came behind it")
{
  Pair pair(1);
  auto first = pair.request("/first");
  CHECK(pair.one.take(pair.receive_one(864)).status() == NtStatus::BufferOverflow);
  CHECK(pair.one.delivery_notes() == 1);
  std::vector<std::shared_ptr<SimSocket>> clients;
  for (size_t number = 2; number <= 100; number++) {
    clients.push_back(pair.request("/later"));
    CHECK(pair.one.take(pair.receive_one()).status() == NtStatus::Success);
    REQUIRE(pair.one.delivered_requests() == number);
    REQUIRE(pair.one.delivery_notes() <= 3);
  }
  // Nor do those that have ended.
  pair.one.holds = true;
  for (int i = 0; i < 5; i++) {
    clients.push_back(pair.request("/held"));
    CHECK(pair.one.has(pair.receive_one()));
  }
  CHECK(pair.one.delivery_notes() >= 6);
  for (auto &client : clients)
    client->reset_sent = true;
  pair.world.run();
  CHECK(pair.one.delivered_requests() == 1);
  CHECK(pair.one.delivery_notes() == 1);
  auto last = pair.request("/last");
  CHECK(pair.one.has(pair.receive_one()));
  pair.one.die();
  pair.world.run();
  CHECK(pair.next() == "/first");
  CHECK(pair.next() == "/last");
}

TEST_CASE("a client that goes away while its request is on the way leaves nothing behind")
{
  World world(2);
  Process worker(world, 0);
  uint64_t queue = worker.create_queue();
  worker.serve(u"http://+:8080/", queue);
  for (uint32_t turns = 0; turns < 8; turns++) {
    CAPTURE(turns);
    auto other = world.connect(8080), client = world.connect(8080);
    uint32_t receive = worker.receive(queue);
    world.run();
    client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    for (uint32_t i = 0; i < turns; i++)
      world.turn((i + 1) % 2);
    client->reset_sent = true;
    world.turn(1);
    world.run();
    if (worker.has(receive)) {
      CHECK(worker.take(receive).status() == NtStatus::Success);
    } else {
      worker.cancel(receive);
      world.run();
      CHECK(worker.take(receive).status() == NtStatus::Cancelled);
    }
    CHECK(worker.delivered_requests() == 0);
    CHECK(worker.delivered_connections() == 0);
  }
}
