// SPDX-License-Identifier: GPL-3.0-or-later
// Idle connections make room for who waits while all places are taken: which of them, how many, and which never. With TLS: see
// tests/unit/http/test_making_room.cpp.
#include "kernel/http/connection.h"
#include "kernel/limits.h"
#include "kernel/net/listener_set.h"
#include "tests/unit/support/service.h"

using namespace httpsys;
using namespace httpsys::test;
using ke::Tally;

namespace {

constexpr const char *kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

struct Places : Service {
  explicit Places(uint32_t cores, uint64_t places) : Service(cores)
  {
    net::ListenerSet::instance().start([](int socket) { http::Connection::accept(socket); }, UINT64_MAX, places);
    worker.serve(u"http://+:8081/", queue);
  }
  // One after the other; each is idle for longer than those behind it.
  void fill(uint32_t count, platform::Milliseconds apart = 20)
  {
    for (uint32_t i = 0; i < count; i++) {
      clients.push_back(world.connect(8081));
      world.run();
      world.pass(apart);
    }
  }
  std::shared_ptr<SimSocket> come(std::string_view bytes = kGet)
  {
    auto client = world.connect(8081);
    client->send(bytes);
    world.run();
    return client;
  }
  static uint64_t made_room() { return ke::tallies()[static_cast<size_t>(Tally::MadeRoom)] - s_before; }
  size_t lines(std::string_view text) const
  {
    return static_cast<size_t>(std::ranges::count_if(world.log, [&](const std::string &line) { return line.find(text) != line.npos; }));
  }

  std::vector<std::shared_ptr<SimSocket>> clients;
  static inline uint64_t s_before = 0;

private:
  struct Mark {
    Mark() { s_before = ke::tallies()[static_cast<size_t>(Tally::MadeRoom)]; }
  } m_mark;
};

}

TEST_CASE("the connection that has been idle longest goes, whichever core has it, and the client that waits is served")
{
  for (uint32_t cores : {1u, 2u, 3u}) {
    CAPTURE(cores);
    Places places(cores, 6);
    places.fill(6);
    places.world.pass(1000);
    CHECK(places.made_room() == 0); // nobody waits
    // The first ones are in use again.
    for (size_t used : {0, 2}) {
      places.get(*places.clients[used]);
      places.answer(places.receive_id());
    }
    places.world.pass(20);
    size_t expected = 0;
    for (size_t next : {1, 3, 4}) {
      CAPTURE(next);
      auto newcomer = places.come();
      CHECK(places.clients[next]->fin_received);
      CHECK(places.clients[next]->is_closed);
      CHECK_FALSE(places.clients[next]->reset_received);
      CHECK(places.made_room() == ++expected);
      places.answer(places.receive_id());
      CHECK(newcomer->take().starts_with("HTTP/1.1 200 "));
      places.world.pass(limits::kRoomAgainMilliseconds + 1);
    }
    for (size_t kept : {0, 2, 5})
      CHECK_FALSE(places.clients[kept]->is_closed);
    CHECK(places.lines("closed to make room, it was idle for 1.") == 3);
    CHECK(places.lines("who comes now waits until an idle one makes room, or one ends") == 1);
  }
}

TEST_CASE("who was accepted when the last place had gone is one who waits: whoever has been idle longest makes room")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Places places(cores, 6);
    places.fill(6);
    auto newcomer = places.world.connect(8080); // its listener's accept is under way
    newcomer->send(kGet);
    places.world.turn(0);
    CHECK(newcomer->is_accepted);
    CHECK(net::ListenerSet::instance().connection_count() == 6);
    places.world.run();
    CHECK(places.made_room() == 1);
    CHECK(places.clients[0]->is_closed);
    CHECK(net::ListenerSet::instance().connection_count() == 6);
    places.answer(places.receive_id());
    CHECK(newcomer->take().starts_with("HTTP/1.1 200 "));
    places.world.pass(500);
    CHECK(places.made_room() == 1);
  }
}

TEST_CASE("while places are free nobody makes room, and while nobody waits neither")
{
  Places places(2, 8);
  places.fill(7);
  places.world.pass(60'000);
  auto last = places.come();
  places.world.pass(5000);
  CHECK(places.made_room() == 0);
  CHECK(net::ListenerSet::instance().connection_count() == 8);
  CHECK_FALSE(last->is_closed);
}

TEST_CASE("who has sent a byte, waits for an answer or takes none of it keeps its place; who comes waits until one of them is idle")
{
  Places places(2, 3);
  places.worker.holds = false;
  auto begun = places.come("G"), waiting = places.come(), reading = places.come("");
  uint64_t held = places.receive_id();
  reading->room = 0;
  reading->send(kGet);
  places.world.run();
  uint32_t answer = places.worker.respond(places.queue, places.receive_id(), "ok");
  auto newcomer = places.come();
  for (int i = 0; i < 100; i++)
    places.world.pass(50);
  CHECK(places.made_room() == 0);
  for (const auto &client : {begun, waiting, reading})
    CHECK_FALSE(client->is_closed);
  CHECK(newcomer->to_daemon == kGet);
  // Idle at last, and not at once the next to go.
  reading->room = UINT64_MAX;
  places.world.run();
  CHECK(places.worker.take(answer).status() == NtStatus::Success);
  places.world.pass(limits::kIdleLeastMilliseconds - 2);
  CHECK(places.made_room() == 0);
  for (int i = 0; i < 5; i++)
    places.world.pass(10);
  CHECK(places.made_room() == 1);
  CHECK(reading->is_closed);
  CHECK(reading->take().starts_with("HTTP/1.1 200 "));
  places.answer(places.receive_id());
  CHECK(newcomer->take().starts_with("HTTP/1.1 200 "));
  places.answer(held);
  CHECK(waiting->take().starts_with("HTTP/1.1 200 "));
}

TEST_CASE("a blank line is no request: its sender makes room like others")
{
  Places places(1, 2);
  auto blank = places.come("\r\n");
  places.world.pass(20);
  auto other = places.come("G");
  places.world.pass(20);
  places.come();
  CHECK(blank->is_closed);
  CHECK_FALSE(other->is_closed);
  places.receive_id();
}

TEST_CASE("a request that is in the socket before its connection goes is served, whenever it comes")
{
  unsigned served = 0, too_late = 0;
  for (uint32_t cores : {1u, 2u})
    for (unsigned turns = 0; turns < 24; turns++) {
      CAPTURE(cores);
      CAPTURE(turns);
      Places places(cores, 2);
      places.fill(2);
      auto newcomer = places.world.connect(8081);
      for (unsigned turn = 0; turn < turns; turn++)
        places.world.turn(turn % cores);
      SimSocket &first = *places.clients[0];
      if (first.is_closed) {
        too_late++;
        continue;
      }
      served++;
      places.get(first);
      places.world.pass(50);
      CHECK_FALSE(first.is_closed);
      places.answer(places.receive_id());
      CHECK(first.take().starts_with("HTTP/1.1 200 "));
    }
  CHECK(served >= 4);
  CHECK(too_late >= 6);
}

TEST_CASE("whoever ends by itself when it is asked to make room has ended once")
{
  for (bool resets : {false, true})
    for (uint32_t cores : {1u, 2u})
      for (unsigned turns = 0; turns < 24; turns++) {
        CAPTURE(cores);
        CAPTURE(turns);
        Places places(cores, 2);
        places.fill(2);
        auto newcomer = places.world.connect(8081);
        for (unsigned turn = 0; turn < turns; turn++)
          places.world.turn(turn % cores);
        (resets ? places.clients[0]->reset_sent : places.clients[0]->fin_sent) = true;
        places.world.run();
        CHECK(places.still_serves(*newcomer));
        // And the next one is asked as ever.
        places.world.pass(20);
        auto next = places.come();
        CHECK(places.clients[1]->is_closed);
        places.receive_id();
      }
}

TEST_CASE("a crowd that waits gets as many places as it needs and a few more: twice as many each time, an eighth at most")
{
  constexpr uint32_t kPlaces = 80;
  for (uint32_t cores : {1u, 4u}) {
    CAPTURE(cores);
    Places places(cores, kPlaces);
    places.fill(kPlaces, 100);
    std::vector<std::shared_ptr<SimSocket>> crowd;
    for (int i = 0; i < 50; i++) {
      crowd.push_back(places.world.connect(8081));
      crowd.back()->send(kGet);
    }
    places.world.run();
    for (const auto &client : crowd)
      CHECK(client->to_daemon.empty());
    CHECK(places.made_room() >= crowd.size());
    CHECK(places.made_room() <= crowd.size() + kPlaces / limits::kIdleClosedPart);
    // The oldest of them, to a second, whatever their cores.
    for (size_t client = 0; client < kPlaces; client++)
      if (client + 11 < places.made_room() || client > places.made_room() + 11)
        CHECK(places.clients[client]->is_closed == (client < places.made_room()));
    // Calm again: one.
    places.world.pass(500);
    while (net::ListenerSet::instance().connection_count() < kPlaces)
      places.come("G");
    uint64_t before = places.made_room();
    places.world.pass(500);
    places.come();
    CHECK(places.made_room() == before + 1);
    places.worker.die();
  }
}

TEST_CASE("an accept that finds no descriptor closes what has been idle for long, one at a time")
{
  Places places(2, UINT64_MAX);
  places.fill(6);
  auto busy = places.come("G");
  places.world.pass(limits::kIdleLongMilliseconds - 2000);
  places.world.system.accept_failure = NtStatus::TooManyOpenedFiles;
  auto newcomer = places.come();
  for (int i = 0; i < 10; i++)
    places.world.pass(100);
  CHECK(places.made_room() == 0);
  places.world.pass(1000);
  for (int i = 0; i < 3; i++)
    places.world.pass(limits::kAcceptRetryMilliseconds);
  CHECK(places.made_room() >= 2);
  CHECK(places.made_room() <= 4);
  CHECK(places.clients[0]->is_closed);
  CHECK_FALSE(places.clients[5]->is_closed);
  CHECK_FALSE(busy->is_closed);
  places.world.system.accept_failure = NtStatus::Success;
  places.world.pass(limits::kAcceptRetryMilliseconds);
  CHECK(newcomer->to_daemon.empty());
  places.receive_id();
}

TEST_CASE("a port that closes while somebody waits for it, and the end of all, are as ever")
{
  for (unsigned turns = 0; turns < 16; turns++) {
    CAPTURE(turns);
    Places places(2, 2);
    places.fill(2);
    places.world.connect(8081);
    for (unsigned turn = 0; turn < turns; turn++)
      places.world.turn(turn % 2);
    places.worker.die();
    places.world.run();
    CHECK_FALSE(places.world.connect(8081));
  }
}
