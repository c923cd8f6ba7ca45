// SPDX-License-Identifier: GPL-3.0-or-later
// Connections over a fake platform: from the client's bytes to the worker's ring and back (http-wire-and-netsh.md B.7 to B.15).
#include "kernel/http/connection.h"
#include "kernel/http/id_tables.h"
#include "kernel/limits.h"
#include "tests/unit/support/service.h"

using namespace httpsys;
using namespace httpsys::test;

TEST_CASE("a request reaches a worker and its answer the client")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Service service(cores);
    for (int round = 0; round < 4; round++) {
      uint32_t receive = service.worker.receive(service.queue);
      service.world.run();
      CHECK_FALSE(service.worker.has(receive));
      auto client = service.connect();
      client->send("GET /a/b?c HTTP/1.1\r\nHost: x\r\n\r\n");
      service.world.run();
      auto received = service.worker.take(receive);
      CHECK(received.status() == NtStatus::Success);
      CHECK(received.text(received.request().raw_url) == "/a/b?c");
      CHECK(received.request().bytes_received == 32);
      CHECK(service.respond(received.entry.object_id, "hello") == NtStatus::Success);
      CHECK(client->take().ends_with("Content-Length: 5\r\n\r\nhello"));
      CHECK(service.still_serves(*client));
    }
  }
}

TEST_CASE("pipelined requests come one after the other, each with its own id and the same connection")
{
  Service service;
  auto client = service.connect();
  service.send(*client, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
                        "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                        "GET /3 HTTP/1.1\r\nHost: x\r\n");
  auto first = service.receive();
  CHECK(first.text(first.request().raw_url) == "/1");
  CHECK_FALSE(service.has_request());
  service.answer(first.entry.object_id);
  auto second = service.receive();
  CHECK(second.text(second.request().raw_url) == "/2");
  CHECK(second.entry.aux == first.entry.aux);
  CHECK(second.entry.object_id != first.entry.object_id);
  auto body = service.read(second.entry.object_id);
  CHECK(std::string(body.output.begin(), body.output.end()) == "abc");
  service.answer(second.entry.object_id);
  CHECK_FALSE(service.has_request());
  service.send(*client, "\r\n");
  auto third = service.receive();
  CHECK(third.text(third.request().raw_url) == "/3");
  service.answer(third.entry.object_id);
}

TEST_CASE("what the system breaks off in the middle of a response ends in a reset, so that it does not look whole")
{
  using platform::SimFaults;
  for (auto fault : {&SimFaults::send_fails, &SimFaults::receive_fails}) {
    Service service;
    auto client = service.connect();
    service.get(*client);
    uint64_t request = service.receive_id();
    // Without a length: the connection's end is the response's.
    service.answer(request, "the beginning", HSYS_SEND_MORE_DATA);
    CHECK(client->take().ends_with("\r\n\r\nthe beginning"));
    service.world.system.faults.*fault = 65536; // every time
    client->send("more");
    uint32_t irp = service.worker.send_body(service.queue, request, "the rest");
    service.world.run();
    service.worker.take(irp);
    service.world.system.faults = {};
    CHECK(client->is_closed);
    CHECK(client->reset_received);
    CHECK_FALSE(client->fin_received);
    CHECK(service.world.has_logged("reset, the system broke the connection off ("));
  }
}

TEST_CASE("a client that pipelines without a pause does not make the buffer grow")
{
  Service service;
  auto client = service.connect();
  // Always with a part of the next request behind the present one.
  std::string request = "GET / HTTP/1.1\r\nHost: x\r\nX-Filler: " + std::string(2000, 'x') + "\r\n\r\n";
  service.send(*client, request.substr(0, 40));
  for (int i = 0; i < 500; i++) {
    service.send(*client, request.substr(40) + request.substr(0, 40));
    REQUIRE(service.respond(service.receive_id()) == NtStatus::Success);
  }
  // Its size can't be seen from here: a sanitizer or a profiler would tell; that all were served can.
  client->take();
  service.send(*client, request.substr(40));
  CHECK(service.respond(service.receive_id()) == NtStatus::Success);
}

TEST_CASE("own answers close the connection, with what was sent before them read")
{
  struct Case {
    const char *request, *status, *log;
  };
  const Case cases[] = {
    {"nonsense\r\n\r\n", "HTTP/1.1 400 ", "BadRequest"},
    {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", "Hostname"},
    {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505 ", "Version_N/S"},
    {"POST / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 411 ", "LengthRequired"},
    {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501 ", "N/I"},
    {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400 ", "BadRequest"},
  };
  for (const Case &one : cases) {
    CAPTURE(one.request);
    Service service;
    auto client = service.connect();
    service.send(*client, one.request);
    std::string answer = client->take();
    CHECK(answer.starts_with(one.status));
    CHECK(answer.find("\r\nConnection: close\r\n") != answer.npos);
    CHECK(client->fin_received);
    CHECK_FALSE(client->is_closed);
    client->fin_sent = true;
    service.world.run();
    CHECK(client->is_closed);
    CHECK_FALSE(client->reset_received);
    CHECK(service.world.has_logged(one.log));
    CHECK_FALSE(service.has_request());
  }
}

TEST_CASE("a closing connection reads and drops for 2 s or 64 KiB")
{
  for (bool by_time : {true, false}) {
    CAPTURE(by_time);
    Service service;
    auto client = service.connect();
    service.send(*client, "nonsense\r\n\r\n");
    CHECK(client->fin_received);
    if (by_time) {
      service.world.pass(limits::kLingerMilliseconds - 10);
      CHECK_FALSE(client->is_closed);
      service.world.pass(20);
    } else {
      service.send(*client, std::string(limits::kLingerBytes, 'x'));
      CHECK_FALSE(client->is_closed);
      service.send(*client, "x");
    }
    CHECK(client->is_closed);
  }
}

TEST_CASE("no body for HEAD, 204 and 304")
{
  Service service;
  auto client = service.connect();
  service.send(*client, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(service.respond(service.receive_id(), "hello") == NtStatus::Success);
  std::string answer = client->take();
  CHECK(answer.find("Content-Length: 5\r\n") != answer.npos);
  CHECK(answer.ends_with("\r\n\r\n"));
  for (uint16_t status : {uint16_t{204}, uint16_t{304}}) {
    service.get(*client);
    auto entry = Process::entry(HSYS_OP_SEND_RESPONSE, service.queue, service.receive_id());
    CHECK(service.worker.call(entry, service.worker.response_block(status, "hello")).status() == NtStatus::Success);
    CHECK(client->take().ends_with("\r\n\r\n"));
  }
  CHECK(service.still_serves(*client));
}

TEST_CASE("Expect: 100-continue is answered when the body is first read, never after the response has begun")
{
  Service service;
  auto client = service.connect();
  service.post(*client, 3, "", "Expect: 100-continue\r\n");
  uint64_t id = service.receive_id();
  CHECK(client->take().empty());
  uint32_t read = service.worker.read_body(service.queue, id);
  uint32_t again = service.worker.read_body(service.queue, id);
  service.world.run();
  CHECK(client->take() == "HTTP/1.1 100 Continue\r\n\r\n");
  service.send(*client, "abc");
  CHECK(service.worker.take(read).entry.information == 3);
  CHECK(service.worker.take(again).status() == NtStatus::EndOfFile);
  service.answer(id);
  CHECK(service.still_serves(*client));

  // Not read: no 100, and the connection ends, since the body may come or not.
  service.post(*client, 3, "", "Expect: 100-continue\r\n");
  service.answer(service.receive_id());
  std::string answer = client->take();
  CHECK(answer.starts_with("HTTP/1.1 200 "));
  CHECK(answer.find("Connection: close\r\n") != answer.npos);
  CHECK(client->fin_received);
}

TEST_CASE("a read after the response has begun brings no 100, a receive with COPY_BODY brings one")
{
  Service service;
  auto client = service.connect();
  service.post(*client, 3, "", "Expect: 100-continue\r\n");
  uint64_t id = service.receive_id();
  service.answer(id, "o", HSYS_SEND_MORE_DATA, 2);
  client->take();
  uint32_t read = service.worker.read_body(service.queue, id);
  service.world.run();
  CHECK(client->take().empty());
  service.answer_body(id, "k");
  CHECK(service.worker.take(read).status() == NtStatus::ConnectionInvalid);

  auto other = service.connect();
  service.post(*other, 3, "", "Expect: 100-continue\r\n");
  auto received = service.receive(HSYS_RECEIVE_COPY_BODY);
  CHECK(received.status() == NtStatus::Success);
  CHECK((received.request().flags & HSYS_REQUEST_MORE_BODY) != 0);
  CHECK(other->take() == "HTTP/1.1 100 Continue\r\n\r\n");
  service.send(*other, "abc");
  CHECK(service.read(received.entry.object_id).entry.information == 3);
  service.answer(received.entry.object_id);
  CHECK(service.still_serves(*other));
}

TEST_CASE("COPY_BODY takes along what has come, on one core and on two")
{
  for (uint32_t cores : {1u, 2u}) {
    for (bool waits : {true, false}) {
      CAPTURE(cores);
      CAPTURE(waits);
      Service service(cores);
      auto client = service.connect();
      uint32_t receive = 0;
      if (waits) {
        receive = service.worker.receive(service.queue, HSYS_RECEIVE_COPY_BODY);
        service.world.run();
      }
      service.post(*client, 5, "hello");
      if (!waits)
        receive = service.worker.receive(service.queue, HSYS_RECEIVE_COPY_BODY);
      service.world.run();
      auto received = service.worker.take(receive);
      CHECK(received.text(received.request().body) == "hello");
      CHECK((received.request().flags & HSYS_REQUEST_MORE_BODY) == 0);
      CHECK(service.read(received.entry.object_id).status() == NtStatus::EndOfFile);
      service.answer(received.entry.object_id);
      CHECK(service.still_serves(*client));
    }
  }
}

TEST_CASE("FLUSH_BODY waits for the whole body")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Service service(cores);
    auto client = service.connect();
    uint32_t receive = service.worker.receive(service.queue, HSYS_RECEIVE_FLUSH_BODY);
    service.post(*client, 10, "hello");
    CHECK_FALSE(service.worker.has(receive));
    service.send(*client, "there");
    auto received = service.worker.take(receive);
    CHECK(received.text(received.request().body) == "hellothere");
    service.answer(received.entry.object_id);
  }
}

TEST_CASE("a request that ends before its receive has its body leaves the receive to the next one")
{
  for (uint32_t cores : {1u, 2u}) {
    for (int how = 0; how < 4; how++) {
      CAPTURE(cores);
      CAPTURE(how);
      http::Settings settings;
      Service service(cores, settings);
      auto client = service.connect();
      uint32_t receive = service.worker.receive(service.queue, HSYS_RECEIVE_FLUSH_BODY);
      if (how == 0) {
        service.send(*client, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        service.send(*client, "zz\r\n"); // not a chunk
        CHECK(client->take().starts_with("HTTP/1.1 400 "));
      } else {
        service.post(*client, 10, "hello");
        if (how == 1)
          client->fin_sent = true;
        if (how == 2)
          client->reset_sent = true;
        if (how == 3)
          service.world.system.time += settings.entity_body + 10;
        service.world.run();
      }
      CHECK_FALSE(service.worker.has(receive));
      auto other = service.connect();
      service.get(*other, "/other");
      auto received = service.worker.take(receive);
      CHECK(received.text(received.request().raw_url) == "/other");
      service.answer(received.entry.object_id);
    }
  }
}

TEST_CASE("a half-closed client is still answered, and its disconnect told")
{
  Service service;
  auto client = service.connect();
  client->send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3");
  client->fin_sent = true;
  auto first = service.receive();
  uint32_t wait = service.worker.submit(Process::entry(HSYS_OP_WAIT_DISCONNECT, service.queue, first.entry.aux));
  service.world.run();
  CHECK(service.worker.take(wait).status() == NtStatus::Success);
  service.answer(first.entry.object_id);
  CHECK(client->take().starts_with("HTTP/1.1 200 "));
  auto second = service.receive();
  CHECK(second.text(second.request().raw_url) == "/2");
  service.answer(second.entry.object_id);
  CHECK(client->take().starts_with("HTTP/1.1 200 "));
  // The rest is no request.
  CHECK(client->is_closed);
  CHECK_FALSE(client->reset_received);
}

TEST_CASE("FIN in the middle of a body: undelivered it is dropped, delivered its reads fail and its answer goes out")
{
  Service service;
  auto client = service.connect();
  service.post(*client, 10, "hello");
  client->fin_sent = true;
  service.world.run();
  CHECK(client->is_closed);
  CHECK_FALSE(service.has_request());

  auto other = service.connect();
  service.post(*other, 10, "hello");
  uint64_t id = service.receive_id();
  uint32_t read = service.worker.read_body(service.queue, id), more = service.worker.read_body(service.queue, id);
  service.world.run();
  CHECK(service.worker.take(read).entry.information == 5);
  other->fin_sent = true;
  service.world.run();
  CHECK(service.worker.take(more).status() == NtStatus::ConnectionInvalid);
  CHECK(service.read(id).status() == NtStatus::ConnectionInvalid);
  CHECK(service.respond(id) == NtStatus::Success);
  CHECK(other->take().starts_with("HTTP/1.1 200 "));
  // The rest of the body can't come, so nothing follows.
  CHECK(other->is_closed);
}

TEST_CASE("FIN in the middle of a pipelined request's body: it is dropped when its turn comes")
{
  Service service;
  auto client = service.connect();
  client->send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello");
  client->fin_sent = true;
  service.answer(service.receive_id());
  CHECK(client->take().starts_with("HTTP/1.1 200 "));
  CHECK(client->is_closed);
  CHECK_FALSE(service.has_request());
}

TEST_CASE("a reset fails what waits")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Service service(cores);
    auto client = service.connect();
    service.post(*client, 10, "hello");
    auto received = service.receive();
    uint64_t id = received.entry.object_id;
    client->room = 0;
    service.worker.respond(service.queue, id, std::string(300'000, 'x'), HSYS_SEND_MORE_DATA, 600'000);
    uint32_t send = service.worker.send_body(service.queue, id, std::string(300'000, 'x'), HSYS_SEND_MORE_DATA);
    uint32_t read = service.worker.read_body(service.queue, id), more = service.worker.read_body(service.queue, id);
    uint32_t wait = service.worker.submit(Process::entry(HSYS_OP_WAIT_DISCONNECT, service.queue, received.entry.aux));
    service.world.run();
    CHECK(service.worker.has(read));
    CHECK_FALSE(service.worker.has(more));
    client->reset_sent = true;
    service.world.run();
    CHECK(service.worker.take(more).status() == NtStatus::ConnectionInvalid);
    CHECK(service.worker.take(send).status() == NtStatus::ConnectionAborted);
    CHECK(service.worker.take(wait).status() == NtStatus::Success);
    CHECK(service.respond(id) == NtStatus::ConnectionInvalid);
    CHECK(service.status_of(HSYS_OP_CANCEL_REQUEST, id) == NtStatus::ConnectionInvalid);
    CHECK(service.status_of(HSYS_OP_WAIT_DISCONNECT, received.entry.aux) == NtStatus::ConnectionInvalid);
  }
}

TEST_CASE("HttpCancelHttpRequest resets the connection, until the last send has begun")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Service service(cores);
    auto client = service.connect();
    service.post(*client, 10, "");
    auto received = service.receive();
    uint64_t id = received.entry.object_id;
    uint32_t read = service.worker.read_body(service.queue, id);
    uint32_t wait = service.worker.submit(Process::entry(HSYS_OP_WAIT_DISCONNECT, service.queue, received.entry.aux));
    service.world.run();
    CHECK(service.status_of(HSYS_OP_CANCEL_REQUEST, id) == NtStatus::Success);
    CHECK(client->reset_received);
    CHECK(service.worker.take(read).status() == NtStatus::ConnectionInvalid);
    CHECK(service.worker.take(wait).status() == NtStatus::Success);
    CHECK(service.status_of(HSYS_OP_CANCEL_REQUEST, id) == NtStatus::ConnectionInvalid);

    auto other = service.connect();
    service.get(*other);
    id = service.receive_id();
    other->room = 0;
    uint32_t send = service.worker.respond(service.queue, id, std::string(600'000, 'x'));
    service.world.run();
    CHECK_FALSE(service.worker.has(send));
    CHECK(service.status_of(HSYS_OP_CANCEL_REQUEST, id) == NtStatus::ConnectionInvalid);
    // Only CancelIoEx stops it.
    service.worker.cancel(send);
    service.world.run();
    CHECK(service.worker.take(send).status() == NtStatus::Cancelled);
    CHECK(other->reset_received);
  }
}

TEST_CASE("the rest of an answered request's body is thrown away, in its time")
{
  Service service;
  auto client = service.connect();
  service.post(*client, 1'000'000, std::string(400'000, 'x'));
  CHECK(service.respond(service.receive_id()) == NtStatus::Success);
  service.send(*client, std::string(600'000, 'y'));
  CHECK(service.still_serves(*client));

  service.post(*client, 1'000'000, "");
  service.answer(service.receive_id());
  client->take();
  // Bytes that go on trickling in do not prolong it.
  for (int i = 0; i < 20; i++) {
    service.send(*client, "x");
    service.world.pass(limits::kDrainEntityBodySeconds * 1000 / 20 + 1);
  }
  CHECK(client->is_closed);
  CHECK(service.world.has_logged("rest of the request body"));
}

TEST_CASE("the times of a connection")
{
  http::Settings settings;
  settings.idle_connection = 50'000;
  settings.header_wait = 20'000;
  settings.entity_body = 30'000;
  struct Case {
    const char *sent;
    platform::Milliseconds time;
    bool is_orderly;
  };
  for (const Case &one : {Case{"", 50'000, true}, Case{"\r\n", 50'000, true}, Case{"GET / HT", 20'000, false}}) {
    CAPTURE(one.sent);
    Service service(1, settings);
    auto client = service.connect();
    service.send(*client, one.sent);
    service.world.pass(one.time / 2);
    // One byte of a head more is no new time.
    if (one.time == 20'000)
      service.send(*client, "T");
    service.world.pass(one.time / 2 - 20);
    CHECK_FALSE(client->is_closed);
    CHECK_FALSE(client->fin_received);
    service.world.pass(40);
    CHECK(client->reset_received != one.is_orderly);
    CHECK(client->fin_received == one.is_orderly);
    CHECK(client->take().empty());
  }
  Service service(1, settings);
  auto client = service.connect();
  service.post(*client, 1000, "a");
  uint64_t id = service.receive_id();
  for (int i = 0; i < 5; i++) {
    service.world.pass(25'000);
    service.send(*client, "b"); // something comes, so it goes on
    CHECK_FALSE(client->is_closed);
  }
  uint32_t read = service.worker.read_body(service.queue, id), more = service.worker.read_body(service.queue, id);
  service.world.pass(29'000);
  CHECK(service.worker.has(read));
  CHECK_FALSE(client->is_closed); // and reading is nothing that comes
  service.world.pass(1'100);
  CHECK(client->reset_received);
  CHECK(service.worker.take(more).status() == NtStatus::ConnectionInvalid);
}

TEST_CASE("a body of which too little comes in its time is over, and goes on while enough comes")
{
  http::Settings settings;
  settings.entity_body = 30'000;
  settings.entity_body_bytes = 100;
  for (const char *framing : {"Content-Length: 1000", "Transfer-Encoding: chunked"}) {
    CAPTURE(framing);
    Service service(1, settings);
    auto client = service.connect();
    service.send(*client, fmt::format("POST / HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", framing));
    service.receive_id();
    // A chunk's size with an extension is framing.
    const bool is_chunked = framing[0] == 'T';
    for (int i = 0; i < 3; i++) {
      for (int part = 0; part < 2; part++) {
        service.world.pass(14'000);
        service.send(*client, is_chunked ? "20;" + std::string(15, 'e') + "\r\n" + std::string(32, 'x') + "\r\n" : std::string(50, 'x'));
        CHECK_FALSE(client->is_closed);
      }
    }
    for (int part = 0; part < 2; part++) {
      service.world.pass(14'000);
      service.send(*client, is_chunked ? "1;" : "x");
      CHECK_FALSE(client->is_closed);
    }
    service.world.pass(2'100);
    CHECK(client->reset_received);
    CHECK(service.world.has_logged("the time for the request body is over"));
  }
}

TEST_CASE("a body has a time of its own, also when it comes with the end of the one before")
{
  http::Settings settings;
  settings.entity_body = 30'000;
  settings.entity_body_bytes = 1000;
  Service service(1, settings);
  auto client = service.connect();
  service.post(*client, 10, "first");
  service.answer(service.receive_id(), "ok", HSYS_SEND_MORE_DATA, 2); // nobody ends it
  service.world.pass(29'000);
  service.send(*client, "-overPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nnext");
  service.receive_id();
  service.world.pass(29'000);
  CHECK_FALSE(client->is_closed);
  service.world.pass(1'100);
  CHECK(client->reset_received);
}

TEST_CASE("a body that the worker does not read has no time, and has one again when it is read")
{
  Service service;
  auto client = service.connect();
  size_t full = limits::kBodyWindowBytes + 200'000;
  service.post(*client, full + 1, std::string(full, 'x'));
  uint64_t id = service.receive_id();
  CHECK(client->to_daemon.size() >= 100'000); // the socket is not read any more
  service.world.pass(3'600'000);
  CHECK_FALSE(client->is_closed);
  size_t got = 0;
  while (got < full) {
    auto read = service.read(id);
    REQUIRE(read.status() == NtStatus::Success);
    got += read.output.size();
  }
  CHECK(got == full);
  CHECK(client->to_daemon.empty());
  service.world.pass(limits::kEntityBodySeconds * 1000 + 10);
  CHECK(client->is_closed);
}

TEST_CASE("a client that does not read its answer holds the worker up, and is reset in the end")
{
  for (bool reads : {true, false}) {
    CAPTURE(reads);
    Service service;
    auto client = service.connect();
    service.get(*client);
    uint64_t id = service.receive_id();
    client->room = 10'000;
    std::string body(900'000, 'x');
    uint32_t send = service.worker.respond(service.queue, id, body);
    service.world.run();
    CHECK_FALSE(service.worker.has(send));
    for (int i = 0; reads && i < 10; i++) {
      client->room = limits::kSendSliceBytes;
      service.world.pass(limits::kSendMilliseconds - 10'000);
      CHECK_FALSE(client->is_closed);
    }
    if (reads) {
      client->room = UINT64_MAX;
      service.world.run();
      CHECK(service.worker.take(send).status() == NtStatus::Success);
      std::string answer = client->take();
      CHECK(answer.size() > body.size());
      CHECK(answer.ends_with(body));
      CHECK(service.still_serves(*client));
      continue;
    }
    // A byte now and then does not buy a slice more time.
    for (int i = 0; i < 4; i++) {
      CHECK_FALSE(client->is_closed);
      client->room = 1;
      service.world.pass(limits::kSendMilliseconds / 4);
    }
    service.world.pass(10);
    CHECK(client->reset_received);
    CHECK(service.worker.take(send).status() == NtStatus::ConnectionAborted);
    CHECK(service.world.has_logged("the client took less than"));
  }
}

TEST_CASE("a send ends with its last byte though the client reads nothing; one without bytes when it reads; then its next request begins")
{
  Service service;
  auto client = service.connect();
  client->room = 0;
  service.get(*client);
  service.get(*client);
  uint64_t id = service.receive_id();
  uint32_t next = service.worker.receive(service.queue);
  const std::string piece(limits::kWritePieceBytes, 'x');
  std::string body = piece;
  // Each says how much more goes.
  auto taken_at_once = [&](uint32_t send) {
    service.world.run();
    Process::Completion done = service.worker.take(send);
    CHECK(done.status() == NtStatus::Success);
    return done.entry.aux;
  };
  uint32_t first = service.worker.respond(service.queue, id, piece, HSYS_SEND_MORE_DATA, 5 * limits::kSendSliceBytes);
  CHECK(taken_at_once(first) == 15 * HSYS_SEND_AT_ONCE);
  // The last of these fills what may wait.
  for (uint64_t left = 15; left > 0; body += piece)
    CHECK(taken_at_once(service.worker.send_body(service.queue, id, piece, HSYS_SEND_MORE_DATA)) == --left * HSYS_SEND_AT_ONCE);
  uint32_t question = service.worker.send_body(service.queue, id, "", HSYS_SEND_MORE_DATA);
  uint32_t more = service.worker.send_body(service.queue, id, piece, HSYS_SEND_MORE_DATA);
  service.world.run();
  CHECK_FALSE(service.worker.has(question));
  CHECK_FALSE(service.worker.has(more));
  client->room = limits::kSendSliceBytes;
  service.world.run();
  CHECK(taken_at_once(question) >= HSYS_SEND_AT_ONCE);
  CHECK(service.worker.take(more).status() == NtStatus::Success);
  body += piece;
  // The last send of the response: as much again as fills it.
  std::string rest(limits::kSendSliceBytes - piece.size(), 'y');
  CHECK(service.send_body(id, rest) == NtStatus::Success);
  body += rest;
  CHECK_FALSE(service.worker.has(next));
  uint32_t late = service.worker.send_body(service.queue, id, "z");
  service.world.run();
  CHECK(service.worker.take(late).status() != NtStatus::Success);
  client->room = UINT64_MAX;
  service.world.run();
  REQUIRE(service.worker.has(next));
  CHECK(client->take().ends_with("y"));
  service.answer(service.worker.take(next).entry.object_id);
  CHECK(client->take().ends_with("ok"));
}

TEST_CASE("a slow client gets all of a response with Connection: close")
{
  Service service;
  auto client = service.connect();
  service.get(*client, "/", "Connection: close\r\n");
  uint64_t id = service.receive_id();
  client->room = 0;
  std::string body(200'000, 'x');
  CHECK(service.respond(id, body) == NtStatus::Success);
  for (int i = 0; i < 4; i++) {
    service.world.pass(60'000);
    CHECK_FALSE(client->fin_received);
    client->room = limits::kSendSliceBytes;
    service.world.run();
  }
  CHECK(client->take().ends_with(body));
  CHECK(client->fin_received);
}

TEST_CASE("what the worker says about the length decides whether the connection goes on")
{
  Service service;
  auto client = service.connect();
  // Promised and kept.
  service.get(*client);
  uint64_t id = service.receive_id();
  CHECK(service.respond(id, "ab", HSYS_SEND_MORE_DATA, 4) == NtStatus::Success);
  CHECK(service.send_body(id, "c", HSYS_SEND_MORE_DATA) == NtStatus::Success);
  CHECK(service.send_body(id, "d") == NtStatus::Success);
  CHECK(client->take().ends_with("\r\n\r\nabcd"));
  CHECK(service.send_body(id, "e") == NtStatus::ConnectionInvalid);
  CHECK(service.still_serves(*client));
  // Promised and not kept.
  service.get(*client);
  id = service.receive_id();
  service.answer(id, "ab", HSYS_SEND_MORE_DATA, 4);
  service.answer_body(id, "c");
  CHECK(client->fin_received);
  // Not promised: the end of the connection is the end of the body.
  auto other = service.connect();
  service.get(*other);
  id = service.receive_id();
  service.answer(id, "ab", HSYS_SEND_MORE_DATA);
  CHECK_FALSE(other->fin_received);
  service.answer_body(id, "");
  CHECK(other->take().ends_with("\r\n\r\nab"));
  CHECK(other->fin_received);
  // The order of calls.
  auto third = service.connect();
  service.get(*third);
  id = service.receive_id();
  CHECK(service.send_body(id, "x") == NtStatus::InvalidParameter);
  CHECK(service.respond(id, "ab", HSYS_SEND_MORE_DATA) == NtStatus::Success);
  CHECK(service.respond(id, "ab") == NtStatus::InvalidDeviceState);
  CHECK(service.send_body(id, "", HSYS_SEND_DISCONNECT) == NtStatus::Success);
}

TEST_CASE("what a worker sends behind the end of its response does not reach the client, who would take it for the next one")
{
  Service service;
  const std::string smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
  auto client = service.connect();
  service.get(*client);
  uint64_t id = service.receive_id();
  SUBCASE("a length, in the same call")
  {
    service.answer(id, "ab" + smuggled, HSYS_SEND_MORE_DATA, 2);
    CHECK(client->take().ends_with("\r\n\r\nab"));
  }
  SUBCASE("a length, later, when a proxy that thinks that it is idle has sent another request")
  {
    service.answer(id, "ab", HSYS_SEND_MORE_DATA, 4);
    service.answer_body(id, "cd", HSYS_SEND_MORE_DATA);
    CHECK(client->take().ends_with("\r\n\r\nabcd"));
    service.get(*client, "/other");
    CHECK(service.send_body(id, smuggled, HSYS_SEND_MORE_DATA) == NtStatus::ConnectionInvalid);
    CHECK(client->take() == "");
    service.answer(service.receive_id());
    CHECK(client->take().ends_with("ok"));
    service.get(*client, "/", "Connection: close\r\n");
    service.answer(service.receive_id());
  }
  SUBCASE("chunks")
  {
    service.answer(id, "2\r\nab\r\n0\r", HSYS_SEND_MORE_DATA, Process::kChunked);
    service.answer_body(id, "\n\r\n" + smuggled, HSYS_SEND_MORE_DATA);
    CHECK(client->take().ends_with("\r\n\r\n2\r\nab\r\n0\r\n\r\n"));
  }
  SUBCASE("what parsers of chunks read in different ways")
  {
    service.answer(id, "2\r\nab\r\n0\n\n" + smuggled, HSYS_SEND_MORE_DATA, Process::kChunked);
    CHECK(client->take().find("evil") == std::string::npos);
  }
  CHECK(client->fin_received);
  CHECK(service.send_body(id, "x") == NtStatus::ConnectionInvalid);
  auto other = service.connect();
  CHECK(service.still_serves(*other));
}

TEST_CASE("the connection goes on behind a worker's chunks when they have an end")
{
  Service service;
  auto client = service.connect();
  service.get(*client);
  uint64_t id = service.receive_id();
  service.answer(id, "2\r\nab\r\n", HSYS_SEND_MORE_DATA, Process::kChunked);
  service.answer_body(id, "0\r\nx: y\r\n\r\n", HSYS_SEND_MORE_DATA);
  service.answer_body(id, "");
  CHECK(client->take().ends_with("\r\n\r\n2\r\nab\r\n0\r\nx: y\r\n\r\n"));
  CHECK(service.still_serves(*client));
  service.get(*client);
  service.answer(service.receive_id(), "2\r\nab\r\n", 0, Process::kChunked);
  CHECK(client->fin_received);
}

TEST_CASE("a plain connection has no certificate")
{
  Service service;
  auto client = service.connect();
  service.get(*client);
  auto received = service.receive();
  auto ask = [&](uint32_t flags) {
    return service.worker.call(Process::entry(HSYS_OP_RECEIVE_CERTIFICATE, service.queue, received.entry.aux, flags, 1000)).status();
  };
  CHECK(ask(0) == NtStatus::NotFound);
  CHECK(ask(HSYS_CERTIFICATE_FULL_CHAIN) == NtStatus::NotFound);
  CHECK(ask(HSYS_CERTIFICATE_CHANNEL_TOKEN) == NtStatus::InvalidParameter);
  CHECK(ask(HSYS_CERTIFICATE_CHANNEL_TOKEN | HSYS_CERTIFICATE_FULL_CHAIN) == NtStatus::InvalidParameter);
  service.answer(received.entry.object_id);
  CHECK(service.still_serves(*client));
}

TEST_CASE("draining closes what is idle at once, and the others after their answers")
{
  Service service;
  auto idle = service.connect(), busy = service.connect(), halfway = service.connect();
  service.get(*busy);
  service.send(*halfway, "GET / HT");
  uint64_t id = service.receive_id();
  service.world.on(0, [] { http::Connection::drain_this_core(); });
  service.world.run();
  CHECK(idle->fin_received);
  CHECK_FALSE(busy->fin_received);
  service.answer(id);
  CHECK(busy->take().find("Connection: close\r\n") != std::string::npos);
  CHECK(busy->fin_received);
  CHECK_FALSE(halfway->fin_received);
  service.send(*halfway, "TP/1.1\r\nHost: x\r\n\r\n");
  service.answer(service.receive_id());
  CHECK(halfway->fin_received);
}

TEST_CASE("a core has as many connections as it may have, the next one is refused, and when one has gone another gets in")
{
  // Ids alone, as so many connections would take gigabytes.
  static http::Connection *s_first;
  static std::vector<uint64_t> s_ids;
  Service service;
  auto first = service.connect();
  service.world.run();
  service.world.on(0, [] {
    auto &table = http::id_tables().connections;
    table.for_each([](http::Connection &connection) { s_first = &connection; });
    while (table.count() < limits::kConnectionsPerCore - 1)
      s_ids.push_back(table.add(*s_first));
  });
  service.world.run();
  auto last = service.connect();
  service.world.run();
  CHECK_FALSE(last->is_closed);
  for (int times = 0; times < 2; times++) {
    auto refused = service.connect();
    service.world.run();
    CHECK(refused->is_closed);
    CHECK(service.world.has_logged(
        "10.0.0.9:8080: refused, core 0 has 262144 connections, as many as it may have (kConnectionsPerCore)"));
    service.world.log.clear();
  }
  CHECK(service.still_serves(*first));
  last->reset_sent = true;
  service.world.run();
  auto next = service.connect();
  service.world.run();
  CHECK(service.still_serves(*next));
  service.world.on(0, [] {
    for (uint64_t id : std::exchange(s_ids, {}))
      http::id_tables().connections.remove(id);
  });
}
