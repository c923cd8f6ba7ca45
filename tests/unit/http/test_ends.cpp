// SPDX-License-Identifier: GPL-3.0-or-later
// What the end of a connection is counted as (ke/tally.h). That each is counted once, World checks for every test.
#include "kernel/http/connection.h"
#include "kernel/http/tls_bindings.h"
#include "kernel/ke/tally_report.h"
#include "tests/unit/support/service.h"
#include "tests/unit/support/tls_client.h"
#include "tests/unit/tls/pki.h"
#include <functional>

using namespace httpsys;
using namespace httpsys::test;
using ke::Tally;

namespace {

http::Settings short_times()
{
  http::Settings settings;
  settings.handshake = settings.idle_connection = settings.header_wait = settings.entity_body = settings.drain_entity_body = 10'000;
  return settings;
}

// What has been counted since, each as often as it is named.
struct Counted {
  ke::Tallies before = ke::tallies();
  std::vector<Tally> now() const
  {
    std::vector<Tally> all;
    auto after = ke::tallies();
    for (size_t i = 0; i < after.size(); i++)
      all.insert(all.end(), after[i] - before[i], static_cast<Tally>(i));
    return all;
  }
};

std::vector<Tally> only(Tally what)
{
  return {what};
}

}

TEST_CASE("the ends of connections without TLS")
{
  constexpr platform::Milliseconds time = 10'100;
  struct Case {
    const char *name;
    std::function<void(Service &, SimSocket &)> happens;
    Tally counted;
  };
  auto serve = [](Service &service, SimSocket &client) {
    service.get(client);
    service.answer(service.receive_id());
  };
  const Case cases[] = {
    {"idle after a request", [&](Service &s, SimSocket &c) { serve(s, c); s.world.pass(time); }, Tally::Idle},
    {"FIN after a request", [&](Service &s, SimSocket &c) { serve(s, c); c.fin_sent = true; }, Tally::InOrder},
    {"reset after a request", [&](Service &s, SimSocket &c) { serve(s, c); c.reset_sent = true; }, Tally::InOrder},
    {"idle", [&](Service &s, SimSocket &) { s.world.pass(time); }, Tally::UnusedIdle},
    {"a blank line, then idle", [&](Service &s, SimSocket &c) { s.send(c, "\r\n"); s.world.pass(time); }, Tally::UnusedIdle},
    {"FIN at once", [&](Service &, SimSocket &c) { c.fin_sent = true; }, Tally::Unused},
    {"reset at once", [&](Service &, SimSocket &c) { c.reset_sent = true; }, Tally::Unused},
    {"half a head", [&](Service &s, SimSocket &c) { s.send(c, "GET / HT"); s.world.pass(time); }, Tally::HeadTime},
    {"FIN in a head", [&](Service &s, SimSocket &c) { s.send(c, "GET / HT"); c.fin_sent = true; }, Tally::Broken},
    {"reset in a head", [&](Service &s, SimSocket &c) { s.send(c, "GET / HT"); c.reset_sent = true; }, Tally::Broken},
    {"half a body", [&](Service &s, SimSocket &c) { s.post(c, 9, "a"); s.world.pass(time); }, Tally::BodyTime},
    {"FIN in a body", [&](Service &s, SimSocket &c) { s.post(c, 9, "a"); c.fin_sent = true; }, Tally::Broken},
    {"half a body, answered", [&](Service &s, SimSocket &c) {
       s.post(c, 9, "a");
       s.answer(s.receive_id());
       s.world.pass(time);
     }, Tally::RestTime},
    {"reset at the worker", [&](Service &s, SimSocket &c) { s.get(c); s.receive_id(); c.reset_sent = true; }, Tally::Broken},
    {"FIN in a delivered body", [&](Service &s, SimSocket &c) {
       s.post(c, 9, "a");
       uint64_t id = s.receive_id();
       c.fin_sent = true;
       s.world.run();
       s.answer(id);
     }, Tally::Broken},
    {"refused", [&](Service &s, SimSocket &c) { s.send(c, "GET /\r\n\r\n"); c.fin_sent = true; }, Tally::Refused},
    {"bad chunks at the worker", [&](Service &s, SimSocket &c) {
       s.send(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
       s.receive_id();
       s.send(c, "zz\r\n");
     }, Tally::Refused},
    {"the worker dies", [&](Service &s, SimSocket &c) { s.get(c); s.receive_id(); s.worker.die(); }, Tally::Abandoned},
    {"the worker cancels", [&](Service &s, SimSocket &c) {
       s.get(c);
       CHECK(s.status_of(HSYS_OP_CANCEL_REQUEST, s.receive_id()) == NtStatus::Success);
     }, Tally::Cancelled},
    {"the system fails", [&](Service &s, SimSocket &c) {
       s.world.system.faults.receive_fails = 65536;
       s.send(c, "GET");
     }, Tally::System},
    {"the daemon ends", [&](Service &s, SimSocket &) { s.world.on(0, [] { http::Connection::drain_this_core(); }); }, Tally::Shutdown},
  };
  for (const Case &one : cases) {
    CAPTURE(one.name);
    Service service(1, short_times());
    auto client = service.connect();
    service.world.run();
    Counted counted;
    one.happens(service, *client);
    service.world.run();
    service.world.system.faults = {};
    service.world.pass(limits::kLingerMilliseconds + 100);
    CHECK(counted.now() == only(one.counted));
  }
}

TEST_CASE("a client that does not read is counted as slow when the daemon ends it, as gone when it leaves")
{
  for (bool leaves : {false, true}) {
    CAPTURE(leaves);
    Service service;
    auto client = service.connect();
    client->room = 100;
    service.get(*client);
    service.worker.respond(service.queue, service.receive_id(), std::string(5000, 'x'));
    service.world.run();
    Counted counted;
    if (leaves)
      client->reset_sent = true;
    service.world.pass(leaves ? 100 : limits::kSendMilliseconds + 100);
    CHECK(counted.now() == only(leaves ? Tally::Broken : Tally::SendTime));
    service.worker.take_all();
  }
}

TEST_CASE("the ends of connections with TLS")
{
  tls::initialize_library();
  struct Case {
    const char *name;
    bool is_secured;
    std::function<void(Service &, TlsClient &)> happens;
    Tally counted;
  };
  const std::string garbage("\x17\x03\x03\x00\x20garbage that is no TLS record at all", 41);
  const Case cases[] = {
    {"silence", false, [](Service &s, TlsClient &) { s.world.pass(10'100); }, Tally::HandshakeTime},
    {"FIN in the handshake", false, [](Service &, TlsClient &c) { c.socket().fin_sent = true; }, Tally::HandshakeFailed},
    {"reset in the handshake", false, [](Service &, TlsClient &c) { c.connect(), c.socket().reset_sent = true; }, Tally::HandshakeFailed},
    {"no TLS", false, [](Service &s, TlsClient &c) { s.send(c.socket(), "GET / HTTP/1.1\r\n"); }, Tally::HandshakeFailed},
    {"garbage", true, [&](Service &s, TlsClient &c) { s.send(c.socket(), garbage); }, Tally::TlsFailed},
    {"idle", true, [](Service &s, TlsClient &) { s.world.pass(10'100); }, Tally::UnusedIdle},
    {"close_notify", true, [](Service &, TlsClient &c) { c.shutdown(); }, Tally::Unused},
    {"reset", true, [](Service &, TlsClient &c) { c.socket().reset_sent = true; }, Tally::Unused},
  };
  for (const Case &one : cases) {
    CAPTURE(one.name);
    Service service(1, short_times());
    static RefPtr<tls::BindingTable> s_table;
    s_table = tls::BindingTable::create({{{IpAddress::any(false), 8443}, tls::test::make_context()}}, {});
    service.world.on(0, [] { http::set_tls_bindings(std::move(s_table)); });
    service.worker.serve(u"https://+:8443/", service.queue);
    Counted counted;
    TlsClient client(service.world.connect(8443), {});
    service.world.run();
    for (int i = 0; one.is_secured && i < 10 && !client.connect(); i++)
      service.world.run();
    service.world.run();
    one.happens(service, client);
    service.world.run();
    client.socket().fin_sent = true;
    service.world.pass(limits::kLingerMilliseconds + 100);
    CHECK(counted.now() == only(one.counted));
    service.world.on(0, [] { http::set_tls_bindings(nullptr); });
    service.world.run();
  }
}

TEST_CASE("the report has a line once a minute, when there is something to tell")
{
  static ke::TallyReport s_report;
  Service service(1, short_times());
  service.world.on(0, [] { s_report.start(); });
  service.world.run();
  auto lines = [&] {
    return std::ranges::count_if(service.world.log, [](const std::string &line) { return line.starts_with("counted in the last "); });
  };
  auto idle = service.connect();
  for (int i = 0; i < 2; i++)
    service.world.pass(20'000); // each time in its turn: those of one moment run in no order
  service.world.pass(limits::kTallyMilliseconds + 100); // UnusedIdle alone
  CHECK(lines() == 0);
  auto slow = service.connect(), other = service.connect();
  service.send(*slow, "GET");
  service.send(*other, "GET");
  service.world.pass(20'000);
  service.world.pass(limits::kTallyMilliseconds);
  CHECK(lines() == 1);
  CHECK(service.world.has_logged("counted in the last minute: 2 took too long for a request head (Timer_HeaderWait)"));
  service.world.pass(3 * limits::kTallyMilliseconds);
  CHECK(lines() == 1);
  service.world.on(0, [] { s_report.stop(); });
  service.world.run();
}

TEST_CASE("what is ordinary and goes on slowly is told once an hour, and what was in a line of a minute is not told again")
{
  struct Case {
    uint64_t each_minute;
    bool is_remarkable; // in one of the minutes
    const char *told;
  };
  static uint64_t number;
  for (const Case &one : {Case{1, false, nullptr},
                          Case{2, false, "counted in the last hour and not told yet: 120 times clients asked for new keys"},
                          Case{2, true, "counted in the last hour and not told yet: 118 times clients asked for new keys"},
                          Case{limits::kOrdinaryTallies, false, nullptr}}) {
    CAPTURE(one.each_minute);
    CAPTURE(one.is_remarkable);
    static ke::TallyReport s_report;
    number = one.each_minute;
    World world;
    world.on(0, [] { s_report.start(); });
    world.run();
    for (int hours = 0; hours < 2; hours++) {
      world.log.clear();
      for (uint32_t minute = 0; minute < limits::kTalliesSummed; minute++) {
        CHECK_FALSE(world.has_logged("hour"));
        world.on(0, [] {
          for (uint64_t i = 0; i < number; i++)
            ke::count(Tally::NewKeys);
        });
        if (one.is_remarkable && minute == 30)
          world.on(0, [] { ke::count(Tally::BadTicket); });
        world.run();
        world.pass(limits::kTallyMilliseconds + 100);
      }
      CHECK(world.has_logged("hour") == (one.told != nullptr));
      if (one.told)
        CHECK(world.log.back() == one.told);
    }
    world.on(0, [] { s_report.stop(); });
    world.run();
  }
}
