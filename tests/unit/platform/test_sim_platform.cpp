// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/sim/sim_engine.h"
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::platform;

namespace {

struct Watch final : IoOperation {
  std::vector<IoResult> results;
  void on_complete(const IoResult &result) override { results.push_back(result); }
};

struct Rig {
  SimSystem system;
  SimEngine engine{system};
  std::string reason;
  int listener = system.listen_control("/s", reason).release_value();
  Watch accepts;
  Rig() { engine.accept_multishot(listener, accepts); }
  ~Rig()
  {
    engine.cancel(accepts);
    engine.run_once(0);
    system.close_control(listener, kNoUser);
  }
  int accept()
  {
    engine.run_once(0);
    return static_cast<int>(accepts.results.back().value);
  }
};

}

TEST_CASE("a control connection of the simulated system: packets, descriptors, both ends")
{
  Rig rig;
  auto client = rig.system.connect_control({7, 1000, 1000, "shopd"});
  int socket = rig.accept();
  CHECK(rig.system.peer_credentials(socket)->program == "shopd");
  CHECK(rig.system.receive_control(socket, 8).error() == NtStatus::NotFound);

  client->send({1, 2, 3});
  client->send({1, 2, 3, 4});
  client->send({9}, true);
  client->end();
  CHECK(rig.system.receive_control(socket, 3)->bytes.size() == 3);
  auto cut = rig.system.receive_control(socket, 3);
  CHECK(cut->truncated);
  CHECK(cut->bytes.size() == 3);
  CHECK(rig.system.receive_control(socket, 3)->had_descriptors);
  CHECK(rig.system.receive_control(socket, 3)->had_descriptors); // it stays
  CHECK(rig.system.send_control(socket, {}, {}) == NtStatus::ConnectionAborted);
  rig.system.close_control(socket, 1000);
  CHECK(client->is_closed);
}

TEST_CASE("a simulated client that does not read: its room ends")
{
  Rig rig;
  auto client = rig.system.connect_control({});
  int socket = rig.accept();
  client->room = 1;
  uint8_t byte = 5;
  CHECK(rig.system.send_control(socket, {&byte, 1}, {}) == NtStatus::Success);
  CHECK(rig.system.send_control(socket, {&byte, 1}, {}) == NtStatus::InsufficientResources);
  rig.system.shut_control(socket);
  CHECK(rig.system.receive_control(socket, 8).error() == NtStatus::EndOfFile);
  rig.system.close_control(socket, 1000);
}

TEST_CASE("descriptors that go with a message: memory by number, events as what they stand for")
{
  Rig rig;
  auto client = rig.system.connect_control({});
  int socket = rig.accept(), event = rig.system.create_event().release_value();
  std::vector<int> numbers;
  std::vector<std::shared_ptr<SimEvent>> taken;
  client->take_descriptors = [&](auto memory, auto events) {
    numbers.assign(memory.begin(), memory.end());
    taken.assign(events.begin(), events.end());
  };
  const int both[] = {3, event};
  CHECK(rig.system.send_control(socket, {}, both) == NtStatus::Success);
  CHECK(numbers == std::vector{3});
  REQUIRE(taken.size() == 1);
  Watch kicks;
  rig.engine.poll_multishot(event, kicks);
  taken[0]->signals++;
  rig.engine.run_once(0);
  CHECK(kicks.results.size() == 1);
  rig.engine.cancel(kicks);
  rig.engine.run_once(0);
  rig.system.close(event);
  rig.system.close_control(socket, 1000);
}

TEST_CASE("the end of a simulated process wakes who watches it")
{
  Rig rig;
  auto client = rig.system.connect_control({});
  int socket = rig.accept(), process = rig.system.peer_process(socket).release_value();
  Watch watch;
  rig.engine.poll_multishot(process, watch);
  rig.engine.run_once(0);
  CHECK(watch.results.empty());
  client->process->signals++;
  rig.engine.run_once(0);
  CHECK(watch.results.size() == 1);
  rig.engine.cancel(watch);
  rig.engine.run_once(0);
  rig.system.close(process);
  rig.system.close_control(socket, 1000);
}

TEST_CASE("faults are decided by the seed")
{
  auto trace = [](uint64_t seed) {
    SimSystem system(seed);
    system.faults.call_fails = 20000;
    std::string text;
    for (int i = 0; i < 64; i++) {
      auto made = system.create_event();
      text += made.is_error() ? 'x' : '.';
      if (!made.is_error())
        system.close(*made);
    }
    return text;
  };
  CHECK(trace(1) == trace(1));
  CHECK(trace(1) != trace(2));
  CHECK(trace(1).find('x') != std::string::npos);
  CHECK(trace(1).find('.') != std::string::npos);
}

TEST_CASE("completions that are kept back come in later turns, of each operation in order, none is lost")
{
  struct Reader final : IoOperation {
    std::string bytes;
    std::vector<NtStatus> ends;
    void on_complete(const IoResult &result) override
    {
      CHECK(ends.empty());
      bytes.append(result.data.begin(), result.data.end());
      if (!result.more)
        ends.push_back(result.status);
    }
  };
  bool has_waited = false;
  for (uint64_t seed = 0; seed < 20; seed++) {
    SimSystem system;
    system.keeps_back.emplace(seed);
    SimEngine engine(system);
    Endpoint here{IpAddress::loopback(false), 80}, there{IpAddress::loopback(false), 4711};
    int listener = system.listen_tcp(here).release_value();
    auto peer = system.connect(here, there);
    Watch accepts, sent;
    engine.accept_one(listener, accepts);
    while (accepts.is_in_flight())
      CHECK(engine.run_once(0) > 0);
    int socket = static_cast<int>(accepts.results.front().value);
    CHECK(peer->is_accepted);
    std::string all;
    for (int i = 0; i < 60'000; i++)
      all += static_cast<char>('a' + i % 26);
    peer->send(all);
    peer->fin_sent = true;
    Reader reader;
    const uint8_t byte = 'x';
    engine.receive_multishot(socket, reader);
    engine.send(socket, {&byte, 1}, sent);
    engine.run_once(0);
    CHECK(peer->to_daemon.empty()); // it has been taken, told of or not
    CHECK(peer->from_daemon == "x");
    if (reader.is_in_flight())
      engine.cancel(reader); // what was taken comes all the same
    has_waited |= engine.has_left() && reader.bytes.size() < all.size();
    while (engine.has_left())
      CHECK(engine.run_once(0) > 0);
    while (reader.is_in_flight())
      engine.run_once(0);
    CHECK(reader.bytes == all);
    REQUIRE(reader.ends.size() == 1);
    CHECK(sent.results.size() == 1);
    system.close(socket);
    system.close(listener);
  }
  CHECK(has_waited);
}
