// SPDX-License-Identifier: GPL-3.0-or-later
// Service: a World with one worker that serves http://+:8080/, and what tests about connections do again and again.
#pragma once
#include "tests/unit/support/world.h"
#include <doctest/doctest.h>
#include <fmt/format.h>

namespace httpsys::test {

struct Service {
  explicit Service(uint32_t cores = 1, const http::Settings &settings = {})
      : world(cores, settings), worker(world, cores - 1), queue(worker.create_queue())
  {
    worker.serve(u"http://+:8080/", queue);
  }

  // Of the second core's turn when there are two.
  std::shared_ptr<SimSocket> connect()
  {
    auto client = world.connect(8080);
    REQUIRE(client);
    return client;
  }
  void send(SimSocket &client, std::string_view bytes)
  {
    client.send(bytes);
    world.run();
  }
  void get(SimSocket &client, const std::string &path = "/", const std::string &fields = "")
  {
    send(client, fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n", path, fields));
  }
  void post(SimSocket &client, size_t length, std::string_view body, const std::string &fields = "")
  {
    send(client, fmt::format("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{}\r\n{}", length, fields, body));
  }
  // What the queue has for the worker.
  Process::Completion receive(uint32_t flags = 0, uint32_t out_length = 65536)
  {
    uint32_t irp = worker.receive(queue, flags, out_length);
    world.run();
    return worker.take(irp);
  }
  uint64_t receive_id() { return receive().entry.object_id; }
  bool has_request()
  {
    uint32_t irp = worker.receive(queue);
    world.run();
    if (worker.has(irp))
      return true;
    worker.cancel(irp);
    world.run();
    CHECK(worker.take(irp).status() == NtStatus::Cancelled);
    return false;
  }
  NtStatus respond(uint64_t request, std::string_view body = "ok", uint32_t flags = 0, uint64_t content_length = 0)
  {
    uint32_t irp = worker.respond(queue, request, body, flags, content_length);
    world.run();
    return worker.take(irp).status();
  }
  NtStatus send_body(uint64_t request, std::string_view body, uint32_t flags = 0)
  {
    uint32_t irp = worker.send_body(queue, request, body, flags);
    world.run();
    return worker.take(irp).status();
  }
  // The same where nothing else than success is thought of.
  void answer(uint64_t request, std::string_view body = "ok", uint32_t flags = 0, uint64_t content_length = 0)
  {
    CHECK(respond(request, body, flags, content_length) == NtStatus::Success);
  }
  void answer_body(uint64_t request, std::string_view body, uint32_t flags = 0)
  {
    CHECK(send_body(request, body, flags) == NtStatus::Success);
  }
  Process::Completion read(uint64_t request, uint32_t out_length = 65536)
  {
    uint32_t irp = worker.read_body(queue, request, out_length);
    world.run();
    return worker.take(irp);
  }
  // How many bytes of the body were left.
  size_t read_to_end(uint64_t request)
  {
    for (size_t got = 0;;) {
      auto done = read(request);
      if (done.status() == NtStatus::EndOfFile)
        return got;
      REQUIRE(done.status() == NtStatus::Success);
      got += done.output.size();
    }
  }
  NtStatus status_of(hsys_op operation, uint64_t object) { return worker.call(Process::entry(operation, queue, object)).status(); }
  // Whether the connection serves another request.
  bool still_serves(SimSocket &client)
  {
    client.take();
    get(client, "/again");
    if (client.is_closed || client.fin_received)
      return false;
    answer(receive_id());
    return client.take().starts_with("HTTP/1.1 200");
  }

  World world;
  Process worker;
  uint64_t queue;
};

}
