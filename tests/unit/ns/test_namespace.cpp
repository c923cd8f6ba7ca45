// SPDX-License-Identifier: GPL-3.0-or-later
// Server sessions, URL groups and URLs as clients see them, and the ports that open and close with them.
#include "kernel/ns/namespace.h"
#include "tests/unit/ns/url_block.h"
#include "tests/unit/support/service.h"

using namespace httpsys;
using namespace httpsys::test;

namespace {

Endpoint at(const char *address, uint16_t port)
{
  return {*IpAddress::parse(address), port};
}

}

TEST_CASE("a port listens while it has URLs")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    World world(cores);
    Process process(world, cores - 1);
    uint64_t group = process.create_group();
    CHECK(process.add_url(group, u"http://+:8080/a/") == NtStatus::Success);
    CHECK(world.system.listens(at("0.0.0.0", 8080)));
    CHECK(world.system.listens(at("::", 8080)));
    CHECK(process.add_url(group, u"http://+:8080/b/") == NtStatus::Success);
    CHECK(process.remove_url(group, u"http://+:8080/a/") == NtStatus::Success);
    CHECK(world.system.listens(at("0.0.0.0", 8080)));
    CHECK(process.remove_url(group, u"http://+:8080/a/") == NtStatus::ObjectNameNotFound);
    CHECK(process.remove_url(group, u"http://+:8080/b/") == NtStatus::Success);
    CHECK_FALSE(world.system.listens(at("0.0.0.0", 8080)));
    CHECK_FALSE(world.system.listens(at("::", 8080)));
  }
}

TEST_CASE("loopback URLs listen on loopback, the first other one opens the port to all, and the last one closes it again")
{
  World world;
  Process process(world, 0);
  uint64_t group = process.create_group();
  CHECK(process.add_url(group, u"http://localhost:8080/") == NtStatus::Success);
  CHECK(world.system.listens(at("127.0.0.1", 8080)));
  CHECK(world.system.listens(at("::1", 8080)));
  CHECK_FALSE(world.system.listens(at("0.0.0.0", 8080)));
  CHECK(process.add_url(group, u"http://+:8080/") == NtStatus::Success);
  CHECK(world.system.listens(at("0.0.0.0", 8080)));
  CHECK(world.system.listens(at("127.0.0.1", 8080)));
  CHECK(process.add_url(group, u"http://127.0.0.1:8080/") == NtStatus::Success);
  CHECK(process.remove_url(group, u"http://+:8080/") == NtStatus::Success);
  CHECK(world.system.listens(at("127.0.0.1", 8080)));
  CHECK_FALSE(world.system.listens(at("0.0.0.0", 8080)));
  // It serves in both states.
  auto client = world.connect(8080, "127.0.0.1");
  client->send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  world.run();
  CHECK(client->take().starts_with("HTTP/1.1 503 ")); // unbound
}

TEST_CASE("a port that can't be opened further stays as it was")
{
  World world;
  Process process(world, 0);
  uint64_t group = process.create_group();
  CHECK(process.add_url(group, u"http://localhost:8080/") == NtStatus::Success);
  world.system.busy.push_back(at("192.168.1.1", 8080));
  std::string reason;
  CHECK(process.add_url(group, u"http://+:8080/", &reason) == NtStatus::SharingViolation);
  CHECK(reason.find("port 8080 is in use by a program outside httpsysd") != reason.npos);
  CHECK(world.system.listens(at("127.0.0.1", 8080)));
  CHECK(world.connect(8080, "127.0.0.1"));
  world.system.busy.clear();
  CHECK(process.add_url(group, u"http://+:8080/") == NtStatus::Success);
  CHECK(world.system.listens(at("0.0.0.0", 8080)));

  world.system.busy.push_back(at("::", 9090));
  CHECK(process.add_url(group, u"http://+:9090/") == NtStatus::SharingViolation);
  CHECK_FALSE(world.system.listens(at("0.0.0.0", 9090)));
  world.system.has_ipv6 = false;
  CHECK(process.add_url(group, u"http://+:9090/") == NtStatus::Success);
}

TEST_CASE("a URL is shown so that nothing in it looks like anything else, in the log and to others")
{
  World world;
  Process process(world, 0), other(world, 0, 1001);
  constexpr std::u16string_view kUrl = u"http://+:8080/\u202e\u2028\", uid 0/";
  const std::string shown = R"("http://+:8080/\u202e\u2028\", uid 0/")";
  uint64_t queue = process.create_queue(), group = other.create_group();
  process.serve(kUrl, queue);
  auto client = world.connect(8080);
  client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  world.run();
  CHECK(world.log.back().ends_with("; registered here: " + shown));
  std::string reason;
  CHECK(other.add_url(group, kUrl, &reason) == NtStatus::ObjectNameCollision);
  CHECK(reason.starts_with(shown + " is registered by "));
  CHECK(other.add_url(group, u"https://+:8080/", &reason) == NtStatus::ObjectNameCollision);
  CHECK(reason.find("carries http (" + shown + ")") != reason.npos);
  CHECK(other.add_url(group, u"http://+:1023/\u202e/", &reason) == NtStatus::AccessDenied);
  CHECK(reason.find(R"( "http://+:1023/\u202e/":)") != reason.npos);
  world.system.busy.push_back(at("0.0.0.0", 9090));
  CHECK(other.add_url(group, u"http://+:9090/\u202e/", &reason) == NtStatus::SharingViolation);
  CHECK(reason.starts_with(R"(cannot listen for "http://+:9090/\u202e/": )"));
}

TEST_CASE("what can't be registered, and why")
{
  World world;
  Config::Clients shares;
  shares.server_sessions.process = limits::kServerSessions;
  se::set_shares(shares);
  Process process(world, 0, 1000), other(world, 0, 1001), root(world, 0, 0);
  uint64_t group = process.create_group(), foreign = other.create_group();
  CHECK(process.add_url(group, u"http://+:8080/a/") == NtStatus::Success);
  std::string reason;
  CHECK(other.add_url(foreign, u"http://+:8080/A", &reason) == NtStatus::InvalidParameter);
  CHECK(other.add_url(foreign, u"http://+:8080/A/", &reason) == NtStatus::ObjectNameCollision);
  CHECK(reason.find("is registered by") != reason.npos);
  CHECK(other.add_url(foreign, u"https://+:8080/b/", &reason) == NtStatus::ObjectNameCollision);
  CHECK(reason.find("one port has one scheme") != reason.npos);
  CHECK(other.add_url(foreign, u"http://+:80/", &reason) == NtStatus::AccessDenied);
  CHECK(root.add_url(root.create_group(), u"http://+:80/") == NtStatus::Success);
  // Ids are their process's alone.
  CHECK(other.add_url(group, u"http://+:8081/") == NtStatus::InvalidParameter);
  CHECK(other.remove_url(group, u"http://+:8080/a/") == NtStatus::InvalidParameter);
  CHECK(other.bind(group, other.create_queue()) == NtStatus::InvalidParameter);
  CHECK(other.call(Process::entry(HSYS_OP_CLOSE_URL_GROUP, 0, group)).status() == NtStatus::InvalidParameter);
  CHECK(process.remove_url(group, u"http://+:8080/a/") == NtStatus::Success);
  CHECK(other.add_url(foreign, u"https://+:8080/b/") == NtStatus::Success);
}

TEST_CASE("a route lives with its group, its binding and its queue")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    World world(cores);
    Process process(world, cores - 1);
    uint64_t queue = process.create_queue();
    uint64_t group = process.serve(u"http://+:8080/", queue);
    CHECK(process.add_url(group, u"http://a:8081/") == NtStatus::Success);
    auto status = [&](uint16_t port) {
      auto client = world.connect(port);
      client->send("GET / HTTP/1.1\r\nHost: b\r\n\r\n");
      world.run();
      std::string answer = client->take();
      return answer.empty() ? "" : answer.substr(9, 3);
    };
    CHECK(status(8080) == "");
    CHECK(status(8081) == "400");
    CHECK(process.bind(group, 0) == NtStatus::Success);
    CHECK(status(8080) == "503");
    CHECK(process.bind(group, queue) == NtStatus::Success);
    CHECK(status(8080) == "");
    CHECK(process.call(Process::entry(HSYS_OP_CLOSE_HANDLE, queue)).status() == NtStatus::Success);
    CHECK(status(8080) == "503");
    CHECK(process.add_url(group, u"http://a:8080/x/") == NtStatus::Success);
    CHECK(process.remove_url(group, u"http://+:8080/") == NtStatus::Success);
    CHECK(status(8080) == "400");
    CHECK(process.call(Process::entry(HSYS_OP_CLOSE_URL_GROUP, 0, group)).status() == NtStatus::Success);
    CHECK_FALSE(world.connect(8080));
    CHECK_FALSE(world.connect(8081));
  }
}

TEST_CASE("REMOVE_ALL and the end of a server session take everything along")
{
  World world;
  Process process(world, 0);
  uint64_t session = process.call(Process::entry(HSYS_OP_CREATE_SERVER_SESSION, 0)).entry.object_id;
  std::vector<uint64_t> groups;
  for (uint16_t i = 0; i < 3; i++) {
    groups.push_back(process.call(Process::entry(HSYS_OP_CREATE_URL_GROUP, 0, session)).entry.object_id);
    std::u16string port(4, static_cast<char16_t>(u'1' + i)), path(1, static_cast<char16_t>(u'a' + i));
    CHECK(process.add_url(groups.back(), u"http://+:" + port + u"/") == NtStatus::Success);
    CHECK(process.add_url(groups.back(), u"http://+:8080/" + path + u"/") == NtStatus::Success);
  }
  CHECK(ns::Namespace::instance().url_count() == 6);
  auto entry = Process::entry(HSYS_OP_REMOVE_URL, 0, groups[0], HSYS_URL_REMOVE_ALL);
  std::vector<uint8_t> nothing(sizeof(hsys_url));
  CHECK(process.call(entry, nothing).status() == NtStatus::Success);
  CHECK(ns::Namespace::instance().url_count() == 4);
  CHECK_FALSE(world.system.listens(at("0.0.0.0", 1111)));
  CHECK(process.call(Process::entry(HSYS_OP_CLOSE_SERVER_SESSION, 0, session)).status() == NtStatus::Success);
  CHECK(ns::Namespace::instance().url_count() == 0);
  CHECK_FALSE(world.system.listens(at("0.0.0.0", 8080)));
  CHECK(process.add_url(groups[1], u"http://+:8080/") == NtStatus::InvalidParameter);
}

TEST_CASE("changes of one moment are all made, those of a process that dies in the middle are undone")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    World world(cores);
    Process steady(world, 0);
    {
      Process process(world, cores - 1);
      uint64_t group = process.create_group(), other = steady.create_group();
      auto submit = [](Process &from, hsys_op operation, uint64_t in_group, const std::u16string &url) {
        return from.submit(Process::entry(operation, 0, in_group), url_block(url));
      };
      std::vector<uint32_t> calls;
      // Each of them widens or narrows the port, which waits for its listeners.
      for (int i = 0; i < 30; i++) {
        std::u16string number(1, static_cast<char16_t>(u'a' + i % 26));
        calls.push_back(submit(process, HSYS_OP_ADD_URL, group, u"http://localhost:8080/" + number + u"/"));
        calls.push_back(submit(process, HSYS_OP_ADD_URL, group, u"http://+:8080/" + number + u"/"));
        calls.push_back(submit(process, HSYS_OP_REMOVE_URL, group, u"http://+:8080/" + number + u"/"));
        submit(steady, HSYS_OP_ADD_URL, other, u"http://+:9" + std::u16string(3, static_cast<char16_t>(u'0' + i % 10)) + u"/");
      }
      world.run();
      for (uint32_t call : calls)
        CHECK(process.has(call));
      CHECK(world.system.listens(at("127.0.0.1", 8080)));
      CHECK(ns::Namespace::instance().url_count() == 26 + 10);
      for (int i = 0; i < 40; i++)
        submit(process, HSYS_OP_ADD_URL, group, u"http://+:8080/y" + std::u16string(static_cast<size_t>(i + 1), u'y') + u"/");
    }
    world.run();
    CHECK_FALSE(world.system.listens(at("127.0.0.1", 8080)));
    CHECK(ns::Namespace::instance().url_count() == 10);
  }
}

TEST_CASE("many changes behind one that waits need no deep stack")
{
  World world;
  Process process(world, 0);
  uint64_t group = process.create_group();
  CHECK(process.add_url(group, u"http://localhost:8080/") == NtStatus::Success);
  CHECK(process.add_url(group, u"http://+:8080/") == NtStatus::Success);
  // The first change waits for its listeners, the others fail one after the other behind it.
  std::vector<uint8_t> bad(sizeof(hsys_url));
  process.submit(Process::entry(HSYS_OP_REMOVE_URL, 0, group), url_block("http://+:8080/"));
  world.turn(0);
  CHECK(world.system.listens(at("0.0.0.0", 8080)));
  uint32_t last = 0;
  for (int i = 0; i < 3500; i++)
    last = process.submit(Process::entry(HSYS_OP_ADD_URL, 0, 12345), bad);
  world.run();
  CHECK(process.take(last).status() == NtStatus::InvalidParameter);
}

TEST_CASE("one user does not take all that there can be")
{
  World world;
  Config::Clients shares;
  shares.server_sessions.process = limits::kServerSessions;
  se::set_shares(shares);
  Process process(world, 0, 1000), other(world, 0, 1001), root(world, 0, 0);
  uint64_t session = process.call(Process::entry(HSYS_OP_CREATE_SERVER_SESSION, 0)).entry.object_id;
  CHECK(session != 0);
  std::vector<uint32_t> calls;
  auto create = [&](Process &from, uint32_t count) {
    uint32_t made = 0;
    for (uint32_t i = 0; i < count; i++) {
      calls.push_back(from.submit(Process::entry(HSYS_OP_CREATE_SERVER_SESSION, 0)));
      if (calls.size() < 1000 && i + 1 < count)
        continue;
      world.run();
      for (uint32_t call : std::exchange(calls, {}))
        made += from.take(call).status() == NtStatus::Success ? 1 : 0;
    }
    return made;
  };
  CHECK(create(process, limits::kServerSessions) == limits::kServerSessionsPerUser - 1);
  CHECK(create(other, 10) == 10);
  CHECK(create(root, limits::kServerSessions) ==
        limits::kServerSessions + limits::kServerSessions / limits::kReservePart - limits::kServerSessionsPerUser - 10);
  CHECK(create(other, 1) == 0);
  process.die();
  world.run();
  CHECK(create(other, 1) == 1);
}
