// SPDX-License-Identifier: GPL-3.0-or-later
// The ring's client side by itself: credit, slots, blocks, doorbells, death, with a daemon that watches the rules.
#include "tests/unit/lib/fake_daemon.h"
#include "lib/client_session.h"
#include "uapi/response.h"
#include <atomic>
#include <cstring>
#include <doctest/doctest.h>
#include <poll.h>

using namespace httpsys::lib;

namespace {

struct TestOperation final : ChannelOperation {
  explicit TestOperation(hsys_op op, uint64_t handle = 0)
  {
    entry.op = static_cast<uint8_t>(op);
    entry.handle = handle;
  }
  void on_completion(const Completion &completion) override
  {
    status = completion.status;
    information = completion.information;
    object_id = completion.object_id;
    aux = completion.aux;
    output.assign(reinterpret_cast<const char *>(completion.output.data()), completion.output.size());
    reason = completion.reason;
    if (on_complete)
      on_complete();
    completions++; // last: the test may end the operation now
  }
  uint32_t status = 0;
  uint64_t information = 0, object_id = 0, aux = 0;
  std::string output, reason;
  std::atomic<int> completions{0};
  std::function<void()> on_complete;
};

Ref<ClientSession> connect(FakeDaemon &daemon)
{
  setenv("HTTPSYS_SOCKET", daemon.path().c_str(), 1);
  uint32_t code = 0;
  ErrorText why;
  Ref<ClientSession> session = ClientSession::connect(code, why);
  INFO(why.c_str());
  REQUIRE(session);
  return session;
}

// Declared after a test's operations, so that the session forgets them first.
struct End {
  explicit End(Ref<ClientSession> &session) : m_session(session) {}
  ~End() { m_session->channel().fail("the test is over"); }
  Ref<ClientSession> m_session;
};

// As a leader does.
void wait_until(ClientChannel &channel, const std::function<bool()> &is_done)
{
  bool rang = false;
  for (auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20); std::chrono::steady_clock::now() < end;) {
    channel.reap(rang, true);
    if (is_done())
      return;
    rang = false;
    if (!channel.arm())
      continue;
    pollfd entry{channel.bell(), POLLIN, 0};
    rang = poll(&entry, 1, 100) == 1;
    if (!rang && channel.reap(false, true))
      CHECK_MESSAGE(poll(&entry, 1, 0) == 1, "a completion without a bell");
  }
  FAIL("no end of completions");
}

using Patience = ClientChannel::Patience;
using Submitted = ClientChannel::Submitted;

}

TEST_CASE("an operation goes through the ring and comes back once")
{
  FakeDaemon daemon;
  daemon.answer(HSYS_OP_RECEIVE_REQUEST, {.information = 848, .object_id = 5, .aux = 9, .output = "image"});
  auto session = connect(daemon);
  TestOperation operation(HSYS_OP_RECEIVE_REQUEST, 3);
  operation.entry.out_length = 4096;
  End end(session);
  REQUIRE(session->channel().submit(operation, Patience::Refuse) == Submitted::Yes);
  wait_until(session->channel(), [&] { return operation.completions.load(); });
  CHECK(operation.status == 0);
  CHECK(operation.information == 848);
  CHECK(operation.object_id == 5);
  CHECK(operation.aux == 9);
  CHECK(operation.output == "image");
  CHECK(operation.reason == "");
  CHECK(session->channel().operations_in_flight() == 0);
  CHECK(daemon.cq_head() == 1);
  CHECK(daemon.blocks_lent() == 0);
  CHECK(daemon.violations().empty());
}

TEST_CASE("each completion counts as received before its caller can see it, and those behind it do not yet")
{
  FakeDaemon daemon;
  auto session = connect(daemon);
  std::deque<TestOperation> operations;
  End end(session);
  std::vector<uint32_t> heads;
  for (size_t i = 0; i < 5; i++) {
    TestOperation &operation = operations.emplace_back(HSYS_OP_RECEIVE_REQUEST, 3);
    operation.on_complete = [&] { heads.push_back(daemon.cq_head()); };
    REQUIRE(session->channel().submit(operation, Patience::Refuse) == Submitted::Yes);
    daemon.wait_parked(HSYS_OP_RECEIVE_REQUEST, i);
  }
  for (TestOperation &operation : operations)
    daemon.complete(operation.entry.irp_id, {.output = "image"});
  REQUIRE(daemon.wait_for([&] { return daemon.cq_tail() == 5; }));
  wait_until(session->channel(), [&] { return heads.size() == 5; });
  CHECK(heads == std::vector<uint32_t>{1, 2, 3, 4, 5});
  CHECK(daemon.blocks_lent() == 0);
  CHECK(daemon.violations() == std::vector<std::string>());
}

TEST_CASE("a reason text is no output")
{
  FakeDaemon daemon;
  daemon.answer(HSYS_OP_RECEIVE_CERTIFICATE, {.status = HSYS_STATUS_NOT_FOUND, .reason = "sent an empty certificate"});
  auto session = connect(daemon);
  TestOperation operation(HSYS_OP_RECEIVE_CERTIFICATE, 3);
  End end(session);
  REQUIRE(session->channel().submit(operation, Patience::Refuse) == Submitted::Yes);
  wait_until(session->channel(), [&] { return operation.completions.load(); });
  CHECK(operation.status == static_cast<uint32_t>(HSYS_STATUS_NOT_FOUND));
  CHECK(operation.output == "");
  CHECK(operation.reason == "sent an empty certificate");
}

TEST_CASE("ten thousand operations through 256 entries, slots and blocks used again and again")
{
  FakeDaemon daemon({.cq_entries = 256});
  daemon.answer(HSYS_OP_RECEIVE_REQUEST, {.output = std::string(3000, 'x')});
  auto session = connect(daemon);
  std::deque<TestOperation> operations;
  End end(session);
  int completed = 0, refused = 0;
  for (int i = 0; i < 10000; i++) {
    TestOperation &operation = operations.emplace_back(HSYS_OP_RECEIVE_REQUEST, 3);
    operation.on_complete = [&] { completed++; };
    while (session->channel().submit(operation, Patience::Refuse) != Submitted::Yes) {
      refused++;
      int before = completed;
      wait_until(session->channel(), [&] { return completed > before; });
    }
  }
  wait_until(session->channel(), [&] { return completed == 10000; });
  for (TestOperation &operation : operations)
    REQUIRE(operation.completions == 1);
  CHECK(session->channel().operations_in_flight() == 0);
  CHECK(daemon.blocks_lent() == 0);
  CHECK(daemon.violations() == std::vector<std::string>());
}

TEST_CASE("parked operations take all the credit but the reserve")
{
  FakeDaemon daemon({.cq_entries = 256});
  auto session = connect(daemon);
  std::deque<TestOperation> parked;
  End end(session);
  constexpr size_t kMost = 256 - HSYS_CQ_RESERVE;
  for (size_t i = 0; i < kMost; i++)
    REQUIRE(session->channel().submit(parked.emplace_back(HSYS_OP_WAIT_DISCONNECT, 3), Patience::Refuse) == Submitted::Yes);
  daemon.wait_parked(HSYS_OP_WAIT_DISCONNECT, kMost - 1);
  TestOperation refused(HSYS_OP_RECEIVE_REQUEST, 3);
  End end_of_refused(session);
  CHECK(session->channel().submit(refused, Patience::Refuse) == Submitted::NoCredit);

  SUBCASE("a SEND, a CANCEL and a CLOSE_HANDLE go through")
  {
    daemon.answer(HSYS_OP_SEND_BODY, {.information = 1});
    ArenaExtent block = session->channel().send_arena().allocate(64);
    TestOperation send(HSYS_OP_SEND_BODY, 3);
    hsys_send_body body{.size = sizeof(hsys_send_body), .version = 1, .flags = 0, .extent_count = 0, .extent_offset = 24, .reserved0 = 0};
    memcpy(session->channel().send_bytes(block), &body, sizeof body);
    send.entry.in_offset = block.offset;
    send.entry.in_length = sizeof body;
    REQUIRE(session->channel().submit(send, Patience::Refuse) == Submitted::Yes);
    wait_until(session->channel(), [&] { return send.completions.load(); });
    REQUIRE(session->channel().cancel(parked[7]) == false);
    wait_until(session->channel(), [&] { return parked[7].completions.load(); });
    CHECK(parked[7].status == static_cast<uint32_t>(HSYS_STATUS_CANCELLED));
    TestOperation close(HSYS_OP_CLOSE_HANDLE, 3);
    REQUIRE(session->channel().submit(close, Patience::Wait) == Submitted::Yes);
    wait_until(session->channel(), [&] { return close.completions.load(); });
    for (TestOperation &operation : parked)
      CHECK(operation.completions == 1);
  }
  SUBCASE("a patient operation waits for credit and gets it")
  {
    TestOperation patient(HSYS_OP_RECEIVE_REQUEST, 4);
    End end_of_patient(session);
    REQUIRE(session->channel().submit(patient, Patience::Wait) == Submitted::Yes);
    session->channel().reap(false, true);
    CHECK(daemon.parked(HSYS_OP_RECEIVE_REQUEST) == 0);
    daemon.complete(parked[3].entry.irp_id, {});
    wait_until(session->channel(), [&] { return parked[3].completions.load(); });
    uint32_t irp_id = daemon.wait_parked(HSYS_OP_RECEIVE_REQUEST).entry.irp_id;
    daemon.complete(irp_id, {.information = 4});
    wait_until(session->channel(), [&] { return patient.completions.load(); });
    CHECK(patient.information == 4);
  }
  SUBCASE("a patient operation that waits is taken back by cancel")
  {
    TestOperation patient(HSYS_OP_RECEIVE_REQUEST, 4);
    End end_of_patient(session);
    REQUIRE(session->channel().submit(patient, Patience::Wait) == Submitted::Yes);
    CHECK(session->channel().cancel(patient));
    CHECK(patient.completions == 0);
    CHECK(daemon.seen(HSYS_OP_CANCEL) == 0);
  }
  SUBCASE("a freed slot is there for the next call at once")
  {
    daemon.complete(parked[0].entry.irp_id, {});
    REQUIRE(daemon.wait_for([&] { return daemon.cq_tail() == 1; }));
    CHECK(session->channel().submit(refused, Patience::Refuse) == Submitted::Yes);
    CHECK(parked[0].completions == 1);
  }
  CHECK(daemon.violations() == std::vector<std::string>());
}

TEST_CASE("operations that wait for space in the submission ring have their credit already")
{
  FakeDaemon daemon({.sq_entries = 8, .cq_entries = 256, .is_lazy = true});
  auto session = connect(daemon);
  std::deque<TestOperation> operations;
  End end(session);
  for (size_t i = 0; i < 256 - HSYS_CQ_RESERVE; i++)
    REQUIRE(session->channel().submit(operations.emplace_back(HSYS_OP_WAIT_DISCONNECT, 3), Patience::Refuse) == Submitted::Yes);
  TestOperation refused(HSYS_OP_WAIT_DISCONNECT, 3), patient(HSYS_OP_WAIT_DISCONNECT, 3), close(HSYS_OP_CLOSE_HANDLE, 4);
  End end_of_others(session);
  CHECK(session->channel().submit(refused, Patience::Refuse) == Submitted::NoCredit);
  CHECK(session->channel().submit(patient, Patience::Wait) == Submitted::Yes);
  CHECK(session->channel().cancel(operations.back()));
  CHECK(session->channel().submit(refused, Patience::Refuse) == Submitted::Yes);
  CHECK(session->channel().submit(operations.emplace_back(HSYS_OP_WAIT_DISCONNECT, 3), Patience::Refuse) == Submitted::NoCredit);
  CHECK(session->channel().submit(close, Patience::Refuse) == Submitted::Yes);
  daemon.resume();
  wait_until(session->channel(), [&] { return close.completions == 1; });
  CHECK(daemon.violations() == std::vector<std::string>());
}

TEST_CASE("a full submission ring makes operations wait, in order, until the daemon consumes")
{
  FakeDaemon daemon({.sq_entries = 8, .is_lazy = true});
  auto session = connect(daemon);
  std::deque<TestOperation> operations;
  End end(session);
  for (uint64_t i = 0; i < 100; i++) {
    TestOperation &operation = operations.emplace_back(HSYS_OP_WAIT_DISCONNECT, 3);
    operation.entry.object_id = i;
    REQUIRE(session->channel().submit(operation, Patience::Refuse) == Submitted::Yes);
  }
  CHECK(daemon.seen(HSYS_OP_WAIT_DISCONNECT) == 0);
  CHECK(session->channel().cancel(operations[99]));
  daemon.resume();
  TestOperation last(HSYS_OP_NOP);
  REQUIRE(session->channel().submit(last, Patience::Wait) == Submitted::Yes);
  wait_until(session->channel(), [&] { return last.completions.load(); });
  REQUIRE(daemon.parked(HSYS_OP_WAIT_DISCONNECT) == 99);
  for (uint64_t i = 0; i < 99; i++)
    CHECK(daemon.wait_parked(HSYS_OP_WAIT_DISCONNECT, i).entry.object_id == i);
  CHECK(daemon.violations() == std::vector<std::string>());
}

TEST_CASE("when no block is free completions wait for those that come back")
{
  FakeDaemon daemon({.ret_entries = 8, .rx_bytes = 4 * HSYS_BLOCK_MIN * 2});
  daemon.answer(HSYS_OP_RECEIVE_BODY, {.output = std::string(4096, 'b')});
  auto session = connect(daemon);
  std::deque<TestOperation> operations;
  End end(session);
  int completed = 0;
  for (int i = 0; i < 64; i++) {
    TestOperation &operation = operations.emplace_back(HSYS_OP_RECEIVE_BODY, 3);
    operation.on_complete = [&] { completed++; };
    REQUIRE(session->channel().submit(operation, Patience::Refuse) == Submitted::Yes);
  }
  wait_until(session->channel(), [&] { return completed == 64; });
  CHECK(daemon.blocks_lent() == 0);
  CHECK(daemon.violations() == std::vector<std::string>());
}

TEST_CASE("death completes everything with CANCELLED and a reason, and nothing can be submitted after it")
{
  FakeDaemon daemon;
  auto session = connect(daemon);
  std::deque<TestOperation> parked;
  End end(session);
  for (int i = 0; i < 500; i++)
    REQUIRE(session->channel().submit(parked.emplace_back(HSYS_OP_WAIT_DISCONNECT, 3), Patience::Refuse) == Submitted::Yes);
  wait_until(session->channel(), [&] { return daemon.parked(HSYS_OP_WAIT_DISCONNECT) == 500; });
  std::string why = "httpsysd is gone";
  SUBCASE("killed") { daemon.kill(); }
  SUBCASE("revoked")
  {
    why = "revocation " + std::to_string(HSYS_REVOKED_BLOCK);
    daemon.revoke(HSYS_REVOKED_BLOCK);
  }
  SUBCASE("a completion of an operation that nobody started")
  {
    why = "did not start";
    daemon.publish_nonsense();
  }
  SUBCASE("a tail that is further ahead than the ring is long")
  {
    why = "did not start";
    daemon.publish_tail(1u << 20);
  }
  wait_until(session->channel(), [&] { return session->is_dead(); });
  for (TestOperation &operation : parked) {
    CHECK(operation.completions == 1);
    CHECK(operation.status == static_cast<uint32_t>(HSYS_STATUS_CANCELLED));
    CHECK(operation.reason.find("httpsysd") != std::string::npos);
    CHECK(operation.reason.find(why) != std::string::npos);
  }
  TestOperation late(HSYS_OP_NOP);
  CHECK(session->channel().submit(late, Patience::Wait) == Submitted::Dead);
  CHECK(session->channel().submit(late, Patience::Refuse) == Submitted::Dead);
  CHECK(session->channel().arm());
  CHECK(session->channel().death_reason() != "");
}

TEST_CASE("what was published before death is received")
{
  FakeDaemon daemon;
  auto session = connect(daemon);
  TestOperation operation(HSYS_OP_RECEIVE_BODY, 3);
  REQUIRE(session->channel().submit(operation, Patience::Refuse) == Submitted::Yes);
  daemon.complete(daemon.wait_parked(HSYS_OP_RECEIVE_BODY).entry.irp_id, {.information = 5, .output = "bytes"});
  REQUIRE(daemon.wait_for([&] { return daemon.cq_tail() == 1; }));
  daemon.kill();
  wait_until(session->channel(), [&] { return session->is_dead(); });
  CHECK(operation.status == 0);
  CHECK(operation.output == "bytes");
}

TEST_CASE("a session that has ended shows no request any more: it may be another worker's")
{
  for (hsys_channel_state state : {HSYS_CHANNEL_REVOKED, HSYS_CHANNEL_ENDED}) {
    for (int status : {HSYS_STATUS_SUCCESS, HSYS_STATUS_BUFFER_OVERFLOW}) {
      CAPTURE(state);
      CAPTURE(status);
      FakeDaemon daemon;
      auto session = connect(daemon);
      TestOperation receive(HSYS_OP_RECEIVE_REQUEST, 3), read(HSYS_OP_RECEIVE_BODY, 3);
      REQUIRE(session->channel().submit(receive, Patience::Refuse) == Submitted::Yes);
      REQUIRE(session->channel().submit(read, Patience::Refuse) == Submitted::Yes);
      daemon.wait_parked(HSYS_OP_RECEIVE_REQUEST);
      daemon.wait_parked(HSYS_OP_RECEIVE_BODY);
      daemon.complete(receive.entry.irp_id, {.status = status, .information = 5, .object_id = 7, .output = "image"});
      daemon.complete(read.entry.irp_id, {.information = 5, .output = "bytes"});
      REQUIRE(daemon.wait_for([&] { return daemon.cq_tail() == 2; }));
      daemon.revoke(HSYS_REVOKED_BLOCK, state);
      CHECK_FALSE(daemon.has_client());
      wait_until(session->channel(), [&] { return session->is_dead(); });
      CHECK(receive.completions == 1);
      CHECK(receive.status == static_cast<uint32_t>(HSYS_STATUS_CANCELLED));
      CHECK(receive.output == "");
      CHECK(receive.object_id == 0);
      CHECK(receive.reason != "");
      CHECK(read.status == 0);
      CHECK(read.output == "bytes");
    }
  }
}

TEST_CASE("a client that only calls sees the daemon's death too")
{
  FakeDaemon daemon;
  auto session = connect(daemon);
  daemon.kill();
  for (int i = 0; i < 60000 && !session->is_dead(); i++) {
    session->channel().reap(false, false);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(session->is_dead());
}

TEST_CASE("a bell for nothing harms nothing")
{
  FakeDaemon daemon;
  auto session = connect(daemon);
  for (int i = 0; i < 100; i++)
    daemon.ring();
  TestOperation operation(HSYS_OP_NOP);
  End end(session);
  REQUIRE(session->channel().submit(operation, Patience::Refuse) == Submitted::Yes);
  wait_until(session->channel(), [&] { return operation.completions.load(); });
  CHECK_FALSE(session->is_dead());
}

TEST_CASE("a completion may submit the next operation")
{
  FakeDaemon daemon;
  auto session = connect(daemon);
  TestOperation second(HSYS_OP_NOP);
  TestOperation first(HSYS_OP_NOP);
  first.on_complete = [&] { CHECK(session->channel().submit(second, Patience::Wait) == Submitted::Yes); };
  REQUIRE(session->channel().submit(first, Patience::Refuse) == Submitted::Yes);
  wait_until(session->channel(), [&] { return second.completions.load(); });
  CHECK(second.completions == 1);
}

TEST_CASE("an operation that was cancelled before it is submitted, or between two times, is not submitted")
{
  FakeDaemon daemon;
  auto session = connect(daemon);
  TestOperation operation(HSYS_OP_NOP);
  REQUIRE(session->channel().submit(operation, Patience::Refuse) == Submitted::Yes);
  wait_until(session->channel(), [&] { return operation.completions == 1; });
  REQUIRE(session->channel().submit(operation, Patience::Refuse) == Submitted::Yes);
  wait_until(session->channel(), [&] { return operation.completions == 2; });
  CHECK_FALSE(session->channel().cancel(operation));
  CHECK(session->channel().submit(operation, Patience::Wait) == Submitted::Cancelled);
  CHECK(session->channel().submit(operation, Patience::Refuse) == Submitted::Cancelled);
  CHECK(daemon.seen(HSYS_OP_CANCEL) == 0);
}

TEST_CASE("many threads submit, reap and cancel at once")
{
  FakeDaemon daemon({.sq_entries = 16, .cq_entries = 256});
  daemon.answer(HSYS_OP_RECEIVE_BODY, {.output = std::string(100, 'b')});
  auto session = connect(daemon);
  std::vector<std::thread> threads;
  std::atomic<int> total{0};
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; i++) {
        std::mutex mutex; // the lock that on_completion() takes first
        TestOperation operation(t == 3 ? HSYS_OP_RECEIVE_REQUEST : HSYS_OP_RECEIVE_BODY, 3);
        operation.on_complete = [&] {
          std::lock_guard lock(mutex);
          total++;
        };
        if (session->channel().submit(operation, i % 2 ? Patience::Wait : Patience::Refuse) != Submitted::Yes)
          continue;
        bool is_mine = false;
        if (t == 3) {
          std::lock_guard lock(mutex);
          if (operation.completions == 0)
            is_mine = session->channel().cancel(operation);
        }
        while (!is_mine && operation.completions == 0) {
          session->channel().reap(false, false);
          std::this_thread::yield();
        }
      }
    });
  }
  for (std::thread &thread : threads)
    thread.join();
  CHECK(total <= 2000);
  CHECK(total >= 1500);
  CHECK(daemon.violations() == std::vector<std::string>());
}
