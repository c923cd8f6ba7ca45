// SPDX-License-Identifier: GPL-3.0-or-later
// What a client can make long takes a bounded part of each of core 0's turns: the end of all that it has, the publication of many changes,
// changes that waited. And nothing comes in between that would find half of it.
#include "kernel/net/listener_set.h"
#include "kernel/ns/namespace.h"
#include "tests/unit/ns/url_block.h"
#include "tests/unit/support/service.h"
#include <deque>
#include <fmt/format.h>
#include <set>

using namespace httpsys;
using namespace httpsys::test;

namespace {

// Many calls, some at a time; the statuses must all be Success.
class Calls {
public:
  Calls(World &world, Process &process) : m_world(world), m_process(process) {}
  void add(const hsys_sqe &entry, std::span<const uint8_t> parameters = {})
  {
    m_irps.push_back(m_process.submit(entry, parameters));
    if (m_irps.size() == 60)
      finish();
  }
  std::vector<uint64_t> finish()
  {
    m_world.run();
    for (uint32_t irp : std::exchange(m_irps, {})) {
      auto done = m_process.take(irp);
      REQUIRE(done.status() == NtStatus::Success);
      m_ids.push_back(done.entry.object_id);
    }
    return m_ids;
  }

private:
  World &m_world;
  Process &m_process;
  std::vector<uint32_t> m_irps;
  std::vector<uint64_t> m_ids;
};

struct Full {
  uint64_t server_session = 0;
  std::vector<uint64_t> groups;
};

// A server session with so many groups, and so many URLs in them, group after group.
Full fill(World &world, Process &process, uint32_t groups, uint32_t urls, uint16_t first_port, uint16_t ports = 1)
{
  Full full;
  full.server_session = process.call(Process::entry(HSYS_OP_CREATE_SERVER_SESSION, 0)).entry.object_id;
  Calls group_calls(world, process), url_calls(world, process);
  for (uint32_t i = 0; i < groups; i++)
    group_calls.add(Process::entry(HSYS_OP_CREATE_URL_GROUP, 0, full.server_session));
  full.groups = group_calls.finish();
  for (uint32_t i = 0; i < urls; i++)
    url_calls.add(Process::entry(HSYS_OP_ADD_URL, 0, full.groups[uint64_t{i} * groups / urls]),
                  url_block(fmt::format("http://+:{}/{}/", first_port + i % ports, i)));
  url_calls.finish();
  return full;
}

size_t objects()
{
  return ns::Namespace::instance().url_count() + ns::Namespace::instance().group_count();
}

// Turns until the namespace has no more than `left`; no turn may take more than a slice from it. Returns how many turns took something.
uint32_t turns_until(World &world, size_t left)
{
  uint32_t turns = 0;
  for (uint32_t idle = 0; objects() > left; idle++) {
    REQUIRE(idle < 1000);
    size_t before = objects();
    world.turn(0);
    REQUIRE(before - objects() <= limits::kNamespaceStepsPerTurn);
    turns += before != objects() ? 1 : 0;
  }
  return turns;
}

constexpr uint32_t kUrls = 1500, kGroups = 700;
constexpr uint32_t kSlices = (kUrls + kGroups) / limits::kNamespaceStepsPerTurn; // whole ones

}

TEST_CASE("all that a client has ends in slices")
{
  World world;
  Process process(world, 0), other(world, 0);
  fill(world, process, kGroups, kUrls, 8080);
  fill(world, other, 2, 100, 9000); // no part of it
  process.die();
  CHECK(turns_until(world, 102) >= kSlices);
  world.run();
  CHECK(objects() == 102);
  CHECK(world.connect(9000));
  CHECK_FALSE(world.connect(8080));
}

TEST_CASE("a server session, a group and REMOVE_ALL end in slices, and what comes meanwhile finds nothing half done")
{
  struct Case {
    hsys_op operation;
    uint32_t flags;
    uint32_t groups; // all URLs are in the first one when there is one
    size_t left; // with what comes meanwhile
    NtStatus add_after;
  };
  for (const Case &one : {Case{HSYS_OP_CLOSE_SERVER_SESSION, 0, kGroups, 0, NtStatus::InvalidParameter},
                          Case{HSYS_OP_CLOSE_URL_GROUP, 0, 1, 1, NtStatus::InvalidParameter},
                          Case{HSYS_OP_REMOVE_URL, HSYS_URL_REMOVE_ALL, 1, 3, NtStatus::Success}}) {
    CAPTURE(one.operation);
    World world;
    Process process(world, 0);
    Full full = fill(world, process, one.groups, kUrls, 8080);
    bool is_session = one.operation == HSYS_OP_CLOSE_SERVER_SESSION;
    std::vector<uint8_t> nothing(sizeof(hsys_url));
    auto entry = Process::entry(one.operation, 0, is_session ? full.server_session : full.groups[0], one.flags);
    uint32_t end = process.submit(entry, one.operation == HSYS_OP_REMOVE_URL ? std::span(nothing) : std::span<uint8_t>());
    uint32_t add = process.submit(Process::entry(HSYS_OP_ADD_URL, 0, full.groups[0]), url_block("http://+:8080/0/"));
    uint32_t create = process.submit(Process::entry(HSYS_OP_CREATE_URL_GROUP, 0, full.server_session));
    turns_until(world, kUrls + one.groups - 1);
    CHECK_FALSE(process.has(end));
    turns_until(world, one.left);
    world.run();
    CHECK(process.take(end).status() == NtStatus::Success);
    CHECK(process.take(add).status() == one.add_after);
    CHECK(process.take(create).status() == (is_session ? NtStatus::InvalidParameter : NtStatus::Success));
    if (is_session)
      CHECK(process.call(entry).status() == NtStatus::InvalidParameter);
  }
}

TEST_CASE("a client that dies while its server session ends, and one whose URLs it takes over")
{
  World world;
  Process process(world, 0), heir(world, 0);
  Full full = fill(world, process, kGroups, kUrls, 8080);
  uint64_t group = heir.create_group();
  CHECK(heir.add_url(group, u"http://+:8080/1499/") == NtStatus::ObjectNameCollision);
  process.submit(Process::entry(HSYS_OP_CLOSE_SERVER_SESSION, 0, full.server_session));
  turns_until(world, kUrls + kGroups - 1);
  process.die();
  CHECK(heir.add_url(group, u"http://+:8080/1499/") == NtStatus::Success);
  CHECK(objects() == 2);
  CHECK(world.system.listens({*IpAddress::parse("0.0.0.0"), 8080}));
}

TEST_CASE("ports close in slices")
{
  constexpr uint16_t kPorts = 200;
  World world;
  Process process(world, 0);
  fill(world, process, 1, kPorts, 9000, kPorts);
  process.die();
  size_t sockets = net::ListenerSet::instance().descriptor_count(), turns = 0;
  CHECK(sockets == 4 * kPorts);
  for (uint32_t idle = 0; sockets > 0; idle++) {
    REQUIRE(idle < 1000);
    world.turn(0);
    size_t now = net::ListenerSet::instance().descriptor_count();
    REQUIRE(sockets - now <= 4 * limits::kNamespaceStepsPerTurn / limits::kStepsOfPort);
    turns += now != sockets ? 1 : 0;
    sockets = now;
  }
  CHECK(turns >= kPorts * limits::kStepsOfPort / limits::kNamespaceStepsPerTurn);
  world.run();
  CHECK(world.system.descriptor_count() == 0);
}

TEST_CASE("routes are made in slices, all of a change appear at once")
{
  World world;
  Process process(world, 0);
  uint64_t queue = process.create_queue();
  Full full = fill(world, process, 1, kUrls, 8080);
  auto is_bound = [](const char16_t *path) {
    ns::Route route;
    url::Host host;
    REQUIRE(url::parse_host("x", host) == url::HostError::None);
    REQUIRE(ns::UrlTree::current().find({*IpAddress::parse("10.0.0.9"), 8080}, host, path, route) == ns::Lookup::Found);
    return route.queue_id != 0;
  };
  for (int times = 0; times < 3; times++) {
    uint64_t wanted = times % 2 == 0 ? queue : 0;
    uint32_t call = process.submit(Process::entry(HSYS_OP_BIND_URL_GROUP, wanted, full.groups[0]));
    uint32_t turns = 0;
    for (; !process.has(call); turns++) {
      REQUIRE(turns < 1000);
      world.turn(0);
      ke::Core::Scope scope(ke::Cores::instance().core(0));
      REQUIRE(is_bound(u"/0/") == is_bound(u"/1499/"));
    }
    // As many routes are made as there are URLs.
    CHECK(turns >= kUrls / limits::kNamespaceStepsPerTurn);
    CHECK(process.take(call).status() == NtStatus::Success);
    ke::Core::Scope scope(ke::Cores::instance().core(0));
    CHECK(is_bound(u"/0/") == (wanted != 0));
  }
}

TEST_CASE("the groups of a queue that has gone lose it in slices")
{
  World world;
  Process process(world, 0), other(world, 0);
  uint64_t handle = process.create_queue();
  Calls binds(world, process);
  for (uint64_t group : fill(world, process, kGroups, kGroups, 8080).groups)
    binds.add(Process::entry(HSYS_OP_BIND_URL_GROUP, handle, group));
  binds.finish();
  uint64_t queue = 0;
  {
    ns::Route route;
    url::Host host;
    REQUIRE(url::parse_host("x", host) == url::HostError::None);
    ke::Core::Scope scope(ke::Cores::instance().core(0));
    REQUIRE(ns::UrlTree::current().find({*IpAddress::parse("10.0.0.9"), 8080}, host, u"/0/", route) == ns::Lookup::Found);
    queue = route.queue_id;
  }
  ns::Namespace &ns = ns::Namespace::instance();
  REQUIRE(ns.bound_count(queue) == kGroups);
  process.submit(Process::entry(HSYS_OP_CLOSE_HANDLE, handle));
  uint32_t turns = 0;
  for (uint32_t idle = 0; ns.bound_count(queue) > 0; idle++) {
    REQUIRE(idle < 1000);
    size_t before = ns.bound_count(queue);
    world.turn(0);
    REQUIRE(before - ns.bound_count(queue) <= limits::kNamespaceStepsPerTurn);
    turns += before != ns.bound_count(queue) ? 1 : 0;
  }
  CHECK(turns > kGroups / limits::kNamespaceStepsPerTurn);
  // Somebody else's change waits for no more than the slices.
  CHECK(other.add_url(other.create_group(), u"http://+:9000/") == NtStatus::Success);
  CHECK(objects() == 2 * kGroups + 2);
}

TEST_CASE("what no core's tree has any more is freed in slices")
{
  World world(2);
  Process process(world, 1);
  uint64_t queue = process.create_queue();
  Full full = fill(world, process, 1, kUrls, 8080);
  world.run();
  ns::Namespace &ns = ns::Namespace::instance();
  REQUIRE(ns.replaced_count() == 0);
  uint32_t call = process.submit(Process::entry(HSYS_OP_BIND_URL_GROUP, queue, full.groups[0]));
  size_t most = 0, left = 0;
  for (uint32_t turn = 0; turn < 1000; turn++) {
    world.turn(turn % 2);
    // Until the other core has the new tree it has the old one.
    size_t now = ns.replaced_count();
    if (now < left)
      REQUIRE(left - now <= limits::kNamespaceStepsPerTurn);
    most = std::max(most, now);
    left = now;
  }
  CHECK(most > kUrls);
  CHECK(left == 0);
  CHECK(process.take(call).status() == NtStatus::Success);
}

TEST_CASE("operations that a publication ends are ended in slices")
{
  World world;
  std::deque<Process> processes;
  std::vector<uint64_t> groups;
  for (uint32_t i = 0; i < 8; i++)
    groups.push_back(processes.emplace_back(world, 0).create_group());
  CHECK(processes[0].add_url(groups[0], u"http://localhost:8080/") == NtStatus::Success);
  CHECK(processes[0].add_url(groups[0], u"http://+:8080/") == NtStatus::Success);
  // It waits for its listeners, and all the others for it.
  processes[0].submit(Process::entry(HSYS_OP_REMOVE_URL, 0, groups[0]), url_block("http://+:8080/"));
  world.turn(0);
  for (size_t i = 0; i < processes.size(); i++)
    for (int url = 0; url < 50; url++)
      processes[i].submit(Process::entry(HSYS_OP_ADD_URL, 0, groups[i]), url_block(fmt::format("http://+:8080/{}/{}/", i, url)));
  size_t most = 0, all = 0;
  for (uint32_t turn = 0; turn < 100; turn++) {
    world.turn(0);
    size_t done = 0;
    for (Process &process : processes)
      for (auto &[irp, completion] : process.take_all()) {
        CHECK(completion.status() == NtStatus::Success);
        done++;
      }
    most = std::max(most, done);
    all += done;
  }
  CHECK(all == 50 * processes.size() + 1);
  CHECK(most <= limits::kNamespaceStepsPerTurn);
}

TEST_CASE("the log line of a request that found nothing names some of the port's URLs that are there")
{
  World world;
  Process process(world, 0);
  uint64_t group = process.create_group();
  auto nearest = [] {
    ke::Core::Scope scope(ke::Cores::instance().core(0));
    return ns::UrlTree::current().nearest(8080);
  };
  std::set<int> there;
  std::mt19937 random(11);
  auto text_of = [](int url) { return fmt::format("http://+:8080/Path{}/", url); };
  for (int step = 0; step < 300; step++) {
    int url = static_cast<int>(random() % 8);
    bool is_there = there.contains(url);
    auto block = url_block(text_of(url));
    REQUIRE(process.call(Process::entry(is_there ? HSYS_OP_REMOVE_URL : HSYS_OP_ADD_URL, 0, group), block).status() == NtStatus::Success);
    if (is_there)
      there.erase(url);
    else
      there.insert(url);
    std::string line = nearest();
    size_t named = 0;
    for (int one = 0; one < 8; one++) {
      bool is_named = line.find('"' + text_of(one) + '"') != line.npos;
      REQUIRE((!is_named || there.contains(one)));
      named += is_named;
    }
    REQUIRE(named == std::min<size_t>(there.size(), limits::kNearestUrlsLogged));
    REQUIRE(line.starts_with(there.empty() ? "no registration is left" : "registered here:"));
  }
}

TEST_CASE("changes that waited for another one are made some at a time, in their order")
{
  World world;
  constexpr uint32_t kProcesses = 8;
  std::deque<Process> processes;
  for (uint32_t i = 0; i < kProcesses; i++)
    processes.emplace_back(world, 0);
  Process &first = processes.front();
  uint64_t group = first.create_group();
  CHECK(first.add_url(group, u"http://localhost:8080/") == NtStatus::Success);
  CHECK(first.add_url(group, u"http://+:8080/") == NtStatus::Success);
  // It waits for its listeners, and all the others for it.
  uint32_t narrows = first.submit(Process::entry(HSYS_OP_REMOVE_URL, 0, group), url_block("http://+:8080/"));
  world.turn(0);
  CHECK(world.system.listens({*IpAddress::parse("0.0.0.0"), 8080}));
  std::vector<uint8_t> bad(sizeof(hsys_url));
  for (Process &process : processes)
    for (int i = 0; i < 50; i++)
      process.submit(Process::entry(HSYS_OP_REMOVE_URL, 0, 12345), bad);
  uint32_t last = first.submit(Process::entry(HSYS_OP_ADD_URL, 0, group), url_block("http://+:8080/"));
  size_t most = 0, all = 0;
  for (uint32_t turn = 0; turn < 100; turn++) {
    world.turn(0);
    size_t done = 0;
    for (Process &process : processes) {
      for (auto &[irp, completion] : process.take_all()) {
        done++;
        bool is_good = &process == &first && (irp == narrows || irp == last);
        CHECK(completion.status() == (is_good ? NtStatus::Success : NtStatus::InvalidParameter));
      }
    }
    most = std::max(most, done);
    all += done;
  }
  CHECK(all == 50 * kProcesses + 2);
  // In the turn that ends the wait some when it ends and some as messages; and what a publication ends.
  CHECK(most <= 2 * limits::kNamespaceChangesPerTurn + 2);
}

TEST_CASE("URLs of several groups and ports come and go in any order")
{
  World world;
  Process processes[] = {{world, 0}, {world, 0}};
  std::mt19937 random(5);
  std::vector<std::pair<Process *, uint64_t>> groups;
  for (int i = 0; i < 6; i++)
    groups.emplace_back(&processes[i % 2], processes[i % 2].create_group());
  std::map<std::string, size_t> model; // who has it
  for (int step = 0; step < 3000; step++) {
    std::string url = fmt::format("http://+:{}/{}/", 8080 + random() % 3, random() % 12);
    size_t which = random() % groups.size();
    auto [process, group] = groups[which];
    auto found = model.find(url);
    if (random() % 2 == 0) {
      auto status = process->call(Process::entry(HSYS_OP_ADD_URL, 0, group), url_block(url)).status();
      REQUIRE(status == (found == model.end() ? NtStatus::Success : NtStatus::ObjectNameCollision));
      model.emplace(url, which);
    } else {
      bool is_his = found != model.end() && found->second == which;
      auto status = process->call(Process::entry(HSYS_OP_REMOVE_URL, 0, group), url_block(url)).status();
      REQUIRE(status == (is_his ? NtStatus::Success : NtStatus::ObjectNameNotFound));
      if (is_his)
        model.erase(found);
    }
    REQUIRE(ns::Namespace::instance().url_count() == model.size());
  }
}
