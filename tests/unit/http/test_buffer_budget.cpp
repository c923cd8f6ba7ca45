// SPDX-License-Identifier: GPL-3.0-or-later
// What connections keep for clients that do not read and applications that do not: bounded all together, and nobody loses anything by it.
#include "kernel/http/buffer_budget.h"
#include "tests/unit/support/service.h"

using namespace httpsys;
using namespace httpsys::test;

namespace {

constexpr size_t kTotal = limits::kConnectionBufferLeast;
constexpr int kClients = 40;

http::Settings narrow()
{
  http::Settings settings;
  settings.connection_buffer_bytes_total = kTotal;
  return settings;
}

size_t buffered(Service &service)
{
  static size_t s_sum;
  s_sum = 0;
  for (ke::CoreId core = 0; core < service.world.core_count(); core++)
    service.world.on(core, [] { s_sum += http::buffered_bytes(); });
  service.world.run();
  return s_sum;
}

// Clients that read nothing, until a core keeps more than its part. They are there as long as what is returned.
std::vector<std::shared_ptr<SimSocket>> pass_the_budget(Service &service)
{
  std::vector<std::shared_ptr<SimSocket>> clients;
  while (!service.world.has_logged("more than its part of ConnectionBufferBytesTotal")) {
    clients.push_back(service.connect());
    clients.back()->room = 0;
    service.get(*clients.back());
    service.worker.respond(service.queue, service.receive_id(), std::string(250'000, 'x'));
    service.world.run();
  }
  return clients;
}

}

TEST_CASE("clients that read nothing share what there is, and those that go on get all of their responses")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Service service(cores, narrow());
    std::vector<std::shared_ptr<SimSocket>> clients;
    std::vector<uint32_t> sends;
    const std::string body(250'000, 'x');
    for (int i = 0; i < kClients; i++) {
      clients.push_back(service.connect());
      clients.back()->room = 0;
      service.get(*clients.back());
      sends.push_back(service.worker.respond(service.queue, service.receive_id(), body));
      service.world.run();
    }
    // Those that came first have all of it in the daemon, those that came later two pieces at most, in vectors that have grown to twice it.
    CHECK(buffered(service) > kTotal / 2);
    CHECK(buffered(service) < kTotal + kClients * 4 * limits::kShortOutputBytes + cores * 2 * limits::kOutputBacklogBytes);
    CHECK(service.world.has_logged("more than its part of ConnectionBufferBytesTotal"));
    CHECK(service.worker.has(sends.front()));
    CHECK_FALSE(service.worker.has(sends.back()));
    // Whoever reads is served at its own pace, in the middle of it.
    auto honest = service.connect();
    service.get(*honest);
    uint64_t request = service.receive_id();
    uint32_t send = service.worker.respond(service.queue, request, body);
    service.world.run();
    CHECK(service.worker.take(send).status() == NtStatus::Success);
    CHECK(honest->take().size() > body.size());
    for (int i = 0; i < kClients; i++) {
      clients[static_cast<size_t>(i)]->room = UINT64_MAX;
      service.world.run();
      CHECK(service.worker.take(sends[static_cast<size_t>(i)]).status() == NtStatus::Success);
      CHECK(clients[static_cast<size_t>(i)]->take().size() > body.size());
    }
    CHECK(service.world.has_logged("each may keep as much as usual again"));
    CHECK(service.still_serves(*clients.front()));
    CHECK(buffered(service) < kTotal / 2);
  }
}

TEST_CASE("a response's head and a piece of its body are taken at once, also when less may wait than did as its request began")
{
  for (size_t bytes : {limits::kWritePieceBytes, 3 * limits::kWritePieceBytes}) {
    Service service(1, narrow());
    auto client = service.connect();
    client->room = 0;
    service.get(*client);
    service.get(*client);
    CHECK(service.respond(service.receive_id(), std::string(100'000, 'x')) == NtStatus::Success);
    uint64_t request = service.receive_id();
    auto others = pass_the_budget(service);
    uint32_t send = service.worker.respond(service.queue, request, std::string(bytes, 'y'));
    service.world.run();
    CHECK(service.worker.has(send) == (bytes == limits::kWritePieceBytes));
    // The connection has as much on its way as may be: no other request of it, and nothing that is not a response's beginning.
    service.get(*client);
    uint32_t receive = service.worker.receive(service.queue);
    service.world.run();
    CHECK_FALSE(service.worker.has(receive));
    client->room = UINT64_MAX;
    service.world.run();
    CHECK(client->take().ends_with(std::string(bytes, 'y')));
    CHECK(service.worker.has(receive));
  }
}

TEST_CASE("a piece of a body is taken at once behind a send that has said so, also when less may wait than did then")
{
  enum class Asks { Before, Never, When };
  for (Asks asks : {Asks::Before, Asks::Never, Asks::When}) {
    Service service(1, narrow());
    auto client = service.connect();
    client->room = 0;
    service.get(*client);
    uint64_t request = service.receive_id();
    const std::string piece(HSYS_SEND_AT_ONCE, 'x');
    uint32_t first = service.worker.respond(service.queue, request, piece, HSYS_SEND_MORE_DATA, 5 * piece.size());
    CHECK(service.send_body(request, piece, HSYS_SEND_MORE_DATA) == NtStatus::Success);
    if (asks == Asks::Before)
      CHECK(service.send_body(request, "", HSYS_SEND_MORE_DATA) == NtStatus::Success);
    CHECK(service.worker.take(first).status() == NtStatus::Success);
    auto others = pass_the_budget(service);
    std::optional<uint32_t> question;
    if (asks == Asks::When)
      question = service.worker.send_body(service.queue, request, "", HSYS_SEND_MORE_DATA);
    uint32_t send = service.worker.send_body(service.queue, request, piece, HSYS_SEND_MORE_DATA);
    uint32_t more = service.worker.send_body(service.queue, request, "x", HSYS_SEND_MORE_DATA);
    service.world.run();
    CHECK_FALSE((question && service.worker.has(*question)));
    CHECK(service.worker.has(send) == (asks != Asks::When));
    CHECK_FALSE(service.worker.has(more));
  }
}

TEST_CASE("bodies that nobody reads share what there is, and are whole when they are read")
{
  Service service(1, narrow());
  const std::string body(200'000, 'y');
  std::vector<std::shared_ptr<SimSocket>> clients;
  for (int i = 0; i < kClients; i++) {
    clients.push_back(service.connect());
    service.post(*clients.back(), body.size(), body);
  }
  // A multishot receive would take all that the last one has sent, whatever its window is.
  std::string receives;
  service.world.system.on_completion = [&](char kind, int, const platform::IoResult &) { receives += kind; };
  clients.push_back(service.connect());
  service.post(*clients.back(), body.size(), body);
  service.world.system.on_completion = nullptr;
  CHECK(receives.find('Q') != receives.npos);
  CHECK(receives.find('R') == receives.npos);
  CHECK(buffered(service) > kTotal / 2);
  CHECK(buffered(service) < kTotal + kClients * (limits::kShortBodyBytes + 3 * limits::kReceiveBufferBytes) + 2 * limits::kBodyWindowBytes);
  CHECK_FALSE(clients.back()->to_daemon.empty()); // its socket is not read any more
  // Back-pressure is no fault of the client's.
  service.world.pass(limits::kEntityBodySeconds * 1000 + 10);
  for (auto &client : clients) {
    CHECK_FALSE(client->is_closed);
    uint64_t request = service.receive_id();
    CHECK(service.read_to_end(request) == body.size());
    service.answer(request);
  }
  CHECK(buffered(service) < kTotal / 2);
}

TEST_CASE("as many connections are read with multishot receives as there is memory for what these bring")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    http::Settings settings;
    settings.multishot_receives = cores * 2 + cores - 1; // what is left when it is shared out belongs to nobody
    Service service(cores, settings);
    std::vector<std::shared_ptr<SimSocket>> clients;
    std::string receives;
    auto come = [&] {
      clients.push_back(service.connect());
      service.world.system.on_completion = [&](char kind, int, const platform::IoResult &result) {
        if (!result.data.empty() && (kind == 'R' || kind == 'Q'))
          receives += kind;
      };
      service.get(*clients.back());
      service.world.system.on_completion = nullptr;
      service.answer(service.receive_id());
    };
    for (uint32_t i = 0; i < cores * 3; i++)
      come();
    CHECK(receives == std::string(cores * 2, 'R') + std::string(cores, 'Q'));
    CHECK(service.still_serves(*clients.back()));
    // Who goes leaves it to who comes next on that core.
    clients.front()->reset_sent = true;
    service.world.run();
    receives.clear();
    come();
    CHECK(receives == "R");
    for (size_t i = 1; i < clients.size(); i++)
      CHECK(service.still_serves(*clients[i]));
  }
}

TEST_CASE("a receive that waits for as much of a body as it can take gets it while others keep too much")
{
  Service service(1, narrow());
  std::vector<std::shared_ptr<SimSocket>> clients;
  uint32_t receive = service.worker.receive(service.queue, HSYS_RECEIVE_FLUSH_BODY, 250'000);
  auto client = service.connect();
  service.post(*client, 150'000, std::string(60'000, 'a'));
  CHECK_FALSE(service.worker.has(receive));
  // Now the others.
  for (int i = 0; i < kClients; i++) {
    clients.push_back(service.connect());
    service.post(*clients.back(), 200'000, std::string(200'000, 'y'));
  }
  CHECK(service.world.has_logged("more than its part of ConnectionBufferBytesTotal"));
  service.send(*client, std::string(90'000, 'b'));
  auto received = service.worker.take(receive);
  // As much as a receive takes along.
  bool is_whole = received.text(received.request().body) == std::string(60'000, 'a') + std::string(HSYS_BODY_READ_MAX - 60'000, 'b');
  CHECK(is_whole);
  service.answer(received.entry.object_id);
}

TEST_CASE("a head may be as long as the configuration says, whatever else a connection may keep")
{
  http::Settings settings = narrow();
  settings.parser.max_request_bytes = limits::kRequestBytesCeiling;
  settings.parser.max_field_length = limits::kFieldLengthCeiling;
  settings.parser.max_request_line = limits::kRequestLineCeiling;
  settings.path.segment_max_length = 0;
  Service service(1, settings);
  auto client = service.connect();
  const std::string fields = "X-Long: " + std::string(60'000, 'x') + "\r\n";
  client->send("GET /" + std::string(30'000, 'p') + " HTTP/1.1\r\nHost: x\r\n" + fields.substr(0, 50'000));
  service.world.run();
  service.send(*client, fields.substr(50'000) + "\r\n");
  auto received = service.receive(0, 250'000);
  CHECK(received.status() == NtStatus::Success);
  service.answer(received.entry.object_id);
  CHECK(client->take().starts_with("HTTP/1.1 200"));
}
