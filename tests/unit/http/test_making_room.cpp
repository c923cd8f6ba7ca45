// SPDX-License-Identifier: GPL-3.0-or-later
// Which connections with TLS are idle enough to make room for who waits, and how they end. Without TLS:
// tests/unit/net/test_idle_relief.cpp.
#include "kernel/http/connection.h"
#include "kernel/http/tls_bindings.h"
#include "kernel/net/listener_set.h"
#include "tests/unit/support/service.h"
#include "tests/unit/support/tls_client.h"
#include "tests/unit/tls/pki.h"
#include <functional>

using namespace httpsys;
using namespace httpsys::test;
using ke::Tally;

namespace {

constexpr const char *kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

// One place at https://+:8443.
struct OnePlace : Service {
  OnePlace() : Service((tls::initialize_library(), 1u))
  {
    world.system.has_ipv6 = false;
    net::ListenerSet::instance().start([](int socket) { http::Connection::accept(socket); }, UINT64_MAX, 1);
    bind(tls::BindingTable::create({{{IpAddress::any(false), 8443}, tls::test::make_context()}}, {}));
    worker.serve(u"https://+:8443/", queue);
    before = made_room();
  }
  ~OnePlace() { bind(nullptr); }
  void bind(RefPtr<tls::BindingTable> table)
  {
    static RefPtr<tls::BindingTable> s_table;
    s_table = std::move(table);
    world.on(0, [] { http::set_tls_bindings(std::move(s_table)); });
    world.run();
  }
  // Who is not accepted has its byte yet.
  std::shared_ptr<SimSocket> come()
  {
    auto newcomer = world.connect(8443);
    newcomer->send("\x16");
    return newcomer;
  }
  void secure(TlsClient &client)
  {
    for (int i = 0; i < 10 && !client.connect(); i++)
      world.run();
    world.run();
  }
  void serve(TlsClient &client)
  {
    client.write(kGet);
    world.run();
    answer(receive_id());
    client.read();
    world.run();
  }
  static uint64_t made_room() { return ke::tallies()[static_cast<size_t>(Tally::MadeRoom)]; }

  uint64_t before = 0;
};

struct Case {
  const char *name;
  bool goes, says_so; // with close_notify
  std::function<void(OnePlace &, TlsClient &)> happens;
};

const Case kCases[] = {
  {"silence", true, false, [](OnePlace &, TlsClient &) {}},
  {"the first byte of a hello", false, false, [](OnePlace &, TlsClient &c) { c.socket().send("\x16"); }},
  {"half a handshake", false, false, [](OnePlace &, TlsClient &c) { c.connect(); }},
  {"silence behind the handshake", true, true, [](OnePlace &p, TlsClient &c) { p.secure(c); }},
  {"silence behind a request", true, true, [](OnePlace &p, TlsClient &c) { p.secure(c), p.serve(c); }},
  {"the first byte of a record", false, false, [](OnePlace &p, TlsClient &c) { p.secure(c), c.socket().send("\x17"); }},
  {"half a record behind a request", false, false, [](OnePlace &p, TlsClient &c) {
     p.secure(c), p.serve(c);
     c.write(kGet);
     c.socket().to_daemon.resize(20);
   }},
  {"the first byte of a request", false, false, [](OnePlace &p, TlsClient &c) { p.secure(c), c.write("G"); }},
  {"a request at the worker", false, false, [](OnePlace &p, TlsClient &c) {
     p.secure(c), c.write(kGet), p.world.run();
     p.receive_id();
   }},
  {"a response that is not taken", false, false, [](OnePlace &p, TlsClient &c) {
     p.secure(c), c.write(kGet), p.world.run();
     c.socket().room = 0;
     p.worker.respond(p.queue, p.receive_id(), "ok");
   }},
  {"asked for a certificate", false, false, [](OnePlace &p, TlsClient &c) {
     p.secure(c), c.write(kGet), p.world.run();
     auto request = p.receive();
     p.worker.respond(p.queue, request.entry.object_id, "ok");
     p.worker.submit(Process::entry(HSYS_OP_RECEIVE_CERTIFICATE, p.queue, request.entry.aux, 0, 8192));
     p.world.run();
   }},
};

}

TEST_CASE("which connections with TLS make room, and how they end")
{
  for (const Case &one : kCases) {
    CAPTURE(one.name);
    OnePlace place;
    TlsClient client(place.world.connect(8443), {});
    place.world.run();
    one.happens(place, client);
    place.world.run();
    place.world.pass(20);
    auto newcomer = place.come();
    for (int i = 0; i < 20; i++)
      place.world.pass(20);
    CHECK(place.made_room() - place.before == (one.goes ? 1 : 0));
    CHECK(client.socket().is_closed == one.goes);
    CHECK_FALSE(client.socket().reset_received);
    CHECK(newcomer->to_daemon.empty() == one.goes);
    if (one.says_so) {
      client.read();
      CHECK(client.has_close_notify());
    }
    place.worker.die();
  }
}

TEST_CASE("one that takes no close_notify has 20 ms for it, and its place is free then")
{
  OnePlace place;
  TlsClient client(place.world.connect(8443), {});
  place.world.run();
  place.secure(client);
  client.socket().room = 0;
  place.world.pass(20);
  auto newcomer = place.come();
  place.world.run();
  place.world.pass(limits::kRoomMilliseconds - 10);
  CHECK_FALSE(client.socket().is_closed);
  place.world.pass(20);
  CHECK(client.socket().is_closed);
  CHECK(place.made_room() - place.before == 1);
  CHECK(newcomer->to_daemon.empty());
}

TEST_CASE("a request that comes while its connection is looked at is served, with TLS too, or the connection has said before that it ends")
{
  unsigned served = 0, too_late = 0;
  for (unsigned turns = 0; turns < 24; turns++) {
    CAPTURE(turns);
    OnePlace place;
    TlsClient client(place.world.connect(8443), {});
    place.world.run();
    place.secure(client), place.serve(client);
    place.world.pass(20);
    auto newcomer = place.come();
    for (unsigned turn = 0; turn < turns; turn++)
      place.world.turn(0);
    client.write(kGet);
    place.world.run();
    place.world.pass(50);
    client.read();
    if (client.has_close_notify()) {
      too_late++;
      continue;
    }
    served++;
    CHECK_FALSE(client.socket().is_closed);
    place.answer(place.receive_id());
    CHECK(client.read().starts_with("HTTP/1.1 200 "));
  }
  CHECK(served >= 2);
  CHECK(too_late >= 4);
}
