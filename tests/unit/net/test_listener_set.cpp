// SPDX-License-Identifier: GPL-3.0-or-later
// Listening sockets over the simulated platform: what they do when connections have as many descriptors as they may, and when accept fails.
#include "kernel/net/listener_set.h"
#include "kernel/http/connection.h"
#include "kernel/limits.h"
#include "tests/unit/support/service.h"

using namespace httpsys;
using namespace httpsys::test;

namespace {

using Clients = std::vector<std::shared_ptr<SimSocket>>;

// With so many descriptors for its connections and ports: up to four of these are listening sockets, which count twice.
struct Crowded {
  explicit Crowded(uint32_t cores, uint64_t descriptors, bool has_ipv6 = true, uint64_t most = UINT64_MAX)
    : world(cores), worker(world, cores - 1)
  {
    world.system.has_ipv6 = has_ipv6;
    net::ListenerSet::instance().start([](int socket) { http::Connection::accept(socket); }, descriptors, most);
    worker.serve(u"http://+:8080/", worker.create_queue());
    world.log.clear();
  }
  // Whoever has sent a byte keeps its place.
  void connect(uint32_t count)
  {
    for (uint32_t i = 0; i < count; i++) {
      clients.push_back(world.connect(8080));
      clients.back()->send("G");
    }
    world.run();
  }
  void leave(size_t client)
  {
    clients[client]->reset_sent = true;
    world.run();
  }
  static uint64_t accepted() { return net::ListenerSet::instance().connection_count(); }
  size_t lines(std::string_view text) const
  {
    return static_cast<size_t>(std::ranges::count_if(world.log, [&](const std::string &line) { return line.find(text) != line.npos; }));
  }
  size_t begins() const { return lines("as many as the limit of descriptors"); }
  size_t ends() const { return lines("connections are accepted again after"); }
  void add_ports(Process &process, uint32_t first, uint32_t count) const
  {
    uint64_t group = process.create_group();
    for (uint32_t port = first; port < first + count; port++) {
      std::u16string url = u"http://+:";
      for (char digit : std::to_string(port))
        url += static_cast<char16_t>(digit);
      REQUIRE(process.add_url(group, url + u"/") == NtStatus::Success);
    }
  }
  // Who has a place when it is free.
  void come(Clients &others, uint32_t port)
  {
    others.push_back(world.connect(static_cast<uint16_t>(port)));
    REQUIRE(others.back());
    others.back()->send("G");
  }
  // One of these that has a place leaves it, of the first if there is any.
  void leave_one(const Clients &first, const Clients &second = {})
  {
    auto holds = [](auto &client) { return has_had_place(*client) && !client->reset_sent; };
    const Clients &all = std::ranges::any_of(first, holds) ? first : second;
    auto leaves = std::ranges::find_if(all, holds);
    REQUIRE(leaves != all.end());
    (*leaves)->reset_sent = true;
    world.run();
  }
  static bool has_had_place(const SimSocket &client) { return client.to_daemon.empty(); }

  World world;
  Process worker;
  Clients clients;
};

// Those that have had a place.
int64_t count(const Clients &clients)
{
  return std::ranges::count_if(clients, [](auto &client) { return Crowded::has_had_place(*client); });
}

// Those that have been accepted and have no place, nor have left.
int64_t count_kept(const Clients &clients)
{
  return std::ranges::count_if(clients, [](auto &client) { return client->is_accepted && !Crowded::has_had_place(*client); });
}

}

TEST_CASE("nobody is accepted beyond the descriptors that there are, and whoever waits is when a connection has gone")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Crowded crowded(cores, 5 + 8);
    // The IPv6 listener's accept is in flight all the time, but only IPv4 clients come.
    crowded.connect(4);
    CHECK(crowded.accepted() == 4);
    CHECK(crowded.begins() == 0);
    crowded.connect(1);
    CHECK(crowded.accepted() == 5);
    crowded.connect(3);
    CHECK(crowded.accepted() == 5);
    CHECK(crowded.world.system.backlog() == 3);
    CHECK(crowded.begins() == 1);
    crowded.leave(1);
    CHECK(crowded.accepted() == 5);
    CHECK(crowded.world.system.backlog() == 2);
    for (size_t client : {0, 2, 3})
      crowded.leave(client);
    CHECK(crowded.accepted() == 4);
    CHECK(crowded.world.system.backlog() == 0);
    crowded.connect(1);
    CHECK(crowded.accepted() == 5);
    CHECK(crowded.begins() == 1);
    CHECK(crowded.ends() == 0);
  }
}

TEST_CASE("whichever allows fewer connections, descriptors or memory, is what holds and what is told")
{
  for (uint64_t most : {2, 5, 6}) {
    CAPTURE(most);
    Crowded crowded(1, 5 + 8, true, most);
    crowded.connect(7);
    CHECK(crowded.accepted() == std::min<uint64_t>(most, 5));
    CHECK(crowded.begins() == (most == 6 ? 1 : 0));
    CHECK(crowded.lines("as many as MaxConnections") == (most == 6 ? 0 : 1));
    crowded.leave(0);
    CHECK(crowded.accepted() == std::min<uint64_t>(most, 5)); // who has waited
  }
}

TEST_CASE("being full is told once, and its end once it has lasted")
{
  Crowded crowded(1, 5 + 8);
  crowded.connect(6);
  CHECK(crowded.begins() == 1);
  // Full again and again.
  for (size_t client = 0; client < 20; client++) {
    crowded.world.pass(500);
    crowded.leave(client);
    crowded.connect(1);
  }
  CHECK(crowded.begins() == 1);
  CHECK(crowded.ends() == 0);
  // And then for long.
  crowded.world.pass(3000);
  CHECK(crowded.ends() == 0);
  crowded.leave(20);
  crowded.leave(21);
  crowded.world.pass(limits::kOutageQuietMilliseconds - 1);
  CHECK(crowded.ends() == 0);
  crowded.world.pass(20);
  CHECK(crowded.ends() == 1);
  CHECK(crowded.world.has_logged("accepted again after 13.0 s"));
  crowded.connect(2);
  CHECK(crowded.begins() == 2);
}

TEST_CASE("each listener may have one accept on its way when the last descriptor goes, and there is one for it, but no place")
{
  Crowded crowded(1, 2 + 8);
  CHECK(crowded.worker.is_alive());
  crowded.connect(1);
  for (int i = 0; i < 3; i++) {
    crowded.come(crowded.clients, 8080);
    crowded.clients.push_back(crowded.world.connect(8080, "fe80::1"));
    crowded.clients.back()->send("G");
  }
  crowded.world.run();
  CHECK(crowded.accepted() == 2);
  CHECK(count(crowded.clients) == 2);
  CHECK(count_kept(crowded.clients) == 1);
  CHECK(crowded.world.system.backlog() == 4);
}

// Before there is no place any more each of 4 + 2 * 31 listeners has an accept under way.
TEST_CASE("accepts that are under way when the last place goes bring nobody beyond the most, and each of their clients has its turn")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Crowded crowded(cores, UINT64_MAX, false, 8);
    auto &world = crowded.world;
    Process other(world, 0, 1001);
    crowded.add_ports(crowded.worker, 9000, 30);
    crowded.add_ports(other, 9100, 1);
    Clients others;
    crowded.connect(8);
    for (int times = 0; times < 2; times++) {
      for (uint32_t port = 9000; port < 9030; port++)
        crowded.come(crowded.clients, port);
      for (int i = 0; i < 10; i++)
        crowded.come(others, 9100);
      world.run();
      CHECK(crowded.accepted() == 8);
      CHECK(count(crowded.clients) + count(others) == 8);
      // No listener has more than one of them.
      CHECK(count_kept(crowded.clients) == 30);
      CHECK(count_kept(others) == 1);
    }
    CHECK(crowded.lines("8 connections are open, as many as MaxConnections") == 1);
    for (int left = 1; left <= 16; left++) {
      CAPTURE(left);
      crowded.leave_one(crowded.clients, others);
      CHECK(crowded.accepted() == 8);
      CHECK(std::abs(count(crowded.clients) - 8 - count(others)) <= 1);
    }
    while (count(crowded.clients) < 8 + 60 || count(others) < 20) {
      crowded.leave_one(crowded.clients, others);
      REQUIRE(crowded.accepted() == 8);
    }
    CHECK(world.system.backlog() == 0);
    // Whoever comes then is accepted at once: all listeners accept again.
    while (crowded.accepted() > 0)
      crowded.leave_one(crowded.clients, others);
    for (uint32_t port = 9000; port < 9008; port++)
      crowded.come(others, port);
    world.run();
    CHECK(count(others) == 28);
    CHECK(crowded.accepted() == 8);
  }
}

TEST_CASE("a listener that closes closes what it keeps, and the others' places are not fewer for that")
{
  for (unsigned turns = 0; turns < 12; turns++) {
    CAPTURE(turns);
    Crowded crowded(2, UINT64_MAX, true, 3);
    auto &world = crowded.world;
    Process other(world, 0, 1001);
    crowded.add_ports(crowded.worker, 9000, 2);
    crowded.add_ports(other, 9100, 5);
    Clients staying, leaving;
    crowded.connect(3);
    for (int times = 0; times < 2; times++) {
      for (uint32_t port = 9100; port < 9105; port++)
        crowded.come(leaving, port);
      for (uint32_t port = 9000; port < 9002; port++)
        crowded.come(staying, port);
    }
    world.run();
    REQUIRE(count_kept(leaving) == 5);
    REQUIRE(count_kept(staying) == 2);
    crowded.clients[0]->reset_sent = true; // a place for one of either
    for (unsigned turn = 0; turn < turns; turn++)
      world.turn(turn % 2);
    other.die();
    world.run();
    CHECK(crowded.accepted() == 3);
    CHECK(count_kept(leaving) == 0);
    CHECK(std::ranges::count_if(leaving, [](auto &client) { return client->reset_received; }) == 10 - count(leaving));
    for (size_t client : {1, 2})
      crowded.leave(client);
    for (auto &client : leaving)
      client->reset_sent = true;
    world.run();
    CHECK(count(staying) == 3);
    crowded.leave_one(staying);
    CHECK(count(staying) == 4);
  }
}

namespace {

uint64_t count_closed(const Clients &clients)
{
  return static_cast<uint64_t>(std::ranges::count_if(clients, [](auto &client) { return client->is_closed; }));
}

// With as few places as there may be for a multishot accept of two listeners. Connections are only counted.
struct Multishot : Crowded {
  static constexpr uint64_t kPlaces = 2 * limits::kListenBacklog + 1;
  explicit Multishot(bool by_descriptors) : Crowded(1, UINT64_MAX, false, kPlaces)
  {
    sockets.clear();
    net::ListenerSet::instance().start([](int socket) { sockets.push_back(socket); }, by_descriptors ? kPlaces + 4 : UINT64_MAX,
        by_descriptors ? UINT64_MAX : kPlaces);
  }
  void come_beyond(uint64_t beyond)
  {
    for (uint64_t i = 0; i < kPlaces + beyond; i++)
      clients.push_back(world.connect(8080));
  }
  static inline std::vector<int> sockets;
};

}

TEST_CASE("a backlog beyond what the system was asked for brings nobody beyond the most, and counts with the descriptors")
{
  constexpr uint32_t kBeyond = 30;
  constexpr uint64_t kPlaces = Multishot::kPlaces;
  for (bool by_descriptors : {false, true}) {
    CAPTURE(by_descriptors);
    Multishot crowded(by_descriptors);
    auto &world = crowded.world;
    auto &sockets = Multishot::sockets;
    crowded.come_beyond(kBeyond);
    world.run();
    CHECK(world.system.backlog() == 0);
    CHECK(sockets.size() == kPlaces);
    CHECK(crowded.accepted() == kPlaces);
    // For each but the first of those that wait with their listener there is a place less.
    for (uint32_t left = 1; left <= kBeyond; left++) {
      net::ListenerSet::instance().close_connection(sockets[left - 1]);
      world.run();
      CHECK(crowded.accepted() == (by_descriptors && left < kBeyond ? kPlaces - left : kPlaces));
    }
    CHECK(sockets.size() == kPlaces + kBeyond);
    CHECK(crowded.accepted() == kPlaces);
    for (size_t left = kBeyond; left < sockets.size(); left++)
      net::ListenerSet::instance().close_connection(sockets[left]);
    world.run();
    crowded.clients.push_back(world.connect(8080));
    world.run();
    CHECK(crowded.accepted() == 1);
    net::ListenerSet::instance().close_connection(sockets.back());
  }
}

TEST_CASE("a multishot accept at a port to which nobody comes is taken back, too, when places are short")
{
  Crowded crowded(1, UINT64_MAX, false, 4 * limits::kListenBacklog + 1);
  auto &world = crowded.world;
  crowded.add_ports(crowded.worker, 9000, 1);
  world.run();
  static std::vector<int> s_sockets;
  s_sockets.clear();
  net::ListenerSet::instance().start([](int socket) { s_sockets.push_back(socket); }, UINT64_MAX, 4 * limits::kListenBacklog + 1);
  for (uint64_t i = 0; i < 4 * limits::kListenBacklog + 1; i++)
    crowded.clients.push_back(world.connect(8080));
  world.run();
  REQUIRE(crowded.accepted() == 4 * limits::kListenBacklog + 1);
  for (int i = 0; i < 30; i++)
    crowded.clients.push_back(world.connect(9000));
  world.run();
  CHECK(crowded.accepted() == s_sockets.size());
  CHECK(world.system.backlog() == 29); // the last one before all was full was under way
  // They all go, and then those who have waited.
  for (size_t left = 0; left < s_sockets.size(); left++, world.run())
    net::ListenerSet::instance().close_connection(s_sockets[left]);
  CHECK(s_sockets.size() == 4 * limits::kListenBacklog + 31);
}

TEST_CASE("who waits with a listener may have a place before its multishot accept, which has been taken back, has ended")
{
  constexpr size_t kBeyond = 5;
  for (uint64_t seed = 0; seed < 10; seed++) {
    CAPTURE(seed);
    Multishot crowded(false);
    crowded.world.system.keeps_back.emplace(seed);
    auto &sockets = Multishot::sockets;
    crowded.come_beyond(kBeyond);
    size_t left = 0;
    for (uint32_t turns = 0; sockets.size() < Multishot::kPlaces + kBeyond; turns++) {
      REQUIRE(turns < 10'000);
      crowded.world.turn(0);
      REQUIRE(crowded.accepted() <= Multishot::kPlaces);
      if (crowded.accepted() == Multishot::kPlaces && left < kBeyond)
        net::ListenerSet::instance().close_connection(sockets[left++]);
    }
    crowded.world.run();
    for (; left < sockets.size(); left++)
      net::ListenerSet::instance().close_connection(sockets[left]);
    crowded.clients.push_back(crowded.world.connect(8080));
    crowded.world.run();
    CHECK(crowded.accepted() == 1);
    net::ListenerSet::instance().close_connection(sockets.back());
  }
}

TEST_CASE("from where the backlog might take all that is left, connections are accepted one by one")
{
  Crowded crowded(1, 2 * limits::kListenBacklog + 5 + 4, false);
  crowded.connect(4);
  auto backlog_after_a_turn = [&] {
    for (int i = 0; i < 8; i++)
      crowded.clients.push_back(crowded.world.connect(8080));
    crowded.world.turn(0);
    return crowded.world.system.backlog();
  };
  CHECK(backlog_after_a_turn() == 0);
  crowded.world.run();
  CHECK(crowded.accepted() == 12);
  CHECK(backlog_after_a_turn() == 7);
  crowded.world.run();
  CHECK(crowded.accepted() == 20);
  while (crowded.accepted() > 3)
    crowded.leave(crowded.accepted() - 1);
  crowded.connect(1); // by the accept that is in flight
  CHECK(backlog_after_a_turn() == 0);
}

TEST_CASE("ports leave connections a part of the descriptors, and give back what they had")
{
  Crowded crowded(1, 40, false);
  uint64_t group = crowded.worker.create_group();
  std::vector<std::u16string> urls;
  for (int number = 0; number < 30; number++)
    urls.push_back({u"http://+:90" + std::u16string{char16_t(u'0' + number / 10), char16_t(u'0' + number % 10)} + u"/"});
  for (const auto &url : urls)
    REQUIRE(crowded.worker.add_url(group, url) == NtStatus::Success);
  crowded.connect(40);
  CHECK(crowded.accepted() == 40 / limits::kPortsPart);
  for (const auto &url : urls)
    REQUIRE(crowded.worker.remove_url(group, url) == NtStatus::Success);
  crowded.world.run();
  CHECK(crowded.accepted() == 40 - 4);
}

TEST_CASE("a port that opens to all addresses and is left again takes no connection from loopback")
{
  for (uint32_t cores : {1u, 3u}) {
    CAPTURE(cores);
    World world(cores);
    Process worker(world, cores - 1), other(world, 0);
    uint64_t queue = worker.create_queue();
    worker.serve(u"http://localhost:8080/", queue);
    uint64_t group = other.create_group();
    CHECK_FALSE(world.connect(8080));
    Clients clients;
    auto come = [&] {
      clients.push_back(world.connect(8080, "127.0.0.1"));
      REQUIRE(clients.back());
      clients.back()->send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    };
    for (int times = 0; times < 3; times++) {
      come(); // nobody has accepted them while the port changes
      REQUIRE(other.add_url(group, u"http://+:8080/other/") == NtStatus::Success);
      auto far = world.connect(8080);
      REQUIRE(far);
      world.run();
      CHECK_FALSE(far->reset_received);
      come();
      REQUIRE(other.remove_url(group, u"http://+:8080/other/") == NtStatus::Success);
      CHECK_FALSE(world.connect(8080));
    }
    world.run();
    for (size_t client = 0; client < clients.size(); client++) {
      uint32_t irp = worker.receive(queue);
      world.run();
      uint32_t answer = worker.respond(queue, worker.take(irp).entry.object_id, "ok");
      world.run();
      CHECK(worker.take(answer).status() == NtStatus::Success);
    }
    for (auto &client : clients)
      CHECK(client->take().starts_with("HTTP/1.1 200 "));
  }
}

TEST_CASE("a port that cannot open to all addresses listens as before")
{
  World world;
  Process worker(world, 0);
  worker.serve(u"http://localhost:8080/", worker.create_queue());
  world.system.busy.push_back({*IpAddress::parse("10.0.0.9"), 8080});
  uint64_t group = worker.create_group();
  CHECK(worker.add_url(group, u"http://+:8080/far/") == NtStatus::SharingViolation);
  CHECK(worker.add_url(group, u"http://localhost:8080/near/") == NtStatus::Success);
  CHECK(world.connect(8080, "127.0.0.1"));
  CHECK(net::ListenerSet::instance().descriptor_count() == 2);
  // Nor is anything left of one that cannot begin with it.
  world.system.busy.push_back({*IpAddress::parse("10.0.0.9"), 8081});
  CHECK(worker.add_url(group, u"http://+:8081/far/") == NtStatus::SharingViolation);
  CHECK(net::ListenerSet::instance().descriptor_count() == 2);
  CHECK(worker.add_url(group, u"http://localhost:8081/near/") == NtStatus::Success);
}

TEST_CASE("places that become free go in turn to the listeners at which somebody waits, however many do")
{
  Crowded crowded(1, UINT64_MAX, false, 8);
  auto &world = crowded.world;
  REQUIRE(crowded.worker.add_url(crowded.worker.create_group(), u"http://+:8081/") == NtStatus::Success);
  crowded.connect(8 + 40);
  CHECK(crowded.accepted() == 8);
  Clients others;
  for (int i = 0; i < 10; i++)
    crowded.come(others, 8081);
  world.run();
  for (size_t left = 1; left <= 12; left++) {
    CAPTURE(left);
    crowded.leave_one(crowded.clients, others);
    CHECK(crowded.accepted() == 8);
    CHECK(std::abs(count(crowded.clients) - 8 - count(others)) <= 2);
  }
  CHECK(count(others) >= 5);
}

TEST_CASE("a user with many ports at which somebody waits has no more of the places that become free than one with a single port")
{
  Crowded crowded(1, UINT64_MAX, false, 8);
  auto &world = crowded.world;
  crowded.connect(8);
  Process other(world, 0, 1001);
  uint64_t group = crowded.worker.create_group();
  // The port of both is the other user's when the first has left it.
  REQUIRE(crowded.worker.add_url(group, u"http://+:8081/first/") == NtStatus::Success);
  other.serve(u"http://+:8081/", other.create_queue());
  REQUIRE(crowded.worker.remove_url(group, u"http://+:8081/first/") == NtStatus::Success);
  Clients others;
  crowded.add_ports(crowded.worker, 9000, 30);
  for (uint32_t port = 9000; port < 9030; port++)
    for (int i = 0; i < 2; i++)
      crowded.come(crowded.clients, port);
  for (int i = 0; i < 20; i++)
    crowded.come(others, 8081);
  world.run();
  for (int left = 1; left <= 16; left++) {
    CAPTURE(left);
    crowded.leave_one(crowded.clients, others);
    CHECK(crowded.accepted() == 8);
    CHECK(std::abs(count(crowded.clients) - 8 - count(others)) <= 2);
  }
  CHECK(count(others) >= 7);
  // Those of a user who has gone wait no more, and the others have their places.
  other.die();
  world.run();
  for (auto &client : others)
    client->reset_sent = true;
  world.run();
  CHECK(crowded.accepted() == 8);
}

TEST_CASE("a listener that cannot take the place that it was given leaves it to the others")
{
  Crowded crowded(1, UINT64_MAX, false, 2);
  auto &world = crowded.world;
  REQUIRE(crowded.worker.add_url(crowded.worker.create_group(), u"http://+:8081/") == NtStatus::Success);
  crowded.connect(3);
  Clients others;
  for (int i = 0; i < 3; i++)
    others.push_back(world.connect(8081));
  world.run();
  REQUIRE(crowded.accepted() == 2); // the listener of 8081, whose accept was in flight, keeps one
  REQUIRE(world.system.backlog() == 3);
  world.system.accept_failure = NtStatus::TooManyOpenedFiles;
  for (auto *client : {&crowded.clients[0], &crowded.clients[1]})
    (*client)->reset_sent = true;
  world.run();
  CHECK(crowded.accepted() == 1);
  CHECK(crowded.lines("accept on") == 4); // those of loopback, too
  world.system.accept_failure = NtStatus::Success;
  world.pass(limits::kAcceptRetryMilliseconds + 20);
  CHECK(crowded.accepted() == 2);
  // Nor does it keep what it was given when it closes.
  others[0]->reset_sent = true;
  world.turn(0);
  crowded.worker.die();
  world.run();
  Process next(world, 0);
  next.serve(u"http://+:8082/", next.create_queue());
  for (auto &client : {crowded.clients[2], others[1], others[2]})
    client->reset_sent = true;
  world.run();
  CHECK(crowded.accepted() == 0);
  for (int i = 0; i < 4; i++)
    others.push_back(world.connect(8082));
  world.run();
  CHECK(crowded.accepted() == 2);
}

static size_t s_handed_on;

// The platform here tells a turn of one connection for each listener.
constexpr uint32_t kManyPorts = 350;

static void many_connect(Crowded &crowded, int times)
{
  crowded.add_ports(crowded.worker, 10000, kManyPorts);
  for (int i = 0; i < times; i++)
    for (uint32_t port = 0; port < kManyPorts; port++)
      crowded.clients.push_back(crowded.world.connect(static_cast<uint16_t>(10000 + port)));
}

TEST_CASE("thousands that are accepted at once are handed on some in a turn, and what core 0 is told meanwhile comes in the next")
{
  static bool stops;
  static uint32_t messages;
  struct Again {
    static void run()
    {
      messages++;
      if (!stops)
        ke::Cores::instance().post(0, run);
    }
  };
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Crowded crowded(cores, UINT64_MAX, false);
    s_handed_on = 0;
    net::ListenerSet::instance().start([](int socket) {
      s_handed_on++;
      net::ListenerSet::instance().close_connection(socket);
    });
    constexpr uint32_t kClients = 3 * kManyPorts;
    many_connect(crowded, 3);
    stops = false;
    messages = 0;
    crowded.world.on(0, Again::run);
    uint32_t turns = 0;
    for (; s_handed_on < kClients; turns++) {
      REQUIRE(turns < 100);
      size_t before = s_handed_on;
      for (ke::CoreId core = 0; core < cores; core++)
        crowded.world.turn(core);
      CHECK(s_handed_on - before <= limits::kAcceptsAtOnce);
      CHECK(messages == turns + 1);
    }
    CHECK(turns >= kClients / limits::kAcceptsAtOnce);
    CHECK(turns < 10);
    stops = true;
    crowded.world.run();
  }
}

TEST_CASE("connections that no core has yet are closed when all is")
{
  Crowded crowded(1, UINT64_MAX, false);
  s_handed_on = 0;
  net::ListenerSet::instance().start([](int socket) {
    s_handed_on++;
    http::Connection::accept(socket);
  });
  many_connect(crowded, 1);
  crowded.world.turn(0);
  CHECK(s_handed_on == limits::kAcceptsAtOnce);
  CHECK(crowded.accepted() == kManyPorts);
  crowded.world.on(0, [] { net::ListenerSet::instance().close_all([] {}); });
  crowded.world.run();
  CHECK(s_handed_on == limits::kAcceptsAtOnce);
  CHECK(crowded.accepted() == s_handed_on);
  CHECK(crowded.world.system.backlog() == 0);
}

TEST_CASE("connections that wait with their listeners are closed when all is")
{
  Crowded crowded(2, UINT64_MAX, false, 2);
  crowded.add_ports(crowded.worker, 9000, 5);
  crowded.connect(2);
  for (uint32_t port = 9000; port < 9005; port++)
    crowded.come(crowded.clients, port);
  crowded.world.run();
  REQUIRE(count_kept(crowded.clients) == 5);
  crowded.clients[0]->reset_sent = true;
  crowded.world.turn(0);
  crowded.world.on(0, [] { net::ListenerSet::instance().close_all([] {}); });
  crowded.world.run();
  CHECK(crowded.accepted() <= 2);
  CHECK(count_kept(crowded.clients) == 0);
  CHECK(std::ranges::all_of(crowded.clients, [](auto &client) { return Crowded::has_had_place(*client) || client->reset_received; }));
}

TEST_CASE("what a listener keeps when it closes is closed some in a turn, and counts with the descriptors until it is")
{
  constexpr uint64_t kPlaces = 4 * limits::kListenBacklog + 1, kBeyondTurns = 88, kBeyond = 4 * limits::kAcceptsAtOnce + kBeyondTurns;
  for (bool by_descriptors : {false, true}) {
    CAPTURE(by_descriptors);
    Crowded crowded(1, UINT64_MAX, false);
    auto &world = crowded.world;
    auto &set = net::ListenerSet::instance();
    auto &sockets = Multishot::sockets;
    sockets.clear();
    crowded.add_ports(crowded.worker, 9000, 1);
    world.run();
    set.start([](int socket) { Multishot::sockets.push_back(socket); }, by_descriptors ? kPlaces + 8 : UINT64_MAX,
        by_descriptors ? UINT64_MAX : kPlaces);
    for (uint64_t i = 0; i < kPlaces + kBeyond; i++)
      crowded.clients.push_back(world.connect(8080));
    world.run();
    REQUIRE(crowded.accepted() == kPlaces);
    REQUIRE(world.system.backlog() == 0);
    Clients others;
    for (size_t i = 0; i < 500; i++)
      others.push_back(world.connect(9000));
    world.run();
    // With as few descriptors these leave no places until the last turn in which some of what was kept is closed.
    size_t left = 0;
    while (by_descriptors && left < kBeyondTurns - 4)
      set.close_connection(sockets[left++]);
    world.run();
    const uint64_t before = crowded.accepted();
    REQUIRE(before == kPlaces - left);
    const uint64_t closed_before = count_closed(crowded.clients);

    static bool is_done;
    is_done = false;
    world.on(0, [] { net::ListenerSet::instance().close(8080, [] { is_done = true; }); });
    for (uint64_t closed = 0, turns = 0; closed < kBeyond; turns++) {
      REQUIRE(turns < 10);
      world.turn(0);
      const uint64_t now = count_closed(crowded.clients) - closed_before;
      CHECK(now - closed <= limits::kAcceptsAtOnce);
      closed = now;
      // Of the four listeners, which count twice, two are left.
      CHECK(crowded.accepted() <= (by_descriptors ? std::max(before, kPlaces + 4 - (kBeyond - closed)) : kPlaces));
    }
    world.run();
    CHECK(is_done);
    CHECK(count_closed(crowded.clients) == closed_before + kBeyond);
    const uint64_t most = by_descriptors ? kPlaces + 4 : kPlaces;
    CHECK(crowded.accepted() == most);
    set.close_connection(sockets[left++]);
    world.run();
    CHECK(crowded.accepted() == most); // who has waited
    while (left < sockets.size())
      set.close_connection(sockets[left++]);
    world.run();
    while (left < sockets.size()) // who has waited then
      set.close_connection(sockets[left++]);
  }
}

TEST_CASE("what listeners keep when all is closed is closed some in a turn")
{
  constexpr uint64_t kBeyond = 2 * limits::kAcceptsAtOnce + 88;
  Multishot crowded(false);
  auto &world = crowded.world;
  crowded.come_beyond(kBeyond);
  world.run();
  REQUIRE(crowded.accepted() == Multishot::kPlaces);
  world.on(0, [] { net::ListenerSet::instance().close_all([] {}); });
  for (uint64_t closed = 0, turns = 0; closed < kBeyond; turns++) {
    REQUIRE(turns < 10);
    world.turn(0);
    const uint64_t now = count_closed(crowded.clients);
    CHECK(now - closed <= limits::kAcceptsAtOnce);
    closed = now;
  }
  CHECK(crowded.accepted() == Multishot::kPlaces);
  for (int socket : Multishot::sockets)
    net::ListenerSet::instance().close_connection(socket);
}

TEST_CASE("a listener that waits for descriptors can be closed")
{
  Crowded crowded(1, 2 + 8);
  crowded.connect(3);
  CHECK(crowded.accepted() == 2);
  crowded.worker.die();
  crowded.world.run();
  CHECK_FALSE(crowded.world.connect(8080));
}

TEST_CASE("an accept that fails is told when that begins and when it has ended")
{
  Service service;
  auto count = [&](std::string_view text) {
    return std::ranges::count_if(service.world.log, [&](const std::string &line) { return line.find(text) != line.npos; });
  };
  service.world.system.accept_failure = NtStatus::TooManyOpenedFiles;
  for (int i = 0; i < 100; i++)
    service.world.pass(100);
  // One for each listening socket.
  CHECK(count("accept on 0.0.0.0:8080 fails (") == 1);
  CHECK(count("accept on [::]:8080 fails (") == 1);
  service.world.system.accept_failure = NtStatus::Success;
  service.world.pass(200);
  auto client = service.connect();
  service.world.run();
  CHECK(service.still_serves(*client));
  // Not yet the end of it.
  service.world.system.accept_failure = NtStatus::TooManyOpenedFiles;
  service.world.run();
  service.world.pass(500);
  service.world.system.accept_failure = NtStatus::Success;
  CHECK(count("accepts again") == 0);
  service.world.pass(200);
  service.world.pass(1100);
  CHECK(count("0.0.0.0:8080 accepts again after 10.") == 1);
  CHECK(count("[::]:8080 accepts again after 10.") == 1);
  CHECK(count("fails (") == 4); // loopback's, too
}
