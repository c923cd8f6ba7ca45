// SPDX-License-Identifier: GPL-3.0-or-later
// What a user and a process may have of each kind of object, at the edge: the last one is there, the next one is refused with a reason, and
// what has been given back can be had again.
#include "kernel/ns/namespace.h"
#include "tests/unit/ns/url_block.h"
#include "tests/unit/support/service.h"
#include <cstring>
#include <fmt/format.h>

using namespace httpsys;
using namespace httpsys::test;

namespace {

struct Outcome {
  NtStatus status;
  std::string reason;
  bool operator==(NtStatus other) const { return status == other; }
};

Outcome call(Process &process, const hsys_sqe &entry, std::span<const uint8_t> parameters = {})
{
  auto completion = process.call(entry, parameters);
  return {completion.status(), completion.reason()};
}

Outcome make_server_session(Process &process)
{
  return call(process, Process::entry(HSYS_OP_CREATE_SERVER_SESSION, 0));
}

// In a server session of its own, which is no bound here.
Outcome make_group(Process &process)
{
  uint64_t session = process.call(Process::entry(HSYS_OP_CREATE_SERVER_SESSION, 0)).entry.object_id;
  return call(process, Process::entry(HSYS_OP_CREATE_URL_GROUP, 0, session));
}

Outcome make_url(Process &process)
{
  static unsigned s_number;
  std::string reason, path = fmt::format("http://+:8080/{}/", ++s_number);
  NtStatus status = process.add_url(process.create_group(), std::u16string(path.begin(), path.end()), &reason);
  return {status, reason};
}

std::u16string url_of_port(unsigned number)
{
  std::string text = fmt::format("http://+:{}/", number);
  return {text.begin(), text.end()};
}

Outcome make_port(Process &process)
{
  static unsigned s_number = 10000;
  std::string reason;
  NtStatus status = process.add_url(process.create_group(), url_of_port(++s_number), &reason);
  return {status, reason};
}

Outcome make_queue(Process &process)
{
  hsys_queue_name none{};
  return call(process, Process::entry(HSYS_OP_CREATE_REQUEST_QUEUE, 0), {reinterpret_cast<const uint8_t *>(&none), sizeof none});
}

struct Kind {
  const char *key;
  Config::Share Config::Clients::*share;
  Outcome (*make)(Process &process);
};
const Kind kKinds[] = {
    {"ServerSessions", &Config::Clients::server_sessions, make_server_session},
    {"UrlGroups", &Config::Clients::url_groups, make_group},
    {"Urls", &Config::Clients::urls, make_url},
    {"Ports", &Config::Clients::ports, make_port},
    {"RequestQueues", &Config::Clients::request_queues, make_queue},
    {"Handles", &Config::Clients::handles, make_queue},
};

}

TEST_CASE("a process and a user have as many objects as they may have, and not one more")
{
  for (const Kind &kind : kKinds) {
    CAPTURE(kind.key);
    World world(2);
    Config::Clients shares;
    shares.*kind.share = {5, 3};
    se::set_shares(shares);
    Process one(world, 0, 1000, 77), same(world, 1, 1000, 77), another(world, 1, 1000), third(world, 0, 1000), stranger(world, 0, 1001);
    Process root(world, 0, 0), rest_of_root(world, 1, 0);
    auto refused = [](Outcome outcome, const std::string &who, const std::string &key) {
      CHECK(outcome == NtStatus::InsufficientResources);
      CHECK(outcome.reason.starts_with(who));
      CHECK(outcome.reason.find(key) != std::string::npos);
    };
    const std::string per_process = fmt::format("({}PerProcess in httpsys.toml)", kind.key);
    const std::string per_user = fmt::format("({}PerUser in httpsys.toml)", kind.key);
    // Two sessions of one process share what it may have.
    CHECK(kind.make(one) == NtStatus::Success);
    CHECK(kind.make(same) == NtStatus::Success);
    CHECK(kind.make(one) == NtStatus::Success);
    refused(kind.make(one), "this process has 3 ", per_process);
    refused(kind.make(same), "this process has 3 ", per_process);
    CHECK(kind.make(another) == NtStatus::Success);
    CHECK(kind.make(another) == NtStatus::Success);
    refused(kind.make(third), "uid 1000 has 5 ", per_user);
    CHECK(kind.make(stranger) == NtStatus::Success);
    // Administrators are bound by their processes alone.
    for (Process *process : {&root, &rest_of_root}) {
      for (int times = 0; times < 3; times++)
        CHECK(kind.make(*process) == NtStatus::Success);
      refused(kind.make(*process), "this process has 3 ", per_process);
    }
    same.die();
    world.run();
    CHECK(kind.make(third) == NtStatus::Success);
    refused(kind.make(third), "uid 1000 has 5 ", per_user);
    CHECK(kind.make(another) == NtStatus::InsufficientResources);
  }
}

TEST_CASE("a port counts for one of those that use it, for the next when he has gone")
{
  World world(2);
  Config::Clients shares;
  shares.ports = {100, 1};
  se::set_shares(shares);
  Process first(world, 0), second(world, 1), third(world, 0);
  uint64_t groups[] = {first.create_group(), second.create_group(), third.create_group()};
  auto add = [](Process &process, uint64_t group, const char16_t *path, unsigned port, std::string *reason = nullptr) {
    return process.add_url(group, url_of_port(port) + path, reason);
  };
  CHECK(add(first, groups[0], u"a/", 8081) == NtStatus::Success);
  CHECK(add(first, groups[0], u"b/", 8081) == NtStatus::Success);
  CHECK(add(second, groups[1], u"c/", 8081) == NtStatus::Success);
  CHECK(add(second, groups[1], u"", 8082) == NtStatus::Success);
  std::string reason;
  CHECK(add(first, groups[0], u"", 8083, &reason) == NtStatus::InsufficientResources);
  CHECK(reason == "this process has 1 listening ports, and may have 1 (PortsPerProcess in httpsys.toml)");
  // One URL is left of two.
  CHECK(first.remove_url(groups[0], url_of_port(8081) + u"a/") == NtStatus::Success);
  CHECK(add(first, groups[0], u"", 8083) == NtStatus::InsufficientResources);
  // Now it is the second's, which has more than it may, and gets no other.
  CHECK(first.remove_url(groups[0], url_of_port(8081) + u"b/") == NtStatus::Success);
  CHECK(add(first, groups[0], u"", 8083) == NtStatus::Success);
  CHECK(second.remove_url(groups[1], url_of_port(8082)) == NtStatus::Success);
  CHECK(add(second, groups[1], u"", 8082) == NtStatus::InsufficientResources);
  CHECK(add(second, groups[1], u"d/", 8081) == NtStatus::Success);
  // Its end frees it, and a port that is left and taken again at once counts once.
  second.die();
  world.run();
  CHECK(add(third, groups[2], u"", 8082) == NtStatus::Success);
  for (int times = 0; times < 3; times++) {
    uint32_t irp = third.submit(Process::entry(HSYS_OP_CLOSE_URL_GROUP, 0, groups[2]));
    groups[2] = third.create_group();
    CHECK(add(third, groups[2], u"", 8082) == NtStatus::Success);
    CHECK(third.take(irp).status() == NtStatus::Success);
  }
  CHECK(add(third, groups[2], u"", 8084) == NtStatus::InsufficientResources);
}

TEST_CASE("users leave each other ports, and administrators theirs, when there are few descriptors")
{
  World world(1);
  Config::Clients shares;
  shares.ports_total = 8;
  se::set_shares(shares);
  Process one(world, 0, 1000), two(world, 0, 1000), three(world, 0, 1000), other(world, 0, 1001), same(world, 0, 1001),
      late(world, 0, 1002), root(world, 0, 0), admin(world, 0, 0), last(world, 0, 0);
  auto take = [](Process &process, int count, const std::string &refusal) {
    for (int number = 0; number < count; number++)
      CHECK(make_port(process) == NtStatus::Success);
    Outcome next = make_port(process);
    CHECK(next == NtStatus::InsufficientResources);
    CHECK(next.reason == refusal);
  };
  take(one, 2, "this process has 2 listening ports, and may have 2 (a quarter of what RLIMIT_NOFILE allows)");
  take(two, 2, "this process has 2 listening ports, and may have 2 (a quarter of what RLIMIT_NOFILE allows)");
  take(three, 0, "uid 1000 has 4 listening ports, and may have 4 (half of what RLIMIT_NOFILE allows)");
  take(other, 2, "this process has 2 listening ports, and may have 2 (a quarter of what RLIMIT_NOFILE allows)");
  CHECK(make_port(same) == NtStatus::Success);
  CHECK(make_port(same) == NtStatus::Success);
  take(late, 0, "the daemon has 8 listening ports, and may have 8 (RLIMIT_NOFILE)");
  CHECK(make_port(root) == NtStatus::Success);
  CHECK(make_port(root) == NtStatus::Success);
  CHECK(make_port(admin) == NtStatus::Success);
  CHECK(make_port(admin) == NtStatus::Success);
  take(last, 0, "the daemon has 12 listening ports, and may have 12 (RLIMIT_NOFILE)");
  // What administrators have counts too.
  for (Process *process : {&root, &admin}) {
    process->die();
    world.run();
    CHECK(make_port(late) == NtStatus::InsufficientResources);
  }
  one.die();
  world.run();
  CHECK(make_port(late) == NtStatus::Success);
}

static auto open_shared(Process &opener)
{
  constexpr std::u16string_view kName = u"shared";
  std::vector<uint8_t> block(sizeof(hsys_queue_name) + kName.size() * 2);
  hsys_queue_name head{static_cast<uint32_t>(kName.size() * 2), 0};
  std::memcpy(block.data(), &head, sizeof head);
  std::memcpy(block.data() + sizeof head, kName.data(), kName.size() * 2);
  return opener.call(Process::entry(HSYS_OP_CREATE_REQUEST_QUEUE, 0, 0, HSYS_QUEUE_OPEN_EXISTING), block);
}

TEST_CASE("an opened queue is a handle of its opener's, and a closed one is none any more")
{
  World world(2);
  Config::Clients shares;
  shares.handles = {100, 2};
  se::set_shares(shares);
  Process owner(world, 0), opener(world, 1);
  CHECK(owner.create_queue(u"shared") != 0);
  auto open = [&] { return open_shared(opener); };
  auto first = open();
  CHECK(first.status() == NtStatus::Success);
  CHECK(open().status() == NtStatus::Success);
  CHECK(open().status() == NtStatus::InsufficientResources);
  CHECK(make_queue(opener) == NtStatus::InsufficientResources);
  CHECK(make_queue(owner) == NtStatus::Success);
  CHECK(opener.call(Process::entry(HSYS_OP_CLOSE_HANDLE, first.entry.object_id)).status() == NtStatus::Success);
  CHECK(open().status() == NtStatus::Success);
  CHECK(open().status() == NtStatus::InsufficientResources);
}

TEST_CASE("a session has a fixed number of handles at most, whatever its process may have")
{
  World world(2);
  Config::Clients shares;
  shares.handles = {100'000, 8192};
  se::set_shares(shares);
  Process owner(world, 0, 1000, 77), other(world, 1, 1000, 77);
  CHECK(owner.create_queue(u"shared") != 0);
  auto second = open_shared(owner);
  REQUIRE(second.status() == NtStatus::Success);
  for (int handles = 2; handles < 4096; handles++)
    REQUIRE(open_shared(owner).status() == NtStatus::Success);
  for (int times = 0; times < 2; times++) { // what is refused counts for nothing
    auto refused = open_shared(owner);
    CHECK(refused.status() == NtStatus::InsufficientResources);
    CHECK(refused.reason() == "this session has 4096 request queue handles, and may have 4096 (kHandlesCeiling)");
  }
  // Its process has as many more, in another session.
  for (int handles = 0; handles < 4096; handles++)
    REQUIRE(open_shared(other).status() == NtStatus::Success);
  CHECK(open_shared(other).reason() ==
        "this process has 8192 request queue handles, and may have 8192 (HandlesPerProcess in httpsys.toml)");
  CHECK(owner.call(Process::entry(HSYS_OP_CLOSE_HANDLE, second.entry.object_id)).status() == NtStatus::Success);
  CHECK(open_shared(owner).status() == NtStatus::Success);
  CHECK(open_shared(owner).status() == NtStatus::InsufficientResources);
}

TEST_CASE("core 0 has a bounded number of a client's operations, and the others follow")
{
  World world(2);
  Process greedy(world, 1), other(world, 1);
  uint64_t group = greedy.create_group();
  std::vector<uint32_t> calls;
  // Core 0 does not turn. The ring has 64 entries.
  for (uint32_t number = 0; number < 2 * 60; number++) {
    calls.push_back(greedy.submit(Process::entry(HSYS_OP_CREATE_URL_GROUP, 0, group)));
    for (int turn = 0; turn < 3; turn++)
      world.turn(1);
  }
  uint32_t honest = other.submit(Process::entry(HSYS_OP_CREATE_SERVER_SESSION, 0));
  for (int turn = 0; turn < 100; turn++)
    world.turn(1);
  static hsys_control_stats s_stats;
  s_stats = {};
  world.on(1, [] { io::ChannelRegistry::add_stats(s_stats); });
  world.turn(1);
  CHECK(s_stats.irps_pending == limits::kOperationsWithCore0 + 1);
  world.run();
  CHECK(other.take(honest).status() == NtStatus::Success);
  for (uint32_t call : calls)
    CHECK(greedy.take(call).status() != NtStatus::Success); // there is no such server session
}

TEST_CASE("on core 0 itself a turn takes as many of them, so that costly operations make no turn long")
{
  World world;
  Process greedy(world, 0);
  uint64_t group = greedy.create_group();
  std::vector<uint32_t> calls;
  for (uint32_t number = 0; number < 5 * limits::kOperationsForCore0PerTurn; number++)
    calls.push_back(greedy.submit(Process::entry(HSYS_OP_CREATE_URL_GROUP, 0, group)));
  auto done = [&] { return static_cast<uint32_t>(std::ranges::count_if(calls, [&](uint32_t call) { return greedy.has(call); })); };
  for (uint32_t seen = 0, turns = 0; seen < calls.size(); turns++) {
    REQUIRE(turns < 100);
    world.turn(0);
    REQUIRE(done() - seen <= limits::kOperationsForCore0PerTurn);
    seen = done();
  }
}

namespace {

// Of all users together: as many as a constant of limits.h says.
struct Total {
  const char *plural, *name;
  uint32_t all;
  Config::Share Config::Clients::*share;
  hsys_op make, end;
  bool is_in_session, is_in_group; // which object they are made in
  bool is_named_by_handle;         // for its end
};
const Total kTotals[] = {
    {"server sessions", "kServerSessions", limits::kServerSessions, &Config::Clients::server_sessions, HSYS_OP_CREATE_SERVER_SESSION,
     HSYS_OP_CLOSE_SERVER_SESSION, false, false, false},
    {"URL groups", "kUrlGroups", limits::kUrlGroups, &Config::Clients::url_groups, HSYS_OP_CREATE_URL_GROUP, HSYS_OP_CLOSE_URL_GROUP,
     true, false, false},
    {"registered URLs", "kUrls", limits::kUrls, &Config::Clients::urls, HSYS_OP_ADD_URL, HSYS_OP_REMOVE_URL, false, true, false},
    {"request queues", "kRequestQueues", limits::kRequestQueues, &Config::Clients::request_queues, HSYS_OP_CREATE_REQUEST_QUEUE,
     HSYS_OP_CLOSE_HANDLE, false, false, true},
};

// One process that makes objects of a kind and ends them.
class Maker {
public:
  Maker(World &world, const Total &total, uint32_t uid) : m_total(total), m_world(world), m_process(world, 0, uid)
  {
    if (total.is_in_session)
      m_parent = m_process.call(Process::entry(HSYS_OP_CREATE_SERVER_SESSION, 0)).entry.object_id;
    if (total.is_in_group)
      m_parent = m_process.create_group();
  }
  // How many of them there are now.
  uint32_t make_many(uint32_t count)
  {
    uint32_t made = 0;
    while (count > 0) {
      std::vector<uint32_t> calls;
      for (uint32_t batch = std::min(count, 60u); batch > 0; batch--, count--)
        calls.push_back(submit());
      m_world.run();
      for (uint32_t irp : calls)
        made += keep(m_process.take(irp)) == NtStatus::Success ? 1 : 0;
    }
    return made;
  }
  Outcome make() { return keep_one(submit()); }
  NtStatus end_last()
  {
    bool is_handle = m_total.is_named_by_handle;
    uint64_t object = m_total.is_in_group ? m_parent : is_handle ? 0 : m_ids.back();
    auto done = m_process.call(Process::entry(m_total.end, is_handle ? m_ids.back() : 0, object), m_total.is_in_group ? m_made : none());
    m_ids.pop_back();
    return done.status();
  }

private:
  static std::vector<uint8_t> none() { return {}; }
  uint32_t submit()
  {
    static uint32_t s_number;
    if (m_total.is_in_group)
      m_last = url_block(fmt::format("http://+:8080/{}/", ++s_number));
    std::vector<uint8_t> nameless(sizeof(hsys_queue_name));
    return m_process.submit(Process::entry(m_total.make, 0, m_parent),
                            m_total.is_in_group ? m_last : m_total.is_named_by_handle ? nameless : none());
  }
  NtStatus keep(const Process::Completion &done)
  {
    if (done.status() == NtStatus::Success)
      m_ids.push_back(done.entry.object_id);
    return done.status();
  }
  Outcome keep_one(uint32_t irp)
  {
    m_world.run();
    auto done = m_process.take(irp);
    if (done.status() == NtStatus::Success)
      m_made = m_last;
    return {keep(done), done.reason()};
  }

  const Total &m_total;
  World &m_world;
  Process m_process;
  uint64_t m_parent = 0;
  std::vector<uint64_t> m_ids;
  std::vector<uint8_t> m_last, m_made; // parameters of the URL that was tried last, and of that which make() made
};

}

TEST_CASE("all users together have as much as the constant says, administrators some more")
{
  for (const Total &total : kTotals) {
    CAPTURE(total.name);
    World world;
    Config::Clients shares;
    for (auto share : {&Config::Clients::server_sessions, &Config::Clients::url_groups, &Config::Clients::urls,
                       &Config::Clients::request_queues, &Config::Clients::handles})
      shares.*share = {UINT32_MAX, UINT32_MAX};
    se::set_shares(shares);
    Maker crowd(world, total, 1000), other(world, total, 1001), root(world, total, 0);
    auto refusal = [&](uint32_t count, uint32_t most) {
      return fmt::format("the daemon has {} {}, and may have {} ({})", count, total.plural, most, total.name);
    };
    CHECK(crowd.make_many(total.all - 1) == total.all - 1);
    CHECK(other.make() == NtStatus::Success);
    for (Maker *maker : {&crowd, &other}) {
      Outcome more = maker->make();
      CHECK(more == NtStatus::InsufficientResources);
      CHECK(more.reason == refusal(total.all, total.all));
    }
    CHECK(other.end_last() == NtStatus::Success);
    CHECK(crowd.make() == NtStatus::Success);
    CHECK(other.make() == NtStatus::InsufficientResources);
    const uint32_t reserve = total.all / limits::kReservePart;
    CHECK(root.make_many(reserve - 1) == reserve - 1);
    CHECK(root.make() == NtStatus::Success);
    Outcome more = root.make();
    CHECK(more == NtStatus::InsufficientResources);
    CHECK(more.reason == refusal(total.all + reserve, total.all + reserve));
    CHECK(root.end_last() == NtStatus::Success);
    CHECK(root.make() == NtStatus::Success);
  }
}
