// SPDX-License-Identifier: GPL-3.0-or-later
// Two applications on one connection, as behind a proxy: what one leaves undone does not hold the other up, and what is the other's
// client's is not shown to it.
#include "tests/unit/support/service.h"
#include "kernel/limits.h"

using namespace httpsys;
using namespace httpsys::test;

namespace {

// Beside the service's worker another one, of another user, that serves /b/.
struct Shared : Service {
  explicit Shared(uint32_t cores) : Service(cores), other(world, 0, 1001), other_queue(other.create_queue())
  {
    other.serve(u"http://+:8080/b/", other_queue);
    client = connect();
  }
  std::optional<Process::Completion> receive_other()
  {
    uint32_t irp = other.receive(other_queue);
    world.run();
    if (other.has(irp))
      return other.take(irp);
    other.cancel(irp);
    world.run();
    other.take(irp);
    return std::nullopt;
  }
  void answer_other(uint64_t request)
  {
    uint32_t irp = other.respond(other_queue, request, "other");
    world.run();
    CHECK(other.take(irp).status() == NtStatus::Success);
  }
  // The other one gets its request and answers it.
  void other_serves()
  {
    auto received = receive_other();
    REQUIRE(received);
    answer_other(received->entry.object_id);
    CHECK(client->take().ends_with("other"));
  }
  // NotFound: it is answered, and this connection has none.
  NtStatus ask(Process &process, uint64_t of_queue, uint64_t connection, uint32_t flags = 0)
  {
    return process.call(Process::entry(HSYS_OP_RECEIVE_CERTIFICATE, of_queue, connection, flags, 1000)).status();
  }
  NtStatus ask(uint64_t connection) { return ask(worker, queue, connection); }

  Process other;
  uint64_t other_queue;
  std::shared_ptr<SimSocket> client;
};

// A SEND_BODY whose byte is behind the send arena.
NtStatus send_from_outside(Service &service, uint64_t request)
{
  struct {
    hsys_send_body head;
    hsys_extent extent;
  } block{};
  block.head.size = sizeof block;
  block.head.version = 1;
  block.head.extent_count = 1;
  block.head.extent_offset = sizeof block.head;
  block.extent = {HSYS_ARENA_BYTES_MAX, 1};
  return service.worker
      .call(Process::entry(HSYS_OP_SEND_BODY, service.queue, request, HSYS_SEND_MORE_DATA),
            {reinterpret_cast<const uint8_t *>(&block), sizeof block})
      .status();
}

}

TEST_CASE("a response that is complete and not ended holds up nothing behind it, and its worker may still end it")
{
  struct Case {
    const char *verb, *first, *second;
    uint64_t length;
    bool drops_body;
  };
  for (uint32_t cores : {1u, 2u})
    for (bool is_pipelined : {true, false})
      for (const Case &row : {Case{"GET", "ab", "cd", 4, false}, Case{"GET", "2\r\nab\r\n", "0\r\n\r\n", Process::kChunked, false},
                              Case{"HEAD", "", "", 4, true}}) {
        CAPTURE(cores);
        CAPTURE(is_pipelined);
        CAPTURE(row.first);
        Shared shared(cores);
        const std::string next = "GET /b/ HTTP/1.1\r\nHost: x\r\n\r\n";
        shared.send(*shared.client, fmt::format("{} / HTTP/1.1\r\nHost: x\r\n\r\n{}", row.verb, is_pipelined ? next : ""));
        uint64_t id = shared.receive_id();
        shared.answer(id, row.first, HSYS_SEND_MORE_DATA, row.length);
        if (!row.drops_body) {
          CHECK_FALSE(shared.receive_other());
          shared.answer_body(id, row.second, HSYS_SEND_MORE_DATA);
          CHECK(shared.client->take().ends_with(std::string(row.first) + row.second));
        }
        if (!is_pipelined)
          shared.send(*shared.client, next);
        shared.other_serves();
        CHECK(shared.worker.delivered_requests() == 0);
        // Nothing of these reaches the client.
        CHECK(shared.respond(id) == NtStatus::InvalidDeviceState);
        CHECK(shared.read(id).status() == NtStatus::EndOfFile);
        shared.answer_body(id, "", HSYS_SEND_MORE_DATA);
        CHECK(shared.send_body(id, "x", HSYS_SEND_MORE_DATA) ==
              (row.drops_body ? NtStatus::Success : NtStatus::ConnectionInvalid));
        CHECK(send_from_outside(shared, id) == NtStatus::InvalidParameter);
        shared.answer_body(id, "");
        CHECK(shared.send_body(id, "") == NtStatus::ConnectionInvalid);
        CHECK(shared.client->take() == "");
        CHECK(shared.still_serves(*shared.client));
      }
}

TEST_CASE("the last, empty send succeeds that is on its way when the response becomes complete")
{
  for (uint32_t cores : {1u, 2u})
    for (uint32_t flags : {0u, HSYS_SEND_DISCONNECT}) {
      CAPTURE(cores);
      CAPTURE(flags);
      Service service(cores);
      auto client = service.connect();
      service.get(*client);
      uint64_t id = service.receive_id();
      uint32_t head = service.worker.respond(service.queue, id, "", HSYS_SEND_MORE_DATA, 2);
      uint32_t body = service.worker.send_body(service.queue, id, "ok", HSYS_SEND_MORE_DATA);
      uint32_t end = service.worker.send_body(service.queue, id, "", flags);
      service.world.run();
      for (uint32_t irp : {head, body, end})
        CHECK(service.worker.take(irp).status() == NtStatus::Success);
      CHECK(client->take().ends_with("\r\n\r\nok"));
      CHECK(client->fin_received == (flags != 0));
    }
}

TEST_CASE("a late DISCONNECT closes the connection while it is the same application's, and not another's")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Shared shared(cores);
    auto end = [&](uint64_t id) { CHECK(shared.send_body(id, "", HSYS_SEND_DISCONNECT) == NtStatus::Success); };
    auto begin = [&] {
      shared.get(*shared.client);
      uint64_t id = shared.receive_id();
      shared.answer(id, "ok", HSYS_SEND_MORE_DATA, 2);
      return id;
    };
    // The other one's request is under way, or was the last one.
    for (bool is_under_way : {true, false}) {
      uint64_t id = begin();
      shared.get(*shared.client, "/b/");
      auto received = shared.receive_other();
      REQUIRE(received);
      if (is_under_way)
        end(id);
      shared.answer_other(received->entry.object_id);
      if (!is_under_way)
        end(id);
      CHECK_FALSE(shared.client->fin_received);
    }
    // Its own next one is answered first.
    uint64_t id = begin();
    shared.get(*shared.client);
    uint64_t next = shared.receive_id();
    end(id);
    CHECK_FALSE(shared.client->fin_received);
    shared.answer(next, "last");
    CHECK(shared.client->take().ends_with("last"));
    CHECK(shared.client->fin_received);
    shared.client = shared.connect();
    end(begin());
    CHECK(shared.client->fin_received);
  }
}

TEST_CASE("a request's body may be read behind a complete response until the next request comes")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Shared shared(cores);
    // All of it is read: the next request begins by that.
    shared.post(*shared.client, 3, "ab");
    uint64_t id = shared.receive_id();
    shared.answer(id, "ok", HSYS_SEND_MORE_DATA, 2);
    CHECK(shared.read(id).output.size() == 2);
    uint32_t rest = shared.worker.read_body(shared.queue, id);
    shared.send(*shared.client, "c");
    CHECK(shared.worker.take(rest).output.size() == 1);
    CHECK(shared.worker.delivered_requests() == 0);
    CHECK(shared.read(id).status() == NtStatus::EndOfFile);
    shared.answer_body(id, "");
    shared.client->take();
    // Some of it is not, when the next one comes.
    shared.post(*shared.client, 3, "abc");
    id = shared.receive_id();
    shared.answer(id, "ok", HSYS_SEND_MORE_DATA, 2);
    CHECK(shared.read(id, 1).output.size() == 1);
    shared.get(*shared.client, "/b/");
    shared.other_serves();
    CHECK(shared.read(id).status() == NtStatus::ConnectionInvalid);
    shared.answer_body(id, "");
    // Some of it has not come.
    shared.post(*shared.client, 3, "ab");
    id = shared.receive_id();
    shared.answer(id, "ok", HSYS_SEND_MORE_DATA, 2);
    CHECK(shared.read(id).output.size() == 2);
    shared.answer_body(id, "");
    shared.send(*shared.client, "c");
    CHECK(shared.still_serves(*shared.client));
  }
}

TEST_CASE("an idle time runs behind a complete response, and its worker's end does the connection no harm")
{
  Service service;
  auto idle = service.connect(), served = service.connect();
  for (auto &client : {idle, served}) {
    service.get(*client);
    service.answer(service.receive_id(), "ok", HSYS_SEND_MORE_DATA, 2);
  }
  service.world.pass(http::settings().idle_connection / 2);
  CHECK(service.worker.call(Process::entry(HSYS_OP_CLOSE_HANDLE, service.queue)).status() == NtStatus::Success);
  CHECK_FALSE(served->reset_received);
  service.get(*served, "/nobody");
  CHECK(served->take().find("HTTP/1.1 503 ") != std::string::npos);
  CHECK_FALSE(idle->fin_received);
  service.world.pass(http::settings().idle_connection / 2 + 10);
  CHECK(idle->fin_received);
}

TEST_CASE("of responses that are never ended a session keeps so many and no more, the latest")
{
  Service service;
  auto client = service.connect();
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < limits::kAnsweredRequests + 1; i++) {
    service.get(*client);
    ids.push_back(service.receive_id());
    service.answer(ids.back(), "ok", HSYS_SEND_MORE_DATA, 2);
    client->take();
  }
  CHECK(service.send_body(ids[0], "") == NtStatus::ConnectionInvalid);
  CHECK(service.send_body(ids[1], "") == NtStatus::Success);
  CHECK(service.send_body(ids.back(), "") == NtStatus::Success);
  // Another handle's, and another session's, they are not.
  Process stranger(service.world, 0);
  uint64_t queue = stranger.create_queue(), second = service.worker.create_queue();
  uint32_t irp = stranger.send_body(queue, ids[2], "");
  uint32_t wrong = service.worker.send_body(second, ids[2], "");
  service.world.run();
  CHECK(stranger.take(irp).status() == NtStatus::ConnectionInvalid);
  CHECK(service.worker.take(wrong).status() == NtStatus::ConnectionInvalid);
  CHECK(service.send_body(ids[2], "") == NtStatus::Success);
}

TEST_CASE("the client's certificate is asked for by whose request is under way, or was the last")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Shared shared(cores);
    shared.get(*shared.client);
    auto received = shared.receive();
    uint64_t connection = received.entry.aux;
    CHECK(shared.ask(connection) == NtStatus::NotFound);
    CHECK(shared.ask(shared.other, shared.other_queue, connection) == NtStatus::ConnectionInvalid);
    shared.answer(received.entry.object_id);
    CHECK(shared.ask(connection) == NtStatus::NotFound);
    // Nobody else's before it has come whole.
    shared.send(*shared.client, "GET /b/ HTTP/1.1\r\n");
    CHECK(shared.ask(connection) == NtStatus::NotFound);
    // In the other one's queue already, then received, then answered.
    shared.send(*shared.client, "Host: x\r\n\r\n");
    CHECK(shared.ask(connection) == NtStatus::ConnectionInvalid);
    auto others = shared.receive_other();
    REQUIRE(others);
    CHECK(shared.ask(connection) == NtStatus::ConnectionInvalid);
    CHECK(shared.ask(shared.worker, shared.queue, connection, HSYS_CERTIFICATE_CHANNEL_TOKEN) == NtStatus::ConnectionInvalid);
    CHECK(shared.ask(shared.other, shared.other_queue, connection) == NtStatus::NotFound);
    uint32_t wait = shared.worker.submit(Process::entry(HSYS_OP_WAIT_DISCONNECT, shared.queue, connection));
    shared.answer_other(others->entry.object_id);
    CHECK(shared.ask(connection) == NtStatus::ConnectionInvalid);
    CHECK(shared.ask(shared.other, shared.other_queue, connection) == NtStatus::NotFound);
    // And the other way round.
    shared.get(*shared.client);
    uint64_t id = shared.receive_id();
    CHECK(shared.ask(connection) == NtStatus::NotFound);
    CHECK(shared.ask(shared.other, shared.other_queue, connection) == NtStatus::ConnectionInvalid);
    shared.answer(id);
    CHECK_FALSE(shared.worker.has(wait));
    shared.client->reset_sent = true;
    shared.world.run();
    CHECK(shared.worker.take(wait).status() == NtStatus::Success);
  }
}

TEST_CASE("the certificate is asked for through any queue of the process that has the request, and by any worker of its queue")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Shared shared(cores);
    uint64_t second = shared.worker.create_queue(u"second");
    shared.worker.serve(u"http://+:8080/second/", second);
    Process beside(shared.world, 0);
    uint64_t opened = beside.create_queue(u"second", HSYS_QUEUE_OPEN_EXISTING);
    shared.get(*shared.client);
    auto first = shared.receive();
    shared.answer(first.entry.object_id);
    shared.get(*shared.client, "/second/");
    uint32_t irp = shared.worker.receive(second);
    shared.world.run();
    auto received = shared.worker.take(irp);
    CHECK(shared.ask(first.entry.aux) == NtStatus::NotFound);
    uint32_t send = shared.worker.respond(second, received.entry.object_id, "ok");
    shared.world.run();
    CHECK(shared.worker.take(send).status() == NtStatus::Success);
    CHECK(shared.ask(first.entry.aux) == NtStatus::NotFound);
    shared.get(*shared.client, "/second/");
    irp = beside.receive(opened);
    shared.world.run();
    beside.take(irp);
    CHECK(shared.ask(beside, opened, first.entry.aux) == NtStatus::NotFound);
    CHECK(shared.ask(shared.worker, second, first.entry.aux) == NtStatus::NotFound);
    CHECK(shared.ask(first.entry.aux) == NtStatus::ConnectionInvalid);
  }
}
