// SPDX-License-Identifier: GPL-3.0-or-later
// Reading request bodies (httpapi: HttpReceiveRequestEntityBody): order, ends, lengths, chunks.
#include "tests/unit/support/service.h"

using namespace httpsys;
using namespace httpsys::test;

namespace {

std::string text(const Process::Completion &done)
{
  return {done.output.begin(), done.output.end()};
}

std::string chunk(const std::string &bytes)
{
  return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

}

TEST_CASE("reads are served in their order as bytes come, and the end comes after the last byte")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Service service(cores);
    auto client = service.connect();
    service.post(*client, 10, "");
    uint64_t id = service.receive_id();
    std::vector<uint32_t> reads;
    for (uint32_t length : {4u, 4u, 100u, 100u})
      reads.push_back(service.worker.read_body(service.queue, id, length));
    service.send(*client, "abcdef");
    CHECK(text(service.worker.take(reads[0])) == "abcd");
    CHECK(text(service.worker.take(reads[1])) == "ef");
    CHECK_FALSE(service.worker.has(reads[2]));
    service.send(*client, "ghij");
    auto last = service.worker.take(reads[2]);
    CHECK(text(last) == "ghij");
    CHECK(last.entry.information == 4);
    CHECK(last.entry.aux == 1); // nothing follows
    CHECK(service.worker.take(reads[3]).status() == NtStatus::EndOfFile);
    CHECK(service.read(id).status() == NtStatus::EndOfFile);
    service.answer(id);
    CHECK(service.still_serves(*client));
  }
}

TEST_CASE("a request without a body has ended from the start")
{
  Service service;
  auto client = service.connect();
  service.get(*client);
  auto received = service.receive();
  CHECK((received.request().flags & HSYS_REQUEST_MORE_BODY) == 0);
  CHECK(service.read(received.entry.object_id).status() == NtStatus::EndOfFile);
  service.answer(received.entry.object_id);
}

TEST_CASE("a read of no bytes waits for the first one and takes nothing")
{
  Service service;
  auto client = service.connect();
  service.post(*client, 3, "");
  uint64_t id = service.receive_id();
  uint32_t probe = service.worker.read_body(service.queue, id, 0);
  service.world.run();
  CHECK_FALSE(service.worker.has(probe));
  service.send(*client, "abc");
  auto done = service.worker.take(probe);
  CHECK(done.status() == NtStatus::BufferOverflow);
  CHECK(done.entry.information == 1);
  CHECK(text(service.read(id)) == "abc");
  CHECK(service.read(id, 0).status() == NtStatus::EndOfFile);
  service.answer(id);
}

TEST_CASE("a cancelled read leaves its bytes to the next one")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Service service(cores);
    auto client = service.connect();
    service.post(*client, 3, "");
    uint64_t id = service.receive_id();
    uint32_t first = service.worker.read_body(service.queue, id), second = service.worker.read_body(service.queue, id);
    service.world.run();
    service.worker.cancel(first);
    service.world.run();
    CHECK(service.worker.take(first).status() == NtStatus::Cancelled);
    service.send(*client, "abc");
    CHECK(text(service.worker.take(second)) == "abc");
    service.answer(id);
  }
}

TEST_CASE("chunks are taken off, in whatever pieces they come")
{
  const std::string message = chunk("hello ") + chunk("world") + "0\r\nTrailer: x\r\n\r\n";
  for (size_t piece : {size_t{1}, size_t{2}, size_t{7}, message.size()}) {
    CAPTURE(piece);
    Service service;
    auto client = service.connect();
    service.send(*client, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    auto received = service.receive();
    CHECK((received.request().flags & HSYS_REQUEST_MORE_BODY) != 0);
    for (size_t at = 0; at < message.size(); at += piece)
      service.send(*client, message.substr(at, piece));
    CHECK(text(service.read(received.entry.object_id)) == "hello world");
    CHECK(service.read(received.entry.object_id).status() == NtStatus::EndOfFile);
    service.answer(received.entry.object_id);
    CHECK(service.still_serves(*client));
  }
}

TEST_CASE("broken chunks of a delivered request reset the connection")
{
  Service service;
  auto client = service.connect();
  service.send(*client, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("abc"));
  uint64_t id = service.receive_id();
  CHECK(text(service.read(id)) == "abc");
  uint32_t read = service.worker.read_body(service.queue, id);
  service.world.run();
  service.send(*client, "zz\r\n");
  CHECK(client->reset_received);
  auto done = service.worker.take(read);
  CHECK(done.status() == NtStatus::ConnectionInvalid);
  CHECK(done.reason().find("chunk does not begin with its size") != std::string::npos);
}

TEST_CASE("a chunked body stops at the window, a client of many small chunks too")
{
  Service service;
  auto client = service.connect();
  std::string many;
  while (many.size() < 2'000'000)
    many += "1\r\nx\r\n";
  service.send(*client, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + many + "0\r\n\r\n");
  uint64_t id = service.receive_id();
  // Six bytes on the wire for one of the body: the window is counted in the latter.
  CHECK(client->to_daemon.size() > 300'000);
  CHECK(client->to_daemon.size() < 2'000'000 - limits::kBodyWindowBytes);
  CHECK(service.read_to_end(id) == many.size() / 6);
  service.answer(id);
  CHECK(service.still_serves(*client));
}

TEST_CASE("pipelined bytes stop at their limit while a request is answered")
{
  Service service;
  auto client = service.connect();
  service.get(*client, "/1");
  uint64_t id = service.receive_id();
  std::string flood;
  while (flood.size() < 1'000'000)
    flood += "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
  service.send(*client, flood);
  CHECK(client->to_daemon.size() > flood.size() - 3 * limits::kPipelinedBytes);
  service.answer(id);
  for (size_t i = 0; i < 3000; i++)
    service.answer(service.receive_id());
  CHECK(client->to_daemon.size() < flood.size() - 2 * limits::kPipelinedBytes);
}
