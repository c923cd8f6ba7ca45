// SPDX-License-Identifier: GPL-3.0-or-later
// The engine against the real kernel: sockets on loopback, pipes and eventfds.
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/linux/uring_engine.h"
#include "tests/unit/spin.h"
#include <algorithm>
#include <chrono>
#include <deque>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::platform;

namespace {

struct Recorder : IoOperation {
  struct Entry {
    NtStatus status;
    uint32_t value;
    bool more;
    std::string data;
  };
  std::vector<Entry> results;
  std::function<void(const Entry &)> then;

  void on_complete(const IoResult &result) override
  {
    CHECK(is_in_flight() == result.more);
    results.push_back({result.status, result.value, result.more, {result.data.begin(), result.data.end()}});
    if (then)
      then(results.back());
  }
  std::string data() const
  {
    std::string all;
    for (auto &entry : results)
      all += entry.data;
    return all;
  }
};

struct Fixture {
  LinuxSystem os;
  std::string reason;
  std::unique_ptr<IoEngine> engine;
  std::vector<int> descriptors;

  explicit Fixture(UringSettings settings = {.submission_entries = 256, .completion_entries = 2048})
  {
    auto made = make_uring_engine(settings, reason);
    REQUIRE_MESSAGE(made, reason);
    engine = made.release_value();
  }
  ~Fixture()
  {
    for (int descriptor : descriptors)
      ::close(descriptor);
  }
  int keep(int descriptor)
  {
    REQUIRE(descriptor >= 0);
    descriptors.push_back(descriptor);
    return descriptor;
  }
  void drop(int descriptor)
  {
    std::erase(descriptors, descriptor);
    ::close(descriptor);
  }
  template <typename Condition>
  bool run_until(Condition condition, Milliseconds within = 20'000)
  {
    const Milliseconds end = os.now() + within;
    while (!condition() && os.now() < end)
      engine->run_once(os.now() + 20);
    return condition();
  }
  // {ours, the peer's} of one TCP connection.
  std::pair<int, int> connect_pair()
  {
    int listener = keep(MUST(os.listen_tcp({IpAddress::loopback(false), 0})));
    int peer = connect_to(listener);
    return {keep(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)), peer};
  }
  int connect_to(int listener)
  {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    REQUIRE(getsockname(listener, reinterpret_cast<sockaddr *>(&address), &length) == 0);
    int peer = keep(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(peer, reinterpret_cast<sockaddr *>(&address), length) == 0);
    return peer;
  }
};

void write_all(int socket, const std::string &bytes)
{
  REQUIRE(::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

std::span<const uint8_t> as_bytes(const std::string &text)
{
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

}

TEST_CASE_FIXTURE(Fixture, "a multishot accept yields every connection until it is cancelled")
{
  int listener = keep(MUST(os.listen_tcp({IpAddress::loopback(false), 0})));
  Recorder accept;
  engine->accept_multishot(listener, accept);
  CHECK(accept.is_in_flight());
  for (size_t i = 1; i <= 20; i++) {
    connect_to(listener);
    REQUIRE(run_until([&] { return accept.results.size() == i; }));
    CHECK(is_success(accept.results.back().status));
    CHECK(accept.results.back().more);
    int socket = keep(static_cast<int>(accept.results.back().value));
    CHECK(os.remote_endpoint(socket)->address.is_loopback());
  }
  engine->cancel(accept);
  REQUIRE(run_until([&] { return !accept.is_in_flight(); }));
  CHECK(accept.results.back().status == NtStatus::Cancelled);
  CHECK_FALSE(accept.results.back().more);
}

TEST_CASE_FIXTURE(Fixture, "a multishot accept takes all that wait at once, an accept of one leaves the others")
{
  int listener = keep(MUST(os.listen_tcp({IpAddress::loopback(false), 0})));
  for (int i = 0; i < 5; i++)
    connect_to(listener);
  for (size_t i = 1; i <= 2; i++) {
    Recorder one;
    engine->accept_one(listener, one);
    REQUIRE(run_until([&] { return !one.is_in_flight(); }));
    REQUIRE(one.results.size() == 1);
    CHECK(is_success(one.results[0].status));
    keep(static_cast<int>(one.results[0].value));
  }
  Recorder all;
  engine->accept_multishot(listener, all);
  REQUIRE(run_until([&] { return all.results.size() == 3; }));
  for (auto &result : all.results)
    keep(static_cast<int>(result.value));
  engine->cancel(all);
  REQUIRE(run_until([&] { return !all.is_in_flight(); }));
  CHECK(all.results.size() == 4);
}

TEST_CASE_FIXTURE(Fixture, "received bytes come in order, then the end")
{
  auto [ours, peer] = connect_pair();
  Recorder receive;
  engine->receive_multishot(ours, receive);
  std::string sent;
  for (int i = 0; i < 50; i++) {
    std::string part(static_cast<size_t>(1 + i * 977), static_cast<char>('a' + i % 26));
    write_all(peer, part);
    sent += part;
    REQUIRE(run_until([&] { return receive.data().size() == sent.size(); }));
  }
  CHECK(receive.data() == sent);
  CHECK(receive.is_in_flight());
  ::shutdown(peer, SHUT_WR);
  REQUIRE(run_until([&] { return !receive.is_in_flight(); }));
  CHECK(receive.results.back().status == NtStatus::EndOfFile);
}

TEST_CASE_FIXTURE(Fixture, "a receive of one buffer ends with it, whatever else has come")
{
  auto [ours, peer] = connect_pair();
  const std::string sent(50'000, 'x');
  write_all(peer, sent);
  Recorder receive;
  for (size_t count = 1; receive.data().size() < sent.size(); count++) {
    engine->receive_one(ours, receive);
    REQUIRE(run_until([&] { return !receive.is_in_flight(); }));
    REQUIRE(receive.results.size() == count);
    CHECK_FALSE(receive.results.back().more);
  }
  CHECK(receive.results.size() > 1);
  ::shutdown(peer, SHUT_WR);
  engine->receive_one(ours, receive);
  REQUIRE(run_until([&] { return !receive.is_in_flight(); }));
  CHECK(receive.results.back().status == NtStatus::EndOfFile);
}

TEST_CASE_FIXTURE(Fixture, "a half-closed connection can still be answered")
{
  auto [ours, peer] = connect_pair();
  Recorder receive, send;
  write_all(peer, "question");
  ::shutdown(peer, SHUT_WR);
  engine->receive_multishot(ours, receive);
  REQUIRE(run_until([&] { return !receive.is_in_flight(); }));
  CHECK(receive.data() == "question");
  std::string answer = "answer";
  engine->send(ours, as_bytes(answer), send);
  REQUIRE(run_until([&] { return !send.is_in_flight(); }));
  os.shutdown_send(ours);
  char buffer[16];
  CHECK(::recv(peer, buffer, sizeof buffer, MSG_WAITALL) == 6);
}

TEST_CASE_FIXTURE(Fixture, "a reset ends a receive, and a send after it, with ConnectionAborted")
{
  auto [ours, peer] = connect_pair();
  Recorder receive;
  engine->receive_multishot(ours, receive);
  engine->run_once(0);
  os.set_reset_on_close(peer);
  drop(peer);
  REQUIRE(run_until([&] { return !receive.is_in_flight(); }));
  CHECK(receive.results.back().status == NtStatus::ConnectionAborted);
  Recorder send;
  std::string bytes = "too late";
  engine->send(ours, as_bytes(bytes), send);
  REQUIRE(run_until([&] { return !send.is_in_flight(); }));
  CHECK(send.results.back().status == NtStatus::ConnectionAborted);
}

// Sends until all are gone, or a send fails; so many have gone.
static size_t send_all(Fixture &fixture, int socket, const std::string &bytes)
{
  size_t sent = 0;
  while (sent < bytes.size()) {
    Recorder send;
    fixture.engine->send(socket, as_bytes(bytes).subspan(sent), send);
    if (!fixture.run_until([&] { return !send.is_in_flight(); }) || send.results.size() != 1 || !is_success(send.results[0].status))
      break;
    REQUIRE(send.results[0].value > 0);
    sent += send.results[0].value;
  }
  return sent;
}

TEST_CASE_FIXTURE(Fixture, "a send waits for room and says how many bytes it took, which all arrive in order")
{
  auto [ours, peer] = connect_pair();
  std::string bytes(20'000'000, 'x');
  for (size_t at = 0; at < bytes.size(); at++)
    bytes[at] = static_cast<char>(at % 251);
  std::string got;
  std::thread reader([&, socket = peer] {
    std::vector<char> buffer(100'000);
    while (got.size() < bytes.size()) {
      ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
      if (count <= 0)
        break;
      got.append(buffer.data(), static_cast<size_t>(count));
    }
  });
  CHECK(send_all(*this, ours, bytes) == bytes.size());
  reader.join();
  CHECK(got == bytes);
}

// A socket that has no room left.
static void fill(Fixture &fixture, int socket, Recorder &send, const std::string &bytes)
{
  do {
    send.results.clear();
    fixture.engine->send(socket, as_bytes(bytes), send);
    fixture.engine->run_once(0);
  } while (!send.is_in_flight());
}

TEST_CASE_FIXTURE(Fixture, "a send that finds no room can be cancelled, and ends when the peer has gone")
{
  std::string bytes(20'000'000, 'x');
  SUBCASE("cancelled")
  {
    auto [ours, peer] = connect_pair();
    Recorder send;
    fill(*this, ours, send, bytes);
    engine->cancel(send);
    REQUIRE(run_until([&] { return !send.is_in_flight(); }));
    CHECK(send.results.back().status == NtStatus::Cancelled);
  }
  SUBCASE("the peer has gone")
  {
    auto [ours, peer] = connect_pair();
    Recorder send;
    fill(*this, ours, send, bytes);
    os.set_reset_on_close(peer);
    drop(peer);
    REQUIRE(run_until([&] { return !send.is_in_flight(); }));
    CHECK(send.results.back().status == NtStatus::ConnectionAborted);
  }
}

TEST_CASE_FIXTURE(Fixture, "what the kernel refuses comes as a completion, not from the call")
{
  Recorder receive, send, poll;
  engine->receive_multishot(-1, receive);
  std::string bytes = "nobody's";
  engine->send(-1, as_bytes(bytes), send);
  engine->poll_multishot(-1, poll);
  CHECK(receive.results.empty());
  REQUIRE(run_until([&] { return !receive.is_in_flight() && !send.is_in_flight() && !poll.is_in_flight(); }));
  for (auto *each : {&receive, &send, &poll}) {
    REQUIRE(each->results.size() == 1);
    CHECK(each->results[0].status == NtStatus::InvalidHandle);
  }
}

TEST_CASE_FIXTURE(Fixture, "a poll reports every edge and the hang-up")
{
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  keep(ends[0]);
  Recorder poll;
  engine->poll_multishot(ends[0], poll);
  engine->run_once(os.now() + 20);
  CHECK(poll.results.empty());
  for (size_t i = 1; i <= 3; i++) {
    REQUIRE(::write(ends[1], "x", 1) == 1);
    REQUIRE(run_until([&] { return poll.results.size() == i; }));
    CHECK((poll.results.back().value & POLLIN));
    CHECK(poll.results.back().more);
    // Nothing was read, but no new edge: silence.
    engine->run_once(os.now() + 20);
    CHECK(poll.results.size() == i);
  }
  ::close(ends[1]);
  REQUIRE(run_until([&] { return !poll.results.empty() && (poll.results.back().value & POLLHUP); }));
  if (poll.is_in_flight()) {
    engine->cancel(poll);
    REQUIRE(run_until([&] { return !poll.is_in_flight(); }));
  }
}

TEST_CASE_FIXTURE(Fixture, "a poll that is for once ends with what it waits for, also when that is there already")
{
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  keep(ends[0]);
  Recorder poll;
  engine->poll_one(ends[0], poll);
  engine->run_once(os.now() + 20);
  CHECK(poll.results.empty());
  REQUIRE(::write(ends[1], "x", 1) == 1);
  for (size_t i = 1; i <= 2; i++) {
    REQUIRE(run_until([&] { return poll.results.size() == i; }));
    CHECK((poll.results.back().value & POLLIN));
    CHECK_FALSE(poll.is_in_flight());
    engine->poll_one(ends[0], poll);
  }
  REQUIRE(run_until([&] { return !poll.is_in_flight(); }));
  ::close(ends[1]);
}

TEST_CASE_FIXTURE(Fixture, "an operation may be cancelled before it was ever submitted, and twice")
{
  auto [ours, peer] = connect_pair();
  Recorder receive;
  engine->receive_multishot(ours, receive);
  engine->cancel(receive);
  engine->cancel(receive);
  REQUIRE(run_until([&] { return !receive.is_in_flight(); }));
  CHECK(receive.results.size() == 1);
  CHECK(receive.results[0].status == NtStatus::Cancelled);
}

TEST_CASE_FIXTURE(Fixture, "a cancellation never hits the next operation at the same address")
{
  auto [ours, peer] = connect_pair();
  for (int round = 0; round < 200; round++) {
    Recorder receive;
    engine->receive_multishot(ours, receive);
    write_all(peer, "x");
    // The first byte cancels; the end of that operation starts the next in its place at once.
    bool second = false;
    receive.then = [&](const Recorder::Entry &entry) {
      if (!second && entry.more && !entry.data.empty())
        engine->cancel(receive);
      if (!second && !entry.more) {
        second = true;
        receive.results.clear();
        engine->receive_multishot(ours, receive);
        write_all(peer, "y");
      }
    };
    REQUIRE(run_until([&] { return second && receive.data().find('y') != std::string::npos; }));
    CHECK(receive.is_in_flight());
    receive.then = nullptr;
    engine->cancel(receive);
    REQUIRE(run_until([&] { return !receive.is_in_flight(); }));
  }
}

TEST_CASE_FIXTURE(Fixture, "an owner may end its operation's life in its last completion")
{
  struct Mortal final : IoOperation {
    explicit Mortal(int &alive) : m_alive(alive) { m_alive++; }
    ~Mortal() { m_alive--; }
    void on_complete(const IoResult &result) override
    {
      if (!result.more)
        delete this;
    }
    int &m_alive;
  };
  int alive = 0;
  auto [ours, peer] = connect_pair();
  engine->receive_multishot(ours, *new Mortal(alive));
  write_all(peer, "some bytes");
  drop(peer);
  CHECK(run_until([&] { return alive == 0; }));
}

TEST_CASE("out of receive buffers an operation ends with InsufficientResources and goes on when it is asked again")
{
  Fixture fixture({.receive_buffers = 4, .receive_buffer_bytes = 1024});
  constexpr size_t kPairs = 8, kBytes = 200'000;
  std::vector<std::pair<int, int>> pairs;
  std::deque<Recorder> receives(kPairs);
  std::string part(kBytes, 'z');
  size_t starved = 0;
  for (auto &receive : receives) {
    pairs.push_back(fixture.connect_pair());
    write_all(pairs.back().second, part);
    int ours = pairs.back().first;
    receive.then = [&fixture, &receive, &starved, ours](const Recorder::Entry &entry) {
      if (entry.more)
        return;
      CHECK((entry.status == NtStatus::InsufficientResources || is_success(entry.status)));
      starved += entry.status == NtStatus::InsufficientResources;
      fixture.engine->receive_multishot(ours, receive);
    };
    fixture.engine->receive_multishot(ours, receive);
  }
  auto all_there = [&] {
    for (auto &receive : receives) {
      if (receive.data().size() != kBytes)
        return false;
    }
    return true;
  };
  CHECK(fixture.run_until(all_there, 20'000));
  CHECK(starved > 0);
  fixture.engine.reset(); // with operations in flight
}

TEST_CASE("more operations than the submission queue has entries")
{
  Fixture fixture({.submission_entries = 4});
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  fixture.keep(ends[0]);
  fixture.keep(ends[1]);
  std::deque<Recorder> polls(300);
  for (auto &poll : polls)
    fixture.engine->poll_multishot(ends[0], poll);
  REQUIRE(::write(ends[1], "x", 1) == 1);
  auto all = [&](auto condition) {
    return fixture.run_until([&] { return std::all_of(polls.begin(), polls.end(), condition); });
  };
  CHECK(all([](auto &poll) { return !poll.results.empty(); }));
  for (auto &poll : polls)
    fixture.engine->cancel(poll);
  CHECK(all([](auto &poll) { return !poll.is_in_flight(); }));
}

TEST_CASE("a completion queue that overflows loses nothing")
{
  Fixture fixture({.submission_entries = 4, .completion_entries = 8});
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  fixture.keep(ends[0]);
  fixture.keep(ends[1]);
  std::deque<Recorder> polls(300);
  for (auto &poll : polls)
    fixture.engine->poll_multishot(ends[0], poll);
  fixture.engine->run_once(0);
  REQUIRE(::write(ends[1], "x", 1) == 1);
  CHECK(fixture.run_until([&] { return std::all_of(polls.begin(), polls.end(), [](auto &poll) { return !poll.results.empty(); }); }));
  fixture.engine.reset();
}

TEST_CASE("what the network has brought is handled some in each turn, everything else at once")
{
  constexpr size_t kPairs = 10;
  Fixture fixture({.submission_entries = 4, .completion_entries = 64, .completions_per_turn = 3});
  std::deque<Recorder> receives(kPairs);
  std::vector<size_t> order;
  std::vector<int> peers;
  for (size_t i = 0; i < kPairs; i++) {
    auto [ours, peer] = fixture.connect_pair();
    peers.push_back(peer);
    receives[i].then = [&order, i](const Recorder::Entry &) { order.push_back(i); };
    fixture.engine->receive_multishot(ours, receives[i]);
  }
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  fixture.keep(ends[0]);
  fixture.keep(ends[1]);
  Recorder poll;
  fixture.engine->poll_multishot(ends[0], poll);
  fixture.engine->run_once(0);
  for (int peer : peers)
    write_all(peer, "first");
  REQUIRE(fixture.run_until([&] { return fixture.engine->has_left(); }));
  const size_t before = order.size();
  CHECK(before <= 3);
  CHECK(poll.results.empty());
  REQUIRE(::write(ends[1], "x", 1) == 1);
  write_all(peers[0], "second");
  fixture.engine->run_once(kNever);
  CHECK(poll.results.size() == 1);
  CHECK(order.size() == before + 3);
  while (fixture.engine->has_left()) {
    const size_t done = order.size();
    fixture.engine->run_once(kNever); // does not wait
    CHECK(order.size() > done);
    CHECK(order.size() <= done + 3);
  }
  CHECK(fixture.run_until([&] { return order.size() == kPairs + 1; }));
  CHECK(receives[0].data() == "firstsecond");
  for (size_t i = 1; i < kPairs; i++)
    CHECK(receives[i].data() == "first");
  for (int peer : peers)
    write_all(peer, "third");
  fixture.run_until([&] { return fixture.engine->has_left(); });
  fixture.engine.reset(); // with some left
}

TEST_CASE("of what is left, data, ends of receives and ends of sends take turns, and the end of a receive is behind its data")
{
  Fixture fixture({.submission_entries = 64, .completion_entries = 256, .receive_buffers = 8, .receive_buffer_bytes = 64,
                   .completions_per_turn = 3});
  constexpr size_t kSends = 6;
  Recorder receive, refused;
  std::deque<Recorder> sends(kSends);
  auto [ours, peer] = fixture.connect_pair();
  std::vector<int> senders;
  for (size_t i = 0; i < kSends; i++)
    senders.push_back(fixture.connect_pair().first);
  fixture.engine->receive_multishot(ours, receive);
  fixture.engine->run_once(0);
  write_all(peer, std::string(8 * 64, 'x')); // all buffers
  REQUIRE(::shutdown(peer, SHUT_WR) == 0);
  const std::string bytes = "y";
  for (size_t i = 0; i < kSends; i++)
    fixture.engine->send(senders[i], as_bytes(bytes), sends[i]);
  fixture.engine->receive_one(-1, refused);
  auto sent = [&] { return std::ranges::count_if(sends, [](const Recorder &each) { return !each.results.empty(); }); };
  fixture.engine->run_once(0);
  CHECK(receive.results.size() == 1);
  CHECK(sent() == 1);
  REQUIRE(refused.results.size() == 1);
  CHECK(refused.results[0].status == NtStatus::InvalidHandle);
  fixture.engine->run_once(0); // two kinds are left
  CHECK(receive.results.size() + static_cast<size_t>(sent()) == 5);
  CHECK(receive.results.size() >= 2);
  CHECK(sent() >= 2);
  CHECK(fixture.engine->has_left());
  REQUIRE(fixture.run_until([&] { return !receive.is_in_flight(); }));
  CHECK(receive.data().size() == 8 * 64);
}

TEST_CASE("a receive that is stopped while much of it is left brings what the buffers hold, and no more")
{
  constexpr size_t kBuffers = 16, kBytes = 64;
  Fixture fixture({.submission_entries = 64, .completion_entries = 256, .receive_buffers = kBuffers, .receive_buffer_bytes = kBytes,
                   .completions_per_turn = 1});
  Recorder receive;
  auto [ours, peer] = fixture.connect_pair();
  fixture.engine->receive_multishot(ours, receive);
  fixture.engine->run_once(0);
  receive.then = [&](const Recorder::Entry &entry) {
    if (entry.more)
      fixture.engine->cancel(receive);
  };
  write_all(peer, std::string(100 * kBuffers * kBytes, 'x'));
  REQUIRE(fixture.run_until([&] { return !receive.is_in_flight(); }));
  CHECK(receive.data().size() <= kBuffers * kBytes);
}

TEST_CASE_FIXTURE(Fixture, "run_once returns at its deadline, not before and not much later")
{
  CHECK(engine->run_once(0) == 0);
  for (Milliseconds wait : {1u, 10u, 50u}) {
    const auto begin = std::chrono::steady_clock::now();
    const Milliseconds deadline = os.now() + wait;
    CHECK(engine->run_once(deadline) == 0);
    CHECK(os.now() >= deadline);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(wait + 5000));
  }
  CHECK(engine->run_once(1) == 0); // long past
}

TEST_CASE_FIXTURE(Fixture, "wake ends a wait, the present or the next")
{
  SUBCASE("before the wait")
  {
    engine->wake();
    engine->run_once(kNever);
  }
  SUBCASE("during it")
  {
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      engine->wake();
    });
    engine->run_once(kNever);
    other.join();
  }
  SUBCASE("a run_once that does not wait leaves it to the next")
  {
    engine->wake();
    engine->run_once(0);
    engine->run_once(kNever);
  }
  // It does not come twice.
  const Milliseconds deadline = os.now() + 30;
  while (os.now() < deadline)
    engine->run_once(deadline);
  CHECK(true);
}

TEST_CASE_FIXTURE(Fixture, "no wake-up from another thread is lost")
{
  constexpr uint32_t kRounds = 20'000;
  std::atomic<uint32_t> published{0}, seen{0};
  std::thread other([&] {
    for (uint32_t i = 1; i <= kRounds; i++) {
      published.store(i);
      engine->wake();
      if (i % 3)
        continue;
      while (seen.load() != i)
        std::this_thread::yield();
    }
  });
  while (seen.load() != kRounds) {
    engine->run_once(kNever); // a lost one would hang here
    seen.store(published.load());
  }
  other.join();
  CHECK(seen.load() == kRounds);
}

TEST_CASE_FIXTURE(Fixture, "a wake-up at the very moment of falling asleep is not lost")
{
  constexpr uint32_t kRounds = 5000;
  std::atomic<uint32_t> began{0}, woken{0};
  std::thread other([&] {
    for (uint32_t i = 1; i <= kRounds; i++) {
      spin_until([&] { return began.load() >= i; });
      if (began.load() > kRounds)
        return;
      spin(i % 211);
      engine->wake();
      woken.store(i);
    }
  });
  uint32_t lost = 0;
  for (uint32_t i = 1; i <= kRounds && lost == 0; i++) {
    began.store(i);
    const Milliseconds begin = os.now();
    engine->run_once(begin + 10'000);
    lost += os.now() - begin >= 10'000;
    spin_until([&] { return woken.load() == i; });
  }
  began.store(kRounds + 1);
  other.join();
  CHECK(lost == 0);
}

TEST_CASE("wake works after an overflow has ended its poll")
{
  Fixture fixture({.submission_entries = 4, .completion_entries = 8});
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  fixture.keep(ends[0]);
  fixture.keep(ends[1]);
  std::deque<Recorder> polls(300);
  for (auto &poll : polls)
    fixture.engine->poll_multishot(ends[0], poll);
  fixture.engine->run_once(0);
  for (int round = 0; round < 10; round++) {
    std::atomic<bool> flooded{false};
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      CHECK(::write(ends[1], "x", 1) == 1);
      fixture.engine->wake(); // its completion comes behind 300 others
      flooded = true;
    });
    while (!flooded)
      fixture.engine->run_once(fixture.os.now() + 1000);
    other.join();
    while (fixture.engine->run_once(0) > 0)
      ;
    for (auto &poll : polls) {
      if (!poll.is_in_flight())
        fixture.engine->poll_multishot(ends[0], poll);
    }
    while (fixture.engine->run_once(fixture.os.now() + 5) > 0)
      ;
    std::thread waker([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      fixture.engine->wake();
    });
    const Milliseconds begin = fixture.os.now();
    fixture.engine->run_once(begin + 10'000);
    CHECK(fixture.os.now() - begin < 10'000);
    waker.join();
  }
  fixture.engine.reset();
}

TEST_CASE_FIXTURE(Fixture, "a kick eventfd that its client has filled does no harm")
{
  int event = keep(MUST(os.create_event()));
  Recorder poll;
  engine->poll_multishot(event, poll);
  uint64_t most = UINT64_MAX - 1;
  REQUIRE(::write(event, &most, sizeof most) == sizeof most);
  REQUIRE(run_until([&] { return !poll.results.empty(); }));
  const size_t before = poll.results.size();
  uint64_t one = 1;
  CHECK(::write(event, &one, sizeof one) == -1);
  engine->run_once(os.now() + 20);
  // Filled or not, it is one edge, and the engine goes on.
  CHECK(poll.results.size() == before);
  uint64_t count = 0;
  REQUIRE(::read(event, &count, sizeof count) == sizeof count);
  REQUIRE(::write(event, &one, sizeof one) == sizeof one);
  CHECK(run_until([&] { return poll.results.size() > before; }));
  engine->cancel(poll);
  REQUIRE(run_until([&] { return !poll.is_in_flight(); }));
}

TEST_CASE("an engine's ring takes no other operation, from nobody")
{
  std::string reason;
  REQUIRE_MESSAGE(try_restricted_ring(reason), reason);
  CHECK(uring_operations() == 5);
  auto engine = make_uring_engine({.submission_entries = 16, .completion_entries = 64, .receive_buffers = 2}, reason);
  REQUIRE_MESSAGE(engine, reason);
  int ring = -1;
  for (auto &entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry.path(), error) == "anon_inode:[io_uring]")
      ring = std::stoi(entry.path().filename());
  }
  REQUIRE(ring >= 0);
  // Only an enabled ring with limits of its own says EACCES.
  int files[] = {-1};
  CHECK(syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, files, 1) == -1);
  CHECK(errno == EACCES);
}
