// SPDX-License-Identifier: GPL-3.0-or-later
// Queues, their names and handles: who gets which request, and what becomes of those that nobody gets.
#include "kernel/queue/request_queue.h"
#include "kernel/queue/queue_registry.h"
#include "tests/unit/support/service.h"

using namespace httpsys;
using namespace httpsys::test;

namespace {

NtStatus create(Process &process, std::u16string_view name, uint32_t flags = 0, std::string *reason = nullptr)
{
  hsys_queue_name head{static_cast<uint32_t>(name.size() * 2), 0};
  std::vector<uint8_t> block(sizeof head + name.size() * 2);
  std::memcpy(block.data(), &head, sizeof head);
  std::memcpy(block.data() + sizeof head, name.data(), name.size() * 2);
  auto done = process.call(Process::entry(HSYS_OP_CREATE_REQUEST_QUEUE, 0, 0, flags), block);
  if (reason)
    *reason = done.reason();
  return done.status();
}

NtStatus close(Process &process, uint64_t handle)
{
  return process.call(Process::entry(HSYS_OP_CLOSE_HANDLE, handle)).status();
}

}

TEST_CASE("names of queues")
{
  World world;
  Process creator(world, 0, 1000), stranger(world, 0, 1001), root(world, 0, 0);
  std::string reason;
  CHECK(create(creator, u"Shop") == NtStatus::Success);
  CHECK(create(creator, u"sHOP", 0, &reason) == NtStatus::ObjectNameCollision);
  CHECK(reason.find("open it with") != reason.npos);
  CHECK(create(creator, u"shop", HSYS_QUEUE_OPEN_EXISTING) == NtStatus::Success);
  CHECK(create(root, u"shop", HSYS_QUEUE_OPEN_EXISTING) == NtStatus::Success);
  CHECK(create(stranger, u"shop", HSYS_QUEUE_OPEN_EXISTING, &reason) == NtStatus::AccessDenied);
  CHECK(reason.find("belongs to uid 1000") != reason.npos);
  CHECK(create(stranger, u"other", HSYS_QUEUE_OPEN_EXISTING) == NtStatus::ObjectNameNotFound);
  CHECK(create(stranger, u"", HSYS_QUEUE_OPEN_EXISTING) == NtStatus::InvalidParameter);
  CHECK(create(stranger, u"a\\b") == NtStatus::ObjectNameInvalid);
  CHECK(create(stranger, u"") == NtStatus::Success);
  CHECK(create(stranger, u"") == NtStatus::Success);
  CHECK(queue::QueueRegistry::instance().count() == 3);
  creator.die();
  root.die();
  world.run();
  CHECK(queue::QueueRegistry::instance().count() == 2);
  CHECK(create(stranger, u"SHOP") == NtStatus::Success);
}

TEST_CASE("the oldest receive gets the oldest request, whoever made it")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    World world(cores);
    Process one(world, 0), two(world, cores - 1);
    uint64_t queue = one.create_queue(u"q"), opened = two.create_queue(u"q", HSYS_QUEUE_OPEN_EXISTING);
    one.serve(u"http://+:8080/", queue);
    uint32_t first = one.receive(queue);
    world.run();
    uint32_t second = two.receive(opened);
    world.run();
    uint32_t third = one.receive(queue);
    world.run();
    auto client = [&](const char *path) {
      auto socket = world.connect(8080);
      socket->send(std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
      world.run();
    };
    auto path = [](Process &process, uint32_t irp) {
      auto done = process.take(irp);
      return done.text(done.request().raw_url);
    };
    client("/1");
    client("/2");
    CHECK(path(one, first) == "/1");
    CHECK(path(two, second) == "/2");
    one.cancel(third);
    world.run();
    CHECK(one.take(third).status() == NtStatus::Cancelled);
    client("/3");
    client("/4");
    second = two.receive(opened);
    world.run();
    third = one.receive(queue);
    world.run();
    CHECK(path(two, second) == "/3");
    CHECK(path(one, third) == "/4");
  }
}

TEST_CASE("a queue holds so many requests, and none when it is closed")
{
  Service service(2);
  std::vector<std::shared_ptr<SimSocket>> clients;
  for (uint32_t i = 0; i < limits::kRequestQueueLength + 2; i++) {
    clients.push_back(service.connect());
    clients.back()->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  service.world.run();
  size_t refused = 0;
  for (auto &client : clients)
    refused += client->take().starts_with("HTTP/1.1 503 ") ? 1 : 0;
  CHECK(refused == 2);
  CHECK(service.world.has_logged("QueueFull"));
  // One that goes away makes room.
  auto waiting = std::ranges::find_if(clients, [](auto &client) { return !client->fin_received; });
  (*waiting)->reset_sent = true;
  service.world.run();
  auto another = service.connect();
  service.get(*another);
  CHECK(another->take().empty());
  CHECK(close(service.worker, service.queue) == NtStatus::Success);
  service.world.run();
  CHECK(another->take().starts_with("HTTP/1.1 503 "));
  CHECK(service.world.has_logged("AppOffline"));
}

TEST_CASE("closing a handle ends its receives and aborts what its session had received, not what it had not")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    World world(cores);
    Process owner(world, 0), worker(world, cores - 1);
    uint64_t queue = owner.create_queue(u"q"), opened = worker.create_queue(u"q", HSYS_QUEUE_OPEN_EXISTING);
    uint64_t twice = worker.create_queue(u"q", HSYS_QUEUE_OPEN_EXISTING);
    owner.serve(u"http://+:8080/", queue);
    auto a = world.connect(8080), b = world.connect(8080);
    a->send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    world.run();
    uint32_t got = worker.receive(opened);
    world.run();
    uint64_t id = worker.take(got).entry.object_id;
    uint32_t parked = worker.receive(opened), other = worker.receive(twice);
    world.run();
    CHECK(close(worker, opened) == NtStatus::Success);
    CHECK(worker.take(parked).status() == NtStatus::Cancelled);
    CHECK_FALSE(worker.has(other));
    CHECK_FALSE(a->is_closed); // the other handle names it yet
    uint32_t answer = worker.respond(twice, id, "ok", HSYS_SEND_MORE_DATA);
    world.run();
    CHECK(worker.take(answer).status() == NtStatus::Success);
    // Seen, and not counted as received.
    worker.holds = true;
    b->send("GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    world.run();
    CHECK(worker.has(other));
    uint32_t call = worker.submit(Process::entry(HSYS_OP_CLOSE_HANDLE, twice));
    world.run();
    CHECK(worker.take(call).status() == NtStatus::Success);
    CHECK(a->reset_received);
    CHECK_FALSE(b->is_closed);
    got = owner.receive(queue);
    world.run();
    auto received = owner.take(got);
    CHECK(received.text(received.request().raw_url) == "/b");
    answer = owner.respond(queue, received.entry.object_id, "ok");
    world.run();
    CHECK(owner.take(answer).status() == NtStatus::Success);
    CHECK(b->take().starts_with("HTTP/1.1 200 "));
  }
}

TEST_CASE("a queue that was shut down delivers nothing more to that process, which may answer what it has")
{
  Service service(2);
  Process other(service.world, 0, 0);
  auto client = service.connect();
  service.get(*client, "/1");
  auto received = service.receive();
  uint32_t parked = service.worker.receive(service.queue);
  uint32_t wait = service.worker.submit(Process::entry(HSYS_OP_WAIT_DISCONNECT, service.queue, received.entry.aux));
  service.world.run();
  CHECK(service.worker.call(Process::entry(HSYS_OP_SHUTDOWN_REQUEST_QUEUE, service.queue)).status() == NtStatus::Success);
  service.world.run();
  CHECK(service.worker.take(parked).status() == NtStatus::Cancelled);
  CHECK(service.worker.take(wait).status() == NtStatus::Cancelled);
  CHECK(service.receive().status() == NtStatus::InvalidHandle);
  CHECK(service.status_of(HSYS_OP_WAIT_DISCONNECT, received.entry.aux) == NtStatus::InvalidHandle);
  service.answer(received.entry.object_id);
  CHECK(client->take().starts_with("HTTP/1.1 200 "));
  service.get(*client, "/2");
  CHECK(client->take().empty()); // it waits for a worker that is not shut down
}

TEST_CASE("ids are known to the session and through the queue by which they came")
{
  Service service(2);
  Process stranger(service.world, 0);
  uint64_t foreign = stranger.create_queue(), second = service.worker.create_queue();
  auto client = service.connect();
  service.get(*client);
  auto received = service.receive();
  uint64_t id = received.entry.object_id, connection = received.entry.aux;
  for (hsys_op operation : {HSYS_OP_RECEIVE_REQUEST, HSYS_OP_RECEIVE_BODY, HSYS_OP_CANCEL_REQUEST}) {
    CAPTURE(static_cast<int>(operation));
    CHECK(stranger.call(Process::entry(operation, foreign, id)).status() == NtStatus::ConnectionInvalid);
    CHECK(service.worker.call(Process::entry(operation, second, id)).status() == NtStatus::ConnectionInvalid);
    CHECK(service.status_of(operation, id + 0x100000000ull) == NtStatus::ConnectionInvalid);
    CHECK(service.status_of(operation, connection) == NtStatus::ConnectionInvalid);
    CHECK(service.status_of(operation, UINT64_MAX) == NtStatus::ConnectionInvalid);
  }
  for (hsys_op operation : {HSYS_OP_WAIT_DISCONNECT, HSYS_OP_RECEIVE_CERTIFICATE}) {
    CAPTURE(static_cast<int>(operation));
    CHECK(stranger.call(Process::entry(operation, foreign, connection)).status() == NtStatus::ConnectionInvalid);
    CHECK(service.worker.call(Process::entry(operation, second, connection)).status() == NtStatus::ConnectionInvalid);
    CHECK(service.status_of(operation, id) == NtStatus::ConnectionInvalid);
  }
  service.answer(id);
  CHECK(service.status_of(HSYS_OP_RECEIVE_BODY, id) == NtStatus::ConnectionInvalid);
  CHECK(service.respond(id) == NtStatus::ConnectionInvalid);
  CHECK(service.still_serves(*client));
}

TEST_CASE("a queue of version 1 counts the sizes of version 1")
{
  World world;
  Process process(world, 0);
  uint64_t queue = process.create_queue({}, HSYS_QUEUE_VERSION_1), newer = process.create_queue();
  process.serve(u"http://+:8080/", queue);
  process.serve(u"http://+:8081/", newer);
  uint64_t sizes[2];
  for (int i = 0; i < 2; i++) {
    auto client = world.connect(static_cast<uint16_t>(8080 + i));
    client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    world.run();
    uint32_t receive = process.receive(i == 0 ? queue : newer, 0, 848);
    world.run();
    auto done = process.take(receive);
    CHECK(done.status() == NtStatus::BufferOverflow);
    sizes[i] = done.entry.information;
  }
  CHECK(sizes[1] - sizes[0] == 864 - 848);
}

// A session may give back more than the queue's length, which then are withdrawn in any order.
TEST_CASE("a request is withdrawn from among tens of thousands as fast as from among few")
{
  World world;
  ke::Core::Scope scope(ke::Cores::instance().core(0));
  constexpr uint32_t kMost = 40'000;
  auto processor_time = [] {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  };
  auto time_of = [&](uint32_t count) {
    queue::RequestQueue queue(1, nullptr);
    for (uint32_t id = 1; id <= count; id++) {
      queue::QueuedRequest request;
      request.request_id = uint64_t{id} << 32;
      queue.put_back(std::move(request));
    }
    CHECK(queue.waiting_requests() == count);
    double begun = processor_time();
    for (uint32_t id = 1; id <= count; id++) // the first is the last in the queue
      queue.withdraw(uint64_t{id} << 32);
    CHECK(queue.waiting_requests() == 0);
    return (processor_time() - begun) / count;
  };
  double of_few = 0;
  for (int i = 0; i < 40; i++)
    of_few += time_of(kMost / 40) / 40;
  CHECK(time_of(kMost) < 10 * of_few);
}
