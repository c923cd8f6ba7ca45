// SPDX-License-Identifier: GPL-3.0-or-later
// Operations that wait: cancellation wherever they are, blocks and their shortage, closing handles, the end of a process.
#include "tests/abi/ring_fixture.h"
#include "uapi/ring_inline.h"
#include <algorithm>
#include <csignal>
#include <cstring>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

static const uint32_t kSuccess = HSYS_STATUS_SUCCESS;
static const uint32_t kCancelled = static_cast<uint32_t>(HSYS_STATUS_CANCELLED);
static const uint32_t kNotFound = static_cast<uint32_t>(HSYS_STATUS_NOT_FOUND);
static constexpr uint64_t kTravels = 256, kTravelsUnparked = 257;

static void cancel_and_check(Client &client, uint32_t target)
{
  uint32_t cancel = client.submit(operation(HSYS_OP_CANCEL, 0, target));
  std::set<uint32_t> ids;
  for (int count = 0; count < 2; count++) {
    auto completion = client.next();
    ids.insert(completion.irp_id);
    CHECK(completion.status == (completion.irp_id == target ? kCancelled : kSuccess));
  }
  CHECK(ids == std::set<uint32_t>{target, cancel});
}

TEST_CASE("CANCEL ends an operation wherever it is parked")
{
  DaemonProcess daemon;
  Client client(daemon);
  uint64_t queue = client.open_queue();
  for (uint64_t core = 1; core <= DaemonProcess::cores(); core++)
    for (int count = 0; count < 100; count++)
      cancel_and_check(client, client.submit(operation(HSYS_OP_WAIT_DISCONNECT, queue, core)));
  ControlClient control(daemon);
  CHECK(control.reported("cancelled") == 100 * DaemonProcess::cores());
}

TEST_CASE("CANCEL ends an operation that is on its way between cores")
{
  DaemonProcess daemon;
  Client client(daemon);
  uint64_t queue = client.open_queue();
  for (int count = 0; count < (kIsSanitized ? 300 : 3000); count++) {
    uint32_t target = client.submit(operation(HSYS_OP_WAIT_DISCONNECT, queue, kTravels));
    if (count % 3 == 0)
      usleep(static_cast<useconds_t>(count % 50));
    cancel_and_check(client, target);
  }
  CHECK(client.is_silent());
}

TEST_CASE("CANCEL of an operation that does not wait leaves it alone")
{
  DaemonProcess daemon;
  Client client(daemon);
  uint64_t queue = client.open_queue();
  uint32_t target = client.submit(operation(HSYS_OP_WAIT_DISCONNECT, queue, kTravelsUnparked));
  uint32_t cancel = client.submit(operation(HSYS_OP_CANCEL, 0, target));
  client.expect(cancel, HSYS_STATUS_SUCCESS);
  client.expect(target, HSYS_STATUS_SUCCESS);
}

TEST_CASE("CANCEL of what is not there")
{
  DaemonProcess daemon;
  Client client(daemon);
  uint64_t queue = client.open_queue();
  uint32_t waiting = client.submit(operation(HSYS_OP_RECEIVE_REQUEST, queue));
  uint32_t done = client.submit(operation(HSYS_OP_NOP));
  client.expect(done, HSYS_STATUS_SUCCESS);
  CHECK(client.call(operation(HSYS_OP_CANCEL, 0, done)).status == kNotFound);
  CHECK(client.call(operation(HSYS_OP_CANCEL, 0, waiting + (1u << 16))).status == kNotFound); // another sequence
  CHECK(client.call(operation(HSYS_OP_CANCEL, 0, HSYS_IRP_ID(0xffff, 0xffff))).status == kNotFound);
  hsys_sqe itself = operation(HSYS_OP_CANCEL);
  itself.irp_id = HSYS_IRP_ID(client.next_slot, client.next_sequence);
  itself.object_id = itself.irp_id;
  CHECK(client.call(itself).status == kNotFound);
  auto wide = client.call(operation(HSYS_OP_CANCEL, 0, waiting | uint64_t{1} << 32));
  CHECK(wide.status == static_cast<uint32_t>(HSYS_STATUS_INVALID_PARAMETER));
  cancel_and_check(client, waiting);
}

TEST_CASE("closing a handle cancels what waits on it, and nothing else, before it completes")
{
  DaemonProcess daemon;
  Client client(daemon);
  uint64_t first = client.open_queue(), second = client.open_queue();
  std::set<uint32_t> waiting;
  uint64_t cores = DaemonProcess::cores();
  for (uint64_t count = 0; count < 40; count++) {
    waiting.insert(client.submit(operation(HSYS_OP_RECEIVE_REQUEST, first)));
    waiting.insert(client.submit(operation(HSYS_OP_WAIT_DISCONNECT, first, 1 + count % cores)));
  }
  uint32_t other = client.submit(operation(HSYS_OP_RECEIVE_REQUEST, second));
  CHECK(client.is_silent());
  uint32_t close = client.submit(operation(HSYS_OP_CLOSE_HANDLE, first));
  while (!waiting.empty()) {
    auto completion = client.next();
    CHECK(completion.status == kCancelled);
    if (waiting.erase(completion.irp_id) != 1)
      FAIL("operation ", completion.irp_id, " completed before all of the handle's were");
  }
  client.expect(close, HSYS_STATUS_SUCCESS);
  ControlClient control(daemon);
  CHECK(control.reported("handles closed") == 1);
  CHECK(client.call(operation(HSYS_OP_CLOSE_HANDLE, first)).status == static_cast<uint32_t>(HSYS_STATUS_INVALID_HANDLE));
  CHECK(client.call(operation(HSYS_OP_RECEIVE_REQUEST, first)).status == static_cast<uint32_t>(HSYS_STATUS_INVALID_HANDLE));
  cancel_and_check(client, other);
}

TEST_CASE("closing a handle reaches operations on their way between cores")
{
  DaemonProcess daemon;
  Client client(daemon);
  for (int round = 0; round < 50; round++) {
    uint64_t queue = client.open_queue();
    std::set<uint32_t> waiting;
    for (uint64_t count = 0; count < 10; count++)
      waiting.insert(client.submit(operation(HSYS_OP_WAIT_DISCONNECT, queue, kTravels)));
    waiting.insert(client.submit(operation(HSYS_OP_CLOSE_HANDLE, queue)));
    while (!waiting.empty())
      REQUIRE(waiting.erase(client.next().irp_id) == 1);
  }
}

TEST_CASE("SHUTDOWN cancels the kinds of operation that it means")
{
  DaemonProcess daemon;
  Client client(daemon);
  uint64_t queue = client.open_queue();
  uint32_t receive = client.submit(operation(HSYS_OP_RECEIVE_REQUEST, queue));
  uint32_t wait = client.submit(operation(HSYS_OP_WAIT_DISCONNECT, queue, 1));
  CHECK(client.is_silent());
  uint32_t shutdown = client.submit(operation(HSYS_OP_SHUTDOWN_REQUEST_QUEUE, queue));
  std::set<uint32_t> ids;
  for (int count = 0; count < 2; count++)
    ids.insert(client.next().irp_id);
  CHECK(ids == std::set<uint32_t>{receive, shutdown});
  CHECK(client.is_silent());
  cancel_and_check(client, wait);
}

TEST_CASE("a session has a limited number of handles")
{
  DaemonProcess daemon;
  Client client(daemon);
  std::vector<uint64_t> handles;
  hsys_cqe completion{};
  for (;;) {
    hsys_sqe entry = operation(HSYS_OP_CREATE_REQUEST_QUEUE);
    entry.in_length = sizeof(hsys_queue_name);
    completion = client.call(entry);
    if (completion.status != HSYS_STATUS_SUCCESS || handles.size() > 100000)
      break;
    handles.push_back(completion.object_id);
  }
  CHECK(handles.size() == 1024);
  CHECK(completion.status == static_cast<uint32_t>(HSYS_STATUS_INSUFFICIENT_RESOURCES));
  CHECK_FALSE(client.reason(completion).empty());
  CHECK(client.call(operation(HSYS_OP_CLOSE_HANDLE, handles[500])).status == HSYS_STATUS_SUCCESS);
  client.open_queue();
}

static hsys_sqe read_body(uint64_t queue, uint32_t length, uint8_t byte = 'x')
{
  hsys_sqe entry = operation(HSYS_OP_RECEIVE_BODY, queue, byte);
  entry.out_length = length;
  return entry;
}

TEST_CASE("a block has exactly the output, and zeros behind it")
{
  DaemonProcess daemon;
  Client client(daemon);
  uint64_t queue = client.open_queue();
  // Dirty the arena first.
  for (int count = 0; count < 8; count++)
    client.output(client.call(read_body(queue, HSYS_BLOCK_MAX, 0xff)));
  for (uint32_t length : {1u, 2047u, 2048u, 2049u, 5000u, HSYS_BLOCK_MAX - 1, HSYS_BLOCK_MAX}) {
    CAPTURE(length);
    auto completion = client.call(read_body(queue, length, 'a'));
    CHECK(completion.information == length);
    REQUIRE(completion.out_length == length);
    const uint8_t *bytes = ring_block(&client, &completion);
    CHECK(std::all_of(bytes, bytes + length, [](uint8_t byte) { return byte == 'a'; }));
    uint32_t end = (length + HSYS_BLOCK_MIN - 1) / HSYS_BLOCK_MIN * HSYS_BLOCK_MIN;
    CHECK(std::all_of(bytes + length, bytes + end, [](uint8_t byte) { return byte == 0; }));
    ring_return(&client, completion.block);
  }
  auto empty = client.call(read_body(queue, 0));
  CHECK(empty.flags == 0);
  CHECK(empty.out_length == 0);
}

TEST_CASE("without a free block a completion waits, in order, and operations without output go on")
{
  DaemonProcess daemon;
  Client client(daemon, 0, 0, HSYS_ARENA_BYTES_MIN);
  uint64_t queue = client.open_queue();
  std::vector<hsys_cqe> held;
  for (uint32_t count = 0; count < HSYS_ARENA_BYTES_MIN / HSYS_BLOCK_MAX; count++)
    held.push_back(client.call(read_body(queue, HSYS_BLOCK_MAX)));
  uint32_t large = client.submit(read_body(queue, HSYS_BLOCK_MAX, 'l'));
  uint32_t small = client.submit(read_body(queue, 1, 's'));
  CHECK(client.is_silent());
  client.expect(client.submit(operation(HSYS_OP_NOP)), HSYS_STATUS_SUCCESS);
  // A refusal does not wait for a block to tell its reason in.
  hsys_sqe wrong = operation(HSYS_OP_NOP);
  wrong.op_flags = 1;
  auto refused = client.call(wrong);
  CHECK(refused.status == static_cast<uint32_t>(HSYS_STATUS_INVALID_PARAMETER));
  CHECK(refused.flags == 0);
  // It waits long enough for the channel to have gone cold: returning a block must wake it.
  ring_return(&client, held[0].block);
  auto completion = client.expect(large, HSYS_STATUS_SUCCESS);
  CHECK(ring_block(&client, &completion)[0] == 'l');
  CHECK(client.is_silent());
  ring_return(&client, held[1].block);
  completion = client.expect(small, HSYS_STATUS_SUCCESS);
  CHECK(ring_block(&client, &completion)[0] == 's');
}

TEST_CASE("no wake-up is lost while completions wait for blocks")
{
  DaemonProcess daemon;
  Client client(daemon, 0, 0, HSYS_ARENA_BYTES_MIN);
  uint64_t queue = client.open_queue();
  const uint32_t rounds = kIsSanitized ? 2000 : 20000;
  uint32_t submitted = 0, completed = 0;
  std::vector<uint32_t> held;
  while (completed < rounds) {
    while (submitted < rounds && submitted - completed < 12) {
      client.submit(read_body(queue, HSYS_BLOCK_MAX - 100, static_cast<uint8_t>(submitted)));
      submitted++;
    }
    auto completion = client.next();
    REQUIRE(ring_block(&client, &completion)[HSYS_BLOCK_MAX - 101] == static_cast<uint8_t>(completed));
    completed++;
    held.push_back(completion.block);
    // Handed back late, and in bursts.
    if (held.size() == 4 || submitted == rounds) {
      if (completed % 7 == 0)
        usleep(100);
      for (uint32_t block : held)
        ring_return(&client, block);
      held.clear();
    }
  }
}

TEST_CASE("the bytes of extents come through another core")
{
  DaemonProcess daemon;
  Client client(daemon);
  uint64_t queue = client.open_queue();
  for (int round = 0; round < 200; round++) {
    hsys_send_body head{};
    hsys_extent extents[2] = {{70000, 1000}, {90000, 5}};
    head.size = sizeof head + sizeof extents;
    head.version = 1;
    head.extent_count = 2;
    head.extent_offset = sizeof head;
    std::memcpy(ring_arena(&client, 0), &head, sizeof head);
    std::memcpy(ring_arena(&client, sizeof head), extents, sizeof extents);
    std::memset(ring_arena(&client, 70000), 'a' + round % 26, 1000);
    std::memcpy(ring_arena(&client, 90000), "tail!", 5);
    hsys_sqe entry = operation(HSYS_OP_SEND_BODY, queue, 1);
    entry.in_length = head.size;
    CHECK(client.output(client.call(entry)) == std::string(1000, static_cast<char>('a' + round % 26)) + "tail!");
  }
}

TEST_CASE("a delivery reaches the receive that has waited longest")
{
  DaemonProcess daemon;
  Client client(daemon), other(daemon);
  uint64_t queue = client.open_queue();
  uint32_t first = client.submit(operation(HSYS_OP_RECEIVE_REQUEST, queue));
  uint32_t second = client.submit(operation(HSYS_OP_RECEIVE_REQUEST, queue));
  for (uint32_t id : {first, second}) {
    uint32_t asked = client.submit(operation(HSYS_OP_CANCEL_REQUEST, queue, 3000));
    std::set<uint32_t> ids;
    for (int count = 0; count < 2; count++) {
      auto completion = client.next();
      ids.insert(completion.irp_id);
      if (completion.irp_id == id) {
        CHECK(completion.object_id == 3000);
        client.output(completion);
      }
    }
    CHECK(ids == std::set<uint32_t>{asked, id});
  }
  auto nobody = client.call(operation(HSYS_OP_CANCEL_REQUEST, queue, 3000));
  CHECK(nobody.status == kNotFound);
}

// Everything that a process can leave behind, then SIGKILL.
static void leave_much_behind(const DaemonProcess &daemon, int ready)
{
  Client client(daemon, 0, 0, HSYS_ARENA_BYTES_MIN);
  uint64_t first = client.open_queue(), second = client.open_queue();
  for (uint64_t count = 0; count < 30; count++) {
    client.submit(operation(HSYS_OP_RECEIVE_REQUEST, first));
    client.submit(operation(HSYS_OP_RECEIVE_REQUEST, second));
    client.submit(operation(HSYS_OP_WAIT_DISCONNECT, first, 1 + count % DaemonProcess::cores()));
    client.submit(operation(HSYS_OP_WAIT_DISCONNECT, second, kTravels));
  }
  // One request that counts as received, one that does not, then blocks until none is left.
  client.submit(operation(HSYS_OP_CANCEL_REQUEST, first, 100));
  bool has_asked = false, has_delivery = false;
  while (!has_asked || !has_delivery)
    (client.next().object_id == 100 ? has_delivery : has_asked) = true;
  client.submit(operation(HSYS_OP_CANCEL_REQUEST, first, 101));
  // Its entry and the one that asked for it are published, but never reaped.
  while (hsys_load_acquire(&ring_kpage(&client)->cq_tail) - client.cq_head < 2)
    usleep(1000);
  for (uint32_t count = 0; count < HSYS_ARENA_BYTES_MIN / HSYS_BLOCK_MAX + 5; count++)
    client.submit(read_body(first, HSYS_BLOCK_MAX));
  client.submit(operation(HSYS_OP_CANCEL_REQUEST, second, HSYS_BLOCK_MAX));
  usleep(200000);
  char byte = 'r';
  (void)!write(ready, &byte, 1);
  for (;;)
    pause();
}

TEST_CASE("a process that is killed leaves nothing behind")
{
  DaemonProcess daemon;
  ControlClient control(daemon);
  for (uint64_t round = 1; round <= 5; round++) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0)
      leave_much_behind(daemon, ends[1]);
    char byte;
    REQUIRE(read(ends[0], &byte, 1) == 1);
    close(ends[0]);
    close(ends[1]);
    auto busy = control.stats();
    CHECK(busy.sessions == 2);
    CHECK(busy.channels == 1);
    CHECK(busy.handles == 2);
    CHECK(busy.irps_pending > 100);
    CHECK(busy.blocks_lent >= 4);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    auto idle = control.stats_until([](auto &stats) { return stats.sessions == 1; });
    CHECK(idle.channels == 0);
    CHECK(idle.handles == 0);
    CHECK(idle.irps_pending == 0);
    CHECK(idle.blocks_lent == 0);
    CHECK(control.reported("sessions ended") == round);
    CHECK(control.reported("handles closed") == 2 * round);
    CHECK(control.reported("received") == round);
    CHECK(control.reported("not received") == round);
    CHECK(control.reported("unpublished") == round);
  }
}

TEST_CASE("a process that is killed does not live on in its children")
{
  DaemonProcess daemon;
  ControlClient control(daemon);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t child = fork();
  if (child == 0) {
    Client client(daemon);
    pid_t grandchild = fork(); // has every descriptor of ours
    if (grandchild == 0)
      for (;;)
        pause();
    (void)!write(ends[1], &grandchild, sizeof grandchild);
    for (;;)
      pause();
  }
  pid_t grandchild = 0;
  REQUIRE(read(ends[0], &grandchild, sizeof grandchild) == sizeof grandchild);
  close(ends[0]);
  close(ends[1]);
  CHECK(control.stats().channels == 1);
  kill(child, SIGKILL);
  control.stats_until([](auto &stats) { return stats.sessions == 1 && stats.channels == 0; });
  waitpid(child, nullptr, 0);
  kill(grandchild, SIGKILL);
}

TEST_CASE("sessions come and go while others work")
{
  DaemonProcess daemon;
  Client steady(daemon);
  for (int round = 0; round < 60; round++) {
    Client client(daemon, 0, HSYS_CQ_ENTRIES_MIN, HSYS_ARENA_BYTES_MIN, HSYS_ARENA_BYTES_MIN);
    uint64_t queue = client.open_queue();
    for (int count = 0; count < 20; count++)
      client.submit(operation(HSYS_OP_WAIT_DISCONNECT, queue, kTravels));
    steady.expect(steady.submit(operation(HSYS_OP_NOP)), HSYS_STATUS_SUCCESS);
  }
  ControlClient control(daemon);
  auto stats = control.stats_until([](auto &numbers) { return numbers.sessions == 2 && numbers.channels == 1; });
  CHECK(stats.irps_pending == 0);
}

TEST_CASE("the daemon's end closes everything and completes nothing twice")
{
  DaemonProcess daemon;
  Client client(daemon);
  uint64_t queue = client.open_queue();
  for (int count = 0; count < 10; count++)
    client.submit(operation(HSYS_OP_WAIT_DISCONNECT, queue, kTravels));
  uint32_t parked = client.submit(operation(HSYS_OP_RECEIVE_REQUEST, queue));
  (void)parked;
  daemon.stop();
  client.expect_closed();
}

TEST_CASE("draining: goodbye, pending receives end, no new ones begin, everything else goes on")
{
  DaemonProcess daemon;
  Client client(daemon);
  uint64_t queue = client.open_queue();
  uint32_t receive = client.submit(operation(HSYS_OP_RECEIVE_REQUEST, queue));
  uint32_t wait = client.submit(operation(HSYS_OP_WAIT_DISCONNECT, queue, 1));
  CHECK(client.is_silent());
  kill(daemon.pid(), SIGINT);
  client.expect(receive, kCancelled);
  char buffer[HSYS_CONTROL_MESSAGE_MAX];
  CHECK(ring_control_receive(&client, buffer, sizeof buffer, nullptr, kAnswerMilliseconds) == sizeof(hsys_control));
  CHECK(client.goodbye == 1);
  CHECK(__atomic_load_n(&ring_kpage(&client)->state, __ATOMIC_ACQUIRE) == HSYS_CHANNEL_DRAINING);
  auto late = client.call(operation(HSYS_OP_RECEIVE_REQUEST, queue));
  CHECK(late.status == kCancelled);
  CHECK(client.reason(late) == "the daemon is ending");
  CHECK(client.output(client.call(read_body(queue, 5))) == "xxxxx");
  cancel_and_check(client, wait);
  // Newcomers are told at once.
  ControlClient late_comer(daemon, false);
  CHECK(ring_control_receive(&late_comer, buffer, sizeof buffer, nullptr, kAnswerMilliseconds) == sizeof(hsys_control));
  CHECK(late_comer.goodbye == 1);
}
